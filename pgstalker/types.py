"""The nouns that the packages share. numpy only, so that everything may import them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

FPS = 25
SAMPLE_RATE_HZ = 16_000
TORSO_MOTION = 4


class Label(IntEnum):
    """What a pixel shows: the values of a subject's label video."""

    BACKGROUND = 0
    TORSO = 1
    FACE = 2  # and ears
    HAIR = 3
    LIPS = 4
    MOUTH = 5
    EYES = 6


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion, OpenCV axes (x right, y down, z forward).

    focal_px, center_x_px and center_y_px are in pixels of a width x height image whose first pixel's
    centre lies at (0.5, 0.5).
    """

    focal_px: float
    width: int
    height: int
    center_x_px: float
    center_y_px: float

    def scaled(self, size: int) -> Camera:
        """The same camera seen at a picture of size x size pixels."""
        factor = size / self.width
        return replace(
            self,
            focal_px=self.focal_px * factor,
            width=size,
            height=round(self.height * factor),
            center_x_px=self.center_x_px * factor,
            center_y_px=self.center_y_px * factor,
        )

    def matrix(self) -> np.ndarray:
        """K [3, 3] float64."""
        return np.array(
            [[self.focal_px, 0, self.center_x_px], [0, self.focal_px, self.center_y_px], [0, 0, 1]], np.float64
        )


@dataclass(frozen=True)
class Drive:
    """What moves an avatar: T frames at 25 fps.

    camera_from_head  [T, 4, 4] float64, cm: head pose, OpenCV camera axes.
    eyes              [T] float32 in [0, 1]: 0 open, 1 closed.
    torso             [T, TORSO_MOTION] float32: (dx, dy) as a share of the picture's side, scale - 1, rotation in rad,
                      of the torso against its reference frame; None: predicted from the head pose.
    audio             [T, window, channels] float32 features, or None where mouth_code is given.
    mouth_code        [T, C] float32: the tracked mouth itself, in place of what is heard; or None.
    gate              [T] float32 in [0, 1]: 0 where nobody speaks and a heard mouth rests; None: it never does.
    """

    camera_from_head: np.ndarray
    eyes: np.ndarray
    torso: np.ndarray | None = None
    audio: np.ndarray | None = None
    mouth_code: np.ndarray | None = None
    gate: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.camera_from_head)

    def __getitem__(self, frames: slice) -> Drive:
        def cut(track):
            return None if track is None else track[frames]

        return Drive(
            self.camera_from_head[frames],
            self.eyes[frames],
            cut(self.torso),
            cut(self.audio),
            cut(self.mouth_code),
            cut(self.gate),
        )
