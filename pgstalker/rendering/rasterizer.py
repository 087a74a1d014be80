"""One rasterize() for every device: 3D Gaussians and a camera in, a differentiable picture out.

    means quats scales opacities colors     camera_from_world  K
              \\__________________________________/
                               | project to ellipses
                               | order by depth, share out to tiles
                               | blend front to back
            image, alpha, means2d_grad(), coverage()   over the background

Conventions are gsplat's: 0.3 px^2 added to the projected covariance, alpha at most 0.999, alpha below 1/255 dropped,
pixel centres at +0.5. A pixel takes no more Gaussians once its transmittance is below 1e-4.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from pgstalker.rendering.backend import choose_backend
from pgstalker.rendering.types import Rendering, Scene, View


def _view(K: Tensor | np.ndarray, width: int, height: int, near: float) -> View:
    k = torch.as_tensor(K).detach().to("cpu", torch.float64)
    assert k.shape == (3, 3) and k[0, 1] == 0, "K must be a [3, 3] camera matrix without skew"
    assert near > 0 and width > 0 and height > 0, (near, width, height)
    return View(float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), width, height, near)


def _scene(*tensors: Tensor) -> Scene:
    scene = Scene(*tensors)
    count = len(scene.means)
    expected = [(count, 3), (count, 4), (count, 3), (count,), (count, 3)]
    for name, tensor, shape in zip(Scene._fields, scene, expected, strict=True):
        assert tensor.shape == shape, f"{name} is {tuple(tensor.shape)}, not {shape}"
    return scene


def _frames(*tensors: Tensor) -> Scene:
    """Scenes of B frames, [B, N, ...] each; opacities and colours may be the same in all of them."""
    frames, count = tensors[0].shape[:2]
    shapes = [(count, 3), (count, 4), (count, 3), (count,), (count, 3)]
    return Scene(*(tensor.expand(frames, *shape) for tensor, shape in zip(tensors, shapes, strict=True)))


def _background(background: Tensor | np.ndarray | None, means: Tensor, height: int, width: int) -> Tensor | None:
    if background is None:
        return None
    background = torch.as_tensor(background)
    if background.dtype == torch.uint8:
        background = background.to(torch.float32) / 255
    assert background.shape[-3:] in ((3,), (3, height, width)), f"background is {tuple(background.shape)}"
    return background.to(means.device)


class Options(TypedDict, total=False):
    """What rasterize() and render_uint8() take by name."""

    camera_from_world: Tensor | None
    background: Tensor | np.ndarray | None
    backend: str
    near: float


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    K: Tensor | np.ndarray,
    width: int,
    height: int,
    **options: Unpack[Options],
) -> Rendering:
    """Draw N Gaussians; differentiable in the first five arguments and in camera_from_world.

    means [N, 3] cm, world frame; quats [N, 4] wxyz of any norm; scales [N, 3] cm (linear); opacities [N] in [0, 1];
    colors [N, 3] RGB; K [3, 3] camera matrix in px. By name: camera_from_world [4, 4], default identity; background
    [3] or [3, H, W], RGB in [0, 1] or uint8, default black, constant for the numba backend; backend, default "auto";
    near, default 1.0: what lies closer, in cm, is not drawn. Raises ConfigError for a backend that does not fit the
    tensors' device, EnvironmentMissing where gsplat cannot run.
    """
    scene = _scene(means, quats, scales, opacities, colors)
    camera = _view(K, width, height, options.get("near", 1.0))
    view = _viewpoint(means, options)
    chosen = choose_backend(means.device, options.get("backend", "auto"))
    if chosen == "numba":
        from pgstalker.rendering.numba_backend import rasterize_numba as draw
    elif chosen == "gsplat":
        from pgstalker.rendering.cuda import rasterize_gsplat as draw
    else:
        from pgstalker.rendering.reference import rasterize_reference as draw
    return draw(scene, camera, view, _background(options.get("background"), means, height, width))


@torch.no_grad()
def render_uint8(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    K: Tensor | np.ndarray,
    width: int,
    height: int,
    **options: Unpack[Options],
) -> np.ndarray:
    """Draw a frame to look at: uint8 [H, W, 3] RGB, no gradient. Arguments and errors as rasterize()."""
    if choose_backend(means.device, options.get("backend", "auto")) == "numba":
        from pgstalker.rendering.numba_backend import render_uint8_numba

        return render_uint8_numba(
            _scene(means, quats, scales, opacities, colors),
            _view(K, width, height, options.get("near", 1.0)),
            _viewpoint(means, options),
            _background(options.get("background"), means, height, width),
        )
    image = rasterize(means, quats, scales, opacities, colors, K, width, height, **options).image
    return (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def rasterize_frames(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    K: Tensor | np.ndarray,
    width: int,
    height: int,
    **options: Unpack[Options],
) -> list[Rendering]:
    """rasterize() of B frames with as many Gaussians each: on CUDA one launch for all, elsewhere one after the other.

    means, quats, scales [B, N, *]; opacities [(B,) N] and colors [(B,) N, 3]; background also [B, 3, H, W].
    """
    scene = _frames(means, quats, scales, opacities, colors)
    chosen = choose_backend(means.device, options.get("backend", "auto"))
    background = _background(options.get("background"), means, height, width)
    if chosen == "gsplat":
        from pgstalker.rendering.cuda import rasterize_gsplat_frames

        camera, view = _view(K, width, height, options.get("near", 1.0)), _viewpoint(means, options)
        return rasterize_gsplat_frames(scene, camera, view, background)
    return [
        rasterize(*(t[frame] for t in scene), K, width, height, **_of_frame(options, background, frame))  # type: ignore[misc, arg-type]
        for frame in range(len(means))
    ]


@torch.no_grad()
def render_uint8_frames(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    K: Tensor | np.ndarray,
    width: int,
    height: int,
    **options: Unpack[Options],
) -> Tensor:
    """Draw B frames to look at: uint8 [B, H, W, 3] RGB on the Gaussians' device. Arguments as rasterize_frames()."""
    scene = _frames(means, quats, scales, opacities, colors)
    chosen = choose_backend(means.device, options.get("backend", "auto"))
    background = _background(options.get("background"), means, height, width)
    if chosen == "gsplat":
        from pgstalker.rendering.cuda import draw_uint8_gsplat

        camera, view = _view(K, width, height, options.get("near", 1.0)), _viewpoint(means, options)
        return draw_uint8_gsplat(scene, camera, view, background)
    pictures = [
        render_uint8(*(t[frame] for t in scene), K, width, height, **_of_frame(options, background, frame))
        for frame in range(len(means))
    ]
    return torch.from_numpy(np.stack(pictures))


def _viewpoint(means: Tensor, options: Options) -> Tensor:
    view = options.get("camera_from_world")
    return torch.eye(4, dtype=means.dtype, device=means.device) if view is None else view


def _of_frame(options: Options, background: Tensor | None, frame: int) -> Options:
    """The options with one frame's background."""
    own = background[frame] if background is not None and background.ndim == 4 else background
    return {**options, "background": own}
