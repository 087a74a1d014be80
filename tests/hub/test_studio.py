"""Where avatars are made, without a page: from a video to an avatar on the shelf, and what is cleared away when."""

from __future__ import annotations

import os
import shutil
import signal
import time
from types import SimpleNamespace

import pytest

from hub.jobs import Gallery, JobError, Order, Studio, StudioSettings, WorkerSettings
from hub.jobs.queue import DONE, STOPPED
from pgstalker.avatar import Avatar
from pgstalker.errors import AvatarError, ConfigError
from pgstalker.media import probe
from pgstalker.provenance import read_credentials
from tests.hub import workers

KEEP_S = 3600.0


@pytest.fixture
def upload(tmp_path):
    path = tmp_path / "me.mp4"
    path.write_bytes(b"a video")
    return path


@pytest.fixture
def open_studio(tmp_path):
    opened = []

    def open_one(entry, **worker) -> Studio:
        settings = WorkerSettings(tmp_path / "jobs", "cpu", **worker)
        opened.append(Studio(StudioSettings(settings, keep_s=KEEP_S, max_waiting=2, entry=entry)))
        return opened[-1]

    yield open_one
    for studio in opened:
        studio.close()


def wait_for(studio: Studio, job: str, is_there, seconds: float = 90):
    limit = time.monotonic() + seconds
    while not is_there(view := studio.view(job)):
        assert time.monotonic() < limit and not view.state.problem, view
        time.sleep(0.02)
    return view


@pytest.mark.fault
def test_a_video_becomes_an_avatar_that_was_killed_and_resumed(open_studio, upload, tmp_path):
    studio = open_studio(workers.training_a_drawing, shelf=tmp_path / "shelf")
    gallery = Gallery(tmp_path / "none", tmp_path / "shelf")
    gallery.lender = studio.sitter
    job = studio.submit(upload, Order("Ada", size=64, steps=300, seed=1))
    seen = wait_for(studio, job, lambda view: view.progress.step > 60 and view.preview is not None)
    assert seen.progress.stage == "learn" and seen.progress.seconds_left is not None and seen.progress.steps == 300
    assert not gallery.knows(job)
    os.kill(studio.supervisor.pid, signal.SIGKILL)
    details = set()

    def is_done(view) -> bool:
        details.add(view.progress.detail)
        assert view.progress.share >= seen.progress.share
        return view.state.name == DONE

    view = wait_for(studio, job, is_done)
    assert "motion" in details and "hearing" not in details, "it went on from its checkpoint"
    steps = [step for step, _ in view.progress.curve]
    assert steps == sorted(set(steps)) and steps[-1] == 300 and view.progress.share == 1.0
    assert probe(view.sample).audio is not None and read_credentials(view.sample)["state"] == "Valid"
    folder = tmp_path / "jobs" / job
    assert not (folder / "video").exists() and not (folder / "subject").exists()

    assert gallery.sitter(job).title == "Ada" and gallery.sitter(job).sample == view.sample
    (on_shelf,) = gallery.sitters.values()
    assert on_shelf.title == "Ada" and on_shelf.id not in job and job not in on_shelf.id
    assert Avatar.load(on_shelf.folder).talker.size == 64


def test_what_is_over_is_kept_for_a_while(open_studio, upload, tmp_path):
    studio = open_studio(workers.counting)
    old, stopped = studio.submit(upload, Order()), studio.submit(upload, Order())
    studio.stop(stopped)
    wait_for(studio, old, lambda view: view.state.name == DONE)
    running = studio.submit(upload, Order())
    ended = studio.view(old).state.ended_s
    assert studio.view(stopped).state.name == STOPPED
    assert studio.sweep(ended + KEEP_S - 60) == []
    assert set(studio.sweep(ended + KEEP_S + 60)) == {old, stopped}
    for gone in (old, stopped):
        assert not (tmp_path / "jobs" / gone).exists()
        with pytest.raises(JobError, match="its time may be over, start a new one"):
            studio.view(gone)
    assert studio.view(running).state.name != STOPPED


