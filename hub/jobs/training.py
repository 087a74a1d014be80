"""The training job: a portrait video becomes an avatar that has said its first words.

    prepare -> learn (hearing, then pictures) -> first words

Each part leaves its result in the job's folder and is passed over where that is there already; learning goes on from
its checkpoint. So the job may be started again after any end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hub.jobs import pace
from hub.jobs.folder import JobFolder, Order
from pgstalker import preflight
from pgstalker.errors import AvatarError, ConfigError, SubjectError
from pgstalker.types import FPS

SPEECH = Path(__file__).resolve().parents[2] / "sample_data" / "speech" / "english_woman.wav"
FIRST_WORDS_S = 8.0
PRESETS = ("quick", "default")
NEEDED = ("torch", "mediapipe", "cv2")
PARTS = {"prepare": (0.0, 0.3), "learn": (0.3, 0.92), "speak": (0.92, 1.0)}
"""Each part's stretch of the whole, as it is on two cores."""
PREPARING = {
    "looking for the face": 0.0,
    "landmarks": 0.05,
    "head pose": 0.21,
    "masks": 0.33,
    "torso": 0.8,
    "contact sheet": 0.96,
}
"""Where in preparing each stage begins."""
TELLING_SHARE = 0.1
HEARING_SHARE = 0.12
"""Of learning: the mouth's sounds, before the pictures."""


def check_installed() -> None:
    """Raises EnvironmentMissing, with the command that installs it, where something that training needs is absent."""
    preflight.check()
    preflight.check_python("making an avatar", *NEEDED)


def check_order(order: Order) -> None:
    if order.preset not in PRESETS:
        raise ConfigError(f"unknown preset '{order.preset}'; use one of: {', '.join(PRESETS)}")


def make_avatar(job: JobFolder, device: str, look: Callable[[], None]) -> None:
    """Do what is left of a job. look() is called several times a second and ends the job by raising.

    Raises PgsError where the video or this machine is not fit for it."""
    check_installed()
    order, news = job.order(), _News(job, look)
    check_order(order)
    is_begun, moments = (job.path / "progress.json").exists(), [time.monotonic()]
    if not _is_avatar(job.avatar):
        if not _is_subject(job.subject):
            _prepare(job, order, news)
        moments.append(time.monotonic())
        _learn(job, order, device, news)
    moments.append(time.monotonic())
    _speak(job, order, device, news)
    moments.append(time.monotonic())
    is_whole = not is_begun and len(moments) == 4
    if is_whole and order.size is None and order.steps is None:
        _remember(job, order, [after - before for before, after in zip(moments, moments[1:])])
    news.tell("done", "", 1.0)
    job.tidy()


def _remember(job: JobFolder, order: Order, seconds: list[float]) -> None:
    """seconds: of reading, learning and speaking, for those who come after."""
    from pgstalker.subject import Subject

    reading, learning, speaking = seconds
    length = Subject.load(job.subject).frames_count / FPS
    pace.remember(job.path.parent, order.preset, pace.Pace(reading / length, learning, speaking))


def shelf_name(job_id: str) -> str:
    """The folder's name on the shelf, which does not tell the job's id."""
    return f"avatar-{hashlib.sha256(job_id.encode()).hexdigest()[:8]}"


def put_on_shelf(job: JobFolder, shelf: Path) -> None:
    """A copy of the finished avatar; nothing where there is one already."""
    from pgstalker.avatar.format import CONFIG
    from pgstalker.files import hidden_beside

    target = shelf / shelf_name(job.id)
    if target.exists() or not _is_avatar(job.avatar):
        return
    shelf.mkdir(parents=True, exist_ok=True)
    partial = hidden_beside(target)
    try:
        shutil.copytree(job.avatar, partial)
        config = json.loads((partial / CONFIG).read_text())
        config["provenance"]["title"] = job.order().title
        (partial / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True))
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _News:
    """Writes the job's progress, at most twice a second, and asks each time whether the job goes on."""

    EVERY_S = 0.5

    def __init__(self, job: JobFolder, look: Callable[[], None]):
        self._job, self._look = job, look
        self.progress, self._told = job.progress(), 0.0
        self._began: tuple[str, float, float] | None = None

    def tell(self, part: str, detail: str, share: float, **changes: Any) -> None:
        """share in [0, 1] of the part. The whole's never falls, even where a killed worker's work is repeated."""
        self._look()
        low, high = PARTS.get(part, (1.0, 1.0))
        whole = max(self.progress.share, low + (high - low) * share)
        is_other = (part, detail) != (self.progress.stage, self.progress.detail)
        changes = {"seconds_left": self._left(part, share), "detail": detail, "share": whole} | changes
        self.progress = replace(self.progress, stage=part, **changes)
        if is_other or share >= 1 or time.monotonic() - self._told > self.EVERY_S:
            self._told = time.monotonic()
            self._job.tell(self.progress)

    def _left(self, part: str, share: float) -> float | None:
        """Seconds until the part ends, at the pace so far; None while too little of it is done to tell."""
        now = time.monotonic()
        if self._began is None or self._began[0] != part:
            self._began = part, now, share
        _, began, first = self._began
        done = share - first
        return round((now - began) * (1 - share) / done, 1) if done > TELLING_SHARE else None


