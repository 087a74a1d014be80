"""Are the lips as sharp as the truth's? A blurred mouth hides its errors from PSNR."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, PictureMeter, Reading

LUMA = np.array([0.299, 0.587, 0.114], np.float32)

FIGURE = Figure(
    "mouth_sharpness",
    unit="ratio",
    direction="target",
    target=1.0,
    bounds=(0, None),
    meaning="variance of the Laplacian in the mouth box over the truth's, mean over frames; above 1 is noise",
)


def sharpness(picture: np.ndarray) -> float:
    """Variance of the 4-neighbour Laplacian of the grey uint8 [h, w, 3] picture, without its rim."""
    grey = picture.astype(np.float32) @ LUMA
    middle = grey[1:-1, 1:-1]
    return float(np.var(grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle))


def sharpness_ratio(frame: np.ndarray, truth: np.ndarray) -> float:
    """NaN where the truth itself is flat."""
    true = sharpness(truth)
    return sharpness(frame) / true if true > 0 else np.nan


class MouthMeter(PictureMeter):
    def finish(self) -> dict[str, Reading]:
        return {FIGURE.id: super().finish()[f"{FIGURE.id}_mouth"]}  # the id says mouth already


def begin(case: Case) -> Meter:
    return MouthMeter(case, FIGURE.id, ("mouth",), sharpness_ratio, least_side=8)


METRIC = Metric(
    id="mouth_sharpness",
    figures=(FIGURE,),
    reference="Pech-Pacheco et al. 2000 (variance of the Laplacian); tested against scipy.ndimage.laplace",
    parameters="laplacian4,luma601,box1.4",
    begin=begin,
    pitfalls="noise counts as sharp, and a sharp mouth may be the wrong one",
    needs=frozenset({"truth", "faces"}),
)