def test_what_a_killed_page_left_is_removed(open_studio, tmp_path):
    studio = open_studio(workers.idle)
    names = ["a" * 32, "." + "b" * 32]
    for name in names:
        (tmp_path / "jobs" / name).mkdir()
        (tmp_path / "jobs" / name / "video").touch()
    studio.sweep(time.time())
    assert all((tmp_path / "jobs" / name).exists() for name in names)  # it may be about to be put in the queue
    studio.sweep(time.time() + 7200)
    assert {path.name for path in (tmp_path / "jobs").iterdir() if path.is_dir()} <= {"workers"}


def test_a_full_queue_keeps_no_copy(open_studio, upload, tmp_path):
    studio = open_studio(workers.idle)
    jobs = {studio.submit(upload, Order()) for _ in range(2)}
    with pytest.raises(JobError, match=r"the queue is full \(2 avatars wait, at most 2\)"):
        studio.submit(upload, Order())
    assert {path.name for path in (tmp_path / "jobs").iterdir() if path.is_dir()} == jobs
    with pytest.raises(ConfigError, match="unknown preset 'paper'; use one of: quick, default"):
        studio.submit(upload, Order(preset="paper"))
    for job in jobs:
        folder = tmp_path / "jobs" / job
        assert folder.stat().st_mode & 0o077 == 0 and (folder / "video").read_bytes() == b"a video"


def test_the_shelf_is_looked_at_again_and_ids_are_checked(tiny_avatar, tmp_path):
    gallery = Gallery(tmp_path / "none", tmp_path / "own")
    assert not gallery.sitters
    tiny_avatar.save(tmp_path / "own" / "anna")
    assert list(gallery.sitters) == ["anna"] and gallery.knows("anna")
    for unknown in (None, "", "../own/anna", "0" * 32):
        assert not gallery.knows(unknown)
        with pytest.raises(AvatarError):
            gallery.load(unknown)


def test_a_curve_stays_short_and_forgets_what_was_undone():
    from hub.jobs import Progress
    from hub.jobs.folder import CURVE_POINTS

    progress = Progress()
    for step in range(1, 1000):
        progress.learned(step, 1 / step)
    assert len(progress.curve) <= CURVE_POINTS
    progress.learned(500, 0.1)
    assert progress.curve[-1] == [500, 0.1] and all(step <= 500 for step, _ in progress.curve)


def test_how_long_it_takes_is_learned_from_whole_runs(tmp_path, upload, monkeypatch):
    from hub.jobs import pace, training
    from hub.jobs.folder import JobFolder
    from pgstalker.synthetic import make_subject

    subject, clock = make_subject(tmp_path / "toon", seconds=4.0, size=64), iter(range(0, 1000, 10))
    monkeypatch.setattr(training, "check_installed", lambda: None)
    monkeypatch.setattr(training, "_prepare", lambda job, order, news: shutil.copytree(subject, job.subject))
    monkeypatch.setattr(training, "_learn", lambda *_: None)
    monkeypatch.setattr(training, "_speak", lambda *_: None)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    root = tmp_path / "jobs"
    for order in (Order(steps=5), Order()):
        assert not pace.expected(root, "quick", 30.0).is_here
        training.make_avatar(JobFolder.create(root, order, upload), "cpu", lambda: None)
    here = pace.expected(root, "quick", 30.0)
    assert here.is_here and here.seconds == pytest.approx(30 * 10 / 4 + 10 + 10)
    assert not pace.expected(root, "default", 30.0).is_here


def test_before_the_first_avatar_the_pace_of_two_cores_is_told(tmp_path, monkeypatch):
    from hub.jobs import pace

    quick, fine = (pace.expected(tmp_path, preset, 30.0).seconds for preset in ("quick", "default"))
    assert 100 < quick < fine < 1000 and pace.expected(tmp_path, "quick", 60.0).seconds > quick + 30
    monkeypatch.setattr(pace, "MEASURED", tmp_path)
    pace.measured.cache_clear()
    assert pace.expected(tmp_path, "quick", 30.0) is None
    pace.measured.cache_clear()
