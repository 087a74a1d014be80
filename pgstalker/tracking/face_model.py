"""MediaPipe's canonical face in our head frame, and the landmark sets that the rest of tracking names.

Head frame: cm, origin inside the head, x to the picture's right, y down, z away from the camera: the canonical
model (y up, z towards the camera) with y and z flipped, so that a frontal head has a rotation near identity.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pgstalker import landmarks
from pgstalker.weights import model_file

RIGID = np.array(landmarks.RIGID)
LIPS_OUTER, LIPS_INNER = np.array(landmarks.LIPS_OUTER), np.array(landmarks.LIPS_INNER)

# Closed polygons, in drawing order.
RIGHT_EYE, LEFT_EYE = np.array(landmarks.RIGHT_EYE), np.array(landmarks.LEFT_EYE)
OVAL = np.array(landmarks.OVAL)
CHIN = landmarks.CHIN[0]  # its lowest point
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = landmarks.EYE_CORNERS
RIGHT_EAR, LEFT_EAR = 234, 454  # oval points in front of the ears


@lru_cache(maxsize=1)
def _canonical() -> tuple[np.ndarray, np.ndarray]:
    vertices, triangles = [], []
    for line in model_file("canonical_face_model.obj").read_text().splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in values[:3]])
        elif kind == "f":
            triangles.append([int(value.split("/")[0]) - 1 for value in values[:3]])
    return np.array(vertices) * [1.0, -1.0, -1.0], np.array(triangles, np.int32)


def canonical_vertices() -> np.ndarray:
    """[468, 3] float64, head frame, cm. Raises WeightsError where the model file cannot be had."""
    return _canonical()[0].copy()


def canonical_triangles() -> np.ndarray:
    """[898, 3] int32 vertex indices of the canonical face mesh."""
    return _canonical()[1].copy()


def interocular(points: np.ndarray) -> np.ndarray:
    """[..., 478, D] landmarks to [...]: distance of the outer eye corners, in the landmarks' unit."""
    return np.linalg.norm(points[..., RIGHT_EYE_OUTER, :] - points[..., LEFT_EYE_OUTER, :], axis=-1)


def upper_face() -> np.ndarray:
    """Indices of mesh vertices of the upper, camera-facing half: where the skin follows the skull."""
    vertices = canonical_vertices()
    return np.flatnonzero((vertices[:, 1] < 1.0) & (vertices[:, 2] < -1.5))
