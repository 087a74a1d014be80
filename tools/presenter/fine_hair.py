"""Brows and lashes: few hairs, bound to the skin that carries them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from tools.presenter.human import load_base
from tools.presenter.parts import Eyeball

NODES = 5


class Brows:
    """Hairs along an arch above each eye; each moves with the skin vertex at its root."""

    def __init__(self, skin, normals, eyes: tuple[Eyeball, Eyeball], thickness: float, bow: float, seed: int):
        """skin, normals [V, 3] at rest; thickness 1: average; bow: height of the arch, cm."""
        rng = np.random.default_rng(seed)
        front = np.flatnonzero(normals[:, 2] > 0.1)
        tree = cKDTree(skin[front, :2])
        nodes, anchors = [], []
        for side, eye in zip((-1, 1), eyes):
            count = int(420 * (0.6 + 0.4 * thickness))
            t = rng.random(count) ** 0.9
            across = (rng.random(count) - 0.5) * 2
            half = thickness * (0.46 - 0.30 * t) * np.minimum(1, 0.45 + 5 * t)
            x, y = arch(t, bow)
            plane = eye.centre[:2] + np.stack([side * x, y + across * half], axis=1)
            _, near = tree.query(plane)
            vertex = front[near]
            ahead = arch(np.minimum(t + 0.08, 1.05), bow)
            flow = np.stack([side * (ahead[0] - x), ahead[1] - y - 0.25 * across * (0.2 + t) * 0.3, 0 * t], axis=1)
            flow /= np.linalg.norm(flow, axis=1, keepdims=True)
            rise = np.exp(-t / 0.16)[:, None]
            flow = flow * (1 - 0.75 * rise) + np.array([0.0, 1.0, 0.0]) * rise * 0.9
            flow += 0.16 * rng.normal(size=flow.shape)
            n = normals[vertex]
            flow -= (flow * n).sum(axis=1, keepdims=True) * n
            flow /= np.linalg.norm(flow, axis=1, keepdims=True)
            length = (0.50 + 0.35 * rng.random(count)) * (0.75 + 0.25 * thickness)
            root = skin[vertex] + np.concatenate([plane - skin[vertex, :2], np.zeros((count, 1))], axis=1)
            s = np.linspace(0, 1, NODES)[None, :, None]
            bend = n[:, None] * (0.02 + 0.11 * np.sin(np.pi * s) * (0.4 + 0.6 * rng.random((count, 1, 1))))
            nodes.append(root[:, None] + flow[:, None] * s * length[:, None, None] + bend)
            anchors.append(vertex)
        self.nodes, self.anchor = np.concatenate(nodes), np.concatenate(anchors)
        self.home = skin[self.anchor]
        seeds = np.broadcast_to(rng.random((len(self.nodes), 1)), self.nodes.shape[:2])
        along = np.broadcast_to(np.linspace(0.3, 1, NODES), self.nodes.shape[:2])
        self.strand = np.stack([along, seeds, np.zeros_like(seeds)], axis=-1)

    def strands(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """position, tangent, strand at rest."""
        return self.nodes, np.gradient(self.nodes, axis=1), self.strand

    def moved(self, skin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same after the skin [V, 3] moved (head at rest)."""
        nodes = self.nodes + (skin[self.anchor] - self.home)[:, None]
        return nodes, np.gradient(nodes, axis=1), self.strand


def arch(t: np.ndarray, bow: float) -> tuple[np.ndarray, np.ndarray]:
    """The brow's middle line, cm from the eyeball's centre (x outwards, y up)."""
    x = -1.75 + 4.55 * t
    y = 1.42 + bow * np.sin(np.pi * np.clip(t * 0.86 + 0.02, 0, 1)) ** 1.2 - 0.25 * np.clip(t - 0.6, 0, 1) * 2.2
    return x, y


