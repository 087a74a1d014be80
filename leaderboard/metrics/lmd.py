"""Landmark distance of the mouth, with MediaPipe's landmarks: in pixels, and in hundredths of the eyes' distance.

The papers' LMD takes another detector's points (see lmd_fan); the two never share a name.
"""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter

DLIB_MOUTH = [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87]
"""MediaPipe's points in the places of points 48 to 67 of the 68: outer lip round from the right corner, then inner."""

PIXELS = Figure(
    "lmd_mp",
    unit="px",
    direction="lower",
    bounds=(0, None),
    meaning="mean distance of 20 mouth points, each set about its own mean; recoding alone costs 0.4 px at 512 px",
    group="lip",
)
NORMALISED = Figure(
    "lmd_mp_norm",
    unit="% of the eyes' distance",
    direction="lower",
    bounds=(0, None),
    meaning="the same, in hundredths of the truth's median distance of the outer eye corners",
)


def mouth_distance(points: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Mean distance [T] of two sets of points [T, P, 2], each moved to its own mean; scale and turn stay."""
    shapes = [p - p.mean(1, keepdims=True) for p in (points, truths)]
    return np.linalg.norm(shapes[0] - shapes[1], axis=-1).mean(-1)


def begin(case: Case) -> Meter:
    own, true, _ = case.both_faces()

    def compute() -> dict[str, Reading]:
        distances = mouth_distance(own.landmarks_px[:, DLIB_MOUTH, :2], true.landmarks_px[:, DLIB_MOUTH, :2])
        unit = true.eye_distance_px
        return {
            PIXELS.id: Reading.mean_of(distances, eye_distance_px=round(unit, 2)),
            NORMALISED.id: Reading.mean_of(distances * 100 / unit),
        }

    return TrackMeter(compute)


METRIC = Metric(
    id="lmd",
    figures=(PIXELS, NORMALISED),
    reference="Chen et al. 2018 (LMD) with MediaPipe's points in place of the detector's 68; tested in closed form",
    package="mediapipe",
    parameters="facelandmarker,image-mode,20-mouth-points,translation-removed",
    begin=begin,
    pitfalls="is in px, so it grows with the picture, and the landmarker's own noise stands in it",
    needs=frozenset({"truth", "faces"}),
)
