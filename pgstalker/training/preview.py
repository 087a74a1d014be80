"""A picture of what is being learned, now and then, for whoever waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pgstalker.method import Progress
from pgstalker.presets import stage_at
from pgstalker.training.data import TrainingData

if TYPE_CHECKING:
    from pgstalker.training.trainer import Trainer

PREVIEW_SECONDS = 3.0
Preview = Callable[[np.ndarray], None]
"""Called with a picture, uint8 [H, W, 3]."""


def with_preview(report: Progress, preview: Preview | None, trainer: Trainer) -> Progress:
    """A report that also shows the clip's calm frame every PREVIEW_SECONDS and at the end."""
    if preview is None:
        return report
    frame, last = calm_frame(trainer.data), -PREVIEW_SECONDS

    def shown(stage: str, share: float, numbers: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= PREVIEW_SECONDS or share == 1.0:
            last = time.monotonic()
            preview(picture(trainer, frame))
        report(stage, share, numbers)

    return shown


@torch.no_grad()
def picture(trainer: Trainer, frame: int) -> np.ndarray:
    """The clip's frame as the talker draws it now: uint8 [H, W, 3]. Training goes on as if nobody had looked."""
    talker = trainer.talker
    control = trainer.controls[frame]
    if trainer.is_end_to_end:
        control = replace(control, code=talker.heard(trainer.windows[frame][None])[0])
    torso = None
    if talker.config.torso == "gt":
        torso = torch.from_numpy(trainer.data.torso_background(frame)).to(talker.device).permute(2, 0, 1).float() / 255
    is_static = stage_at(min(trainer.step_number / trainer.steps, 1.0)) == "static"
    rendering, _ = talker.draw(control, torso, is_static)
    return (rendering.image.clamp(0, 1) * 255 + 0.5).byte().cpu().permute(1, 2, 0).numpy()


def calm_frame(data: TrainingData) -> int:
    """A frame with a mouth nearly closed and open eyes."""
    return int(np.argmin(np.abs(data.aperture - np.quantile(data.aperture, 0.2)) + data.drive.eyes))
