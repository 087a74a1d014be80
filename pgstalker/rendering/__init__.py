"""Gaussian splatting: one rasterize() with three backends that agree, and the SSIM of pictures."""

from pgstalker.rendering.backend import choose_backend
from pgstalker.rendering.rasterizer import rasterize, render_uint8
from pgstalker.rendering.ssim import prepare_target, ssim, ssim_reference
from pgstalker.rendering.types import Rendering

__all__ = ["Rendering", "choose_backend", "prepare_target", "rasterize", "render_uint8", "ssim", "ssim_reference"]