def _prepare(job: JobFolder, order: Order, news: _News) -> None:
    from pgstalker.presets import PRESETS as SIZES
    from pgstalker.tracking import prepare

    starts = [*PREPARING.values(), 1.0]
    ends = dict(zip(PREPARING, starts[1:]))

    def report(stage: str, share: float) -> None:
        start = PREPARING.get(stage, 0.0)
        news.tell("prepare", stage, start + (ends.get(stage, start) - start) * share)

    news.tell("prepare", "looking for the face", 0.0)
    subject = prepare(job.video, job.subject, size=order.size or SIZES[order.preset].size, progress=report)
    news.tell("prepare", "contact sheet", 1.0, warnings=subject.manifest["warnings"])


def _learn(job: JobFolder, order: Order, device: str, news: _News) -> None:
    from pgstalker.training import TrainingRequest, train

    def report(stage: str, share: float, numbers: dict[str, Any]) -> None:
        is_hearing = stage in ("load", "hearing")
        whole = HEARING_SHARE * share if is_hearing else HEARING_SHARE + (1 - HEARING_SHARE) * share
        if stage == "load":  # what was learned before the worker died stays in sight
            news.tell("learn", stage, whole)
            return
        if "step" not in numbers:
            news.tell("learn", stage, whole, step=0, curve=[])
            return
        news.progress.learned(numbers["step"], numbers["loss"])
        shown = {key: round(float(numbers[key]), 3) for key in ("loss", "psnr", "gaussians") if key in numbers}
        steps = round(numbers["step"] / share)
        left = round(numbers["seconds_left"], 1)
        news.tell("learn", stage, whole, step=numbers["step"], steps=steps, numbers=shown, seconds_left=left)

    request = TrainingRequest(
        preset=order.preset, size=order.size, steps=order.steps, device=device, seed=order.seed, resume=True
    )
    train(job.subject, job.avatar, request, report, preview=job.show)


def _speak(job: JobFolder, order: Order, device: str, news: _News) -> None:
    """A few seconds of a voice the avatar was not trained on, or of its own where there is no other."""
    from pgstalker.avatar import Avatar, render_audio
    from pgstalker.media import read_audio, write_wav
    from pgstalker.types import SAMPLE_RATE_HZ

    voice = SPEECH if SPEECH.is_file() else job.subject / "audio.wav"
    samples = read_audio(voice)[: int(FIRST_WORDS_S * SAMPLE_RATE_HZ)]
    fade = np.linspace(1, 0, SAMPLE_RATE_HZ // 4, dtype=np.float32)
    samples[-len(fade) :] *= fade
    words = job.path / "words.wav"
    write_wav(words, samples, SAMPLE_RATE_HZ)

    def report(stage: str, share: float, numbers: dict[str, Any]) -> None:
        news.tell("speak", stage, share if stage == "render" else 0.0)

    news.tell("speak", "load", 0.0)
    render_audio(Avatar.load(job.avatar, device), words, job.sample, seed=order.seed, progress=report)
    words.unlink()


def _is_subject(folder: Path) -> bool:
    from pgstalker.subject import Subject

    try:
        Subject.load(folder)
    except SubjectError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _is_avatar(folder: Path) -> bool:
    from pgstalker.avatar.format import read_config

    try:
        read_config(folder)
    except AvatarError:
        return False
    return True
