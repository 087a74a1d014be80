"""Along a ray: which steps lie in occupied cells, and how their densities and colours add up.

march() chooses the samples of all rays at once; its numba form works ray by ray on the CPU (marching_cpu), and
march_reference is the twin of both, written as a person would do it. No gradient goes through the choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pgstalker.nerf.occupancy import Occupancy
from pgstalker.nerf.rays import Rays

DEEPEST = 0.99
"""Into a part of a ray: what rounds up would belong to the next."""


@dataclass(frozen=True)
class Steps:
    """The samples of R rays, at most S each, nearest first: at [R, S] cm along the ray, counts [R] int64 of them,
    lengths [R] cm that one sample stands for."""

    at: Tensor
    counts: Tensor
    lengths: Tensor

    def places(self, first: int = 0, last: int | None = None) -> tuple[Tensor, Tensor]:
        """(ray [N], slot [N]) of the samples in slots first .. last, ray by ray."""
        slots = torch.arange(self.at.shape[1], device=self.at.device)
        is_there = slots < self.counts[:, None]
        is_there[:, :first] = False
        if last is not None:
            is_there[:, last:] = False
        ray, slot = is_there.nonzero(as_tuple=True)
        return ray, slot

    def __getitem__(self, rays) -> Steps:
        return Steps(self.at[rays], self.counts[rays], self.lengths[rays])


@torch.no_grad()
def march(rays: Rays, occupancy: Occupancy, cells: Tensor, step_cm: float, offsets: Tensor, most: int) -> Steps:
    """Samples where `cells` (occupancy.occupied or .possible) says so, every step_cm through the box.

    offsets [R] in [0, 1): where in a step each ray's samples lie. A ray with more than `most` occupied steps takes
    `most` of them, one of each equal part, as far into it as the offset says; it then stands for a longer piece."""
    if rays.directions.device.type == "cpu":
        from pgstalker.nerf.marching_cpu import march_numba

        return march_numba(rays, occupancy, cells, step_cm, offsets, most)
    return march_torch(rays, occupancy, cells, step_cm, offsets, most)


def crossing(rays: Rays, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """(near [R], far [R]) cm along each ray where it is inside the box; far <= near where it misses."""
    inverse = 1 / torch.where(rays.directions.abs() < 1e-9, 1e-9, rays.directions)
    a, b = (low - rays.origin) * inverse, (high - rays.origin) * inverse
    return torch.minimum(a, b).amax(1).clamp(min=0), torch.maximum(a, b).amin(1)


def march_torch(rays: Rays, occupancy: Occupancy, cells: Tensor, step_cm: float, offsets: Tensor, most: int) -> Steps:
    """march() with whole arrays, for any device."""
    near, far = crossing(rays, occupancy.low, occupancy.high)
    longest = max(float((far - near).amax()), step_cm) if len(near) else step_cm
    at = (
        near[:, None]
        + (torch.arange(math.ceil(longest / step_cm) + 1, device=near.device) + offsets[:, None]) * step_cm
    )
    is_hit, cell = at < far[:, None], torch.zeros_like(at, dtype=torch.int32)
    for axis in range(3):
        scale = occupancy.cells / (occupancy.high[axis] - occupancy.low[axis])
        place = rays.origin[axis] + rays.directions[:, axis, None] * at - occupancy.low[axis]
        cell = cell * occupancy.cells + (place * scale).int().clamp_(0, occupancy.cells - 1)
    is_hit &= cells.view(-1)[cell.long()]
    total = is_hit.sum(1)
    of, counts = total.clamp(min=most), total.clamp(max=most)
    hits, before = at[is_hit], total.cumsum(0) - total
    slots = torch.arange(most, device=at.device)
    rank = ((slots + offsets[:, None].clamp(max=DEEPEST)) * of[:, None] / most).long()
    is_there = slots < counts[:, None]
    chosen = at.new_zeros(len(rays), most)
    chosen[is_there] = hits[(before[:, None] + rank)[is_there]]
    return Steps(chosen, counts, step_cm * of / most)


def march_reference(
    rays: Rays, occupancy: Occupancy, cells: Tensor, step_cm: float, offsets: Tensor, most: int
) -> list[tuple[list[float], float]]:
    """march() as a plain loop: for each ray the places of its samples, cm, and the length that one stands for."""
    result = []
    nears, fars = crossing(rays, occupancy.low, occupancy.high)
    for near, far, direction, offset in zip(nears, fars, rays.directions, offsets, strict=True):
        hits, at = [], near + offset * step_cm
        while at < far:
            if cells.view(-1)[occupancy.cell_of(rays.origin + direction * at)]:
                hits.append(float(at))
            at = near + (offset + round(float((at - near) / step_cm - offset)) + 1) * step_cm
        of = max(len(hits), most)
        ranks = [int((slot + offset.clamp(max=DEEPEST)) * of / most) for slot in range(min(len(hits), most))]
        kept = [hits[rank] for rank in ranks]
        result.append((kept, step_cm * of / most))
    return result


def weigh(densities: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """How much each sample counts, [R, S], and what light is left behind all, [R]; nearest first.

    densities [R, S] >= 0 per cm, 0 where there is no sample; lengths [R] or [R, S] cm. (Max 1995.)"""
    depth = densities * (lengths[:, None] if lengths.dim() == 1 else lengths)
    before = torch.cumsum(depth, 1)
    left = torch.exp(-torch.cat([torch.zeros_like(before[:, :1]), before], 1))
    return left[:, :-1] - left[:, 1:], left[:, -1]
