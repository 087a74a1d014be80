"""The CUDA backend: gsplat (Ye et al. 2025, arXiv 2409.06765). The only file that imports it.

Frames are drawn together: gsplat takes leading batch dimensions, here [B frames, 1 camera], so projection, one sort of
all frames' tile intersections and blending are one launch each. Unpacked, because packing would ask the host for one
more count, and every frame has the same Gaussians, nearly all of them in the picture.

Two differences from the other backends: gsplat leaves out the Gaussian that would take a pixel's transmittance to 1e-4
or below (the others draw it and stop after it), so that a pixel may lack up to 1e-4 alpha / (1 - alpha) of a colour,
0.01 for the most opaque Gaussian there is, and counts in coverage() may be lower by one per pixel; and its exponential
is CUDA's fast one.
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
    frames = Scene(*(t[None] for t in scene))
    return rasterize_gsplat_frames(frames, camera, camera_from_world, background)[0]


def rasterize_gsplat_frames(
    scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None
) -> list[Rendering]:
    """The CUDA form of rendering.rasterize_frames: scene of [B, N, ...], background [3] or [(B,) 3, H, W].

    Of several frames together the view has no gradient: gsplat 1.5.3 sums it over a warp's Gaussians by their camera,
    whichever frame they are of (ProjectionEWA3DGSFused.cu), and with fewer than 32 Gaussians those of means too."""
    frames, count = scene.means.shape[:2]
    assert frames == 1 or not camera_from_world.requires_grad, "the gradient of a view shared by frames is wrong"
    if not count:
        scenes = (Scene(*(t[f] for t in scene)) for f in range(frames))
        return [_empty(one, camera, camera_from_world, _of_frame(background, f)) for f, one in enumerate(scenes)]
    pictures, alphas, meta = _draw(scene, camera, camera_from_world)
    centers = meta["means2d"]  # [B, 1, N, 2]
    if centers.requires_grad:
        centers.retain_grad()

    def rendering(frame: int) -> Rendering:
        image, alpha = pictures[frame].permute(2, 0, 1), alphas[frame]
        plate = _of_frame(background, frame)
        if plate is not None:
            image = image + (1 - alpha) * plate.to(image).reshape(3, *((1, 1) if plate.ndim == 1 else image.shape[1:]))

        def means2d_gradient() -> Tensor:
            gradient = centers.grad
            is_visible = (meta["radii"][frame, 0] > 0).all(-1, keepdim=True)
            return (
                torch.zeros_like(centers[0, 0]) if gradient is None else torch.where(is_visible, gradient[frame, 0], 0)
            )

        def coverage(weight: Tensor) -> tuple[Tensor, Tensor]:
            alone = _alone(meta, frame)
            return _pixels(alone), _mass(alone, weight)

        return Rendering(
            image, alpha, "gsplat", means2d_gradient, coverage, lambda weight: _mass(_alone(meta, frame), weight)
        )

    return [rendering(frame) for frame in range(frames)]


def draw_uint8_gsplat(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> Tensor:
    """The CUDA form of rendering.render_uint8_frames: pictures [B, H, W, 3] uint8 on the device, without a wait for
    the device but the one that gsplat itself makes, to learn how many intersections there are."""
    frames, count = scene.means.shape[:2]
    shape = frames, camera.height, camera.width, 3
    plate = torch.zeros(3, device=scene.means.device) if background is None else background.float()
    plate = plate if plate.ndim == 1 else plate.movedim(-3, -1)
    if count:
        pictures, alphas, _ = _draw(scene, camera, camera_from_world)
        pictures = torch.addcmul(pictures, 1 - alphas[..., None], plate.expand(shape))
    else:
        pictures = plate.expand(shape)
    return (pictures.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _of_frame(background: Tensor | None, frame: int) -> Tensor | None:
    return background[frame] if background is not None and background.ndim == 4 else background


def _draw(scene: Scene, camera: View, camera_from_world: Tensor) -> tuple[Tensor, Tensor, dict]:
    """Colours [B, H, W, 3] over black, alphas [B, H, W] and gsplat's lists, of scenes [B, N, ...] with N > 0."""
    from gsplat import rasterization

    scene = Scene(*(t.float().contiguous() for t in scene))
    frames, device = len(scene.means), scene.means.device
    colors, alphas, meta = rasterization(
        *scene,
        camera_from_world.to(device, torch.float32).expand(frames, 1, 4, 4),
        _intrinsics(camera, device).expand(frames, 1, 3, 3),
        camera.width,
        camera.height,
        near_plane=camera.near,
        eps2d=EPS2D,
        packed=False,
        rasterize_mode="classic",
    )
    return colors[:, 0], alphas[:, 0, ..., 0], meta


