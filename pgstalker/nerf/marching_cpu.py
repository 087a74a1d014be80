"""marching.march on the CPU, ray by ray in numba: counts first, then keeps. On the calling thread alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pgstalker.nerf import marching
from pgstalker.nerf.marching import Steps, crossing
from pgstalker.nerf.occupancy import Occupancy
from pgstalker.nerf.rays import Rays
from pgstalker.rendering.numba_runtime import careful_kernel, inlined

f32 = np.float32
DEEPEST = f32(marching.DEEPEST)


@inlined
def _index(place, cells):
    return min(max(np.int64(place), 0), cells - 1)


@inlined
def _is_hit(box, ray, at, cells):
    """box [3, 3]: origin, lowest corner, cells per cm."""
    count = cells.shape[0]
    x = _index((box[0, 0] + ray[0] * at - box[1, 0]) * box[2, 0], count)
    y = _index((box[0, 1] + ray[1] * at - box[1, 1]) * box[2, 1], count)
    z = _index((box[0, 2] + ray[2] * at - box[1, 2]) * box[2, 2], count)
    return cells[np.uint64(x), np.uint64(y), np.uint64(z)]


@careful_kernel
def _march(box, rays, spans, cells, step, chosen, counts):
    """chosen [R, S], counts [R] from rays [R, 3] and spans [R, 3]: near, far, offset."""
    most = chosen.shape[1]
    for i in range(rays.shape[0]):
        near, far, offset, total, number = spans[i, 0], spans[i, 1], spans[i, 2], 0, 0
        while True:
            at = near + (f32(number) + offset) * step
            if not at < far:
                break
            total += _is_hit(box, rays[i], at, cells)
            number += 1
        counts[i] = total
        of, rank, slot = max(total, most), 0, 0
        for n in range(number):
            at = near + (f32(n) + offset) * step
            if _is_hit(box, rays[i], at, cells):
                if slot < most and rank == np.int64((f32(slot) + min(offset, DEEPEST)) * f32(of) / f32(most)):
                    chosen[i, slot] = at
                    slot += 1
                rank += 1


def march_numba(rays: Rays, occupancy: Occupancy, cells: Tensor, step_cm: float, offsets: Tensor, most: int) -> Steps:
    """The CPU form of march()."""
    near, far = crossing(rays, occupancy.low, occupancy.high)
    box = torch.stack([rays.origin, occupancy.low, occupancy.cells / (occupancy.high - occupancy.low)])
    spans = torch.stack([near, far, offsets], 1).contiguous()
    chosen, total = torch.zeros(len(rays), most), torch.zeros(len(rays), dtype=torch.int64)
    directions = rays.directions.contiguous().numpy()
    _march(box.numpy(), directions, spans.numpy(), cells.numpy(), f32(step_cm), chosen.numpy(), total.numpy())
    return Steps(chosen, total.clamp(max=most), step_cm * total.clamp(min=most) / most)
