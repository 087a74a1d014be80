"""Head pose from the look of the skin: every frame against the mean texture of the training frames.

Tracks between frames leave a slow error that the mean texture shows. Points on the rigid part of the fitted face are
sampled where the pose puts them; their difference from the mean, up to brightness and contrast, pulls the pose.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pgstalker.tracking import face_model
from pgstalker.tracking.geometry import huber_weights, project_with_jacobian
from pgstalker.types import Camera

POINTS = 2000
BLUR_AT_512_PX = 1.2
WEIGHT = 30.0  # of a frame's mean squared residual in gray levels, against one landmark's in px


def skin_points(mesh: np.ndarray) -> np.ndarray:
    """[POINTS, 3] cm on the mesh's rigid, camera-facing triangles without the eyes, evenly by area."""
    random = np.random.default_rng(0)
    is_skin = np.zeros(len(mesh), bool)
    is_skin[face_model.upper_face()] = True
    is_skin[np.concatenate([face_model.RIGHT_EYE, face_model.LEFT_EYE])] = False
    triangles = face_model.canonical_triangles()
    corners = mesh[triangles[is_skin[triangles].all(1)]]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = random.choice(len(corners), POINTS, p=areas / areas.sum())
    return np.einsum("nk,nkd->nd", random.dirichlet([1, 1, 1], POINTS), corners[chosen])


def appearance_terms(
    images: Iterable[np.ndarray], poses: np.ndarray, points: np.ndarray, camera: Camera, for_mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hessians [T, 6, 6] and gradients [T, 6] of the appearance at these poses, for pose_refinement.refine.

    images: T of them, gray uint8 [H, W]; points [N, 3] of skin_points; for_mean [T] bool: the frames whose mean is the
    texture.
    """
    seen, slopes = _sample(images, poses, points, camera)
    texture = seen[for_mean].mean(0, dtype=np.float64)
    model = np.stack([texture, np.ones_like(texture)], axis=1)
    hessians, gradients = np.zeros((len(poses), 6, 6)), np.zeros((len(poses), 6))
    for frame in range(len(poses)):
        _, by_pose, _ = project_with_jacobian(poses[frame], points, camera)
        jacobian = np.einsum("nk,nka->na", slopes[frame], by_pose)
        residual = model @ _fit(model, seen[frame]) - seen[frame]
        spread = 1.48 * np.median(np.abs(residual)) + 1e-3
        weights = huber_weights(np.abs(residual), 1.5 * spread)
        # What a change of brightness and contrast explains as well must not move the head.
        jacobian = jacobian - model @ _fit(model, jacobian, weights)
        weighted = (jacobian * weights[:, None]).T * (WEIGHT / len(points))
        hessians[frame], gradients[frame] = weighted @ jacobian, weighted @ residual
    return hessians, gradients


def _fit(model: np.ndarray, values: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """Least squares by the normal equations: model [N, 2] to values [N] or [N, K]."""
    weighted = (model.T * weights).astype(np.float64)
    return np.linalg.solve(weighted @ model, weighted @ values)


def _sample(images: Iterable[np.ndarray], poses: np.ndarray, points: np.ndarray, camera: Camera):
    """Gray values [T, N] and their slopes [T, N, 2] per px where the poses put the points."""
    import cv2

    seen = np.zeros((len(poses), len(points)), np.float32)
    slopes = np.zeros((len(poses), len(points), 2), np.float32)
    sigma = BLUR_AT_512_PX * camera.width / 512
    for frame, image in enumerate(images):
        smooth = cv2.GaussianBlur(image, (0, 0), sigma).astype(np.float32)
        pixels, _, _ = project_with_jacobian(poses[frame], points, camera)
        at = (pixels - 0.5).astype(np.float32)[:, None]
        seen[frame] = _at(smooth, at)
        for axis, step in enumerate(np.eye(2, dtype=np.float32)):
            slopes[frame, :, axis] = (_at(smooth, at + step) - _at(smooth, at - step)) / 2
    return seen, slopes


def _at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear values [N] at points [N, 1, 2] float32 (OpenCV pixels); the border's value outside."""
    import cv2

    return cv2.remap(image, points, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