@functools.lru_cache(maxsize=16)
def _intrinsics(camera: View, device: torch.device) -> Tensor:
    """Kept: a tensor made from numbers is a copy to the device, for which the host waits."""
    return torch.tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], device=device)


def _alone(meta: dict, frame: int) -> dict:
    """gsplat's lists of several frames cut down to one, as if it had been drawn alone.

    The intersections lie frame after frame, and each names its Gaussian by frame * N + number."""
    offsets, ids = meta["isect_offsets"], meta["flatten_ids"]
    # Of one frame the start is known: to ask for it the host would wait.
    starts = [*([0] if len(offsets) == 1 else offsets[:, 0, 0, 0].tolist()), len(ids)]
    own = {name: meta[name][frame] for name in ("means2d", "conics", "opacities")}
    count = own["means2d"].shape[1]
    return {
        **own,
        **{name: meta[name] for name in ("width", "height", "tile_size")},
        "isect_offsets": offsets[frame] - starts[frame],
        "flatten_ids": ids[starts[frame] : starts[frame + 1]] - frame * count,
    }


def _splats(meta: dict) -> tuple[list[Tensor], tuple]:
    """What gsplat's kernels take: centres, conics and opacities, detached, and the lists of tiles."""
    lists = meta["width"], meta["height"], meta["tile_size"], meta["isect_offsets"], meta["flatten_ids"]
    return [meta[name].detach() for name in ("means2d", "conics", "opacities")], lists


def _pixels(meta: dict) -> Tensor:
    """[N]: by listing the pairs of pixel and Gaussian that were drawn."""
    from gsplat import rasterize_to_indices_in_range

    splats, lists = _splats(meta)
    full = torch.ones(1, meta["height"], meta["width"], device=splats[0].device)
    ids, _, _ = rasterize_to_indices_in_range(0, _ALL_BATCHES, full, *splats, *lists)
    return torch.bincount(ids, minlength=splats[0].shape[1]).float()


def _mass(meta: dict, weight: Tensor) -> Tensor:
    """[N]: the gradient of a one-channel picture by its Gaussians' colour."""
    from gsplat import rasterize_to_pixels

    (means2d, conics, opacities), lists = _splats(meta)
    white = torch.ones(1, means2d.shape[1], 1, device=means2d.device, requires_grad=True)
    with torch.enable_grad():
        drawn, _ = rasterize_to_pixels(means2d, conics, white, opacities, *lists)
        (mass,) = torch.autograd.grad((drawn[0, ..., 0] * weight.float()).sum(), white)
    return mass[0, :, 0]


def _empty(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> Rendering:
    """A picture of no Gaussians, with gradients as any other; gsplat's kernels want at least one."""
    shape = camera.height, camera.width
    image = scene.means.new_zeros(3, *shape) + sum(t.sum() for t in scene) + 0 * camera_from_world.sum()
    if background is not None:
        image = image + background.to(image).reshape(3, *((1, 1) if background.ndim == 1 else shape))
    none = scene.means.new_zeros(0)
    return Rendering(image, scene.means.new_zeros(shape), "gsplat", lambda: none.view(0, 2), lambda _: (none, none))
