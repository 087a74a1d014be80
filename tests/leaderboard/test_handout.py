"""What outsiders are handed is what the runner scores against: the same frames, sound and poses."""

from __future__ import annotations

import json

import numpy as np

from leaderboard.__main__ import main
from leaderboard.records import read_record
from leaderboard.running.runner import run
from leaderboard.running.tasks import Places, Task
from leaderboard.submission.pack import EXAMPLE
from pgstalker.media import read_audio, read_frames
from pgstalker.subject import Subject

SIZE = 64


def test_a_stranger_can_obtain_the_truth_score_against_it_and_be_taken(toon, tmp_path, capsys):
    places = Places(tmp_path / "work", tmp_path / "results")
    where, out = ["--work", str(places.work), "--results", str(places.results)], tmp_path / "anna"
    asked = ["truth", f"{toon}/anna", "--out", str(out), "--size", str(SIZE)]
    assert main([*asked, "--work", str(tmp_path / "elsewhere"), "--results", str(tmp_path / "none")]) == 0
    assert "no record of toons/anna yet" in capsys.readouterr().out
    subject = Subject.load(f"{toon.removeprefix('folder:')}/anna.subject")
    first = subject.train_frames
    np.testing.assert_array_equal(list(read_frames(out / "truth.mkv")), list(subject.read_frames(start=first)))
    assert np.abs(read_audio(out / "sound.wav") - subject.read_audio()[first * 640 :]).max() < 1e-4
    with np.load(out / "poses.npz") as poses:
        np.testing.assert_array_equal(poses["camera_from_head"], subject.tracks.camera_from_head)
        np.testing.assert_array_equal(poses["eyes"], subject.tracks.blink)
        np.testing.assert_array_equal(poses["K"], subject.camera.matrix())
        assert poses["train_frames"] == first
    record, _ = read_record(run(Task("still-frame", toon, "anna", size=SIZE, device="cpu"), places, False).record)
    assert main([*asked, *where]) == 2, "nothing is overwritten"
    for path in out.iterdir():
        path.unlink()
    assert main([*asked, *where]) == 0 and "the very frames" in capsys.readouterr().out
    own = next(places.work.rglob("runs/still-frame/**/prediction.mkv"))
    late = ["--pred", str(own), "--gt", str(out / "truth.mkv"), "--audio", str(out / "sound.wav")]
    mine = ["--out", str(tmp_path / "mine.json"), "--clip", "toons/anna", "--method", "mine", "--metrics", "psnr"]
    assert main(["score", *late, *mine]) == 0
    again, _ = read_record(tmp_path / "mine.json")
    assert (
        again["metrics"]["psnr"] == record["metrics"]["psnr"]
        and again["inputs"]["truth"]["frame_md5"] == (record["inputs"]["truth"]["frame_md5"])
    )
    (tmp_path / "method.json").write_text(json.dumps(EXAMPLE | {"id": "mine"}))
    packing = ["--records", str(tmp_path / "mine.json"), "--predictions", str(own), "--results", str(places.results)]
    packing += ["--description", str(tmp_path / "method.json")]
    assert main(["submit", str(tmp_path / "mine.zip"), *packing]) == 2
    told = capsys.readouterr().err
    assert "these very frames as still-frame" in told, "the truth is the board's; only the frames are another's"


def test_another_size_than_the_boards_and_what_is_no_clip_are_said(toon, tmp_path, capsys):
    places = Places(tmp_path / "work", tmp_path / "results")
    run(Task("still-frame", toon, "anna", size=SIZE, device="cpu"), places, isolated=False)
    asked = ["truth", "--out", str(tmp_path / "out"), "--work", str(places.work), "--results", str(places.results)]
    assert main([*asked, f"{toon}/anna", "--size", "48"]) == 2
    assert "another --size" in capsys.readouterr().err
    assert main([*asked, "anna"]) == 2 and "is not DATASET/CLIP" in capsys.readouterr().err
    assert main([*asked, f"{toon}/zoe"]) == 2 and "has no clip 'zoe'" in capsys.readouterr().err
