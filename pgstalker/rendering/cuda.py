"""The CUDA backend: gsplat (Ye et al. 2025, arXiv 2409.06765). The only file that imports it.

Two differences from the other backends, both within 1e-4 of a colour: gsplat leaves out the Gaussian that would take a
pixel's transmittance to 1e-4 or below (the others draw it and stop after it), so pixels' counts in coverage() may be
lower by one per pixel; and its exponential is CUDA's fast one.
"""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor

from pgstalker.rendering.reference import EPS2D
from pgstalker.rendering.types import Rendering, Scene, View

log = logging.getLogger(__name__)

_ALL_BATCHES = 2**30


@functools.lru_cache
def why_unusable() -> str | None:
    """Why gsplat cannot draw on this machine, or None. The first call on a machine compiles its kernels: minutes."""
    if not torch.cuda.is_available():
        return "no CUDA device"
    log.info("loading gsplat; on a machine's first use its CUDA kernels are compiled, which takes some minutes")
    try:
        from gsplat.cuda import _backend
    except (ImportError, OSError, RuntimeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    return None if _backend._C is not None else "no CUDA toolkit to compile its kernels with"


def rasterize_gsplat(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> Rendering:
    """The CUDA form of rendering.rasterize; all tensors on one CUDA device."""
    from gsplat import rasterization

    device = scene.means.device
    if not len(scene.means):
        return _empty(scene, camera, background)
    scene = Scene(*(t.float().contiguous() for t in scene))
    k = torch.tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], device=device)
    colors, alphas, meta = rasterization(
        *scene,
        camera_from_world.to(device, torch.float32)[None],
        k[None],
        camera.width,
        camera.height,
        near_plane=camera.near,
        eps2d=EPS2D,
        packed=False,
        rasterize_mode="classic",
    )
    centers = meta["means2d"]
    if centers.requires_grad:
        centers.retain_grad()
    image, alpha = colors[0].permute(2, 0, 1), alphas[0, ..., 0]
    if background is not None:
        image = image + (1 - alpha) * background.to(image).reshape(
            3, *((1, 1) if background.ndim == 1 else image.shape[1:])
        )

    def means2d_gradient() -> Tensor:
        gradient = centers.grad
        is_visible = (meta["radii"][0] > 0).all(-1, keepdim=True)
        return torch.zeros_like(centers[0]) if gradient is None else torch.where(is_visible, gradient[0], 0)

    return Rendering(image, alpha, "gsplat", means2d_gradient, lambda weight: _coverage(meta, weight))


def _coverage(meta: dict, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels by listing the pairs drawn; mass as the gradient of a one-channel picture by its colour."""
    from gsplat import rasterize_to_indices_in_range, rasterize_to_pixels

    splats = [meta[name].detach() for name in ("means2d", "conics", "opacities")]
    lists = meta["width"], meta["height"], meta["tile_size"], meta["isect_offsets"], meta["flatten_ids"]
    count = splats[0].shape[1]
    full = torch.ones_like(weight, dtype=torch.float32)[None]
    ids, _, _ = rasterize_to_indices_in_range(0, _ALL_BATCHES, full, *splats, *lists)
    pixels = torch.bincount(ids, minlength=count).float()
    means2d, conics, opacities = splats
    white = torch.ones(1, count, 1, device=means2d.device, requires_grad=True)
    with torch.enable_grad():
        drawn, _ = rasterize_to_pixels(means2d, conics, white, opacities, *lists)
        (mass,) = torch.autograd.grad((drawn[0, ..., 0] * weight.float()).sum(), white)
    return pixels, mass[0, :, 0]


def _empty(scene: Scene, camera: View, background: Tensor | None) -> Rendering:
    """A picture of no Gaussians; gsplat's kernels want at least one."""
    shape = camera.height, camera.width
    image = scene.means.new_zeros(3, *shape) + scene.colors.sum()
    if background is not None:
        image = image + background.to(image).reshape(3, *((1, 1) if background.ndim == 1 else shape))
    none = scene.means.new_zeros(0)
    return Rendering(image, scene.means.new_zeros(shape), "gsplat", lambda: none.view(0, 2), lambda _: (none, none))
