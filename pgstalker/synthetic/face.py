"""The cartoon presenter's head: 478 points in the head frame, by formula, that open, round, blink and drop the jaw.

The indices are those of MediaPipe's face mesh, so that what reads landmarks of a real face reads these too. The
proportions are an average face's (eyes 9 cm apart at their outer corners, 18 cm from hairline to chin); points that
nothing names are spread evenly over the face.
"""

from __future__ import annotations

import numpy as np

from pgstalker.landmarks import LEFT_EYE, LIPS_INNER, LIPS_OUTER, OVAL, RIGHT_EYE

EYE_LEFT, EYE_RIGHT = RIGHT_EYE, LEFT_EYE  # on the picture's left and right: the person's own are the other way
BROW_LEFT = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
BROW_RIGHT = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
# x, y of the named points on the middle line and beside the nose; those off the middle come in mirrored pairs.
MIDDLE = {10: -8.3, 151: -6.5, 9: -4.9, 8: -4.0, 168: -3.3, 6: -2.5, 197: -1.6, 195: -0.8, 5: 0.0, 4: 0.5, 1: 1.1,
          19: 1.7, 94: 2.0, 2: 2.3, 164: 2.8, 18: 6.1, 200: 7.0, 199: 7.9, 175: 8.8}  # fmt: skip
PAIRS = {(193, 417): (1.0, -3.0), (122, 351): (1.1, -2.2), (196, 419): (0.95, -1.4), (3, 248): (0.8, -0.5),
         (139, 368): (6.9, -4.0), (205, 425): (4.6, 2.4), (50, 280): (5.2, 0.6), (98, 327): (1.5, 1.9)}  # fmt: skip
MOUTH_Y_CM, EYE_Y_CM, EYE_X_CM = 4.35, -2.6, 3.15


def surface_depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """z [...] cm of the face at x, y [...] cm in the head frame: an ellipsoid with a nose; smaller is nearer."""
    across = np.clip(1 - (x / 8.4) ** 2, 0.02, 1)
    along = np.clip(1 - ((y - 0.5) / 14.0) ** 2, 0.02, 1)
    nose = np.exp(-((x / 1.0) ** 2)) * np.exp(-(((y - 0.8) / 1.7) ** 2))
    return 2.6 - 8.2 * np.sqrt(across) * np.sqrt(along) - 2.0 * nose


def neutral_points() -> np.ndarray:
    """xy [478, 2] cm: the face at rest."""
    points = np.full((478, 2), np.nan)
    turn = np.arange(36) / 36 * 2 * np.pi  # from the hairline over the picture's right to the chin
    width = np.where(np.cos(turn) < 0, 7.7 - 1.1 * np.cos(turn) ** 4, 7.7)
    height = np.where(np.cos(turn) < 0, 9.4, 8.3)
    points[list(OVAL)] = np.stack([width * np.sin(turn), -height * np.cos(turn)], 1)
    for index, y in MIDDLE.items():
        points[index] = 0, y
    for (left, right), (x, y) in PAIRS.items():
        points[left], points[right] = (-x, y), (x, y)
    for ring, side in ((BROW_LEFT, -1), (BROW_RIGHT, 1)):
        u = np.linspace(-1, 1, 5)
        upper = np.stack([side * (3.5 - 1.9 * u), -4.75 + 0.45 * u**2 + 0.1 * u], 1)
        lower = np.stack([side * (3.5 - 1.9 * u[::-1]), -4.25 + 0.4 * u[::-1] ** 2], 1)
        points[list(ring)] = np.concatenate([upper, lower])
    named = np.isfinite(points[:, 0]) | np.isin(np.arange(478), [*LIPS_INNER, *LIPS_OUTER, *EYE_LEFT, *EYE_RIGHT])
    rest = np.flatnonzero(~named)
    share = np.sqrt((np.arange(len(rest)) + 0.5) / len(rest)) * 0.93
    spin = np.arange(len(rest)) * np.pi * (3 - np.sqrt(5))  # the sunflower's even spread
    points[rest] = np.stack([7.2 * share * np.sin(spin), 0.6 - 8.6 * share * np.cos(spin)], 1)
    for first, side in ((468, -1), (473, 1)):
        iris = np.array([[0, 0], [0.6, 0], [0, -0.6], [-0.6, 0], [0, 0.6]])
        points[first : first + 5] = iris + [side * EYE_X_CM, EYE_Y_CM - 0.1]
    return points


def lip_rings(opening: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Outer and inner lip rings, each [20, 2] cm, in the order of LIPS_OUTER and LIPS_INNER.

    opening in cm between the inner lips; spread in [-1, 1] from rounded to wide."""
    u = np.linspace(-1, 1, 11)
    dome = 1 - u**2
    half = 2.45 * (1 + 0.2 * spread - 0.05 * opening)
    round_lips = 1 - 0.25 * spread
    smile = MOUTH_Y_CM - 0.3 * u**2
    upper_inner = smile - 0.15 * opening * dome**0.7
    lower_inner = smile + 0.85 * opening * dome**0.7 + 0.02
    bow = 0.62 * round_lips * dome**0.7 * (1 - 0.28 * np.exp(-((u / 0.2) ** 2)))
    upper_outer = upper_inner - bow
    lower_outer = lower_inner + 0.8 * round_lips * dome**0.6

    def ring(upper, lower, half):
        return np.concatenate([np.stack([half * u, upper], 1), np.stack([half * u[-2:0:-1], lower[-2:0:-1]], 1)])

    return ring(upper_outer, lower_outer, half), ring(upper_inner, lower_inner, half * 0.9)


def eye_ring(blink: float, side: int) -> np.ndarray:
    """One eye's rim [16, 2] cm, from the outer corner over the upper lid to the inner one and back below.

    blink in [0, 1] from open to closed; side -1 for the picture's left, 1 for its right."""
    u = np.linspace(-1, 1, 9)
    dome = np.clip(1 - u**2, 0, 1) ** 0.75
    lower = EYE_Y_CM + 0.42 * dome
    upper = (1 - blink) * (EYE_Y_CM - 0.95 * dome) + blink * (lower - 0.05 * dome)
    x = side * (EYE_X_CM - 1.3 * u)
    return np.concatenate([np.stack([x, upper], 1), np.stack([x[-2:0:-1], lower[-2:0:-1]], 1)])


def jaw_drop(y: np.ndarray, opening: float) -> np.ndarray:
    """How far a point at height y [...] cm moves down, in cm, when the mouth opens."""
    share = np.clip((y - 4.6) / 4.0, 0, 1)
    return 0.75 * opening * share * share * (3 - 2 * share)


class Face:
    """The 478 points for one expression."""

    def __init__(self):
        self._neutral = neutral_points()

    def points(self, opening: float, spread: float, blink: float) -> np.ndarray:
        """xyz [478, 3] cm in the head frame."""
        flat = self._neutral.copy()
        depth = surface_depth(flat[:, 0], flat[:, 1])  # skin slides with the jaw; its depth is that of the rest pose
        flat[:, 1] += jaw_drop(flat[:, 1], opening)
        outer, inner = lip_rings(opening, spread)
        for ring, shape in (
            (LIPS_OUTER, outer),
            (LIPS_INNER, inner),
            (EYE_LEFT, eye_ring(blink, -1)),
            (EYE_RIGHT, eye_ring(blink, 1)),
        ):
            flat[list(ring)] = shape
            depth[list(ring)] = surface_depth(shape[:, 0], shape[:, 1])
        return np.concatenate([flat, depth[:, None]], 1)
