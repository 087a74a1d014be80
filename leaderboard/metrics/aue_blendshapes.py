"""A stand-in for the action unit error where OpenFace is not at hand: MediaPipe's blendshapes, under their own name."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case, Failed
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter

SCALE = 25.0
"""Blendshapes reach 1 where action units reach 5: their squares differ by 25."""
LOWER = ("jaw", "mouth")
UPPER = ("brow", "eye", "cheek", "nose")

TOTAL = Figure(
    "aue_bs_mp",
    unit="intensity^2",
    direction="lower",
    bounds=(0, None),
    meaning="25 x sum over MediaPipe's blendshapes of their mean squared difference; recoding alone costs 0.5",
)
LOWER_FACE = Figure("aue_bs_mp_lower", "intensity^2", "lower", (0, None), "the same, of jaw and mouth", group=None)
UPPER_FACE = Figure("aue_bs_mp_upper", "intensity^2", "lower", (0, None), "the same, of brows, eyes, cheeks and nose")


def begin(case: Case) -> Meter:
    own, true, _ = case.both_faces()
    if not own.names or own.names != true.names:
        raise Failed("the landmarker gave no blendshapes")

    def compute() -> dict[str, Reading]:
        squares = SCALE * np.square(own.blendshapes.astype(np.float64) - true.blendshapes)
        parts = {
            TOTAL.id: LOWER + UPPER,
            LOWER_FACE.id: LOWER,
            UPPER_FACE.id: UPPER,
        }
        return {
            figure: Reading.mean_of(squares[:, [name.startswith(part) for name in own.names]].sum(1))
            for figure, part in parts.items()
        }

    return TrackMeter(compute)


METRIC = Metric(
    id="aue_blendshapes",
    figures=(TOTAL, LOWER_FACE, UPPER_FACE),
    reference="form of the action unit error of AD-NeRF's successors on MediaPipe's 52 blendshapes; tested by hand",
    package="mediapipe",
    parameters="facelandmarker,image-mode,blendshapes,25xsum-mse",
    begin=begin,
    pitfalls="blendshapes are a network's guess, which moves with head pose and light; blinks count in the upper face",
    needs=frozenset({"truth", "faces"}),
)
