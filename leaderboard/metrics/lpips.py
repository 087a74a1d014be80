"""Learned perceptual distance, AlexNet v0.1, as most papers of the field print it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from leaderboard.case import Case
from leaderboard.metrics.metric import Figure, Meter, Metric, PictureMeter, Reading
from leaderboard.weights import find, missing

FIGURE = Figure(
    "lpips",
    unit="",
    direction="lower",
    bounds=(0, None),
    meaning="mean over frames of LPIPS v0.1 with AlexNet; methods that train on LPIPS have seen it",
    compares_with_papers=True,
    group="fidelity",
)


class LpipsMeter(PictureMeter):
    """Notes which backbone it was: one that is not the published file compares with no paper."""

    details: dict

    def finish(self) -> dict[str, Reading]:
        readings = super().finish()
        for reading in readings.values():
            reading.details.update(self.details)
        return readings


def backbone(case: Case) -> Path:
    """AlexNet's weights in --weights, $PGSTALKER_MODELS, the cache or $TORCH_HOME. Raises WeightsError without."""
    from pgstalker.training.perceptual import BACKBONE, SOURCE, backbone_path

    path = find(BACKBONE, case.weights) or backbone_path()
    if not path.is_file():
        raise missing(BACKBONE, f"from {SOURCE}", also=backbone_path().parent)
    return path


def is_published(sha256: str) -> bool:
    """Whether it is that of the file that torch publishes, whose name ends with how its sha256 begins."""
    from pgstalker.training.perceptual import BACKBONE

    return sha256.startswith(BACKBONE.removesuffix(".pth").rpartition("-")[2])


def begin(case: Case) -> Meter:
    import torch

    from pgstalker.training.perceptual import LEAST_SIDE, load_lpips

    path = backbone(case)
    device = torch.device(case.device)
    distance = load_lpips(device, path)
    assert distance is not None, "the file was there a moment ago"

    def compare(frame: np.ndarray, truth: np.ndarray) -> float:
        image, target = (torch.from_numpy(p.transpose(2, 0, 1).astype(np.float32) / 255) for p in (frame, truth))
        with torch.inference_mode():
            return float(distance(image.to(device), target.to(device)))

    meter = LpipsMeter(case, FIGURE.id, METRIC.regions, compare, METRIC.stride, LEAST_SIDE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    meter.details = {"weights_sha256": digest, "is_published_file": is_published(digest)}
    return meter


METRIC = Metric(
    id="lpips",
    figures=(FIGURE,),
    reference="Zhang et al. 2018; the authors' package lpips",
    package="lpips",
    parameters="alex,v0.1",
    begin=begin,
    pitfalls="who trains on LPIPS has seen it, and it hardly looks at where the lips are",
    regions=("full", "face"),
    stride=5,
    is_published=is_published,
)
