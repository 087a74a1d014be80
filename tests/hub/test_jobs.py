"""Behind the page: the shelf of avatars, what may be spoken, and a job that can be stopped."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from hub import messages
from hub.jobs import Gallery, SpeakingJob, Update, check_speech
from pgstalker.avatar import RenderCancelled
from pgstalker.errors import AvatarError, MediaError
from pgstalker.media import probe

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"


def jobs_left() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("pgstalker-job-*"))


def test_the_shelf_holds_what_can_be_read(gallery):
    assert list(gallery.sitters) == ["tiny", "mine"]
    assert gallery.first.title == "Tiny" and gallery.first.sample.is_file()
    assert gallery.sitter("mine").facts[:2] == ("64 x 64 px", "210 Gaussians")
    assert gallery.load("mine") is gallery.load("mine")
    for unknown in (None, "nobody", "../own/mine"):
        with pytest.raises(AvatarError, match="no such avatar"):
            gallery.sitter(unknown)


def test_the_shelf_may_be_empty(tmp_path):
    gallery = Gallery(tmp_path / "none", tmp_path / "nothing")
    assert gallery.first is None and not gallery.sitters


def test_the_bundled_avatars_are_whole_and_small():
    import json

    from pgstalker.subject import sha256_of

    if not (SAMPLE_DATA / "manifest.json").is_file():
        pytest.skip("sample_data/ is not there; run: make sample-data")
    gallery = Gallery(SAMPLE_DATA, SAMPLE_DATA / "nothing")
    manifest = json.loads((SAMPLE_DATA / "manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert sha256_of(SAMPLE_DATA / name) == digest, name
    assert sum(path.stat().st_size for path in SAMPLE_DATA.rglob("*") if path.is_file()) < 20_000_000
    assert list(gallery.sitters) == ["mira", "olu"]
    for sitter in gallery.sitters.values():
        assert sum(path.stat().st_size for path in sitter.folder.iterdir()) < 5_000_000
        assert sitter.sample.stat().st_size < 2_000_000 and probe(sitter.sample).audio is not None
        assert gallery.load(sitter.id).talker.size == 512


@pytest.mark.parametrize(
    ("name", "reason"),
    [("text", "cannot be read"), ("silent", "is silent"), ("short", r"lasts 0\.10 s"), ("long", "at most 3 s")],
)
def test_what_cannot_be_spoken_is_one_clear_line(sounds, name, reason):
    with pytest.raises(MediaError, match=reason) as caught:
        check_speech(sounds[name], 3.0)
    assert "\n" not in messages.sentence(caught.value) and name in messages.sentence(caught.value)


def test_a_job_tells_how_far_it_is_and_leaves_nothing(gallery, sounds):
    job = SpeakingJob(gallery, "tiny", sounds["tone"])
    news = list(job.updates(every_s=0.01))
    assert news[-1].stage == "render" and news[-1].frame == news[-1].frames == 38 and news[-1].share == 1.0
    assert probe(job.video).audio is not None and job.receipt["avatar"] == "tiny"
    job.close()
    assert not job.video.exists() and not jobs_left()


def test_a_stopped_job_ends_soon_and_leaves_nothing(gallery, sounds):
    job = SpeakingJob(gallery, "tiny", sounds["tone"])
    job.stop()
    with pytest.raises(RenderCancelled):
        list(job.updates(every_s=0.01))
    job.close()
    assert not jobs_left()


def test_messages_escape_what_comes_from_outside():
    assert "<b>" not in str(messages.error(MediaError("<b>.wav is empty")))
    assert "<script>" not in messages.status("<script>")
    shown = messages.error(RuntimeError("secret path /home/someone"))
    assert "secret" not in str(shown) and "log" in str(shown)
    full = messages.error(type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB"))
    assert "shorter sound" in str(full) and "GiB" not in str(full)
    assert "40 of 80" in messages.progress(Update("render", 0.5, 40, 80, 2.0))
