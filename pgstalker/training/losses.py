"""What a frame is judged by while training."""

from __future__ import annotations

import torch
from torch import Tensor

from pgstalker.rendering.ssim import ssim

SSIM_WEIGHT = 0.2
REFINE_SSIM_WEIGHT = 0.4
"""In the refine and fuse stages where LPIPS is not there to sharpen."""
LPIPS_WEIGHT = 0.05
MOUTH_WEIGHT = 3.0
MOTION_WEIGHT = 1e-3


def pixel_weights(side: int, box: tuple[int, int, int, int], device: torch.device) -> Tensor:
    """[H, W]: MOUTH_WEIGHT inside the mouth's box, 1 elsewhere."""
    weights = torch.ones(side, side, device=device)
    top, bottom, left, right = box
    weights[top:bottom, left:right] = MOUTH_WEIGHT
    return weights


class WeightedL1(torch.autograd.Function):
    """sum(weights * |image - target|) of [3, H, W] pictures and weights [H, W]; the gradient goes to the image alone.

    Autograd's own steps go through the picture nine times, these four."""

    @staticmethod
    def forward(ctx, image: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        difference = image - target
        slope = difference.sign().mul_(weights)
        ctx.save_for_backward(slope)
        return torch.dot(difference.reshape(-1), slope.reshape(-1))  # a picture of gsplat's has its channels last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradient, None, None


def photometric(image: Tensor, target: Tensor, weights: Tensor, ssim_weight: float = SSIM_WEIGHT) -> Tensor:
    """Weighted L1 + 0.2 (1 - SSIM) of [3, H, W] pictures (TalkingGaussian's mix: the L1 keeps weight 1)."""
    absolute = WeightedL1.apply(image, target, weights / (3 * weights.sum()))
    return absolute + ssim_weight * (1 - ssim(image, target, weights))


def small_motion(motion: Tensor) -> Tensor:
    """Mean squared motion [..., M, 3] cm, lightly: what need not move stays."""
    return MOTION_WEIGHT * (motion**2).sum(-1).mean()
