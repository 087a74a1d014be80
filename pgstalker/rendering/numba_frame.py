"""Memory for the kernels of numba_tiles.py and numba_raster.py: what one picture keeps, and what one call needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pgstalker.rendering import numba_tiles
from pgstalker.rendering.numba_runtime import PARTS_PER_THREAD, aligned_empty, share, thread_count
from pgstalker.rendering.types import View


class Scratch:
    """Arrays by name that grow and are reused; only under kernel_lock."""

    def __init__(self):
        self._arrays: dict[str, np.ndarray] = {}

    def take(self, name: str, count: int, dtype=np.float32) -> np.ndarray:
        """A flat, uninitialised array of `count` elements, 64-byte aligned."""
        array = self._arrays.get(name)
        if array is None or len(array) < count:
            array = self._arrays[name] = aligned_empty((max(count + count // 4, 1),), dtype)
        return array[:count]


class Frame:
    """The projected Gaussians and tile lists of one rendering. keeps_slots: it will be differentiated."""

    def __init__(self, keeps_slots: bool = True):
        self._memory = Scratch()
        self._keeps_slots = keeps_slots

    def prepare(self, scene: Sequence[np.ndarray], view: np.ndarray, camera: View) -> None:
        """Project, order by depth and bin. scene: means, quats, scales, opacities, colors."""
        project = self.begin(len(scene[0]), view, camera)
        share(numba_tiles.project, len(scene[0]), *scene, *project)
        self.bin()

    def begin(self, count: int, view: np.ndarray, camera: View) -> tuple:
        """Make room for `count` Gaussians; returns what numba_tiles.project takes after the scene."""
        take = self._memory.take
        self.splats = take("splats", count * numba_tiles.SPLAT).reshape(count, numba_tiles.SPLAT)
        self.view, self.lens = view, camera.lens()
        self.columns = -(-camera.width // numba_tiles.TILE_WIDTH)
        self.tile_total = self.columns * -(-camera.height // numba_tiles.TILE_HEIGHT)
        self.tiles = take("tiles", count * 4, np.int32).reshape(count, 4)
        self.tile_counts = take("tile_counts", count, np.int32)
        sizes = np.float32(camera.near), camera.width, camera.height
        return view, self.lens, *sizes, self.splats, self.tiles, self.tile_counts

    def bin(self) -> None:
        """Order what was projected by depth and share it out to the tiles."""
        take, count = self._memory.take, len(self.splats)
        self.slot_starts = take("slot_starts", count + 1, np.int64)
        order = scratch.take("order", count, np.int32)
        keys, spare_keys = (scratch.take(name, count, np.uint32) for name in ("keys", "spare keys"))
        spare = spare_keys, scratch.take("spare order", count, np.int32)
        bits = self.splats.view(np.uint32)
        visible = numba_tiles.order_by_depth(bits, self.tile_counts, self.slot_starts, keys, order, *spare)
        self.pairs = int(self.slot_starts[count])
        self.ids = take("ids", self.pairs, np.int32)
        self.slots = take("slots", self.pairs if self._keeps_slots else 0, np.int32)
        self.tile_starts = take("tile_starts", self.tile_total + 1, np.int64)
        self.tile_order = take("tile_order", self.tile_total, np.int32)
        lists = self.slot_starts, self.tile_starts, self.ids, self.slots
        numba_tiles.bin_pairs(self.tiles, order, visible, self.columns, *lists)
        numba_tiles.share_out_tiles(self.tile_starts, thread_count() * PARTS_PER_THREAD, self.tile_order)

    def share_tiles(self, kernel, *arguments) -> None:
        """Run a drawing kernel over all tiles: (begin, end, splats, ids, tile_starts, tile_order, columns, ...)."""
        lists = self.splats, self.ids, self.tile_starts, self.tile_order, self.columns
        share(kernel, len(self.tile_order), *lists, *arguments)


scratch = Scratch()
"""What is needed within one call only; under kernel_lock."""
