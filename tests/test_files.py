import os
import subprocess
import sys

import pytest

from pgstalker.files import hidden_beside, replacing, sweep


def test_appears_whole(tmp_path):
    target = tmp_path / "a.json"
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert not target.exists() and temporary.suffix == ".json" and temporary.parent == tmp_path
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_failure_keeps_what_was_there(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="whether a process lives is asked the POSIX way")
def test_the_rest_of_killed_processes_is_removed_and_no_more(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    target = tmp_path / "talk.mp4"
    mine, stale = hidden_beside(target), tmp_path / f".talk.{gone.pid}-0123abcd.part.mp4"
    others = [mine, tmp_path / f".talk2.{gone.pid}-0123abcd.part.mp4", tmp_path / f".talk.{gone.pid}-x.part.mp4"]
    for path in [stale, *others]:
        path.write_bytes(b"half")
    folder = tmp_path / f".anna.{gone.pid}-0123abcd.old"
    folder.mkdir()
    with replacing(target) as temporary:
        temporary.write_bytes(b"whole")
    assert set(tmp_path.iterdir()) == {target, folder, *others}
    sweep(tmp_path / "anna", "old")
    assert not folder.exists()
