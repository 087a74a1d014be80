"""Clothes: the body's own surface, set off along its normals and cut at a neckline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.presenter.stage import Mesh
from tools.presenter.surface import Normals, halved


@dataclass(frozen=True)
class Garment:
    """neckline: depths below the chin, cm, at the front, side and back; vee: how pointed the front is 0..1; collar:
    no shoulder is bare further than this from the middle, cm; offset cm from the body; weave: knit ribs per cm."""

    front: float = 9.5
    side: float = 5.5
    back: float = 3.5
    vee: float = 0.0
    collar: float = 8.2
    offset: float = 0.35
    hem: float = 0.22
    color: tuple[float, float, float] = (0.05, 0.08, 0.14)
    weave: float = 4.0
    roughness: float = 0.85


@dataclass
class Piece:
    """A garment on a body: its mesh, rest vertices [V, 3] and follow-the-head weights [V]."""

    mesh: Mesh
    rest: np.ndarray
    weight: np.ndarray
    normals: Normals

    def posed(self, skeleton, pose) -> tuple[np.ndarray, np.ndarray]:
        """World vertices and normals."""
        world = skeleton.posed(self.rest, self.weight, pose)
        return world, self.normals(world)


def cut(garment: Garment, surface, rest, normals, skeleton, marks) -> Piece:
    """A garment for a body with rest vertices [V, 3], normals [V, 3]."""
    inside = covered(garment, rest, skeleton, marks)
    keep = (inside[surface.quads] > -1.5).all(axis=1) & (rest[surface.quads, 1] < marks["chin"][1] + 1).all(axis=1)
    used, index = np.unique(surface.quads[keep], return_inverse=True)
    quads = index.reshape(-1, 4)
    triangles = halved(quads)
    field = inside[used]
    rounded = garment.hem * np.exp(-((field - 0.6) ** 2) / 0.45)
    points = rest[used]
    folds = _folds(points) * np.clip(field / 6, 0, 1)
    points = points + normals[used] * (garment.offset + rounded + folds)[:, None]
    material = np.stack(
        [
            np.ones(len(used)),
            np.full(len(used), garment.roughness),
            np.ones(len(used)),
            np.clip(0.5 + field * 0.5, 0, 1),
        ],
        axis=1,
    )
    albedo = (
        np.tile(np.array(garment.color), (len(used), 1)) * (1 - 0.22 * np.exp(-((field - 1.7) ** 2) / 0.10))[:, None]
    )
    mesh = Mesh("cloth", triangles, points, albedo, material, {"weave": garment.weave})
    return Piece(mesh, points, skeleton.weight[used] * 0.85, Normals(triangles, len(used)))


def covered(garment: Garment, points: np.ndarray, skeleton, marks) -> np.ndarray:
    """How far under the neckline points [V, 3] lie, cm; negative on bare skin."""
    chin = marks["chin"][1]
    azimuth = np.degrees(np.arctan2(points[:, 0], points[:, 2] - skeleton.pivot[2]))
    a = np.abs(azimuth)
    round_front = garment.side + (garment.front - garment.side) * np.clip(1 - (a / 75) ** 2, 0, 1)
    pointed = garment.side + (garment.front - garment.side) * np.clip(1 - a / 70, 0, 1)
    front = round_front * (1 - garment.vee) + pointed * garment.vee
    behind = np.clip((a - 75) / 60, 0, 1)
    depth = front * (1 - behind) + garment.back * behind
    field = chin - depth - points[:, 1]
    outward = np.abs(points[:, 0]) - garment.collar
    return np.where(points[:, 1] < chin - garment.back + 1, np.maximum(field, outward), field)


def _folds(points: np.ndarray) -> np.ndarray:
    """Shallow folds that run from the shoulders, cm."""
    x, y = points[:, 0], points[:, 1]
    slant = 0.5 * np.abs(x) + y
    return 0.10 * np.sin(slant * 0.9 + 0.4 * np.sin(x * 0.5)) + 0.06 * np.sin(0.55 * x + 0.35 * y + 1.0)
