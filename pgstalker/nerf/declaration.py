"""What the methods that march rays declare alike. Loads no torch, so that listing them stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgstalker.method import Method, Progress, TrainingRequest

if TYPE_CHECKING:
    from pgstalker.nerf.talker import NerfPerformer
    from pgstalker.training.session import Build

SWITCHES = {
    "torso": ("gt", "rendered"),
    "audio": ("mel", "viseme", "mel+viseme", "hubert", "wav2vec2", "whisper"),
    "audio_training": ("end-to-end", "two-stage"),
}


def nerf_method(build: Build, **declared: Any) -> Method:
    """A Method that trains the learner of `build`; declared: its other fields."""

    def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> NerfPerformer:
        from pgstalker.training.session import train_method

        train_method(method, build, subject, out, request, progress)
        return load(out, request.device)

    def load(folder: Path, device: str = "auto") -> NerfPerformer:
        from pgstalker.nerf.talker import load_performer

        return load_performer(folder, method.id, device)

    method = Method(kind="nerf", train=train, load=load, switches=SWITCHES, **declared)
    return method
