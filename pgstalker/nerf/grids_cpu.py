"""Grid.forward on the CPU, forward and backward in numba; the plain twin is grids.read_reference.

One pass over the points for each level and channel: its table stays in the cache, features lie as [L C, N], and how
rows are shared is settled before the loop, so that the processor's vectors gather eight or sixteen points at a time. A
call works on one thread: many calls run side by side (learner, talker), each on its own rays.
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
PRIME_X, PRIME_Y, PRIME_Z = np.uint64(1), np.uint64(2_654_435_761), np.uint64(805_459_861)


@inlined
def _cell(x, cells):
    """The lower corner and the upper one's share; NaN counts as 0."""
    place = min(x, f32(1)) * f32(cells) if x > f32(0) else f32(0)
    lower = min(np.int32(place), np.int32(cells) - np.int32(1))
    return lower, place - f32(lower)


@inlined
def _terms(lower, side, stride, prime, is_hashed):
    """What a corner and the next one along an axis add to a row."""
    if is_hashed:
        first = u64(lower) * prime
        return first, first + prime
    tile = np.int32((f32(lower) + f32(0.5)) / f32(side))  # halves: no rounding error reaches a whole number
    first = lower - tile * np.int32(side)
    second = first + np.int32(1)
    second = second if second < np.int32(side) else np.int32(0)
    return u64(first) * stride, u64(second) * stride


@inlined
def _row(a, b, mask, is_hashed):
    return (a ^ b) & mask if is_hashed else a + b


@inlined
def _rows(a, b, mask, is_hashed):
    """The rows of a cell's four corners, those of a along the row."""
    p, q = _row(a[0], b[0], mask, is_hashed), _row(a[1], b[0], mask, is_hashed)
    return p, q, _row(a[0], b[1], mask, is_hashed), _row(a[1], b[1], mask, is_hashed)


@inlined
def _read_plane(x, column, level, mask, out, is_hashed):
    cells, side = level[0], u64(level[1])
    for i in range(u64(x.shape[1])):
        lower_x, u = _cell(x[u64(0), i], cells)
        lower_y, v = _cell(x[u64(1), i], cells)
        a = _terms(lower_x, side, u64(1), PRIME_X, is_hashed)
        b = _terms(lower_y, side, side, PRIME_Y, is_hashed)
        p, q, r, s = _rows(a, b, mask, is_hashed)
        upper = (f32(1) - u) * column[p] + u * column[q]
        out[i] = (f32(1) - v) * upper + v * ((f32(1) - u) * column[r] + u * column[s])


@inlined
def _read_room(x, column, level, mask, out, is_hashed):
    cells, side, all_bits = level[0], u64(level[1]), ~u64(0)
    for i in range(u64(x.shape[1])):
        lower_x, u = _cell(x[u64(0), i], cells)
        lower_y, v = _cell(x[u64(1), i], cells)
        lower_z, w = _cell(x[u64(2), i], cells)
        a = _terms(lower_x, side, u64(1), PRIME_X, is_hashed)
        b = _terms(lower_y, side, side, PRIME_Y, is_hashed)
        c = _terms(lower_z, side, side * side, PRIME_Z, is_hashed)
        ab = _rows(a, b, all_bits, is_hashed)
        p, q = _row(ab[0], c[0], mask, is_hashed), _row(ab[1], c[0], mask, is_hashed)
        r, s = _row(ab[2], c[0], mask, is_hashed), _row(ab[3], c[0], mask, is_hashed)
        near = (f32(1) - v) * ((f32(1) - u) * column[p] + u * column[q])
        near += v * ((f32(1) - u) * column[r] + u * column[s])
        p, q = _row(ab[0], c[1], mask, is_hashed), _row(ab[1], c[1], mask, is_hashed)
        r, s = _row(ab[2], c[1], mask, is_hashed), _row(ab[3], c[1], mask, is_hashed)
        far = (f32(1) - v) * ((f32(1) - u) * column[p] + u * column[q])
        far += v * ((f32(1) - u) * column[r] + u * column[s])
        out[i] = (f32(1) - w) * near + w * far


@careful_kernel
def _read(x, table, levels, mask, features):
    """features [L C, N] of x [2 or 3, N]; table [C, R]; levels [L, 3] int64: cells, side, first row."""
    channels = table.shape[0]
    for level in range(levels.shape[0]):
        for k in range(channels):
            column, out = table[k, levels[level, 2] :], features[level * channels + k]
            if x.shape[0] == 2 and levels[level, 1] == 0:
                _read_plane(x, column, levels[level], mask, out, True)
            elif x.shape[0] == 2:
                _read_plane(x, column, levels[level], mask, out, False)
            elif levels[level, 1] == 0:
                _read_room(x, column, levels[level], mask, out, True)
            else:
                _read_room(x, column, levels[level], mask, out, False)


@inlined
def _spread(column, rows, u, low, high):
    """Adds to a cell's four corners: low to the first two, high to the last, by the share u along the row."""
    column[rows[0]] += low * (f32(1) - u)
    column[rows[1]] += low * u
    column[rows[2]] += high * (f32(1) - u)
    column[rows[3]] += high * u


