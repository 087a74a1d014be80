"""The torso's own motion, and the camera's: region tracking over the whole clip at half size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pgstalker import media, subject
from pgstalker.tracking.masks import Label
from pgstalker.tracking.region_motion import track_region
from pgstalker.types import Camera

HALF_SIZE_PX = 256
TRACKED_CONFIDENCE, TRACKED_SHARE = 0.4, 0.9
LEAST_BACKGROUND = 0.5  # share of background features that must agree before it speaks for the camera


@dataclass(frozen=True)
class BodyTrack:
    """motion [T, 4] as types.Drive.torso about `pivot` (shares of the side); zeros and None where not tracked."""

    motion: np.ndarray
    confidence: np.ndarray
    is_tracked: bool
    pivot: list[float] | None
    camera_motion_px: float | None
    warnings: list[str]


def track_torso(
    folder: Path, frames: int, train: int, camera: Camera, report: Callable[[float], None]
) -> BodyTrack:
    """Read frames.mp4 and labels.mkv of the folder. The reference frame is the middle of the training frames."""
    side = min(HALF_SIZE_PX, camera.width)
    gray = np.empty((frames, side, side), np.uint8)
    labels = np.empty((frames, side, side), np.uint8)
    pictures = media.read_frames(folder / subject.FRAMES, size=(side, side), gray=True)
    for index, image in enumerate(pictures):
        gray[index] = image
    for index, image in enumerate(
        media.read_frames(folder / subject.LABELS, size=(side, side), gray=True, scale_flags="neighbor")
    ):
        labels[index] = image
    report(0.3)
    reference = train // 2
    torso = track_region(gray, lambda frame: labels[frame] == Label.TORSO, reference)
    report(0.8)
    background = track_region(gray, lambda frame: labels[frame] == Label.BACKGROUND, reference)
    report(1.0)
    camera_motion = None
    if background is not None and np.median(background.confidence) >= LEAST_BACKGROUND:
        camera_motion = float(np.percentile(background.shift_px(), 95)) * camera.width / side
    nothing = np.zeros((frames, 4), np.float32)
    if torso is None:
        warning = "torso shows too little to track; its motion is predicted from the head"
        return BodyTrack(nothing, nothing[:, 0], False, None, camera_motion, [warning])
    share = float((torso.confidence >= TRACKED_CONFIDENCE).mean())
    if share < TRACKED_SHARE:
        warning = f"torso tracked in only {share:.0%} of frames; its motion is predicted from the head"
        return BodyTrack(nothing, torso.confidence.astype(np.float32), False, None, camera_motion, [warning])
    pivot = [float(value) for value in (torso.pivot + 0.5) / side]
    return BodyTrack(torso.as_drive(side), torso.confidence.astype(np.float32), True, pivot, camera_motion, [])
