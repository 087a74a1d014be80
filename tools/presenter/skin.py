"""Skin painted on the vertices: tone, blood under it, lips, lids, stubble, freckles. Colours are linear RGB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tools.presenter.fine_hair import arch
from tools.presenter.human import data_folder


@dataclass(frozen=True)
class Complexion:
    """tone: linear RGB; flush: how much blood shows 0..1; lips: linear RGB; freckles, stubble, age 0..1; shadow: colour
    of stubble; brow, brow_bow: colour of the brows and height of their arch, cm."""

    tone: tuple[float, float, float] = (0.50, 0.29, 0.205)
    flush: float = 0.5
    lips: tuple[float, float, float] = (0.42, 0.14, 0.125)
    freckles: float = 0.0
    stubble: float = 0.0
    age: float = 0.0
    shadow: tuple[float, float, float] = (0.08, 0.06, 0.05)
    brow: tuple[float, float, float] = (0.09, 0.05, 0.03)
    brow_bow: float = 0.66


@cache
def _mask(name: str) -> np.ndarray:
    from PIL import Image

    path = data_folder() / "mpfb2/textures" / f"mpfb_{name}.jpg"
    return np.asarray(Image.open(path).convert("L"), np.float32) / 255


def region(name: str, uv: np.ndarray) -> np.ndarray:
    """How much of a region ("lips", "eyelids", "ears", "inside-mouth") lies at uv [V, 2]: [V] in 0..1."""
    from scipy.ndimage import map_coordinates

    mask = _mask(name)
    rows = (1 - uv[:, 1]) * (mask.shape[0] - 1)
    return map_coordinates(mask, [rows, uv[:, 0] * (mask.shape[1] - 1)], order=1, mode="nearest")


def paint(rest: np.ndarray, uv: np.ndarray, marks: dict[str, np.ndarray], look: Complexion) -> dict[str, np.ndarray]:
    """albedo [V, 3], roughness [V], bump [V] and scatter [V] of skin at rest positions [V, 3] cm.

    marks: points [3] of the face: those of parts.LANDMARKS and right_eye, left_eye (centres of the eyeballs).
    """
    albedo = np.tile(np.array(look.tone), (len(rest), 1))
    lips, inside, ears = region("lips", uv), region("inside-mouth", uv), region("ears", uv)
    eyes = np.stack([marks["right_eye"], marks["left_eye"]])
    corner = np.stack([marks["right_corner"], marks["left_corner"]])
    nose, chin = marks["nose_tip"], marks["chin"]
    outer = np.stack([marks["right_eye_outer"], marks["left_eye_outer"]])

    cheeks = outer * [0.92, 1, 1] + [0, -4.3, 0.4]
    blood = sum(_blob(rest, c, (2.6, 1.9, 3.0)) for c in cheeks) * 0.75
    blood += _blob(rest, nose, (1.5, 1.3, 1.6)) * 0.75 + _blob(rest, chin, (1.6, 1.0, 2.0)) * 0.35 + ears * 0.8
    blood += sum(_blob(rest, e + [0, 1.5, 1.2], (2.0, 0.9, 2.0)) for e in eyes) * 0.35
    _mix(albedo, np.array(look.tone) * [1.02, 0.70, 0.66], blood * look.flush)

    under = sum(_blob(rest, e + [0, -1.75, 1.2], (1.7, 0.55, 1.6)) for e in eyes)
    _mix(albedo, np.array(look.tone) * [0.74, 0.66, 0.72], under * (0.30 + 0.4 * look.age))
    _mix(albedo, np.array(look.tone) * [0.82, 0.68, 0.66], region("eyelids", uv) * 0.45)
    for side, eye in zip((-1, 1), eyes):  # the shade that brow hairs lie on
        for x, y in zip(*arch(np.linspace(0.04, 0.96, 12), look.brow_bow)):
            _mix(
                albedo,
                np.array(look.brow) * 0.7 + albedo.mean(axis=0) * 0.15,
                _blob(rest, eye + [side * x, y, 1.2], (0.42, 0.26, 1.5)) * 0.22,
            )
    if look.freckles:
        _mix(albedo, np.array(look.tone) * [0.72, 0.52, 0.42], _freckles(rest, nose, cheeks) * look.freckles)
    if look.stubble:
        mouth = corner.mean(axis=0)
        beard = _blob(rest, mouth + [0, -2.6, -2.0], (5.6, 4.2, 6.0), power=4)
        beard *= 1 - 0.8 * _blob(rest, mouth + [0, 2.2, 2.5], (1.3, 1.2, 2.5))
        grain = 0.6 + 0.4 * _speckle(rest, 11.0)
        _mix(albedo, np.array(look.shadow) * 0.6 + albedo * 0.35, beard * grain * look.stubble * (1 - lips))
    _mix(albedo, np.array(look.lips) * (0.9 + 0.2 * _speckle(rest, 6.0)[:, None]), np.clip(lips, 0, 1) * 0.85)
    _mix(albedo, np.array([0.33, 0.075, 0.07]), inside)
    blotch = 0.6 * _speckle(rest, 0.9) + 0.4 * _speckle(rest, 2.6)
    albedo *= np.array([0.95, 0.915, 0.90]) + np.array([0.09, 0.13, 0.14]) * blotch[:, None]
    roughness = 0.47 - 0.10 * _blob(rest, nose, (2.2, 3.5, 3.0)) - 0.08 * lips - 0.22 * inside + 0.04 * look.age
    forehead = _blob(rest, eyes.mean(axis=0) + [0, 5.0, 2.0], (4.5, 2.2, 4.0))
    roughness = roughness - 0.05 * forehead
    bump = (1.0 + 0.8 * look.age) * (1 - inside) * (1 - 0.3 * lips)
    scatter = np.clip(1 - 0.55 * lips - inside * 0.6, 0.05, 1)
    return {"albedo": albedo, "roughness": roughness, "bump": bump, "scatter": scatter, "inside": inside, "lips": lips}


def _blob(points: np.ndarray, centre: np.ndarray, size: tuple, power: float = 2.0) -> np.ndarray:
    d = (((points - centre) / np.array(size)) ** 2).sum(axis=1)
    return np.exp(-(d ** (power / 2)))


def _mix(albedo: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    share = np.clip(share, 0, 1)[:, None]
    albedo[:] = albedo * (1 - share) + colour * share


def _speckle(points: np.ndarray, frequency: float) -> np.ndarray:
    """Smooth noise 0..1 made of a few plane waves: enough for grain."""
    rng = np.random.default_rng(7)
    waves = rng.normal(size=(9, 3)) * frequency
    return 0.5 + 0.5 * np.tanh(np.sin(points @ waves.T + rng.random(9) * 6.28).sum(axis=1) * 0.6)


def _freckles(points: np.ndarray, nose: np.ndarray, cheeks: np.ndarray) -> np.ndarray:
    where = _blob(points, nose + [0, 1.0, -1.0], (4.0, 2.0, 4.0)) + sum(
        _blob(points, c, (2.4, 1.8, 3.0)) for c in cheeks
    )
    return np.clip(where, 0, 1) * np.clip((_speckle(points, 8.0) - 0.86) / 0.1, 0, 1)
