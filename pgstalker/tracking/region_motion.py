"""Motion of a picture region against a reference frame: the torso's, and the background's (the camera).

A region is followed by Lucas-Kanade features from the reference frame straight to every other frame, so that nothing
drifts; where too few agree, from the nearest frame that was found, whose motion is known (re-seeding).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pgstalker.tracking.optical_flow import follow

FEATURES, SPACING_PX = 250, 4
AGREE_PX = 1.0  # of the pictures given: residual of a feature that moves with the region
ENOUGH = 0.5  # share of features that must agree before the direct track is trusted
LEAST = 0.3  # below it a frame counts as lost
MIN_FEATURES = 12


@dataclass(frozen=True)
class RegionMotion:
    """similarity [T, 2, 3]: reference px to frame px; confidence [T] in [0, 1]; pivot [2]: centre of the features.

    Pixels are OpenCV's: centres at whole numbers.
    Where confidence is 0 the region was lost and the motion is interpolated.
    """

    similarity: np.ndarray
    confidence: np.ndarray
    pivot: np.ndarray

    def as_drive(self, side_px: int) -> np.ndarray:
        """[T, 4] float32 as types.Drive.torso: shift of the pivot / side, scale - 1, rotation in rad."""
        shift = self.similarity[:, :, :2] @ self.pivot + self.similarity[:, :, 2] - self.pivot
        cosine, sine = self.similarity[:, 0, 0], self.similarity[:, 1, 0]
        return np.c_[shift / side_px, np.hypot(cosine, sine) - 1, np.arctan2(sine, cosine)].astype(np.float32)

    def corner_shift_px(self, side_px: int) -> np.ndarray:
        """[T]: how far the motion moves the corners of a square picture, on average."""
        corners = side_px * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        moved = np.einsum("tij,cj->tci", self.similarity[:, :, :2], corners) + self.similarity[:, None, :, 2]
        return np.linalg.norm(moved - corners, axis=-1).mean(-1)


@dataclass(frozen=True)
class _Key:
    """A frame that others are found from: its features [N, 1, 2] and its own motion [3, 3] from the reference."""

    gray: np.ndarray
    points: np.ndarray
    from_reference: np.ndarray


def track_region(gray: np.ndarray, mask_of: Callable[[int], np.ndarray], reference: int) -> RegionMotion | None:
    """Follow the region over gray uint8 [T, H, W].

    mask_of(frame) gives bool [H, W]: where the region is seen. None where the reference shows too little texture.
    """
    root = _key(gray[reference], mask_of(reference), np.eye(3))
    if root is None:
        return None
    frames = len(gray)
    similarity, confidence = np.tile(np.eye(3), (frames, 1, 1)), np.ones(frames)
    for order in (range(reference + 1, frames), range(reference - 1, -1, -1)):
        before = order[0] - order.step if len(order) else reference
        last: _Key = root
        for frame in order:
            guess = similarity[before]
            motion, share = _match(root, gray[frame], guess)
            if share < ENOUGH and last is not root:
                motion, share = max((motion, share), _match(last, gray[frame], guess), key=lambda found: found[1])
            if share < ENOUGH:
                seed = _key(gray[before], mask_of(before), similarity[before])
                again = _match(seed, gray[frame], guess) if seed is not None else (None, 0.0)
                if seed is not None and again[1] > share:
                    (motion, share), last = again, seed
            is_found = motion is not None and share >= LEAST
            similarity[frame] = motion if is_found else similarity[before]
            confidence[frame] = share if is_found else 0.0
            before = frame
    return RegionMotion(interpolated(similarity[:, :2], confidence > 0), confidence, root.points[:, 0].mean(0))


def rest(gray: np.ndarray, mask: np.ndarray, reference: int, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of a region lies still: the share [F] of the reference's features in the mask that stay in place in each
    of `frames` [F] (0 without texture), and by how many px those move [F], median.

    Features on straight edges slide along them, so that a motion fitted to a curtain means nothing; that half of the
    features stay in place does.
    """
    key = _key(gray[reference], mask, np.eye(3))
    shares, shifts = np.zeros(len(frames)), np.zeros(len(frames))
    for index, frame in enumerate(frames if key is not None else ()):
        found, is_good = follow(key.gray, gray[frame], key.points, key.points)
        moved = np.linalg.norm((found - key.points)[:, 0], axis=1)
        still = is_good & (moved < AGREE_PX)
        shares[index] = still.sum() / max(is_good.sum(), MIN_FEATURES)
        shifts[index] = np.median(moved[still]) if still.any() else 0.0
    return shares, shifts


def _key(gray: np.ndarray, mask: np.ndarray, from_reference: np.ndarray) -> _Key | None:
    import cv2

    inside = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) * 255
    points = cv2.goodFeaturesToTrack(gray, FEATURES, 0.005, SPACING_PX, mask=inside)
    return None if points is None or len(points) < MIN_FEATURES else _Key(gray, points, from_reference)


def _match(key: _Key, gray: np.ndarray, guess: np.ndarray) -> tuple[np.ndarray | None, float]:
    """The motion [3, 3] from the reference to this frame as the key's features show it, and the share that agree."""
    import cv2

    step = guess @ np.linalg.inv(key.from_reference)
    expected = cv2.transform(key.points, step[:2]).astype(np.float32)
    found, is_good = follow(key.gray, gray, key.points, expected)
    if is_good.sum() < MIN_FEATURES:
        return None, 0.0
    cv2.setRNGSeed(0)
    step, agree = cv2.estimateAffinePartial2D(key.points[is_good], found[is_good], ransacReprojThreshold=AGREE_PX)
    if step is None:
        return None, 0.0
    return np.vstack([step, [0, 0, 1]]) @ key.from_reference, float(agree.sum()) / len(key.points)


def interpolated(similarity: np.ndarray, known: np.ndarray) -> np.ndarray:
    """similarity [T, 2, 3] with the frames where known [T] is False interpolated between the others."""
    frames = np.arange(len(similarity))
    flat = similarity.reshape(len(similarity), 6).copy()
    for column in flat.T:
        column[~known] = np.interp(frames[~known], frames[known], column[known])
    return flat.reshape(-1, 2, 3)
