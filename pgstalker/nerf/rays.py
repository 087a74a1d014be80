"""Rays of a picture's pixels, in the frame of what they are to meet; the box it fills; direction as harmonics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pgstalker.types import Camera, Label

HEAD_LABELS = (Label.FACE, Label.HAIR, Label.LIPS, Label.MOUTH, Label.EYES)
FRONT_CM, BACK_CM = 1.5, 9.0
"""Room before the foremost and behind the hindmost point of the tracked face."""
SIDE_SHARE = 0.04
OUTLIERS = 0.005
VIEWS = 24


@dataclass(frozen=True)
class Rays:
    """R rays from one eye: origin [3] cm, directions [R, 3] of length 1."""

    origin: Tensor
    directions: Tensor

    def __len__(self) -> int:
        return len(self.directions)

    def __getitem__(self, part) -> Rays:
        return Rays(self.origin, self.directions[part])


def cast(pixels: Tensor, camera: Camera, camera_from_object: Tensor) -> Rays:
    """Rays through pixels [R, 2] px (first pixel's centre at 0.5) in the object's frame; camera_from_object [4, 4]."""
    centre = pixels.new_tensor([camera.center_x_px, camera.center_y_px])
    flat = (pixels - centre) / camera.focal_px
    directions = torch.nn.functional.normalize(torch.cat([flat, torch.ones_like(flat[:, :1])], 1), dim=1)
    rotation, translation = camera_from_object[:3, :3].to(pixels), camera_from_object[:3, 3].to(pixels)
    return Rays(-translation @ rotation, directions @ rotation)


def pixel_centres(indices: np.ndarray, width: int) -> np.ndarray:
    """[R, 2] float32 (x, y) of flat pixel indices [R]."""
    rows, columns = np.divmod(indices, width)
    return np.stack([columns, rows], 1).astype(np.float32) + np.float32(0.5)


def spread_views(count: int) -> np.ndarray:
    """At most VIEWS frames of a clip, evenly."""
    return np.unique(np.linspace(0, count - 1, VIEWS).astype(int))


def head_box(
    labels: np.ndarray, camera: Camera, camera_from_head: np.ndarray, vertices: np.ndarray
) -> tuple[list[float], list[float]]:
    """Corners (low, high) in cm of the box in the head's frame that holds all that labels [T, H, W] call head.

    camera_from_head [T, 4, 4]; vertices [V, 3] of the tracked face, which tell how deep it is."""
    seen = []
    for frame in spread_views(len(labels)):
        rows, columns = np.nonzero(np.isin(labels[frame], HEAD_LABELS))
        if not len(rows):
            continue
        rotation, translation = camera_from_head[frame, :3, :3], camera_from_head[frame, :3, 3]
        flat = (np.column_stack([columns, rows]) + 0.5 - [camera.center_x_px, camera.center_y_px]) / camera.focal_px
        depth = translation[2] + np.median(vertices[:, 2])
        points = (np.column_stack([flat, np.ones(len(flat))]) * depth - translation) @ rotation
        seen.append(np.quantile(points[:, :2], [OUTLIERS, 1 - OUTLIERS], axis=0))
    face = np.stack([vertices[:, :2].min(0), vertices[:, :2].max(0)])
    corners = np.stack([*seen, face])
    low, high = corners[:, 0].min(0), corners[:, 1].max(0)
    margin = SIDE_SHARE * (high - low).max()
    front, back = vertices[:, 2].min() - FRONT_CM, vertices[:, 2].max() + BACK_CM
    return [*(low - margin).tolist(), float(front)], [*(high + margin).tolist(), float(back)]


def harmonics(directions: Tensor) -> Tensor:
    """Real spherical harmonics up to degree 3 of unit vectors [..., 3] -> [..., 16] (Sloan 2008)."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    values = [
        torch.full_like(x, 0.28209479),
        -0.48860251 * y,
        0.48860251 * z,
        -0.48860251 * x,
        1.09254843 * x * y,
        -1.09254843 * y * z,
        0.31539157 * (3 * zz - 1),
        -1.09254843 * x * z,
        0.54627422 * (xx - yy),
        -0.59004359 * y * (3 * xx - yy),
        2.89061144 * x * y * z,
        -0.45704580 * y * (5 * zz - 1),
        0.37317633 * z * (5 * zz - 3),
        -0.45704580 * x * (5 * zz - 1),
        1.44530572 * z * (xx - yy),
        -0.59004359 * x * (xx - 3 * yy),
    ]
    return torch.stack(values, -1)


def pose_angles(camera_from_head: Tensor) -> Tensor:
    """[6] of a pose [4, 4]: its rotation's vector, rad, for a talking head's small angles, and its translation, cm."""
    rotation = camera_from_head[:3, :3]
    skew = (rotation - rotation.T) / 2
    return torch.cat([torch.stack([skew[2, 1], skew[0, 2], skew[1, 0]]), camera_from_head[:3, 3]])


def waves(x: Tensor, octaves: int) -> Tensor:
    """Positional encoding: x [..., D] with sin and cos of x 2^k pi, k < octaves -> [..., D (1 + 2 octaves)]."""
    angles = (x[..., None] * (2.0 ** torch.arange(octaves, device=x.device) * torch.pi)).flatten(-2)
    return torch.cat([x, angles.sin(), angles.cos()], -1)
