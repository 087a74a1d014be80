"""The two videos and the sound that a score begins with: do they belong together, and by what are they off?

probe -> Sides (rate, size, codec made equal, or refused) -> survey (counts, lag, faces) -> pairs of frames
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from leaderboard.faces import FaceTrack, Observer
from leaderboard.protocol import H264_Q8_CRF
from pgstalker.errors import MediaError
from pgstalker.media import VideoWriter, probe, read_frames
from pgstalker.types import FPS

log = logging.getLogger(__name__)

THUMB = 32
MOST_LAG = 12
LEAST_GAIN_DB = 0.3
"""A shift counts only where it brings the pictures closer by this much: a still clip fits at any lag."""
RATE_TOLERANCE = 0.01
RESAMPLED = "resampled from"
"""In the warnings of a record whose videos were brought to one rate and size."""


@dataclass(frozen=True)
class Side:
    """One video as it will be compared. fps and size are those after resampling; stored_as says, of one that is
    resampled, what they were before."""

    path: Path
    fps: float
    size: tuple[int, int]
    codec: str
    stored_frames: int | None
    varies: bool
    stored_as: str | None = None

    @property
    def shape(self) -> str:
        """In words."""
        rate = "a varying rate" if self.varies else f"{self.fps:g} frames/s"
        return f"{self.size[0]}x{self.size[1]} px, {rate}"

    def at(self, fps: float, size: tuple[int, int]) -> Side:
        """The side at an even rate and a size: itself where it has them."""
        if (self.fps, self.size, self.varies) == (fps, size, False):
            return self
        return replace(self, fps=fps, size=size, varies=False, stored_as=self.shape)

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] RGB."""
        if self.stored_as is None:
            return read_frames(self.path)
        return read_frames(self.path, fps=self.fps, size=self.size, scale_flags="lanczos")


def open_sides(prediction: Path, truth: Path | None, resample: bool) -> tuple[Side, Side | None]:
    """Both videos, of one rate and size. Raises MediaError with both values where they differ and `resample` is not
    set; with it the prediction takes the truth's rate and size (25 frames/s without a truth)."""
    own = _open(prediction)
    true = None if truth is None else _open(truth)
    fps = FPS if true is None else true.fps
    size = own.size if true is None else true.size
    if resample:
        return own.at(fps, size), true and true.at(true.fps, true.size)
    for side in (own, true):
        if side is not None and side.varies:
            raise MediaError(
                f"{side.path.name} has a varying frame rate; add --resample to read it at {fps:g} frames/s"
            )
    if true is not None and abs(own.fps - true.fps) > RATE_TOLERANCE:
        raise MediaError(
            f"{own.path.name} has {own.fps:g} frames/s and {true.path.name} {true.fps:g}; add --resample to match them"
        )
    if true is not None and own.size != true.size:
        sizes = [f"{side.size[0]}x{side.size[1]}" for side in (own, true)]
        raise MediaError(
            f"{own.path.name} is {sizes[0]} px and {true.path.name} {sizes[1]}; add --resample to scale the prediction"
        )
    return own, true


def resampled(side: Side | None, whose: str) -> list[str]:
    """A line for the record of a side that is not compared as it was stored."""
    return (
        [] if side is None or side.stored_as is None else [f"{whose} was {RESAMPLED} {side.stored_as} to {side.shape}"]
    )


def _open(path: Path) -> Side:
    video = probe(path).require_video()
    return Side(path, video.fps, (video.width, video.height), video.codec, video.frames, video.has_variable_rate)


def through_h264(side: Side, scratch: Path, name: str) -> tuple[Side, str]:
    """The side after the codec of the papers' scripts, and the digest of its frames before it, as in Survey."""
    path, digest = scratch / f"{name}-h264.mp4", hashlib.md5(usedforsecurity=False)
    with VideoWriter(path, *side.size, fps=side.fps, crf=H264_Q8_CRF) as writer:
        for frame in side.frames():
            digest.update(np.ascontiguousarray(frame).data)
            writer.write(frame)
    video = probe(path).require_video()
    return replace(side, path=path, size=(video.width, video.height), stored_as=None), digest.hexdigest()


@dataclass(frozen=True)
class Survey:
    """What one pass over a side tells: its frames, their digest, small grey pictures [T, 32, 32], faces if asked."""

    frames: int
    frame_md5: str
    thumbs: np.ndarray
    faces: FaceTrack | None


def survey(
    side: Side,
    observer: Observer | None,
    seen: Callable[[int], None] = lambda frame: None,
    most: int | None = None,
) -> Survey:
    """Decode a side once, of its frames the first `most`; `seen` is told each frame's number. The digest is that of
    `ffmpeg -pix_fmt rgb24 -f md5`."""
    digest = hashlib.md5(usedforsecurity=False)
    thumbs, faces = [], []
    for index, frame in enumerate(islice(side.frames(), most)):
        digest.update(np.ascontiguousarray(frame).data)
        thumbs.append(_thumb(frame))
        if observer is not None:
            found = observer.examine(frame)
            faces.append(found[0] if found else None)
        seen(index)
    if not thumbs:
        raise MediaError(f"{side.path.name} holds no frame; render or copy it again")
    track = FaceTrack.of(faces) if observer is not None else None
    return Survey(len(thumbs), digest.hexdigest(), np.stack(thumbs), track)


def _thumb(frame: np.ndarray) -> np.ndarray:
    """Green, by area, at most THUMB px a side, float32."""
    rows, columns = (np.arange(min(side, THUMB)) * side // min(side, THUMB) for side in frame.shape[:2])
    green = frame[..., 1].astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(green, rows, 0), columns, 1)
    heights, widths = (np.diff(np.append(cuts, side)) for cuts, side in zip((rows, columns), frame.shape[:2]))
    return sums / (heights[:, None] * widths)


def check_counts(own: int, true: int, cut: bool) -> None:
    """Raise MediaError where the sides differ by more than one frame and `cut` is not set."""
    if abs(own - true) > 1 and not cut:
        raise MediaError(
            f"the prediction has {own} frames and the truth {true}; add --cut to compare the first {min(own, true)}"
        )


def best_lag(own: np.ndarray, true: np.ndarray) -> tuple[int, dict[int, float]]:
    """By how many frames the prediction comes late (negative: early), and the PSNR in dB of the small pictures
    [T, h, w] at each lag that was tried."""
    decibels = {}
    for lag in range(-MOST_LAG, MOST_LAG + 1):
        first, second = own[max(0, lag) :], true[max(0, -lag) :]
        length = min(len(first), len(second))
        if length >= max(2, min(len(own), len(true)) // 2):
            error = np.square(first[:length] - second[:length]).mean((1, 2))
            decibels[lag] = float((-10 * np.log10(np.maximum(error / 255**2, 1e-10))).mean())
    if not decibels or not np.ptp(own, axis=0).any():
        return 0, decibels  # a still picture is neither late nor early
    best = max(decibels, key=lambda lag: (decibels[lag], -abs(lag)))
    return (best if decibels[best] - decibels[0] >= LEAST_GAIN_DB else 0), decibels


def pairs(
    own: Side, true: Side | None, starts: tuple[int, int], count: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """`count` frames of both sides in step, from each one's start on; None stands for a truth that is not there."""
    mine = _from(own, starts[0])
    its = _from(true, starts[1]) if true is not None else None
    for _ in range(count):
        yield next(mine), next(its) if its is not None else None


def _from(side: Side, start: int) -> Iterator[np.ndarray]:
    frames = side.frames()
    for _ in range(start):
        next(frames)
    return frames
