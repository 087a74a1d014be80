"""The torso's own motion, and the camera's: region tracking over the whole clip at half size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pgstalker import media, subject
from pgstalker.tracking import face_model
from pgstalker.tracking.region_alignment import align_region
from pgstalker.tracking.region_motion import interpolated, rest, track_region
from pgstalker.types import Camera, Label

HALF_SIZE_PX = 256
FOUND_LIKENESS, FOUND_SHARE = 0.6, 0.9  # correlation with the mean torso; share of frames
LEAST_BACKGROUND = 0.5  # share of background features that must agree before they speak for the camera
CAMERA_EVERY = 5  # frames
NECK_SHARE = 0.15  # of the face's height, below the chin


@dataclass(frozen=True)
class BodyTrack:
    """motion [T, 4] as types.Drive.torso about `pivot` (shares of the side); zeros and None where not tracked.

    confidence [T]: how much each frame's torso looks like the mean torso moved there (correlation)."""

    motion: np.ndarray
    confidence: np.ndarray
    is_tracked: bool
    pivot: list[float] | None
    camera_motion_px: float | None
    warnings: list[str]


class _Masks:
    """bool pictures [H, W], one bit a pixel: five minutes of them are 60 MB."""

    def __init__(self):
        self._packed: list[np.ndarray] = []

    def append(self, mask: np.ndarray) -> None:
        self._width = mask.shape[1]
        self._packed.append(np.packbits(mask, axis=1))

    def __getitem__(self, frame: int) -> np.ndarray:
        return np.unpackbits(self._packed[frame], axis=1, count=self._width).astype(bool)


def track_torso(
    folder: Path, landmarks: np.ndarray, train: int, camera: Camera, report: Callable[[float], None]
) -> BodyTrack:
    """Read frames.mp4 and labels.mkv of the folder; landmarks [T, 478, 3] px tell where the neck ends.

    The reference frame is the middle of the training frames.
    """
    frames, side = len(landmarks), min(HALF_SIZE_PX, camera.width)
    gray = np.empty((frames, side, side), np.uint8)
    torso_masks, background = _Masks(), _Masks()
    pictures = media.read_frames(folder / subject.FRAMES, size=(side, side), gray=True)
    for index, image in enumerate(pictures):
        gray[index] = image
    for image in media.read_frames(folder / subject.LABELS, size=(side, side), gray=True, scale_flags="neighbor"):
        torso_masks.append(image == Label.TORSO)
        background.append(image == Label.BACKGROUND)
    report(0.3)
    reference = train // 2
    top = _below_neck(landmarks) * side / camera.width

    def body(frame: int) -> np.ndarray:
        return torso_masks[frame] & (np.arange(side)[:, None] > top[frame])

    torso = track_region(gray, body, reference)
    report(0.5)
    camera_motion = _camera_motion(gray, background, reference)
    report(0.6)
    if camera_motion is not None:
        camera_motion *= camera.width / side
    nothing = np.zeros((frames, 4), np.float32)
    if torso is None:
        warning = "torso shows too little to track; its motion is predicted from the head"
        return BodyTrack(nothing, nothing[:, 0], False, None, camera_motion, [warning])
    aligned, likeness = align_region(gray, body(reference), torso_masks.__getitem__, torso.similarity, reference, train)
    report(1.0)
    is_found = likeness >= FOUND_LIKENESS
    if is_found.mean() < FOUND_SHARE:
        warning = f"torso tracked in only {is_found.mean():.0%} of frames; its motion is predicted from the head"
        return BodyTrack(nothing, likeness.astype(np.float32), False, None, camera_motion, [warning])
    whole = _steadied(interpolated(aligned, is_found), torso.pivot)
    pivot = [float(value) for value in (torso.pivot + 0.5) / side]
    motion = replace(torso, similarity=whole).as_drive(side)
    return BodyTrack(motion, likeness.astype(np.float32), True, pivot, camera_motion, [])


def _below_neck(landmarks: np.ndarray) -> np.ndarray:
    """[T] px: the row where the body begins. The neck above it turns with the head."""
    chin, forehead = landmarks[:, face_model.CHIN, 1], landmarks[:, face_model.OVAL[0], 1]
    return chin + NECK_SHARE * (chin - forehead)


def _steadied(similarity: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """[T, 2, 3] with scale and rotation averaged over neighbouring frames: a body turns slowly, pixels jitter.

    The place of the pivot stays: smoothed, it would lag behind.
    """
    from scipy.ndimage import gaussian_filter1d

    place = similarity[:, :, :2] @ pivot + similarity[:, :, 2]
    linear = gaussian_filter1d(similarity[:, :, :2], 1.0, axis=0)
    return np.concatenate([linear, (place - linear @ pivot)[:, :, None]], axis=2)


def _camera_motion(gray: np.ndarray, background: _Masks, reference: int) -> float | None:
    """Pixels of gray [T, H, W] that the background moves (95th percentile over time); None where it does not tell."""
    side = gray.shape[1]
    frames = np.arange(reference % CAMERA_EVERY, len(gray), CAMERA_EVERY)
    never_person = np.logical_and.reduce([background[int(frame)] for frame in frames])
    shares, shifts = rest(gray, never_person, reference, frames)
    if (shares >= LEAST_BACKGROUND).mean() > 0.95:
        return float(np.percentile(shifts, 95))
    sparse, middle = gray[frames], int(np.searchsorted(frames, reference))
    motion = track_region(sparse, lambda index: background[int(frames[index])], middle)
    if motion is None or np.median(motion.confidence) < LEAST_BACKGROUND:
        return None
    known = motion.confidence >= LEAST_BACKGROUND
    return float(np.percentile(motion.corner_shift_px(side)[known], 95))
