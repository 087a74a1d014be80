"""One fixed square for the whole clip: a moving crop would make background and torso swim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgstalker.errors import SubjectError
from pgstalker.tracking.face_model import OVAL

FACE_SHARE = 0.42  # the face oval's height, of the square's side
KEEP_SHARES = (0.38, 0.65)  # a square picture framed like this is kept as it is
MAX_NEED = 1.5


@dataclass(frozen=True)
class Crop:
    """A square of the source picture: left, top and side in source px; face_px is the median height of the oval."""

    x: int
    y: int
    side: int
    face_px: float

    def box(self) -> tuple[int, int, int, int]:
        """(x, y, width, height)."""
        return self.x, self.y, self.side, self.side


def choose_crop(landmarks: np.ndarray, width: int, height: int, size: int) -> Crop:
    """The square that holds the head in nearly all frames, the face a little above its middle.

    landmarks [N, 478, 3] px of the source picture (samples over the clip). Even numbers, inside the picture. A picture
    of size x size that is framed like a portrait already is kept whole.
    Raises SubjectError where the head walks about.
    """
    oval = landmarks[:, OVAL, :2]
    low, high = oval.min(1), oval.max(1)
    face = float(np.median(high[:, 1] - low[:, 1]))
    if width == height == size and KEEP_SHARES[0] <= face / size <= KEEP_SHARES[1]:
        return Crop(0, 0, size, face)
    # Head boxes: the oval, with room for hair above, ears and hair beside, chin and collar below.
    left, top = np.percentile(low, 1, axis=0) - face * np.array([0.3, 0.5])
    right, bottom = np.percentile(high, 99, axis=0) + face * np.array([0.3, 0.25])
    base, need = face / FACE_SHARE, max(right - left, bottom - top)
    if need > MAX_NEED * base:
        raise SubjectError(
            f"head moves too far for a fixed crop ({need / face:.1f} face heights, at most "
            f"{MAX_NEED / FACE_SHARE:.1f}); use a part of the video where it stays in place"
        )
    side = int(min(max(base, need), width, height)) // 2 * 2
    center_x = (left + right) / 2
    center_y = np.median((low[:, 1] + high[:, 1]) / 2) + 0.04 * side
    lowest, highest = bottom - side / 2, top + side / 2
    center_y = np.clip(center_y, lowest, highest) if lowest <= highest else (top + bottom) / 2
    x = int(np.clip(center_x - side / 2, 0, width - side)) // 2 * 2
    y = int(np.clip(center_y - side / 2, 0, height - side)) // 2 * 2
    return Crop(x, y, side, face)
