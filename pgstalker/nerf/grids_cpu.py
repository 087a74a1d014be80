"""Grid.forward on the CPU, forward and backward in numba; the plain twin is grids.read_reference.

Level by level, so that one level's table stays in the cache. A call works on one thread: many calls run side by side
(learner, talker), each on its own rays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pgstalker.rendering.numba_runtime import careful_kernel, inlined

if TYPE_CHECKING:
    from pgstalker.nerf.grids import Grid

f32, u64 = np.float32, np.uint64
PRIME_Y, PRIME_Z = np.uint64(2_654_435_761), np.uint64(805_459_861)


@inlined
def _cell(x, cells):
    """The lower corner and the upper one's share; NaN counts as 0."""
    if not x > f32(0):
        return u64(0), f32(0)
    place = min(x, f32(1)) * f32(cells)
    lower = min(np.int64(place), cells - 1)
    return u64(lower), place - f32(lower)


@inlined
def _row(a, b, c, side, mask):
    """The row of corner (a, b, c) within its level; side 0: hashed."""
    if side == u64(0):
        return (a ^ (b * PRIME_Y) ^ (c * PRIME_Z)) & mask
    if a >= side:
        a = a % side
    if b >= side:
        b = b % side
    if c >= side:
        c = c % side
    return (c * side + b) * side + a


@careful_kernel
def _read(x, table, levels, mask, features):
    """features [N, L, C] of x [N, 2 or 3]; levels [L, 3] int64: cells, side, first row."""
    channels, is_solid = u64(table.shape[1]), x.shape[1] == 3
    for level in range(levels.shape[0]):
        cells, side, start = levels[level, 0], u64(levels[level, 1]), u64(levels[level, 2])
        for i in range(x.shape[0]):
            a, u = _cell(x[i, 0], cells)
            b, v = _cell(x[i, 1], cells)
            out = features[i, level]
            for k in range(channels):
                out[k] = f32(0)
            for storey in range(2 if is_solid else 1):
                c, share = u64(0), f32(1)
                if is_solid:
                    c, w = _cell(x[i, 2], cells)
                    share = w if storey else f32(1) - w
                    c += u64(storey)
                one = u64(1)
                p = start + _row(a, b, c, side, mask)
                q = start + _row(a + one, b, c, side, mask)
                r = start + _row(a, b + one, c, side, mask)
                s = start + _row(a + one, b + one, c, side, mask)
                top, bottom = share * (f32(1) - v), share * v
                for k in range(channels):
                    upper = (f32(1) - u) * table[p, k] + u * table[q, k]
                    lower = (f32(1) - u) * table[r, k] + u * table[s, k]
                    out[k] += top * upper + bottom * lower


@careful_kernel
def _scatter(x, gradient, levels, mask, by_table):
    """Adds to by_table [R, C] what features' gradient [N, L, C] leaves there."""
    channels, is_solid = u64(by_table.shape[1]), x.shape[1] == 3
    for level in range(levels.shape[0]):
        cells, side, start = levels[level, 0], u64(levels[level, 1]), u64(levels[level, 2])
        for i in range(x.shape[0]):
            a, u = _cell(x[i, 0], cells)
            b, v = _cell(x[i, 1], cells)
            for storey in range(2 if is_solid else 1):
                c, share = u64(0), f32(1)
                if is_solid:
                    c, w = _cell(x[i, 2], cells)
                    share = w if storey else f32(1) - w
                    c += u64(storey)
                one = u64(1)
                p = start + _row(a, b, c, side, mask)
                q = start + _row(a + one, b, c, side, mask)
                r = start + _row(a, b + one, c, side, mask)
                s = start + _row(a + one, b + one, c, side, mask)
                for k in range(channels):
                    top = share * (f32(1) - v) * gradient[i, level, k]
                    bottom = share * v * gradient[i, level, k]
                    by_table[p, k] += top * (f32(1) - u)
                    by_table[q, k] += top * u
                    by_table[r, k] += bottom * (f32(1) - u)
                    by_table[s, k] += bottom * u


@careful_kernel
def _slope(x, table, gradient, levels, mask, by_x):
    """by_x [N, D]: the gradient that x has; 0 along an axis on which it lies outside."""
    channels, is_solid = u64(table.shape[1]), x.shape[1] == 3
    by_x[:] = f32(0)
    for level in range(levels.shape[0]):
        cells, side, start = levels[level, 0], u64(levels[level, 1]), u64(levels[level, 2])
        for i in range(x.shape[0]):
            a, u = _cell(x[i, 0], cells)
            b, v = _cell(x[i, 1], cells)
            along_u, along_v, along_w = f32(0), f32(0), f32(0)
            for storey in range(2 if is_solid else 1):
                c, share, sign = u64(0), f32(1), f32(0)
                if is_solid:
                    c, w = _cell(x[i, 2], cells)
                    share, sign = (w, f32(1)) if storey else (f32(1) - w, f32(-1))
                    c += u64(storey)
                one = u64(1)
                p = start + _row(a, b, c, side, mask)
                q = start + _row(a + one, b, c, side, mask)
                r = start + _row(a, b + one, c, side, mask)
                s = start + _row(a + one, b + one, c, side, mask)
                for k in range(channels):
                    g = gradient[i, level, k]
                    upper = (f32(1) - u) * table[p, k] + u * table[q, k]
                    lower = (f32(1) - u) * table[r, k] + u * table[s, k]
                    steep = (f32(1) - v) * (table[q, k] - table[p, k]) + v * (table[s, k] - table[r, k])
                    along_u += g * share * steep
                    along_v += g * share * (lower - upper)
                    along_w += g * sign * ((f32(1) - v) * upper + v * lower)
            by_x[i, 0] += along_u * f32(cells)
            by_x[i, 1] += along_v * f32(cells)
            if is_solid:
                by_x[i, 2] += along_w * f32(cells)
    for i in range(x.shape[0]):
        for axis in range(x.shape[1]):
            if not (x[i, axis] >= f32(0) and x[i, axis] <= f32(1)):
                by_x[i, axis] = f32(0)


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, table, levels, mask):
        points, features = x.detach().float().contiguous(), torch.empty(len(x), len(levels), table.shape[1])
        _read(points.numpy(), table.detach().numpy(), levels, mask, features.numpy())
        ctx.points, ctx.levels, ctx.mask = points, levels, mask
        ctx.save_for_backward(table)
        return features.flatten(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (table,) = ctx.saved_tensors
        incoming = gradient.contiguous().view(len(ctx.points), len(ctx.levels), table.shape[1]).numpy()
        by_table, by_x = torch.zeros_like(table), None
        _scatter(ctx.points.numpy(), incoming, ctx.levels, ctx.mask, by_table.numpy())
        if ctx.needs_input_grad[0]:
            by_x = torch.empty_like(ctx.points)
            _slope(ctx.points.numpy(), table.detach().numpy(), incoming, ctx.levels, ctx.mask, by_x.numpy())
        return by_x, by_table, None, None


def read_numba(grid: Grid, x: Tensor) -> Tensor:
    """The CPU form of Grid.forward; float32."""
    levels = torch.stack([grid.cells, grid.sides, grid.starts], 1).numpy()
    return _Read.apply(x, grid.table, levels, u64((1 << grid.layout.log2_rows) - 1))
