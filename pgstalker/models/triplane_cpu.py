"""triplane.lookup on the CPU, forward and backward in numba; the plain twin is triplane.lookup_reference.

The way back scatters into the planes. The points are cut into a fixed number of parts with planes of their own, which
are then added in order: no races, and the same bits whatever the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pgstalker.rendering.numba_runtime import careful_kernel, inlined, kernel_lock, share

f32 = np.float32
PARTS = 4


@inlined
def _texel(x, resolution):
    """The lower texel's index, the share of the upper one, and whether each of the two lies on the plane.

    What is not finite or far outside counts as outside; the index is then 0.
    """
    place = (x + f32(1)) * f32(0.5) * f32(resolution - 1)
    if not (place > f32(-1) and place < f32(resolution)):
        return 0, f32(0), False, False
    lower = math.floor(place)
    index = np.int64(lower)
    return index, place - f32(lower), index >= 0, index + 1 < resolution


@inlined
def _corner(row, column, is_inside, share, resolution, channels):
    """Flat offset and share of one of the four texels; the share is 0 outside."""
    if is_inside:
        return np.uint64((row * resolution + column) * channels), share
    return np.uint64(0), f32(0)


@inlined
def _corners(x, i, plane, resolution, channels):
    """The four texels around point i on a plane: offsets (4) and shares (4)."""
    column, u, has_left, has_right = _texel(x[i, 1 if plane == 1 else 0], resolution)
    row, v, has_top, has_bottom = _texel(x[i, 1 if plane == 0 else 2], resolution)
    a = _corner(row, column, has_top and has_left, (f32(1) - u) * (f32(1) - v), resolution, channels)
    b = _corner(row, column + 1, has_top and has_right, u * (f32(1) - v), resolution, channels)
    c = _corner(row + 1, column, has_bottom and has_left, (f32(1) - u) * v, resolution, channels)
    d = _corner(row + 1, column + 1, has_bottom and has_right, u * v, resolution, channels)
    return a, b, c, d


@careful_kernel
def _read(begin, end, planes, x, features):
    """features [N, 3, C] from planes [3, R * R * C]."""
    channels = features.shape[2]
    resolution = np.int64(math.sqrt(planes.shape[1] // channels))
    for i in range(begin, end):
        for plane in range(3):
            a, b, c, d = _corners(x, i, plane, resolution, channels)
            source, target = planes[plane], features[i, plane]
            for k in range(np.uint64(channels)):
                value = a[1] * source[a[0] + k] + b[1] * source[b[0] + k]
                target[k] = value + c[1] * source[c[0] + k] + d[1] * source[d[0] + k]


@careful_kernel
def _scatter(begin, end, gradient, x, parts):
    """parts [PARTS, 3, R * R * C]: the planes' gradient from each part of the points; gradient [N, 3, C]."""
    count, _, channels = gradient.shape
    resolution = np.int64(math.sqrt(parts.shape[2] // channels))
    part_size = (count + parts.shape[0] - 1) // parts.shape[0]
    for task in range(begin, end):
        part, plane = task // 3, task % 3
        target = parts[part, plane]
        target[:] = f32(0)
        for i in range(part * part_size, min(count, (part + 1) * part_size)):
            a, b, c, d = _corners(x, i, plane, resolution, channels)
            source = gradient[i, plane]
            for k in range(np.uint64(channels)):
                g = source[k]
                target[a[0] + k] += a[1] * g
                target[b[0] + k] += b[1] * g
                target[c[0] + k] += c[1] * g
                target[d[0] + k] += d[1] * g


_scratch: dict[tuple[int, ...], np.ndarray] = {}  # by shape; only under kernel_lock


def _parts(size: int) -> np.ndarray:
    shape = PARTS, 3, size
    if shape not in _scratch:
        if len(_scratch) > 4:
            _scratch.clear()
        _scratch[shape] = np.empty(shape, np.float32)
    return _scratch[shape]


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx, planes, x):
        points = x.detach().to(torch.float32).contiguous().numpy()
        features = torch.empty(len(points), 3, planes.shape[3])
        with kernel_lock:
            share(_read, len(points), planes.detach().contiguous().numpy().reshape(3, -1), points, features.numpy())
        ctx.points, ctx.shape = points, planes.shape
        return features.view(len(points), 3 * planes.shape[3])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        incoming = gradient.contiguous().numpy().reshape(len(ctx.points), 3, ctx.shape[3])
        with kernel_lock:
            parts = _parts(ctx.shape[1] * ctx.shape[2] * ctx.shape[3])
            share(_scatter, 3 * PARTS, incoming, ctx.points, parts)
            total = parts.sum(0)
        return torch.from_numpy(total).view(ctx.shape), None


def lookup_numba(planes: Tensor, x: Tensor) -> Tensor:
    """The CPU form of triplane.lookup; float32."""
    return _Lookup.apply(planes, x)
