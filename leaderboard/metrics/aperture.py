"""Do the lips open when the truth's do, and as far?"""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter
from pgstalker.measures import circular_shift_null, lip_aperture, pearson

ERROR = Figure(
    "aperture_error",
    unit="% of the eyes' distance",
    direction="lower",
    bounds=(0, None),
    meaning="root mean square difference of the inner lips' opening",
    is_mean=False,
)
CORRELATION = Figure(
    "aperture_r",
    unit="r",
    direction="higher",
    bounds=(-1, 1),
    meaning="Pearson's r of the inner lips' opening with the truth's; null_p95 is what chance reaches",
    group="lip",
    is_mean=False,
)
LEAST_FRAMES = 10


def begin(case: Case) -> Meter:
    own, true, seen = case.both_faces()

    def compute() -> dict[str, Reading]:
        mine, its = (lip_aperture(track.landmarks_px[seen].astype(np.float64)) for track in (own, true))
        return {ERROR.id: _error(mine, its, seen), CORRELATION.id: _correlation(mine, its, seen)}

    return TrackMeter(compute)


def _error(own: np.ndarray, true: np.ndarray, seen: np.ndarray) -> Reading:
    squares = np.square(100 * (own - true))
    return Reading(
        value=float(np.sqrt(squares.mean())),
        resample=lambda indices: float(np.sqrt(squares[indices].mean())),
        n=len(own),
        n_missing=int((~seen).sum()),
    )


def _correlation(own: np.ndarray, true: np.ndarray, seen: np.ndarray) -> Reading:
    if len(own) < LEAST_FRAMES:
        return Reading(status="not_applicable", reason=f"{len(own)} frames are too few for a correlation")
    if true.std() < 1e-9:
        return Reading(status="not_applicable", reason="the truth's lips do not move")
    return Reading(
        value=pearson(own, true),
        resample=lambda indices: pearson(own[indices], true[indices]),
        n=len(own),
        n_missing=int((~seen).sum()),
        details={"null_p95": round(circular_shift_null(own, true), 4)},
    )


METRIC = Metric(
    id="aperture",
    figures=(ERROR, CORRELATION),
    reference="pgstalker.measures.lip_aperture; r tested against numpy.corrcoef",
    package="mediapipe",
    parameters="facelandmarker,image-mode,inner-lip-pairs",
    begin=begin,
    pitfalls="r forgives a mouth that opens too little, so read the error beside it; on a short clip chance goes far",
    needs=frozenset({"truth", "faces"}),
)
