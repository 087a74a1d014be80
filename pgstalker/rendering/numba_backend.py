"""The CPU backend for tensors: the kernels of numba_raster.py as a torch autograd function.

A rendering borrows a Frame (its projected Gaussians and tile lists) from a pool and gives it back when neither the
Rendering nor the graph needs it any more, so any number of renderings may be alive before their backward passes.
What is needed only inside one call lives in scratch arrays, used under the lock.
"""

from __future__ import annotations

import weakref
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pgstalker.rendering import numba_play, numba_raster
from pgstalker.rendering.numba_frame import Frame, scratch
from pgstalker.rendering.numba_runtime import kernel_lock, share
from pgstalker.rendering.types import Rendering, Scene, View

_POOLED_FRAMES = 4


class _Lease:
    """Holds a frame; the frame returns to the pool when the last holder of the lease is gone."""

    _free: ClassVar[list[Frame]] = []

    def __init__(self):
        try:
            self.frame = _Lease._free.pop()
        except IndexError:
            self.frame = Frame()
        self.means2d_gradient: np.ndarray | None = None
        weakref.finalize(self, _Lease._give_back, self.frame)

    @classmethod
    def _give_back(cls, frame: Frame) -> None:
        if len(cls._free) < _POOLED_FRAMES:
            cls._free.append(frame)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float32).contiguous().numpy()


def _plate(background: Tensor | None) -> np.ndarray:
    """[3, H * W] or [3, 1] float32."""
    if background is None:
        return np.zeros((3, 1), np.float32)
    return _array(background).reshape(3, -1)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means, quats, scales, opacities, colors, camera_from_world, plate, camera, lease):
        tensors = (means, quats, scales, opacities, colors)
        scene = tuple(_array(t) for t in tensors)
        view = _array(camera_from_world)
        image = torch.empty(3, camera.height, camera.width)
        transmittance = torch.empty(camera.height, camera.width)
        frame = lease.frame
        with kernel_lock:
            frame.prepare(scene, view, camera)
            frame.share_tiles(numba_raster.draw, plate, image.numpy(), transmittance.numpy())
        ctx.save_for_backward(*tensors, image, transmittance)
        ctx.lease = lease
        return image, 1 - transmittance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, image_gradient, alpha_gradient):
        *tensors, image, transmittance = ctx.saved_tensors
        means, quats, scales = (_array(t) for t in tensors[:3])
        frame, count = ctx.lease.frame, len(means)
        chunks = -(-count // numba_raster.CAMERA_CHUNK)
        shapes = [(count, 3), (count, 4), (count, 3), (count,), (count, 3), (count, 2), (chunks, 12)]
        out = tuple(np.zeros(shape, np.float32) for shape in shapes)
        with kernel_lock:
            slot_sums = scratch.take("slot_sums", frame.pairs * numba_raster.SLOT)
            picture = image.numpy(), transmittance.numpy()
            incoming = _array(image_gradient), _array(alpha_gradient)
            frame.share_tiles(numba_raster.draw_backward, frame.slots, picture, incoming, slot_sums)
            projection = frame.view, frame.lens, frame.splats, frame.slot_starts
            share(numba_raster.project_backward, chunks, means, quats, scales, *projection, slot_sums, out)
        ctx.lease.means2d_gradient = out[5]
        d_view = np.zeros((4, 4), np.float32)
        d_view[:3] = out[6].sum(0, dtype=np.float64).reshape(3, 4)
        return *(torch.from_numpy(g) for g in out[:5]), torch.from_numpy(d_view), None, None, None


def rasterize_numba(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> Rendering:
    """The CPU form of rendering.rasterize; all tensors on the CPU."""
    assert background is None or not background.requires_grad, "the numba backend gives the background no gradient"
    lease = _Lease()
    image, alpha = _Rasterize.apply(*scene, camera_from_world, _plate(background), camera, lease)

    def means2d_gradient() -> Tensor:
        assert lease.means2d_gradient is not None, "means2d_grad() is known only after backward()"
        return torch.from_numpy(lease.means2d_gradient)

    return Rendering(image, alpha, "numba", means2d_gradient, lambda weight: _coverage(lease.frame, weight))


def _coverage(frame: Frame, weight: Tensor) -> tuple[Tensor, Tensor]:
    pixels, mass = np.empty(len(frame.splats), np.float32), np.empty(len(frame.splats), np.float32)
    with kernel_lock:
        slot_sums = scratch.take("coverage", frame.pairs * 2).reshape(frame.pairs, 2)
        frame.share_tiles(numba_raster.cover, frame.slots, _array(weight), slot_sums)
        numba_raster.sum_coverage(frame.slot_starts, slot_sums, pixels, mass)
    return torch.from_numpy(pixels), torch.from_numpy(mass)


def render_uint8_numba(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> np.ndarray:
    """The CPU form of rendering.render_uint8."""
    picture = np.empty((camera.height, camera.width, 3), np.uint8)
    plate = _plate(background)
    if plate.shape[1] == 1:
        plate = np.repeat(plate, camera.height * camera.width, 1)
    with kernel_lock:
        _playing.prepare(tuple(_array(t) for t in scene), _array(camera_from_world), camera)
        _playing.share_tiles(numba_play.draw_uint8, plate, picture)
    return picture


_playing = Frame(keeps_slots=False)
