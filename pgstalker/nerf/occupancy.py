"""Where a head can be, and where it is: which cells of its box rays stop at.

What can be is known before training: cells that the head's silhouettes allow, near the tracked face. What is shows in
training: cells whose samples reach the eye. The inside of a head never does, so it is left out too.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree
from torch import Tensor, nn

from pgstalker.nerf.rays import HEAD_LABELS, spread_views
from pgstalker.types import Camera

SILHOUETTE_SHARE, SILHOUETTE_VIEWS = 0.03, 0.85
"""A silhouette grows by that share of the picture's side; a cell must lie in that share of the views'."""
BEFORE_CM, BEFORE_SLOPE = 1.2, 0.35
"""How far in front of the tracked face cells may lie; more with every cm beside it, where nothing was tracked. Behind
it the box alone bounds them: long hair hangs behind the neck; drawn nearer it slides over it when the head turns."""
VISIBLE = 0.03


class Occupancy(nn.Module):
    """Cells of a box [low, high] cm, [G, G, G] by x, y, z: possible before training, occupied now; seen [G, G, G] is
    the most that a sample there has counted lately."""

    low: Tensor
    high: Tensor
    possible: Tensor
    occupied: Tensor
    seen: Tensor

    def __init__(self, low: list[float], high: list[float], cells: int):
        super().__init__()
        self.cells = cells
        for name, corner in (("low", low), ("high", high)):
            self.register_buffer(name, torch.tensor(corner, dtype=torch.float32))
        for name in ("possible", "occupied"):
            self.register_buffer(name, torch.ones(cells, cells, cells, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros(cells, cells, cells))

    def begin(self, possible: np.ndarray) -> None:
        """Start from what can be, [G, G, G] bool."""
        for cells in (self.possible, self.occupied):
            cells.copy_(torch.from_numpy(possible))

    def within(self, points: Tensor) -> Tensor:
        """Points [..., 3] cm as shares of the box."""
        return (points - self.low) / (self.high - self.low)

    def cell_of(self, points: Tensor) -> Tensor:
        """Flat indices [...] of points [..., 3] cm; those outside count to the nearest cell."""
        x, y, z = (self.within(points) * self.cells).long().clamp(0, self.cells - 1).unbind(-1)
        return (x * self.cells + y) * self.cells + z

    @torch.no_grad()
    def observe(self, cells: Tensor, weights: Tensor) -> None:
        """What samples in cells [N] added to their rays, weights [N]."""
        self.seen.view(-1).scatter_reduce_(0, cells, weights.to(self.seen), "amax")

    @torch.no_grad()
    def refresh(self, fading: float) -> None:
        """Occupied is what is seen, one cell thicker; what was seen fades by that factor."""
        thick = nn.functional.max_pool3d(self.seen[None, None], 3, 1, 1)[0, 0]
        self.occupied.copy_(self.possible & (thick > VISIBLE))
        self.seen.mul_(fading)

    @torch.no_grad()
    def shadow(self, camera: Camera, camera_from_head: Tensor) -> Tensor:
        """[H, W] bool: every pixel whose ray may meet an occupied cell, and some more.

        Cells are thrown on blocks of pixels larger than themselves, then the blocks grow by one all round."""
        middle = self.low + (self.occupied.nonzero() + 0.5) * ((self.high - self.low) / self.cells)
        x, y, z = (middle @ camera_from_head[:3, :3].to(middle).T + camera_from_head[:3, 3].to(middle)).unbind(1)
        reach_cm = float(torch.linalg.norm((self.high - self.low) / self.cells)) / 2
        nearest = float(z.min()) if len(z) else 1.0
        block = int(np.ceil(max(reach_cm * camera.focal_px / max(nearest, 1.0), 4.0)))
        across, down = -(-camera.width // block), -(-camera.height // block)
        columns = ((x / z * camera.focal_px + camera.center_x_px) / block).floor().long()
        rows = ((y / z * camera.focal_px + camera.center_y_px) / block).floor().long()
        blocks = torch.zeros(down + 2, across + 2, device=middle.device)
        blocks[rows.clamp(-1, down) + 1, columns.clamp(-1, across) + 1] = 1.0
        grown = nn.functional.max_pool2d(blocks[None], 3, 1, 1)[0, 1:-1, 1:-1] > 0
        whole = grown.repeat_interleave(block, 0).repeat_interleave(block, 1)
        return whole[: camera.height, : camera.width]


def carve(
    occupancy: Occupancy, labels: np.ndarray, camera: Camera, camera_from_head: np.ndarray, vertices: np.ndarray
) -> np.ndarray:
    """[G, G, G] bool: where the head can be, from labels [T, H, W], poses [T, 4, 4] and tracked vertices [V, 3] cm."""
    low, high, count = occupancy.low.cpu().numpy(), occupancy.high.cpu().numpy(), occupancy.cells
    axes = [low[axis] + (np.arange(count) + 0.5) * (high[axis] - low[axis]) / count for axis in range(3)]
    possible = _behind_the_front(axes, vertices)
    x, y, z = (axis[index] for axis, index in zip(axes, np.nonzero(possible), strict=True))
    points, votes = np.column_stack([x, y, z]), np.zeros(len(x))
    views = spread_views(len(labels))
    for frame in views:
        votes += _inside(points, labels[frame], camera, camera_from_head[frame])
    possible[possible] = votes >= SILHOUETTE_VIEWS * len(views)
    return possible


def _behind_the_front(axes: list[np.ndarray], vertices: np.ndarray) -> np.ndarray:
    """[G, G, G] bool: not far in front, along z, of the tracked face or of its nearest rim."""
    x, y = np.meshgrid(axes[0], axes[1], indexing="ij")
    distance, nearest = cKDTree(vertices[:, :2]).query(np.stack([x, y], -1), k=3)
    front, beside = vertices[nearest, 2].min(-1), np.maximum(distance[..., 0] - 1, 0)
    nearest_cm = front - BEFORE_CM - BEFORE_SLOPE * beside
    return axes[2] >= nearest_cm[..., None]


def _inside(points: np.ndarray, labels: np.ndarray, camera: Camera, camera_from_head: np.ndarray) -> np.ndarray:
    """[N] bool: whether points [N, 3] lie in the grown silhouette, or outside the picture."""
    side = len(labels)
    reach = max(2, round(SILHOUETTE_SHARE * side))
    head = binary_dilation(np.isin(labels, HEAD_LABELS), iterations=reach)
    q = points @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    column = np.floor(q[:, 0] / q[:, 2] * camera.focal_px + camera.center_x_px).astype(int)
    row = np.floor(q[:, 1] / q[:, 2] * camera.focal_px + camera.center_y_px).astype(int)
    is_shown = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    return ~is_shown | head[row.clip(0, side - 1), column.clip(0, side - 1)]
