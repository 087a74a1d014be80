"""Faces drawn by arithmetic whose mouths an observer reads back, so that no test needs a landmarker."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from pgstalker.landmarks import EYE_CORNERS, INNER_LIP_PAIRS, LIPS_INNER, LIPS_OUTER, NOSE_BRIDGE_TO_CHIN

SIDE = 176
CENTRE, MOUTH, EYES_APART = SIDE / 2, 120.0, 60.0
DARK = 40


def openings(frames: int, seed: int = 0) -> np.ndarray:
    """[frames] px: a mouth that talks, closed at times."""
    t = np.arange(frames) / 25
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 3)
    motion = sum(np.sin(2 * np.pi * hertz * t + phase) for hertz, phase in zip((1.3, 2.9, 4.3), phases))
    return np.maximum(0, 6 + 4 * motion)


def draw(opening: float, shift: float = 0.0) -> np.ndarray:
    """uint8 [176, 176, 3]: a textured face with a black mouth `opening` px high, moved `shift` px to the right."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    x = x - shift
    texture = 12 * np.sin(x / 3) * np.cos(y / 4) + 8 * np.sin((x + 2 * y) / 7)
    picture = np.stack([180 + texture, 140 + texture, 120 + 0.5 * texture], -1)
    outside = ((x - CENTRE) / 62) ** 2 + ((y - CENTRE) / 78) ** 2 > 1
    picture[outside] = np.stack([90 + texture, 100 - texture, 130 + texture], -1)[outside]
    lips = ((x - CENTRE) / 22) ** 2 + ((y - MOUTH) / (5 + opening / 2)) ** 2 < 1
    picture[lips] = [170, 90, 90]
    cover = np.clip(opening / 2 - np.abs(y - MOUTH) + 0.5, 0, 1) * (np.abs(x - CENTRE) < 14)
    return np.clip(picture * (1 - cover[..., None]), 0, 255).astype(np.uint8)


def landmarks(opening: float, shift: float = 0.0) -> np.ndarray:
    """[478, 3] float32 px: the points of that face."""
    points = np.random.default_rng(5).uniform([-55, -70], [55, 70], (478, 2)) + CENTRE
    points[EYE_CORNERS] = [[CENTRE - EYES_APART / 2, 70], [CENTRE + EYES_APART / 2, 70]]
    for ring, reach, height in ((LIPS_OUTER, 22, 5 + opening / 2), (LIPS_INNER, 14, opening / 2)):
        angles = np.pi - 2 * np.pi * np.arange(20) / 20
        points[ring] = np.stack([CENTRE + reach * np.cos(angles), MOUTH - height * np.sin(angles)], 1)
    for upper, lower in INNER_LIP_PAIRS:
        points[upper, 1], points[lower, 1] = MOUTH - opening / 2, MOUTH + opening / 2
    points[NOSE_BRIDGE_TO_CHIN] = [[CENTRE, 75], [CENTRE, 160 + opening / 2]]
    return np.concatenate([points + [shift, 0], np.zeros((478, 1))], 1).astype(np.float32)


class Eyes:
    """Reads the mouth of a drawn face; sees nobody in a picture that is nearly all dark."""

    def examine(self, image: np.ndarray) -> list[tuple[np.ndarray, dict[str, float]]]:
        if image.mean() < DARK:
            return []
        column = image[int(MOUTH) - 30 : int(MOUTH) + 30, int(CENTRE) - 6 : int(CENTRE) + 6].mean((1, 2))
        opening = float(np.clip(1 - column / 110, 0, 1).sum())
        brow = float(image[:40].mean() / 255)
        shapes = {"_neutral": 0.0, "jawOpen": opening / 30, "mouthClose": 1 - opening / 30, "browInnerUp": brow}
        return [(landmarks(opening), shapes)]

    def __enter__(self) -> Eyes:
        return self

    def __exit__(self, *error) -> None:
        """Nothing to close."""


def run(metric, case: Case, frames, truths):
    """All readings of one metric."""
    meter = metric.begin(case)
    for index, frame in enumerate(frames):
        meter.update(index, frame, None if truths is None else truths[index])
    return meter.finish()
