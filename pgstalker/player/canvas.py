"""Moved Gaussians onto the plate, frame after frame, through the kernels of pgstalker.rendering."""

from __future__ import annotations

import numpy as np

from pgstalker.gaussians import VIEW_LIMIT, VIEW_UNIT
from pgstalker.player.stage import Scene
from pgstalker.rendering import numba_play
from pgstalker.rendering.numba_frame import Frame
from pgstalker.rendering.numba_runtime import kernel_lock
from pgstalker.rendering.types import View
from pgstalker.types import Camera

NEAR_CM = 1.0


class Canvas:
    """plate [3, H, W] float32 in [0, 1]; opacities [N], colors [N, 3], shading [N, 2, 3] of all branches together.

    What is drawn stays on the canvas: while the pose holds, only tiles that a Gaussian has moved in are drawn again."""

    def __init__(
        self, camera: Camera, plate: np.ndarray, opacities: np.ndarray, colors: np.ndarray, shading: np.ndarray
    ):
        center = camera.center_x_px, camera.center_y_px
        self._view = View(camera.focal_px, camera.focal_px, *center, camera.width, camera.height, NEAR_CM)
        self._plate = np.ascontiguousarray(plate.reshape(3, -1))
        self._bare = _to_bytes(plate)
        self._looks = opacities, np.array(colors)
        self._colors, self._shading = np.array(colors), np.ascontiguousarray(shading.transpose(1, 0, 2).reshape(2, -1))
        self._frame = Frame(keeps_slots=False)
        self._eye = np.eye(4, dtype=np.float32)
        self._picture = np.empty_like(self._bare)
        self._drawn = np.empty((len(opacities), numba_play.MARKS), np.float32)
        self._drawn_tiles = np.empty((len(opacities), 4), np.int32)
        self._pose: list[np.ndarray] | None = None
        self._is_drawn = False

    def draw(
        self, scene: Scene, background: np.ndarray | None = None, pose: list[np.ndarray] | None = None
    ) -> np.ndarray:
        """A new picture [H, W, 3] uint8 of moved Gaussians over background (uint8, same shape) or the plate.

        pose: what places head and shoulders, as Player.inputs() gives it; the same as in the call before, part of the
        picture may stay. Without it colours are those of the call before, at first those seen from straight ahead."""
        with kernel_lock:
            if pose is not None:
                self._shade(pose[0])
            self._prepare(scene)
            if background is not None:
                plate = np.ascontiguousarray(background.reshape(-1, 3).T, np.float32) / np.float32(255)
                self._pose, self._is_drawn = None, False
                picture = np.empty_like(self._bare)
                self._frame.share_tiles(numba_play.draw_uint8, plate, picture)
                return picture
            is_stale = self._stale_tiles(pose)
            self._frame.share_tiles(numba_play.redraw_uint8, self._plate, self._bare, is_stale, self._picture)
            return self._picture.copy()

    def _shade(self, head: np.ndarray) -> None:
        """Colours as the head's place shows them: the twin of gaussians.transforms.view_of and colors_from."""
        towards = -(head[9:12] @ head[:9].reshape(3, 3))
        view = towards[:2] / np.float32(max(float(np.linalg.norm(towards)), 1e-12) * VIEW_UNIT)
        view = view.clip(-VIEW_LIMIT, VIEW_LIMIT)
        np.add(self._colors, (view @ self._shading).reshape(-1, 3), out=self._looks[1])

    def _stale_tiles(self, pose: list[np.ndarray] | None) -> np.ndarray:
        """Which tiles [tiles] are to be drawn. Looking for what moved pays only where the pose has not."""
        frame, before = self._frame, self._pose
        is_held = pose is not None and before is not None and all(map(np.array_equal, pose, before))
        self._pose = None if pose is None else [np.array(part) for part in pose]
        if not is_held:
            self._is_drawn = False
            return np.ones(frame.tile_total, np.bool_)
        is_stale = np.zeros(frame.tile_total, np.bool_)
        if not self._is_drawn:  # the first frame of a held pose is drawn whole, and remembered
            self._drawn_tiles[:, 0] = -1
            is_stale[:] = True
            self._is_drawn = True
        lists = frame.splats, frame.tiles, frame.tile_counts, self._drawn, self._drawn_tiles
        numba_play.find_stale(*lists, frame.columns, is_stale)
        return is_stale

    def lists(self, scene: Scene) -> tuple:
        """What blending walks over: splats, ids by tile, where each tile's begin, tile columns. For measuring."""
        with kernel_lock:
            self._prepare(scene)
            frame = self._frame
            return frame.splats.copy(), frame.ids.copy(), frame.tile_starts.copy(), frame.columns

    def _prepare(self, scene: Scene) -> None:
        self._frame.prepare((*scene, *self._looks), self._eye, self._view)


def _to_bytes(plate: np.ndarray) -> np.ndarray:
    """[3, H, W] in [0, 1] to uint8 [H, W, 3], rounded as the kernels do."""
    limited = np.clip(plate, 0, 1) * np.float32(255) + np.float32(0.5)
    return np.ascontiguousarray(limited.astype(np.uint8).transpose(1, 2, 0))