@careful_kernel
def _scatter(x, gradient, levels, mask, by_table):
    """Adds to by_table [C, R] what features' gradient [L C, N] leaves there."""
    channels, is_solid = by_table.shape[0], x.shape[0] == 3
    for level in range(levels.shape[0]):
        cells, side, is_hashed = levels[level, 0], u64(levels[level, 1]), levels[level, 1] == 0
        for k in range(channels):
            column, source = by_table[k, levels[level, 2] :], gradient[level * channels + k]
            for i in range(u64(x.shape[1])):
                lower_x, u = _cell(x[u64(0), i], cells)
                lower_y, v = _cell(x[u64(1), i], cells)
                a = _terms(lower_x, side, u64(1), PRIME_X, is_hashed)
                b = _terms(lower_y, side, side, PRIME_Y, is_hashed)
                low, high = (f32(1) - v) * source[i], v * source[i]
                if not is_solid:
                    _spread(column, _rows(a, b, mask, is_hashed), u, low, high)
                    continue
                lower_z, w = _cell(x[u64(2), i], cells)
                c = _terms(lower_z, side, side * side, PRIME_Z, is_hashed)
                for storey in range(2):
                    term, share = (c[1], w) if storey else (c[0], f32(1) - w)
                    far = b[0] ^ term if is_hashed else b[0] + term
                    next_far = b[1] ^ term if is_hashed else b[1] + term
                    _spread(column, _rows(a, (far, next_far), mask, is_hashed), u, share * low, share * high)


@inlined
def _slopes(column, rows, u, v):
    """A cell's value at (u, v) between its four corners, and how it grows along u and along v."""
    upper = (f32(1) - u) * column[rows[0]] + u * column[rows[1]]
    lower = (f32(1) - u) * column[rows[2]] + u * column[rows[3]]
    along = (f32(1) - v) * (column[rows[1]] - column[rows[0]]) + v * (column[rows[3]] - column[rows[2]])
    return (f32(1) - v) * upper + v * lower, along, lower - upper


@careful_kernel
def _slope(x, table, gradient, levels, mask, by_x):
    """by_x [D, N]: the gradient that x has; 0 along an axis on which it lies outside."""
    channels, is_solid = table.shape[0], x.shape[0] == 3
    by_x[:] = f32(0)
    for level in range(levels.shape[0]):
        cells, side, is_hashed = levels[level, 0], u64(levels[level, 1]), levels[level, 1] == 0
        for k in range(channels):
            column, source = table[k, levels[level, 2] :], gradient[level * channels + k]
            for i in range(u64(x.shape[1])):
                lower_x, u = _cell(x[u64(0), i], cells)
                lower_y, v = _cell(x[u64(1), i], cells)
                a = _terms(lower_x, side, u64(1), PRIME_X, is_hashed)
                b = _terms(lower_y, side, side, PRIME_Y, is_hashed)
                g = source[i] * f32(cells)
                if not is_solid:
                    _, along_u, along_v = _slopes(column, _rows(a, b, mask, is_hashed), u, v)
                    by_x[0, i] += g * along_u
                    by_x[1, i] += g * along_v
                    continue
                lower_z, w = _cell(x[u64(2), i], cells)
                c = _terms(lower_z, side, side * side, PRIME_Z, is_hashed)
                for storey in range(2):
                    term, share, sign = (c[1], w, f32(1)) if storey else (c[0], f32(1) - w, f32(-1))
                    far = b[0] ^ term if is_hashed else b[0] + term
                    next_far = b[1] ^ term if is_hashed else b[1] + term
                    value, along_u, along_v = _slopes(column, _rows(a, (far, next_far), mask, is_hashed), u, v)
                    by_x[0, i] += g * share * along_u
                    by_x[1, i] += g * share * along_v
                    by_x[2, i] += g * sign * value
    for axis in range(x.shape[0]):
        for i in range(x.shape[1]):
            if not (x[axis, i] >= f32(0) and x[axis, i] <= f32(1)):
                by_x[axis, i] = f32(0)


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, table, levels, mask):
        points, columns = x.detach().float().T.contiguous(), table.detach()
        features = torch.empty(len(levels) * len(table), len(x))
        _read(points.numpy(), columns.numpy(), levels, mask, features.numpy())
        ctx.points, ctx.columns, ctx.levels, ctx.mask = points, columns, levels, mask
        return features.T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        incoming, by_x = gradient.T.contiguous().numpy(), None
        by_columns = torch.zeros_like(ctx.columns)
        _scatter(ctx.points.numpy(), incoming, ctx.levels, ctx.mask, by_columns.numpy())
        if ctx.needs_input_grad[0]:
            by_points = torch.empty_like(ctx.points)
            _slope(ctx.points.numpy(), ctx.columns.numpy(), incoming, ctx.levels, ctx.mask, by_points.numpy())
            by_x = by_points.T
        return by_x, by_columns, None, None


def read_numba(grid: Grid, x: Tensor) -> Tensor:
    """The CPU form of Grid.forward; float32."""
    levels = torch.stack([grid.cells, grid.sides, grid.starts], 1).numpy()
    return _Read.apply(x, grid.table, levels, u64((1 << grid.layout.log2_rows) - 1))
