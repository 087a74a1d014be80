"""Structural similarity over five scales."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, PictureMeter

LEAST_SIDE = 161
"""px: after four halvings the window of 11 taps still fits."""

FIGURE = Figure(
    "ms_ssim",
    unit="",
    direction="higher",
    bounds=(0, 1),
    meaning="mean over frames of MS-SSIM of the whole frame, RGB",
    compares_with_papers=True,
)


def ms_ssim_of(frame: np.ndarray, truth: np.ndarray) -> float:
    """MS-SSIM of two uint8 [h, w, 3] pictures."""
    import torch
    from pytorch_msssim import ms_ssim

    image, target = (torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32) / 255) for p in (frame, truth))
    with torch.no_grad():
        return float(ms_ssim(image, target, data_range=1))


def begin(case: Case) -> Meter:
    return PictureMeter(case, FIGURE.id, METRIC.regions, ms_ssim_of, least_side=LEAST_SIDE)


METRIC = Metric(
    id="ms_ssim",
    figures=(FIGURE,),
    reference="Wang, Simoncelli and Bovik 2003; the package pytorch-msssim",
    package="pytorch-msssim",
    parameters="rgb",
    begin=begin,
    pitfalls="saturates near 1, and forgives what a mouth does in so small a part of the picture",
)
