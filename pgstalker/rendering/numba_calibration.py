"""What a core can do at this very minute: the yardstick that CPU timings are compared with."""

from __future__ import annotations

import numpy as np

from pgstalker.rendering import numba_simd as v
from pgstalker.rendering.numba_runtime import fast_kernel
from pgstalker.rendering.numba_tiles import ROW_FIRST, ROW_LAST, TILE_HEIGHT

LOOPS = 1 << 18
VECTORS = 8 * LOOPS
"""Fused multiply-adds of 16 float32 in one part of calibrate()."""
FLOPS = 32 * VECTORS
OPERATIONS_PER_ROW = 17
"""Vector operations that blending a Gaussian into one row of 16 px takes: what is counted against the peak."""


@fast_kernel
def calibrate(begin, end, sums):
    """sums[part] = the end of eight independent chains of multiply-adds."""
    for part in range(begin, end):
        a = b = c = d = e = f = g = h = v.splat(np.float32(part + 1))
        k = v.splat(np.float32(0.9999))
        for _ in range(LOOPS):
            a, b, c, d = v.fma(a, k, k), v.fma(b, k, k), v.fma(c, k, k), v.fma(d, k, k)
            e, f, g, h = v.fma(e, k, k), v.fma(f, k, k), v.fma(g, k, k), v.fma(h, k, k)
        total = v.add(v.add(v.add(a, b), v.add(c, d)), v.add(v.add(e, f), v.add(g, h)))
        sums[part] = v.lane_sum(total)


@fast_kernel
def count_rows(splats, ids, tile_starts, columns):
    """How many rows of 16 px all Gaussians of a prepared picture reach within their tiles."""
    rows = 0
    for t in range(tile_starts.shape[0] - 1):
        top = (t // columns) * TILE_HEIGHT
        for k in range(tile_starts[t], tile_starts[t + 1]):
            first = max(np.int64(splats[ids[k], ROW_FIRST]), top)
            last = min(np.int64(splats[ids[k], ROW_LAST]), top + TILE_HEIGHT - 1)
            rows += last - first + 1
    return rows
