"""Rigid motion and pinhole projection with their derivatives, vectorised over frames or over single points."""

from __future__ import annotations

import numpy as np

from pgstalker.types import Camera


def transform(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Poses [..., 4, 4] camera_from_head and points [..., 3] of the head, broadcast, to camera points [..., 3]."""
    return np.einsum("...ij,...j->...i", poses[..., :3, :3], points) + poses[..., :3, 3]


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Camera points [..., 3] cm to pixels [..., 2], pixel centres at +0.5."""
    return points[..., :2] / points[..., 2:] * camera.focal_px + _center(camera)


def unproject(pixels: np.ndarray, depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Pixels [..., 2] at depth [...] cm to camera points [..., 3]: the inverse of `project`."""
    rays = (pixels - _center(camera)) / camera.focal_px
    return np.concatenate([rays * depth[..., None], depth[..., None]], axis=-1)


def to_head(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The inverse of `transform`: camera points [..., 3] to the head frame."""
    return np.einsum("...ji,...j->...i", poses[..., :3, :3], points - poses[..., :3, 3])


def project_with_jacobian(poses: np.ndarray, points: np.ndarray, camera: Camera):
    """Pixels [..., 2], their derivative by the pose [..., 2, 6] and by the camera point [..., 2, 3].

    The pose step is (rotation vector applied on the left of R, in rad; translation, in cm).
    """
    rotated = np.einsum("...ij,...j->...i", poses[..., :3, :3], points)
    seen = rotated + poses[..., :3, 3]
    by_point = np.zeros(seen.shape[:-1] + (2, 3))
    by_point[..., 0, 0] = by_point[..., 1, 1] = camera.focal_px / seen[..., 2]
    by_point[..., :, 2] = -camera.focal_px * seen[..., :2] / seen[..., 2:] ** 2
    # d(w x r)/dw = -[r]x, written as columns: e_k x r.
    by_rotation = np.stack([np.cross(axis, rotated) for axis in np.eye(3)], axis=-1)
    by_pose = np.concatenate([by_point @ by_rotation, by_point], axis=-1)
    return project(seen, camera), by_pose, by_point


def stepped(poses: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """poses [T, 4, 4] moved by steps [T, 6] (see project_with_jacobian)."""
    from scipy.spatial.transform import Rotation

    moved = poses.copy()
    moved[:, :3, :3] = Rotation.from_rotvec(steps[:, :3]).as_matrix() @ poses[:, :3, :3]
    moved[:, :3, 3] += steps[:, 3:]
    return moved


def interpolate(poses: np.ndarray, known: np.ndarray) -> np.ndarray:
    """poses [T, 4, 4] with the frames where known [T] is False filled: slerp and linear, held at the ends."""
    from scipy.spatial.transform import Rotation, Slerp

    frames = np.flatnonzero(known)
    if len(frames) in (0, len(poses)):
        return poses
    if len(frames) == 1:
        return np.repeat(poses[frames], len(poses), axis=0)
    wanted = np.clip(np.arange(len(poses)), frames[0], frames[-1])
    filled = np.tile(np.eye(4), (len(poses), 1, 1))
    filled[:, :3, :3] = Slerp(frames, Rotation.from_matrix(poses[frames, :3, :3]))(wanted).as_matrix()
    for axis in range(3):
        filled[:, axis, 3] = np.interp(wanted, frames, poses[frames, axis, 3])
    return filled


def euler_degrees(poses: np.ndarray) -> np.ndarray:
    """[T, 4, 4] to [T, 3] degrees: pitch (x), yaw (y), roll (z) of the head in the camera's axes."""
    from scipy.spatial.transform import Rotation

    yaw, pitch, roll = Rotation.from_matrix(poses[:, :3, :3]).as_euler("YXZ", degrees=True).T
    return np.stack([pitch, yaw, roll], axis=-1)


def huber_weights(error: np.ndarray, bound: float) -> np.ndarray:
    """Weight of iteratively re-weighted least squares: 1 below the bound, falling as 1/error above it."""
    return np.minimum(1.0, bound / np.maximum(error, 1e-12))


def _center(camera: Camera) -> np.ndarray:
    return np.array([camera.center_x_px, camera.center_y_px])
