"""Synthetic landmarks, and how far two poses are apart."""

from __future__ import annotations

import numpy as np


def degrees_apart(poses: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[T] angle between rotations."""
    trace = np.einsum("tij,tij->t", poses[:, :3, :3], others[:, :3, :3])
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def face_landmarks(center=(256.0, 256.0), half_height: float = 125.0) -> np.ndarray:
    """[478, 3] px: oval, eyes and lips as ellipses around a center, everything else at the center."""
    from pgstalker.tracking import face_model

    points = np.tile(np.array([*center, 0.0]), (478, 1))

    def ring(indices, x, y, half_width, half_high, first_angle):
        angle = first_angle + 2 * np.pi * np.arange(len(indices)) / len(indices)
        points[indices, 0] = center[0] + half_height * (x + half_width * np.cos(angle))
        points[indices, 1] = center[1] + half_height * (y + half_high * np.sin(angle))

    ring(face_model.OVAL, 0, 0, 0.8, 1.0, -np.pi / 2)
    ring(face_model.LIPS_OUTER, 0, 0.45, 0.3, 0.15, np.pi)
    ring(face_model.LIPS_INNER, 0, 0.45, 0.22, 0.07, np.pi)
    ring(face_model.RIGHT_EYE, -0.35, -0.3, 0.15, 0.06, np.pi)
    ring(face_model.LEFT_EYE, 0.35, -0.3, 0.15, 0.06, 0)
    return points
