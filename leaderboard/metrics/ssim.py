"""Structural similarity with Wang's window, over the pixels whose whole window lies inside the picture."""

from __future__ import annotations

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, PictureMeter

REACH = 5
"""px: half of the 11 taps; closer to the edge the window sticks out."""

FIGURE = Figure(
    "ssim",
    unit="",
    direction="higher",
    bounds=(-1, 1),
    meaning="mean over frames of SSIM: RGB, 11 taps, sigma 1.5, K 0.01 and 0.03, valid windows only",
    group="fidelity",
)


def ssim_valid(frame: np.ndarray, truth: np.ndarray) -> float:
    """SSIM of two uint8 [h, w, 3] pictures, the mean over channels and all pixels at least REACH px from an edge.

    The library's SSIM pads with zeros; its values away from the edges are those of valid windows.
    """
    import torch

    from pgstalker.rendering.ssim import ssim

    image, target = (torch.from_numpy(p.transpose(2, 0, 1).astype(np.float32) / 255) for p in (frame, truth))
    weight = torch.zeros(image.shape[1:])
    weight[REACH:-REACH, REACH:-REACH] = 1
    with torch.no_grad():
        return float(ssim(image, target, weight))


def begin(case: Case) -> Meter:
    return PictureMeter(case, FIGURE.id, METRIC.regions, ssim_valid, least_side=2 * REACH + 1)


METRIC = Metric(
    id="ssim",
    figures=(FIGURE,),
    reference="Wang et al. 2004; tested against scikit-image and pytorch-msssim. Papers differ by up to 0.05 in what "
    "they call SSIM, so no printed figure compares",
    parameters="pgstalker.rendering.ssim:gauss11,sigma1.5,valid,rgb",
    begin=begin,
    pitfalls="a flat background is near 1 and hides the face: read it of face and mouth too",
    regions=("full", "face", "mouth"),
)
