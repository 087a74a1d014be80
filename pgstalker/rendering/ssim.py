"""Structural similarity as a loss (Wang et al. 2004): 11-tap Gaussian window, sigma 1.5, zero padding, K 0.01, 0.03.

On the CPU a fused numba kernel gives the value and the gradient together; elsewhere, and as its twin, plain torch.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

TAPS, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def window() -> Tensor:
    """The 11 taps, summing to 1, float64."""
    offsets = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    taps = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    return taps / taps.sum()


@dataclass(frozen=True)
class SsimTarget:
    """A picture to be compared with many times: image [3, H, W], its blurred mean and its blurred square."""

    image: Tensor
    mean: Tensor
    mean_square: Tensor


@functools.lru_cache(maxsize=16)
def _band(size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[size, size]: multiplied from the left it blurs columns, with zeros beyond the ends."""
    away = torch.arange(size)[:, None] - torch.arange(size)[None] + TAPS // 2
    weights = torch.where((away >= 0) & (away < TAPS), window()[away.clamp(0, TAPS - 1)], 0)
    return weights.to(device, dtype)


def _blur(planes: Tensor) -> Tensor:
    """As two products of matrices: CUDA's convolutions round to ten bits (TF32), and the variance of a smooth patch
    is a small difference of large numbers."""
    height, width = planes.shape[-2:]
    return _band(height, planes.device, planes.dtype) @ planes @ _band(width, planes.device, planes.dtype)


def prepare_target(target: Tensor) -> SsimTarget:
    """The part of ssim() that depends on the target [3, H, W] alone, to be kept while the target is."""
    target = target.detach()
    if target.device.type == "cpu" and target.dtype == torch.float32:
        from pgstalker.rendering.numba_ssim import target_statistics

        return SsimTarget(target, *target_statistics(target))
    return SsimTarget(target, _blur(target), _blur(target * target))


def ssim_reference(image: Tensor, target: Tensor | SsimTarget, weight: Tensor | None = None) -> Tensor:
    """ssim() in plain torch, any device and precision, every argument differentiable."""
    y = target.image if isinstance(target, SsimTarget) else target
    mean_x, mean_y = _blur(image), _blur(y)
    var_x = _blur(image * image) - mean_x * mean_x
    var_y = _blur(y * y) - mean_y * mean_y
    cov = _blur(image * y) - mean_x * mean_y
    values = (2 * mean_x * mean_y + C1) * (2 * cov + C2)
    values = values / ((mean_x * mean_x + mean_y * mean_y + C1) * (var_x + var_y + C2))
    if weight is None:
        return values.mean()
    return (values * weight).sum() / (weight.sum() * len(values))


def ssim(image: Tensor, target: Tensor | SsimTarget, weight: Tensor | None = None) -> Tensor:
    """Mean SSIM of image [3, H, W] against target [3, H, W] (or its prepare_target()), both in [0, 1]; a scalar.

    weight [H, W] >= 0 weighs the pixels' values; None: all alike. The gradient goes to the image only.
    """
    y = target.image if isinstance(target, SsimTarget) else target
    assert image.shape == y.shape and image.ndim == 3, f"image {tuple(image.shape)}, target {tuple(y.shape)}"
    if image.device.type != "cpu" or image.dtype != torch.float32:
        return ssim_reference(image, y.detach(), weight)
    from pgstalker.rendering.numba_ssim import ssim_numba

    return ssim_numba(image, target if isinstance(target, SsimTarget) else prepare_target(target), weight)
