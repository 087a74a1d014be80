"""Where the Gaussians start: on the tracked face, in hair and torso pixels, and behind the lips."""

from __future__ import annotations

import numpy as np

from pgstalker.landmarks import LIPS_OUTER
from pgstalker.types import Camera, Label

VIEWS = 8
MESH_SHARE = 0.6
"""Of the face branch's Gaussians, on the landmark surface; the others fill hair and ears."""
START_OPACITY_LOGIT = 0.4
FACE_CM, HAIR_CM = (-3.0, 5.0), (-3.0, 12.0)
"""Depth behind the head's origin where no surface is. Hair that starts as near as the face stays near, and slides
over the neck when the head turns."""
TORSO_BEHIND_CM, TORSO_DEPTH_CM = 4.0, 3.0
MOUTH_COLOUR = (0.35, 0.2, 0.2)


class Initialiser:
    """Pictures [T, H, W, 3] uint8, labels [T, H, W] and poses [T, 4, 4] of training frames; the head's surface as
    (vertices [468, 3] cm in the head frame, triangles [F, 3])."""

    def __init__(self, pictures, labels, poses, surface, camera: Camera, seed: int):
        self.pictures, self.labels, self.camera = pictures, labels, camera
        self.rotations, self.translations = poses[:, :3, :3], poses[:, :3, 3]
        self.views = np.linspace(0, len(pictures) - 1, VIEWS).astype(int)
        self.rng = np.random.default_rng((seed, 7))
        self.depth = float(self.translations[:, 2].mean())
        self.cm_per_px = self.depth / camera.focal_px
        self.vertices, self.triangles = surface

    def _unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        centre = np.array([self.camera.center_x_px, self.camera.center_y_px])
        flat = (pixels - centre) / self.camera.focal_px * depth[..., None]
        return np.concatenate([flat, depth[..., None]], -1)

    def _colours(self, points: np.ndarray) -> np.ndarray:
        """Median colour [N, 3] of head-frame points over the views."""
        seen = []
        for frame in self.views:
            q = points @ self.rotations[frame].T + self.translations[frame]
            pixels = q[:, :2] / q[:, 2:] * self.camera.focal_px
            pixels += [self.camera.center_x_px, self.camera.center_y_px]
            x, y = np.clip(pixels, 0, self.camera.width - 1).astype(int).T
            seen.append(self.pictures[frame][y, x] / 255)
        return np.median(seen, 0)

    def _labelled_pixels(self, wanted: tuple[int, ...], count: int):
        """count random pixels [count, 2] whose label is wanted, their colours [count, 3] and frames [count]."""
        shown = {frame: np.nonzero(np.isin(self.labels[frame], wanted)) for frame in self.views}
        shown = {frame: places for frame, places in shown.items() if len(places[0])}
        if not shown:
            return np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0, int)
        pixels, colours, frames = [], [], []
        for frame, (y, x) in shown.items():
            pick = self.rng.integers(len(y), size=count // len(shown) + 1)
            pixels.append(np.column_stack([x[pick], y[pick]]) + 0.5)
            colours.append(self.pictures[frame][y[pick], x[pick]] / 255)
            frames.append(np.full(len(pick), frame))
        order = self.rng.permutation(sum(map(len, frames)))[:count]
        return np.concatenate(pixels)[order], np.concatenate(colours)[order], np.concatenate(frames)[order]

    def face(self, count: int) -> dict[str, np.ndarray]:
        """Skin on the landmark surface; hair, ears and forehead round it."""
        on_mesh = int(count * MESH_SHARE)
        corner = self.vertices[self.triangles]
        area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
        pick = self.rng.choice(len(corner), on_mesh, p=area / area.sum())
        weights = self.rng.dirichlet((1, 1, 1), on_mesh)
        skin = np.einsum("nk,nkd->nd", weights, corner[pick])
        pixels, hair_colours, frames = self._labelled_pixels((Label.FACE, Label.HAIR), count - on_mesh)
        columns, rows = pixels.astype(int).T
        is_hair = self.labels[frames, rows, columns] == Label.HAIR
        depth = self.translations[frames, 2] + self.rng.uniform(*np.where(is_hair[:, None], HAIR_CM, FACE_CM).T)
        around = self._unproject(pixels, depth) - self.translations[frames]
        around = np.einsum("nji,nj->ni", self.rotations[frames], around)
        shares = [(on_mesh, 1.6, 3000), (len(frames), 2.4, 2000)]
        sizes = np.concatenate([np.full(n, size * (usual / max(n, 1)) ** 0.5) for n, size, usual in shares])
        return self._cloud(np.concatenate([skin, around]), np.concatenate([self._colours(skin), hair_colours]), sizes)

    def mouth_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners [3], [3] cm of the room behind the lips."""
        lips = self.vertices[LIPS_OUTER]
        low, high = lips.min(0), lips.max(0)
        front = lips[:, 2].mean()
        return np.array([*low[:2] + [0.3, 0.0], front + 0.6]), np.array([*high[:2] - [0.3, 0.0], front + 1.6])

    def mouth(self, count: int) -> dict[str, np.ndarray]:
        """Dark red points behind the lips."""
        low, high = self.mouth_box()
        means = self.rng.uniform(low, np.maximum(high, low + 0.1), (count, 3))
        return self._cloud(means, np.tile(MOUTH_COLOUR, (count, 1)), np.full(count, 1.3))

    def torso_centre(self, pivot: tuple[float, float] | None) -> np.ndarray:
        """The point [3] cm (camera space) about which the torso turns: pivot is a share of the picture's sides."""
        place = np.array(pivot or (0.5, 0.9)) * self.camera.width
        return self._unproject(place, np.array(self.depth + TORSO_BEHIND_CM + TORSO_DEPTH_CM / 2))

    def torso(self, count: int) -> dict[str, np.ndarray]:
        """Shoulders and neck, in camera space behind the head; fewer than count only where none is seen."""
        pixels, colours, _ = self._labelled_pixels((Label.TORSO,), count)
        depth = self.depth + TORSO_BEHIND_CM + self.rng.uniform(0, TORSO_DEPTH_CM, len(pixels))
        sizes = np.full(len(pixels), 2.8 * (1700 / max(count, 1)) ** 0.5)
        return self._cloud(self._unproject(pixels, depth), colours, sizes)

    def _cloud(self, means: np.ndarray, colours: np.ndarray, sizes_px: np.ndarray) -> dict[str, np.ndarray]:
        """Raw parameters of round Gaussians; sizes are in px of a 256 px picture."""
        scale = np.log(sizes_px * self.cm_per_px * self.camera.width / 256)
        quats = self.rng.normal(size=(len(means), 4))
        return {
            "means": means,
            "log_scales": np.repeat(scale[:, None], 3, 1),
            "quats": quats / np.linalg.norm(quats, axis=1, keepdims=True),
            "opacity_logits": np.full(len(means), START_OPACITY_LOGIT),
            "colors": colours,
            "shading": np.zeros((len(means), 2, 3)),
        }