class Lashes:
    """Lashes along the base mesh's lash strips, which its facial units already carry with the lids."""

    def __init__(self, control: np.ndarray, eyes: tuple[Eyeball, Eyeball], seed: int):
        rng = np.random.default_rng(seed + 1)
        self.rows, self.pick = [], []
        for side, eye in zip("rl", eyes):
            for strip, count, reach in (("2", 90, 0.85), ("1", 40, 0.45)):
                grid = strip_grid(load_base().faces[f"helper-{side}-eyelashes-{strip}"][:, :, 0])
                ends = [np.linalg.norm(control[row] - eye.centre, axis=1).mean() for row in (grid[0], grid[-1])]
                grid = grid if ends[0] < ends[1] else grid[::-1]
                place = np.sort(rng.random(count)) * (grid.shape[1] - 1.001)
                self.rows.append(
                    (grid, place, reach * (0.75 + 0.35 * rng.random(count)), 0.04 * rng.normal(size=count))
                )
        total = sum(len(place) for _, place, _, _ in self.rows)
        along = np.broadcast_to(np.linspace(0.2, 1, NODES), (total, NODES))
        seeds = np.broadcast_to(rng.random((total, 1)), along.shape)
        self.strand = np.stack([along, seeds, np.zeros_like(seeds)], axis=-1)

    def strands(self, control: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """position, tangent, strand for control vertices [V, 3]."""
        out = []
        for grid, place, reach, slant in self.rows:
            column = place.astype(int)
            share = (place - column)[:, None, None]
            points = control[grid]  # [R, C, 3], root row first
            lines = points[:, column] * (1 - share.transpose(1, 0, 2)) + points[:, column + 1] * share.transpose(
                1, 0, 2
            )
            lines = lines.transpose(1, 0, 2)
            at = np.linspace(0, lines.shape[1] - 1.001, NODES) * 1.0
            low = at.astype(int)
            nodes = lines[:, low] * (1 - (at - low))[None, :, None] + lines[:, low + 1] * (at - low)[None, :, None]
            root = nodes[:, :1]
            nodes = root + (nodes - root) * reach[:, None, None]
            nodes[..., 0] += slant[:, None] * np.linspace(0, 1, NODES)
            out.append(nodes)
        position = np.concatenate(out)
        return position, np.gradient(position, axis=1), self.strand


def strip_grid(quads: np.ndarray) -> np.ndarray:
    """Vertices of a strip of quads as a grid [R, C], C the longer side."""
    uses: dict[int, list[int]] = {}
    for number, quad in enumerate(quads):
        for vertex in quad:
            uses.setdefault(int(vertex), []).append(number)
    corner = next(vertex for vertex, faces in uses.items() if len(faces) == 1)
    sides = {frozenset(pair) for quad in quads.tolist() for pair in zip(quad, quad[1:] + quad[:1])}
    neighbours = {v: {next(iter(s - {v})) for s in sides if v in s} for v in uses}
    rim = [v for v in uses if len(neighbours[v]) < 4]

    def walk(start: int, first: int) -> list[int]:
        line = [start, first]
        while True:
            quads_here = set(uses[line[-1]])
            ahead = [
                v
                for v in neighbours[line[-1]]
                if v not in line and not (set(uses[v]) & set(uses[line[-2]])) and v in (rim if start in rim else uses)
            ]
            if not ahead or not quads_here:
                return line
            line.append(ahead[0])

    first, second = sorted(neighbours[corner], key=lambda v: len(walk(corner, v)))
    column, row = walk(corner, first), walk(corner, second)
    grid = [row]
    for vertex in column[1:]:
        line = [vertex]
        for above in grid[-1][1:]:
            left_above = grid[-1][len(line) - 1]
            shared = set(uses[line[-1]]) & set(uses[above]) & set(uses[left_above])
            quad = set(quads[next(iter(shared))].tolist())
            line.append(next(iter(quad - {line[-1], above, left_above})))
        grid.append(line)
    return np.array(grid)
