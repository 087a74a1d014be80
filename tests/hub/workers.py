"""Workers for tests, each a function that a process can be started with: a job of small counted steps in place of
training, training that is a matter of seconds, workers of another machine."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

from hub.jobs import worker
from hub.jobs.folder import JobFolder
from hub.jobs.worker import WorkerSettings
from pgstalker.errors import SubjectError

STEPS, STEP_S = 30, 0.1


def count(job: JobFolder, device: str, look) -> None:
    """STEPS steps of STEP_S with a checkpoint after each; each writes who did it, and when, into the job's log."""
    title = job.order().title
    if title == "unfit":
        raise SubjectError("no face found in video; give a video of one person's face")
    if title == "broken":
        raise RuntimeError("secret of the server")
    if title == "deadly":
        os.kill(os.getpid(), 9)
    checkpoint = job.path / "checkpoint"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for step in range(done, STEPS):
        look()
        with (job.path / "log").open("a") as log:
            log.write(f"{os.getpid()} {step} {time.time()}\n")
        time.sleep(STEP_S)
        (job.path / "partial").write_text(str(step + 1))
        (job.path / "partial").rename(checkpoint)


def counting(settings: WorkerSettings) -> None:
    importlib.import_module("hub.jobs.training").make_avatar = count
    worker.LOOK_S = 0.05
    worker.POLL_S = 0.1
    worker.serve(settings)


def counting_elsewhere(settings: WorkerSettings) -> None:
    """As if it ran on another machine that shares the folder and the queue."""
    socket.gethostname = lambda: "elsewhere"
    counting(settings)


def soon_tired(settings: WorkerSettings) -> None:
    worker.MAX_ATTEMPTS = 2
    counting(settings)


def unequipped(settings: WorkerSettings) -> None:
    """As if only requirements-play.txt were installed."""
    preflight = importlib.import_module("pgstalker.preflight")
    there = preflight.find_spec
    preflight.find_spec = lambda name: None if name in ("torch", "mediapipe") else there(name)
    worker.POLL_S = 0.1
    worker.serve(settings)


def shrink() -> None:
    """Small presets, checkpoints all the time, pictures often."""
    import pytest

    from tests.training.conftest import shrink_presets

    shrink_presets(pytest.MonkeyPatch(), "/nowhere")
    worker.LOOK_S, worker.POLL_S = 0.05, 0.1
    loop = importlib.import_module("pgstalker.training.loop")
    loop.CHECKPOINT_SECONDS, loop.TELL_SECONDS = 0.2, 0.05
    importlib.import_module("pgstalker.training.preview").PREVIEW_SECONDS = 0.3


def training_a_drawing(settings: WorkerSettings) -> None:
    """Training in earnest, of the presenter drawn by code: preparing hands that one out, since no tracker knows it."""
    shrink()
    tracking = importlib.import_module("pgstalker.tracking")
    tracking.prepare = draw
    worker.serve(settings)


def draw(video: Path, out: Path, size: int, progress) -> object:
    from pgstalker.subject import Subject
    from pgstalker.synthetic import make_subject

    progress("looking for the face", 0.5)
    shutil.rmtree(out, ignore_errors=True)
    make_subject(out, seconds=3.0, size=size, seed=3)
    progress("contact sheet", 1.0)
    return Subject.load(out)


def training_a_clip(settings: WorkerSettings) -> None:
    """Training of a real upload, with a small preset: half a minute in all."""
    shrink()
    presets = importlib.import_module("pgstalker.presets")
    presets.PRESETS["quick"] = replace(presets.PRESETS["quick"], size=128, steps=120)
    worker.serve(settings)


def page(settings: WorkerSettings) -> None:
    """What keeps a worker going, and nothing else of a page."""
    from hub.jobs.supervisor import Supervisor

    Supervisor(settings, counting)
    time.sleep(3600)


def idle(settings: WorkerSettings) -> None:
    """A worker that takes no job."""
    time.sleep(3600)
