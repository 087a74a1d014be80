"""Hair grown strand by strand: rooted in the scalp, combed, pulled down, kept off the skin, gathered in locks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class HairStyle:
    """How a head of hair is cut and combed.

    Lengths and the width of a strand in cm; nodes: points along a strand; hairline raises (+) or lowers the front, cm;
    recede: the same at the temples; parting: its x in cm; without one, hair on top is combed along `sweep` (x to the
    figure's left, y up, z forward); fringe: how strongly hair falls forward from the parting; lift: how far it stands
    off; clump: how much it gathers in locks; curl: radius of its curls, cm; colours linear RGB."""

    strands: int = 13000
    nodes: int = 10
    width: float = 0.065
    top: float = 9.0
    sides: float = 4.0
    back: float = 4.0
    hairline: float = 0.0
    recede: float = 0.0
    parting: float | None = 3.0
    sweep: tuple[float, float, float] = (0.0, 0.1, -1.0)
    fringe: float = 0.0
    lift: float = 0.5
    gravity: float = 0.25
    curl: float = 0.0
    clump: float = 0.55
    color: tuple[float, float, float] = (0.05, 0.03, 0.018)
    tip: tuple[float, float, float] = (0.09, 0.05, 0.03)
    shine: float = 1.0


class Head:
    """A head in rest pose to grow hair on: vertices and normals [V, 3] cm, triangles [F, 3], its centre (between the
    ears), the top, and the height of brows and ears."""

    def __init__(self, vertices, normals, triangles, *, centre, brow_y, ear_y):
        self.vertices, self.normals, self.triangles = vertices, normals, triangles
        self.centre, self.brow_y, self.ear_y = centre, brow_y, ear_y
        self.top_y = vertices[:, 1].max()
        self.tree = cKDTree(vertices)

    def scalp(self, points: np.ndarray, style: HairStyle) -> np.ndarray:
        """How far inside the hairline points [P, 3] lie, cm; negative outside."""
        local = points - self.centre
        azimuth = np.abs(np.degrees(np.arctan2(local[:, 0], local[:, 2])))  # 0 front, 180 nape
        front = self.brow_y + 5.7 + style.hairline
        temple = front + style.recede * np.exp(-(((azimuth - 32) / 14) ** 2))
        knots = [0, 25, 48, 62, 76, 84, 98, 112, 130, 180]
        heights = [
            *(front, front - 0.2, front - 2.6, self.brow_y - 0.3, self.ear_y + 0.6, self.ear_y + 1.2),
            *(self.ear_y + 3.2, self.ear_y - 1.0, self.ear_y - 4.4, self.ear_y - 6.0),
        ]
        line = np.interp(azimuth, knots, heights) + (temple - front)
        line += 0.25 * np.sin(azimuth * 0.55) + 0.12 * np.sin(azimuth * 1.9 + 1.0)
        return points[:, 1] - line

    def roots(self, style: HairStyle, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Scattered points and normals on the scalp."""
        rng = np.random.default_rng(seed)
        a, b, c = (self.vertices[self.triangles[:, i]] for i in range(3))
        middle = (a + b + c) / 3
        inside = self.scalp(middle, style) > -0.4
        inside &= ~self.is_ear(middle)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * inside
        face = rng.choice(len(area), style.strands, p=area / area.sum())
        u, v = rng.random((2, style.strands))
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
        blend = np.stack([1 - u - v, u, v], axis=1)[:, :, None]
        points = (self.vertices[self.triangles[face]] * blend).sum(axis=1)
        normals = (self.normals[self.triangles[face]] * blend).sum(axis=1)
        depth = self.scalp(points, style)
        keep = depth > 0.35 * rng.random(style.strands) - 0.15
        return points[keep], normals[keep] / np.linalg.norm(normals[keep], axis=1, keepdims=True)

    def is_ear(self, points: np.ndarray) -> np.ndarray:
        """Whether points [P, 3] belong to an ear: further out than the skull there."""
        local = points - self.centre
        wide = np.percentile(np.abs(self.vertices[:, 0])[self.vertices[:, 1] > self.ear_y + 5], 99)
        return (np.abs(local[:, 0]) > wide * 0.985) & (points[:, 1] < self.ear_y + 4.2) & (np.abs(local[:, 2]) < 5)


def grow(head: Head, style: HairStyle, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strands: position and tangent [S, K, 3] cm, strand [S, K, 3] (along, seed, depth 0)."""
    rng = np.random.default_rng(seed)
    roots, normals = head.roots(style, seed)
    count = len(roots)
    layer = rng.random(count)
    crown = _crown(normals)
    lift = style.lift * (0.3 + 0.7 * crown) if style.parting is None else np.full(count, style.lift)
    length = _lengths(head, style, roots, crown) * (0.82 + 0.3 * rng.random(count))
    step = (length / (style.nodes - 1))[:, None]
    direction = _unit(
        normals * (0.9 + lift)[:, None] + _comb(head, style, roots) * 1.2 + 0.12 * rng.normal(size=(count, 3))
    )
    points = [roots]
    for node in range(1, style.nodes):
        t = node / (style.nodes - 1)
        comb = _comb(head, style, points[-1])
        pull = np.array([0.0, -1.0, 0.0]) * style.gravity * (0.4 + 1.6 * t) * np.minimum(length / 8, 1.6)[:, None]
        direction = _unit(
            0.72 * direction
            + (0.34 * comb * (1 - 0.5 * t) + pull) * 15 / (style.nodes - 1) * 0.8
            + 0.02 * rng.normal(size=(count, 3))
        )
        moved = points[-1] + direction * step
        clearance = (0.12 + lift * (0.25 + 0.9 * layer) * np.sin(np.pi * min(t + 0.15, 1.0) * 0.75))[:, None]
        moved = _pushed_out(head, moved, clearance)
        direction = _unit(moved - points[-1])
        points.append(points[-1] + direction * step)
    position = np.stack(points, axis=1)
    position = _gathered(position, roots, style, rng)
    if style.curl:
        position = _curled(position, style, rng)
    tangent = np.gradient(position, axis=1)
    along = np.broadcast_to(np.linspace(0, 1, style.nodes), (count, style.nodes))
    strand = np.stack([along, np.broadcast_to(rng.random(count)[:, None], along.shape), np.zeros(along.shape)], axis=-1)
    return position, _unit(tangent), strand.copy()


def _crown(normals: np.ndarray) -> np.ndarray:
    """0 on the sides of the skull, 1 on top, by where its skin faces."""
    t = np.clip((normals[:, 1] + 0.35 * np.maximum(normals[:, 2], 0) - 0.30) / 0.40, 0, 1)
    return t * t * (3 - 2 * t)


def _lengths(head: Head, style: HairStyle, roots: np.ndarray, crown: np.ndarray) -> np.ndarray:
    """Length by place: the top, the sides and the back, blended; shorter at the hairline."""
    local = roots - head.centre
    behind = np.clip((-local[:, 2] + 1.0) / 6.0, 0, 1)
    low = style.sides * (1 - behind) + style.back * behind
    edge = np.clip(head.scalp(roots, style) / 1.5, 0, 1)
    return (style.top * crown + low * (1 - crown)) * (0.55 + 0.45 * edge)


def _comb(head: Head, style: HairStyle, points: np.ndarray) -> np.ndarray:
    """Direction in which hair is combed at points [P, 3], unit."""
    local = points - head.centre
    zero = np.zeros(len(points))
    if style.parting is None:
        high = np.clip((points[:, 1] - head.brow_y - 3.0) / (head.top_y - head.brow_y - 5.0), 0, 1)[:, None]
        down = np.stack([zero, -1.0 + zero, -0.35 + zero], axis=1)
        comb = np.array(style.sweep) * high + down * (1 - high)
    else:
        side = np.tanh((local[:, 0] - style.parting) / 0.8)
        high = np.clip((points[:, 1] - head.brow_y) / (head.top_y - head.brow_y), 0, 1)
        ahead = np.clip(local[:, 2] / 8, -1, 1)
        comb = np.stack([side * (0.4 + 0.8 * high), -0.5 * (1 - high) - 0.1, style.fringe * ahead - 0.25], axis=1)
    return _unit(comb)


def _pushed_out(head: Head, points: np.ndarray, clearance: np.ndarray) -> np.ndarray:
    """Points no nearer to the skin than `clearance` [P, 1] cm."""
    _, near = head.tree.query(points)
    normal = head.normals[near]
    distance = ((points - head.vertices[near]) * normal).sum(axis=1, keepdims=True)
    return points + normal * np.maximum(clearance - distance, 0)


def _gathered(position: np.ndarray, roots: np.ndarray, style: HairStyle, rng) -> np.ndarray:
    """Strands drawn towards the guide of their lock, more at the tip."""
    guides = rng.choice(len(roots), max(len(roots) // 45, 1), replace=False)
    _, lock = cKDTree(roots[guides]).query(roots)
    t = np.linspace(0, 1, style.nodes)[None, :, None]
    pull = style.clump * t**1.3 * (0.55 + 0.45 * rng.random((len(roots), 1, 1)))
    target = position[guides[lock]] + (roots - roots[guides[lock]])[:, None] * 0.25
    return position * (1 - pull) + target * pull


def _curled(position: np.ndarray, style: HairStyle, rng) -> np.ndarray:
    """Each strand wound into a helix."""
    count = len(position)
    t = np.linspace(0, 1, style.nodes)[None]
    tangent = _unit(np.gradient(position, axis=1))
    side = _unit(np.cross(tangent, rng.normal(size=(count, 1, 3))))
    other = np.cross(tangent, side)
    turns = t * (2.2 + 1.2 * rng.random((count, 1))) * 2 * np.pi + 6.28 * rng.random((count, 1))
    grow_in = np.minimum(t * 4, 1)
    return position + style.curl * grow_in[..., None] * (
        np.cos(turns)[..., None] * side + np.sin(turns)[..., None] * other
    )


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
