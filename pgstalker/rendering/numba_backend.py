"""The CPU backend: memory for the kernels of numba_raster.py, and their torch autograd function.

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

from pgstalker.rendering import numba_raster, numba_tiles
from pgstalker.rendering.numba_runtime import PARTS_PER_THREAD, aligned_empty, kernel_lock, share, thread_count
from pgstalker.rendering.types import Rendering, Scene, View

_POOLED_FRAMES = 4


class _Scratch:
    """Arrays by name that grow and are reused; only under kernel_lock."""

    def __init__(self):
        self._arrays: dict[str, np.ndarray] = {}

    def take(self, name: str, count: int, dtype=np.float32) -> np.ndarray:
        """A flat, uninitialised array of `count` elements, 64-byte aligned."""
        array = self._arrays.get(name)
        if array is None or len(array) < count:
            array = self._arrays[name] = aligned_empty((max(count + count // 4, 1),), dtype)
        return array[:count]


class _Frame:
    """The projected Gaussians and tile lists of one rendering."""

    def __init__(self):
        self._memory = _Scratch()

    def prepare(self, scene: tuple[np.ndarray, ...], view: np.ndarray, camera: View) -> None:
        """Project, order by depth and bin. scene: means, quats, scales, opacities, colors."""
        count = len(scene[0])
        take = self._memory.take
        self.splats = take("splats", count * numba_tiles.SPLAT).reshape(count, numba_tiles.SPLAT)
        self.slot_starts = take("slot_starts", count + 1, np.int64)
        self.view = view
        self.lens = camera.lens()
        self.columns = -(-camera.width // numba_tiles.TILE_WIDTH)
        tile_total = self.columns * -(-camera.height // numba_tiles.TILE_HEIGHT)
        tiles = _scratch.take("tiles", count * 4, np.int32).reshape(count, 4)
        tile_counts = _scratch.take("tile_counts", count, np.int32)
        lens = self.lens, np.float32(camera.near), camera.width, camera.height
        share(numba_tiles.project, count, *scene, view, *lens, self.splats, tiles, tile_counts)
        order = _scratch.take("order", count, np.int32)
        keys, spare_keys = (_scratch.take(name, count, np.uint32) for name in ("keys", "spare keys"))
        spare = spare_keys, _scratch.take("spare order", count, np.int32)
        bits = self.splats.view(np.uint32)
        visible = numba_tiles.order_by_depth(bits, tile_counts, self.slot_starts, keys, order, *spare)
        self.pairs = int(self.slot_starts[count])
        self.ids, self.slots = take("ids", self.pairs, np.int32), take("slots", self.pairs, np.int32)
        self.tile_starts = take("tile_starts", tile_total + 1, np.int64)
        self.tile_order = take("tile_order", tile_total, np.int32)
        threads = thread_count()
        counts = _scratch.take("counts", threads * tile_total, np.int64).reshape(threads, tile_total)
        pairs = tiles, order, visible, self.columns, counts
        share(numba_tiles.count_pairs, threads, *pairs)
        numba_tiles.start_tiles(counts, self.tile_starts)
        share(numba_tiles.place_pairs, threads, *pairs, self.slot_starts, self.ids, self.slots)
        numba_tiles.share_out_tiles(self.tile_starts, threads * PARTS_PER_THREAD, self.tile_order)

    def share_tiles(self, kernel, *arguments) -> None:
        """Run a drawing kernel over all tiles: (begin, end, splats, ids, tile_starts, tile_order, columns, ...)."""
        lists = self.splats, self.ids, self.tile_starts, self.tile_order, self.columns
        share(kernel, len(self.tile_order), *lists, *arguments)


class _Lease:
    """Holds a frame; the frame returns to the pool when the last holder of the lease is gone."""

    _free: ClassVar[list[_Frame]] = []

    def __init__(self):
        try:
            self.frame = _Lease._free.pop()
        except IndexError:
            self.frame = _Frame()
        self.means2d_gradient: np.ndarray | None = None
        weakref.finalize(self, _Lease._give_back, self.frame)

    @classmethod
    def _give_back(cls, frame: _Frame) -> None:
        if len(cls._free) < _POOLED_FRAMES:
            cls._free.append(frame)


_scratch = _Scratch()


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
            slot_sums = _scratch.take("slot_sums", frame.pairs * numba_raster.SLOT)
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


def _coverage(frame: _Frame, weight: Tensor) -> tuple[Tensor, Tensor]:
    pixels, mass = np.empty(len(frame.splats), np.float32), np.empty(len(frame.splats), np.float32)
    with kernel_lock:
        slot_sums = _scratch.take("coverage", frame.pairs * 2).reshape(frame.pairs, 2)
        frame.share_tiles(numba_raster.cover, frame.slots, _array(weight), slot_sums)
        numba_raster.sum_coverage(frame.slot_starts, slot_sums, pixels, mass)
    return torch.from_numpy(pixels), torch.from_numpy(mass)


def render_uint8_numba(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> np.ndarray:
    """The CPU form of rendering.render_uint8."""
    picture = np.empty((camera.height, camera.width, 3), np.uint8)
    arrays = tuple(_array(t) for t in scene)
    with kernel_lock:
        _playing.prepare(arrays, _array(camera_from_world), camera)
        _playing.share_tiles(numba_raster.draw_uint8, _plate(background), picture)
    return picture


_playing = _Frame()
