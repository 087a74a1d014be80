"""Surfaces: Catmull-Clark subdivision as one sparse matrix, so that a frame's mesh is a matrix product; and normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, identity, vstack


@dataclass
class Surface:
    """A quad mesh. quads [F, 4]; smooth [V, B] carries control vertices to vertices."""

    quads: np.ndarray
    smooth: csr_matrix

    @classmethod
    def control(cls, quads: np.ndarray, vertices: int) -> Surface:
        return cls(quads, identity(vertices, format="csr", dtype=np.float64))

    @property
    def triangles(self) -> np.ndarray:
        """[2F, 3] uint32."""
        return halved(self.quads)

    def subdivided(self, times: int = 1) -> Surface:
        """Catmull and Clark 1978, with the usual rule for borders."""
        surface = self
        for _ in range(times):
            matrix, quads = _catmull_clark(surface.quads, surface.smooth.shape[0])
            surface = Surface(quads, (matrix @ surface.smooth).tocsr())
        return surface


def _catmull_clark(quads: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray]:
    """Matrix [V + E + F, V] from old to new vertices (vertex, edge, face points), and the new quads [4F, 4]."""
    faces = len(quads)
    sides = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    edges, edge_of_side = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
    edge_of_side = edge_of_side.reshape(faces, 4)
    face_of_side = np.repeat(np.arange(faces), 4)
    uses = np.bincount(edge_of_side.ravel(), minlength=len(edges))
    border = uses == 1

    face_points = _matrix(face_of_side, quads.ravel(), 0.25, (faces, count))
    edge_ends = _matrix(np.repeat(np.arange(len(edges)), 2), edges.ravel(), 0.5, (len(edges), count))
    edge_faces = _matrix(edge_of_side.ravel(), face_of_side, 1 / uses[edge_of_side.ravel()], (len(edges), faces))
    inner = _diagonal(~border)
    edge_points = _diagonal(border) @ edge_ends + inner @ (0.5 * edge_ends + 0.5 * edge_faces @ face_points)

    valence = np.bincount(edges.ravel(), minlength=count)
    on_border = np.zeros(count, bool)
    on_border[edges[border].ravel()] = True
    n = np.maximum(valence, 1).astype(np.float64)
    mean_edge = _matrix(edges.ravel(), np.repeat(np.arange(len(edges)), 2), 1.0, (count, len(edges)))
    mean_edge = _diagonal(1 / n) @ mean_edge @ edge_ends
    corners = np.bincount(quads.ravel(), minlength=count)
    mean_face = _matrix(quads.ravel(), face_of_side, 1.0, (count, faces))
    mean_face = _diagonal(1 / np.maximum(corners, 1)) @ mean_face @ face_points
    smooth = _diagonal(1 / n) @ mean_face + _diagonal(2 / n) @ mean_edge + _diagonal((n - 3) / n)
    rim = edges[border]
    rim_mean = _matrix(rim.ravel(), rim[:, ::-1].ravel(), 0.125, (count, count)) + 0.75 * identity(count)
    vertex_points = _diagonal(~on_border) @ smooth + _diagonal(on_border) @ rim_mean

    stacked = vstack([vertex_points, edge_points, face_points], format="csr")
    e = count + edge_of_side
    f = np.broadcast_to(count + len(edges) + np.arange(faces)[:, None], (faces, 4))
    new = np.stack([quads, e, f, np.roll(e, 1, axis=1)], axis=-1).reshape(-1, 4)
    return stacked, new


def _matrix(rows, columns, values, shape) -> csr_matrix:
    values = np.broadcast_to(np.asarray(values, np.float64), np.shape(rows))
    return coo_matrix((values, (rows, columns)), shape=shape).tocsr()


def _diagonal(values) -> csr_matrix:
    index = np.arange(len(values))
    return _matrix(index, index, np.asarray(values, np.float64), (len(values), len(values)))


def halved(quads: np.ndarray) -> np.ndarray:
    """Quads [F, 4] as triangles [2F, 3] uint32."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.uint32)


class Normals:
    """Smooth vertex normals of a mesh whose triangles stay and whose vertices move."""

    def __init__(self, triangles: np.ndarray, vertices: int):
        self.triangles = triangles
        faces = np.tile(np.arange(len(triangles)), 3)
        self.gather = _matrix(triangles.T.ravel(), faces, 1.0, (vertices, len(triangles))).astype(np.float32)

    def __call__(self, vertices: np.ndarray) -> np.ndarray:
        """vertices [V, 3] -> unit normals [V, 3], area-weighted."""
        a, b, c = (vertices[self.triangles[:, i]] for i in range(3))
        normals = self.gather @ np.cross(b - a, c - a).astype(np.float32)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
