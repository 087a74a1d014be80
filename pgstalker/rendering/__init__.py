"""Gaussian splatting: one rasterize() with three backends that agree. The SSIM of pictures is in ssim.py.

Names are looked up when they are first used: playing an avatar on the CPU takes this package's numba kernels and must
not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstalker.rendering.backend import choose_backend
    from pgstalker.rendering.rasterizer import rasterize, rasterize_frames, render_uint8, render_uint8_frames
    from pgstalker.rendering.types import Rendering

__all__ = ["Rendering", "choose_backend", "rasterize", "rasterize_frames", "render_uint8", "render_uint8_frames"]

_HOMES = {"Rendering": "types", "choose_backend": "backend"} | dict.fromkeys(
    ("rasterize", "rasterize_frames", "render_uint8", "render_uint8_frames"), "rasterizer"
)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
