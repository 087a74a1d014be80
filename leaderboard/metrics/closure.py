"""Do the lips close where the truth's close? P, B and M are what a viewer misses first."""

from __future__ import annotations

import math

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter
from pgstalker.measures import lip_aperture

CLOSED = 0.03
"""Opening of the inner lips, in distances of the eyes, below which they count as closed."""

FIGURE = Figure(
    "closure_f1",
    unit="F1",
    direction="higher",
    bounds=(0, 1),
    meaning=f"agreement on the frames in which the lips are closed (opening below {CLOSED:.0%} of the eyes' distance)",
    is_mean=False,
)


def f1(own: np.ndarray, true: np.ndarray) -> float:
    """F1 of two [T] bool tracks; 0 where they share nothing, NaN where there is nothing to share."""
    total = own.sum() + true.sum()
    return float(2 * (own & true).sum() / total) if total else math.nan


def begin(case: Case) -> Meter:
    own, true, seen = case.both_faces()

    def compute() -> dict[str, Reading]:
        mine, its = (lip_aperture(track.landmarks_px[seen]) < CLOSED for track in (own, true))
        if its.all() or not its.any():
            never = "always" if its.all() else "never"
            return {FIGURE.id: Reading(status="not_applicable", reason=f"the truth's lips are {never} closed")}
        reading = Reading(
            value=f1(mine, its),
            resample=lambda indices: f1(mine[indices], its[indices]),
            n=len(mine),
            n_missing=int((~seen).sum()),
            details={"closed_share": round(float(mine.mean()), 4), "closed_share_truth": round(float(its.mean()), 4)},
        )
        return {FIGURE.id: reading}

    return TrackMeter(compute)


METRIC = Metric(
    id="closure",
    figures=(FIGURE,),
    reference="F1 of lip closure; tested by hand",
    package="mediapipe",
    parameters=f"facelandmarker,image-mode,inner-lip-pairs<{CLOSED}",
    begin=begin,
    pitfalls="few frames are closed, so one missed b or p moves it far",
    needs=frozenset({"truth", "faces"}),
)
