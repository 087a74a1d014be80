"""What a person notices when two pictures alternate: LDR-FLIP."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, PictureMeter

PIXELS_PER_DEGREE = 67.02
"""A 0.7 m wide 4K display seen from 0.7 m: the default of the paper, fixed here so that it cannot drift."""

FIGURE = Figure(
    "flip",
    unit="",
    direction="lower",
    bounds=(0, 1),
    meaning="mean over frames of the mean LDR-FLIP error",
    group=None,
)


def flip_of(frame: np.ndarray, truth: np.ndarray) -> float:
    """Mean FLIP error of two uint8 [h, w, 3] sRGB pictures."""
    import flip_evaluator

    image, reference = (np.ascontiguousarray(p, np.float32) / 255 for p in (frame, truth))
    settings = {"ppd": PIXELS_PER_DEGREE}
    return float(flip_evaluator.evaluate(reference, image, "LDR", applyMagma=False, parameters=settings)[1])


def begin(case: Case) -> Meter:
    return PictureMeter(case, FIGURE.id, METRIC.regions, flip_of, stride=METRIC.stride)


METRIC = Metric(
    id="flip",
    figures=(FIGURE,),
    reference="Andersson et al. 2020; the authors' package flip-evaluator",
    package="flip-evaluator",
    parameters=f"ldr,ppd{PIXELS_PER_DEGREE}",
    begin=begin,
    pitfalls="is made for one viewing distance, and a large calm background lowers it",
    stride=5,
)
