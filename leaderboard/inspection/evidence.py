"""What a figure saw: one frame of two results beside the truth, where they err, and their mouths from near."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from leaderboard.faces import FaceTrack, Observer, mediapipe_observer
from pgstalker.errors import MediaError, WeightsError
from pgstalker.media import read_frames

log = logging.getLogger(__name__)
WORST = 64.0
"""The error, in grey levels, that is drawn brightest: the same in every picture, so that pictures compare."""
RAMP = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float64)
ZOOM_PX = 256
CENTRE, LOWER, SHARE = 0.5, 0.64, 0.28
"""Where a mouth is sought when no face was found: middle of the box and its side, as shares of the picture."""

_one_at_a_time = threading.Lock()  # MediaPipe's graph is not to be asked by two threads at once


@dataclass(frozen=True)
class Look:
    """One frame of each side: pictures, and of those that have a truth errors, uint8 [H, W, 3]; mouths [Z, Z, 3].
    note says how the mouth was found, or why it was not."""

    pictures: dict[str, np.ndarray]
    errors: dict[str, np.ndarray] = field(default_factory=dict)
    mouths: dict[str, np.ndarray] = field(default_factory=dict)
    note: str = ""


def look_at(videos: Mapping[str, Path], truth: str | None, index: int) -> Look:
    """Frame `index` of videos of one size; `truth` names the one that the others are held against.

    Raises MediaError where a video has no such frame, or they differ in size."""
    pictures = {name: _frame(path, index) for name, path in videos.items()}
    shapes = {picture.shape for picture in pictures.values()}
    if len(shapes) > 1:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in sorted(shapes))
        raise MediaError(f"the videos are {sizes} px; scale them to one size")
    errors = {}
    if truth is not None:
        errors = {name: error_map(picture, pictures[truth]) for name, picture in pictures.items() if name != truth}
    box, note = mouth_box(pictures[truth or next(iter(pictures))])
    return Look(pictures, errors, {name: _zoomed(picture, box) for name, picture in pictures.items()}, note)


def _frame(path: Path, index: int) -> np.ndarray:
    frame = next(read_frames(path, start=index, count=1), None)
    if frame is None:
        raise MediaError(f"{path.name} has no frame {index + 1}; choose an earlier one")
    return frame


def error_map(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the channels, black for none to pale yellow for WORST and more: uint8 [H, W, 3]."""
    error = np.abs(picture.astype(np.float32) - truth).mean(-1)
    place = np.clip(error / WORST, 0, 1) * (len(RAMP) - 1)
    channels = [np.interp(place, np.arange(len(RAMP)), RAMP[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, -1)).astype(np.uint8)


def mouth_box(picture: np.ndarray) -> tuple[tuple[int, int, int, int], str]:
    """Top, bottom, left, right px of the mouth, and a note where it was not found but guessed."""
    height, width = picture.shape[:2]
    half = SHARE / 2 * min(height, width)
    usual = (LOWER * height - half, LOWER * height + half, CENTRE * width - half, CENTRE * width + half)
    guess = (round(usual[0]), round(usual[1]), round(usual[2]), round(usual[3]))
    with _one_at_a_time:
        observer, reason = _observer()
        if observer is None:
            return guess, f"mouth where mouths usually are: {reason}"
        faces = observer.examine(picture)
    track = FaceTrack.of([faces[0] if faces else None])
    box = track.box("mouth", 0, (width, height))
    return (guess, "mouth where mouths usually are: no face was found") if box is None else (box, "")


@cache
def _observer() -> tuple[Observer | None, str]:
    """The landmarker, opened once and kept, or why there is none."""
    try:
        return mediapipe_observer().__enter__(), ""
    except (WeightsError, ImportError) as reason:
        log.warning("mouths are guessed: %s", reason)
        return None, "the face landmarker is not on this machine"


def _zoomed(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    from PIL import Image

    top, bottom, left, right = box
    part = Image.fromarray(picture[max(0, top) : bottom, max(0, left) : right])
    return np.asarray(part.resize((ZOOM_PX, ZOOM_PX), Image.Resampling.BICUBIC))
