"""Density control: where Gaussians are added, and which are removed.

Four rules under one budget, so that a comparison compares the rule alone. g is the length of a Gaussian's gradient
with respect to its place in the picture (normalised device coordinates), one value per frame it is seen in:

    plain          mean of g                                     3D Gaussian splatting (Kerbl et al. 2023)
    pixel-aware    sum m g / sum m, m = pixels it is blended in  Pixel-GS (Zhang et al. 2024)
    region-aware   the same, times the mean of region weight x visibility over those pixels: lips and eyes count more,
                   what others hide counts less
    uniform        chance                                        the control of the experiment
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pgstalker.gaussians.cloud import PARAMETERS, GaussianCloud
from pgstalker.types import Label

REGION_WEIGHT = 3.0


@dataclass
class DensityControl:
    """every: steps between changes. grow: share of Gaussians added at a time. threshold: of the score, in NDC per
    mean-of-pixels loss. cap: most Gaussians ever. shrink: divisor of the scales of a parent and its child."""

    rule: str
    cap: int
    every: int = 300
    grow: float = 0.06
    threshold: float = 2e-5
    faint: float = 0.04
    shrink: float = 1.5

    def begin(self, count: int, device: torch.device) -> None:
        """Start collecting afresh for `count` Gaussians."""
        self.gradient = torch.zeros(count, device=device)
        self.weight = torch.zeros(count, device=device)
        self.pixels = torch.zeros(count, device=device)
        self.mass = torch.zeros(count, device=device)

    @property
    def needs_coverage(self) -> bool:
        return self.rule in ("pixel-aware", "region-aware")

    def observe(self, means2d_grad: Tensor, side: int, coverage: tuple[Tensor, Tensor] | None) -> None:
        """One frame: gradient [N, 2] per px and, for the pixel rules, (pixels [N], weighted mass [N])."""
        length = means2d_grad.norm(dim=1) * (side / 2)
        if coverage is None:
            weight = (length > 0).float()
        else:
            weight = coverage[0].float()
            self.pixels += coverage[0]
            self.mass += coverage[1]
        self.gradient += weight * length
        self.weight += weight

    def scores(self, generator: torch.Generator) -> Tensor:
        """[N]: how much each Gaussian wants to be divided."""
        if self.rule == "uniform":
            return torch.rand(len(self.weight), generator=generator).to(self.weight.device) + self.threshold
        score = self.gradient / self.weight.clamp(min=1e-9)
        if self.rule == "region-aware":
            score = score * self.mass / self.pixels.clamp(min=1e-9)
        return score

    def plan(self, opacities: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Boolean masks [N]: which Gaussians stay, and which of them are divided in two."""
        keep = opacities > self.faint
        scores = torch.where(keep, self.scores(generator), torch.zeros_like(self.gradient))
        room = max(0, min(int(self.grow * len(keep)), self.cap - int(keep.sum())))
        divide = torch.zeros_like(keep)
        divide[torch.topk(scores, min(room, len(scores))).indices] = True
        return keep, divide & keep & (scores > self.threshold)


def region_weights(labels: np.ndarray, device: torch.device) -> Tensor:
    """Pixel weights [H, W] from labels [H, W] uint8: REGION_WEIGHT on lips, mouth and eyes, 1 elsewhere."""
    important = np.isin(labels, (Label.LIPS, Label.MOUTH, Label.EYES))
    return torch.from_numpy(np.where(important, np.float32(REGION_WEIGHT), np.float32(1))).to(device)


@torch.no_grad()
def divide_and_prune(
    cloud: GaussianCloud,
    optimizer: torch.optim.Optimizer,
    masks: tuple[Tensor, Tensor],
    shrink: float,
    generator: torch.Generator,
) -> None:
    """Apply masks (keep, divide) [N] to a cloud and to its optimizer state.

    A divided Gaussian leaves a child drawn from its own density, both smaller; the child starts without momentum.
    """
    keep, divide = masks
    device = cloud.means.device
    order = torch.cat([keep.nonzero().squeeze(1), divide.nonzero().squeeze(1)])
    is_child = torch.arange(len(order), device=device) >= int(keep.sum())
    jitter = torch.randn(len(cloud), 3, generator=generator).to(device) * cloud.scales * 0.7
    values = {name: getattr(cloud, name).detach()[order].clone() for name in PARAMETERS}
    values["means"][is_child] += jitter[order][is_child]
    values["log_scales"][divide[order]] -= float(np.log(shrink))
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    old = {name: getattr(cloud, name) for name in PARAMETERS}
    cloud.fill(values)
    for name in PARAMETERS:
        before, after = old[name], getattr(cloud, name)
        groups[id(before)]["params"] = [after if p is before else p for p in groups[id(before)]["params"]]
        state = optimizer.state.pop(before, {})
        for key, value in state.items():
            if torch.is_tensor(value) and value.shape == before.shape:
                state[key] = value[order].clone()
                state[key][is_child] = 0
        optimizer.state[after] = state
