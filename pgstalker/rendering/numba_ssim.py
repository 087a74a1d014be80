"""SSIM and its gradient in three sweeps over the rows, all cores; the plain twin is ssim.ssim_reference.

Blurred maps live in padded planes: five rows of zeros above and below, 16 columns on the left and at least 16 on the
right, so that the window's zero padding needs no special case and every row is a whole number of vectors.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pgstalker.rendering import numba_simd as v
from pgstalker.rendering.numba_runtime import fast_kernel, inlined, kernel_lock, share
from pgstalker.rendering.ssim import C1 as _C1
from pgstalker.rendering.ssim import C2 as _C2
from pgstalker.rendering.ssim import SsimTarget, window

f32 = np.float32
MARGIN_ROWS, MARGIN = 5, 16
C1, C2 = f32(_C1), f32(_C2)
T0, T1, T2, T3, T4, T5 = (f32(t) for t in window()[:6])


@inlined
def _blur_at(data, at, step):
    """The window over data[at - 5 step], ..., data[at + 5 step], 16 columns at once."""
    total = v.mul(v.splat(T5), v.load(data, at))
    total = v.fma(v.splat(T4), v.add(v.load(data, at - step), v.load(data, at + step)), total)
    total = v.fma(v.splat(T3), v.add(v.load(data, at - 2 * step), v.load(data, at + 2 * step)), total)
    total = v.fma(v.splat(T2), v.add(v.load(data, at - 3 * step), v.load(data, at + 3 * step)), total)
    total = v.fma(v.splat(T1), v.add(v.load(data, at - 4 * step), v.load(data, at + 4 * step)), total)
    return v.fma(v.splat(T0), v.add(v.load(data, at - 5 * step), v.load(data, at + 5 * step)), total)


@fast_kernel
def _blur_rows(begin, end, x, y, height, stride, out):
    """out [3, maps, padded]: x, x^2 and, with three maps, x y, blurred along their rows. x, y [3, H, W] contiguous."""
    _, maps, plane = out.shape
    width = x.shape[2]
    flat = out.reshape(-1)
    for n in range(begin, end):
        channel, row = n // height, n % height
        line = np.zeros(3 * stride, np.float32)
        for i in range(width):
            value = x[channel, row, i]
            line[MARGIN + i] = value
            line[stride + MARGIN + i] = value * value
            line[2 * stride + MARGIN + i] = value * y[channel, row, i]
        for m in range(maps):
            to = (channel * maps + m) * plane + (row + MARGIN_ROWS) * stride
            for i in range(MARGIN, stride - MARGIN, 16):
                v.store(flat, to + i, _blur_at(line, m * stride + i, 1))


@fast_kernel
def _finish_statistics(begin, end, blurred, stride, mean, mean_square):
    """mean, mean_square [3, H, stride] from the row-blurred maps [3, 2, padded]."""
    _, height, _ = mean.shape
    plane = blurred.shape[2]
    flat, out_mean, out_square = blurred.reshape(-1), mean.reshape(-1), mean_square.reshape(-1)
    for n in range(begin, end):
        channel, row = n // height, n % height
        at = channel * 2 * plane + (row + MARGIN_ROWS) * stride
        for i in range(MARGIN, stride - MARGIN, 16):
            v.store(out_mean, n * stride + i, _blur_at(flat, at + i, stride))
            v.store(out_square, n * stride + i, _blur_at(flat, at + plane + i, stride))


@inlined
def _compare(flat, at, plane, stride, mean_y, square_y, weight, line, sums_at):
    """16 columns: returns weight * SSIM, and writes its derivatives by the three blurred maps to `line`."""
    one, two = v.splat(f32(1)), v.splat(f32(2))
    mean_x = _blur_at(flat, at, stride)
    square_x = _blur_at(flat, at + plane, stride)
    product = _blur_at(flat, at + 2 * plane, stride)
    both = v.mul(mean_x, mean_y)
    squares = v.fma(mean_x, mean_x, v.mul(mean_y, mean_y))
    a = v.fma(two, both, v.splat(C1))
    b = v.fma(two, v.sub(product, both), v.splat(C2))
    c = v.add(squares, v.splat(C1))
    d = v.add(v.sub(v.add(square_x, square_y), squares), v.splat(C2))
    inverse = v.div(one, v.mul(c, d))
    value = v.mul(v.mul(a, b), inverse)
    by_square = v.mul(v.sub(v.splat(f32(0)), value), v.mul(c, inverse))
    by_product = v.mul(two, v.mul(a, inverse))
    by_mean = v.mul(two, v.mul(v.mul(mean_y, b), inverse))
    by_mean = v.neg_fma(v.mul(two, mean_x), v.fma(value, v.mul(d, inverse), by_square), by_mean)
    by_mean = v.neg_fma(by_product, mean_y, by_mean)
    v.store(line, sums_at, v.mul(weight, by_mean))
    v.store(line, sums_at + stride, v.mul(weight, by_square))
    v.store(line, sums_at + 2 * stride, v.mul(weight, by_product))
    return v.mul(weight, value)


@fast_kernel
def _compare_rows(begin, end, blurred, stride, mean_y, square_y, weight, row_sums, out):
    """row_sums [3 H]: weighted SSIM of each row; out [3, 3, padded]: its derivatives, blurred along their rows."""
    height = weight.shape[0]
    plane = blurred.shape[2]
    flat, flat_out = blurred.reshape(-1), out.reshape(-1)
    means, squares, weights = mean_y.reshape(-1), square_y.reshape(-1), weight.reshape(-1)
    for n in range(begin, end):
        channel, row = n // height, n % height
        line = np.zeros(3 * stride, np.float32)
        at = channel * 3 * plane + (row + MARGIN_ROWS) * stride
        total = v.splat(f32(0))
        for i in range(MARGIN, stride - MARGIN, 16):
            mean, square = v.load(means, n * stride + i), v.load(squares, n * stride + i)
            w = v.load(weights, row * stride + i)
            total = v.add(total, _compare(flat, at + i, plane, stride, mean, square, w, line, i))
        row_sums[n] = v.lane_sum(total)
        for m in range(3):
            for i in range(MARGIN, stride - MARGIN, 16):
                v.store(flat_out, at + m * plane + i, _blur_at(line, m * stride + i, 1))


@fast_kernel
def _finish_gradient(begin, end, derivatives, stride, x, y, scale, gradient):
    """gradient [3, H, W] = scale (D_mean + 2 x D_square + y D_product), the D blurred along their columns."""
    _, height, width = x.shape
    plane = derivatives.shape[2]
    flat = derivatives.reshape(-1)
    for n in range(begin, end):
        channel, row = n // height, n % height
        line = np.empty(3 * stride, np.float32)
        at = channel * 3 * plane + (row + MARGIN_ROWS) * stride
        for m in range(3):
            for i in range(MARGIN, stride - MARGIN, 16):
                v.store(line, m * stride + i, _blur_at(flat, at + m * plane + i, stride))
        for i in range(width):
            value = line[MARGIN + i] + f32(2) * x[channel, row, i] * line[stride + MARGIN + i]
            gradient[channel, row, i] = scale * (value + y[channel, row, i] * line[2 * stride + MARGIN + i])


def _stride(width: int) -> int:
    return 2 * MARGIN + -(-width // 16) * 16


class _Planes:
    """Padded planes kept between calls by shape; their margins stay zero. Only under kernel_lock."""

    _kept: ClassVar[dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]]] = {}

    @classmethod
    def take(cls, maps: int, height: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        key = maps, height, stride
        if key not in cls._kept:
            if len(cls._kept) > 8:
                cls._kept.clear()
            shape = 3, maps, (height + 2 * MARGIN_ROWS) * stride
            cls._kept[key] = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        return cls._kept[key]


def target_statistics(target: Tensor) -> tuple[Tensor, Tensor]:
    """Blurred mean and mean square of target [3, H, W], as [3, H, padded width] for ssim_numba."""
    y = target.contiguous().numpy()
    _, height, width = y.shape
    stride = _stride(width)
    mean, square = np.zeros((3, height, stride), np.float32), np.zeros((3, height, stride), np.float32)
    with kernel_lock:
        blurred, _ = _Planes.take(2, height, stride)
        share(_blur_rows, 3 * height, y, y, height, stride, blurred)
        share(_finish_statistics, 3 * height, blurred, stride, mean, square)
    return torch.from_numpy(mean), torch.from_numpy(square)


class _Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, target, weight):
        x, y = image.detach().contiguous().numpy(), target.image.contiguous().numpy()
        _, height, width = x.shape
        stride = _stride(width)
        padded_weight = np.zeros((height, stride), np.float32)
        padded_weight[:, MARGIN : MARGIN + width] = 1 if weight is None else weight.detach().numpy()
        total = 3 * float(padded_weight.sum(dtype=np.float64))
        row_sums = np.empty(3 * height, np.float32)
        with kernel_lock:
            blurred, derivatives = _Planes.take(3, height, stride)
            share(_blur_rows, 3 * height, x, y, height, stride, blurred)
            statistics = target.mean.numpy(), target.mean_square.numpy()
            share(_compare_rows, 3 * height, blurred, stride, *statistics, padded_weight, row_sums, derivatives)
            if ctx.needs_input_grad[0]:
                gradient = np.empty_like(x)
                share(_finish_gradient, 3 * height, derivatives, stride, x, y, f32(1 / total), gradient)
                ctx.gradient = torch.from_numpy(gradient)
        return torch.tensor(row_sums.sum(dtype=np.float64) / total, dtype=torch.float32)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, by_value):
        return ctx.gradient * by_value, None, None


def ssim_numba(image: Tensor, target: SsimTarget, weight: Tensor | None) -> Tensor:
    """The CPU form of ssim.ssim; float32."""
    assert target.mean.shape[2] == _stride(image.shape[2]), "the target was not prepared on the CPU"
    return _Ssim.apply(image, target, weight)
