"""Pure measures of pictures, faces, tracks and sound: one definition for training, benchmarks and leaderboard.

Landmarks are MediaPipe's 478 face points [T, 478, 3]; every distance is taken in 3D, x, y and z in one unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgstalker.landmarks import EYE_CORNERS, EYE_OPENINGS, INNER_LIP_PAIRS, MOUTH_CORNERS, NOSE_BRIDGE_TO_CHIN

MAX_PSNR_DB = 100.0

SILENCE_DBFS = -50.0
"""A recording whose mean power is below this holds no speech."""


def psnr(image: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Peak signal to noise ratio in dB of each picture, at most MAX_PSNR_DB; higher is better.

    image and target [..., H, W, 3], both uint8 or both floats in [0, 1]; weight [..., H, W] is a mask, say.
    Returns [...] float64: a video's figure is the mean over its frames, not the PSNR of the mean error.
    """
    assert image.shape == target.shape and image.dtype == target.dtype, "pictures of one shape and kind"
    peak = 255.0 if image.dtype == np.uint8 else 1.0
    error = np.square(image.astype(np.float64) - target).mean(-1) / peak**2
    mean = np.average(error, axis=(-2, -1), weights=None if weight is None else np.broadcast_to(weight, error.shape))
    return -10 * np.log10(np.maximum(mean, 10 ** (-MAX_PSNR_DB / 10)))


def lip_aperture(landmarks: np.ndarray) -> np.ndarray:
    """Opening between the inner lips as a share of the distance of the outer eye corners [T]."""
    return np.mean([_distance(landmarks, pair) for pair in INNER_LIP_PAIRS], axis=0) / _eye_span(landmarks)


def mouth_width(landmarks: np.ndarray) -> np.ndarray:
    """Distance of the mouth corners as a share of the distance of the outer eye corners [T]."""
    return _distance(landmarks, MOUTH_CORNERS) / _eye_span(landmarks)


def jaw_opening(landmarks: np.ndarray) -> np.ndarray:
    """Distance from nose bridge to chin as a share of the distance of the outer eye corners [T]."""
    return _distance(landmarks, NOSE_BRIDGE_TO_CHIN) / _eye_span(landmarks)


def eye_aspect_ratio(landmarks: np.ndarray) -> np.ndarray:
    """Height over width of the eye opening, mean of both eyes [T]; it falls when they close."""
    ratios = [
        (_distance(landmarks, first) + _distance(landmarks, second)) / (2 * _distance(landmarks, (corner, other)))
        for corner, first, second, other in EYE_OPENINGS
    ]
    return np.mean(ratios, axis=0)


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r of two tracks [T]; 0 where one of them does not move."""
    x, y = (np.asarray(track, np.float64) - np.mean(track) for track in (x, y))
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norm) if norm > 1e-12 else 0.0


def circular_shift_null(x: np.ndarray, y: np.ndarray, percentile: float = 95) -> float:
    """The r that chance reaches: this percentile of pearson(x, y shifted round by k) over k = 1 .. T - 1.

    Shifting keeps each track's own smoothness, which is what makes short talking tracks correlate by chance.
    """
    assert len(x) == len(y) >= 2, "two tracks of one length"
    return float(np.percentile([pearson(x, np.roll(y, shift)) for shift in range(1, len(y))], percentile))


def loudness_dbfs(samples: np.ndarray) -> float:
    """Mean power of samples [S] in [-1, 1] in dB against full scale; digital silence is -120."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def _distance(landmarks: np.ndarray, pair: Sequence[int]) -> np.ndarray:
    return np.linalg.norm(landmarks[..., pair[0], :] - landmarks[..., pair[1], :], axis=-1)


def _eye_span(landmarks: np.ndarray) -> np.ndarray:
    return _distance(landmarks, EYE_CORNERS)
