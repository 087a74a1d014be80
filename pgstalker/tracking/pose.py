"""Head pose and identity shape from landmarks: PnP for a start, then bundle adjustment (Triggs et al. 2000).

Bundle adjustment finds one pose per frame and one shape (the rigid landmarks' places in the head) that explain all
landmarks of the training frames, with the canonical face as a weak prior that fixes scale and origin. The shape is
eliminated by its Schur complement, so a step costs T small solves. The focal length is fixed: frontal video does
not tell it.
"""

from __future__ import annotations

import numpy as np

from pgstalker.tracking.geometry import huber_weights, project, project_with_jacobian, stepped, transform
from pgstalker.types import Camera

FOCAL_SHARE = 2.34375  # of the picture's side: 1200 px at 512
LANDMARK_HUBER_PX = 2.0
SHAPE_PRIOR = 0.02  # per cm^2 and frame, against squared px per landmark; from 0.002 to 0.2 poses differ little

MESH_PRIOR = 0.02  # the same for a single vertex, whose depth is seen only through the head's rotation


def portrait_camera(size: int) -> Camera:
    """The camera that every subject of this size is tracked with."""
    return Camera(FOCAL_SHARE * size, size, size, size / 2, size / 2)


def initial_poses(observed: np.ndarray, valid: np.ndarray, shape: np.ndarray, camera: Camera) -> np.ndarray:
    """PnP frame by frame, each started at the one before.

    observed [T, P, 2] px, valid [T] bool, shape [P, 3] cm. Returns camera_from_head [T, 4, 4]; the identity where
    not valid.
    """
    import cv2

    matrix, points = camera.matrix(), np.ascontiguousarray(shape)
    poses = np.tile(np.eye(4), (len(observed), 1, 1))
    rotation = translation = None
    for frame in np.flatnonzero(valid):
        pixels = np.ascontiguousarray(observed[frame], np.float64)
        if rotation is None:
            _, rotation, translation = cv2.solvePnP(points, pixels, matrix, None, flags=cv2.SOLVEPNP_SQPNP)
        _, rotation, translation = cv2.solvePnP(
            points, pixels, matrix, None, rotation.copy(), translation.copy(), True, cv2.SOLVEPNP_ITERATIVE
        )
        poses[frame, :3, :3] = cv2.Rodrigues(rotation)[0]
        poses[frame, :3, 3] = translation.ravel()
    return poses


def bundle_adjust(observed: np.ndarray, prior: np.ndarray, poses: np.ndarray, camera: Camera, *, steps: int = 40):
    """Poses and identity shape together.

    observed [T, P, 2] px, prior [P, 3] cm, poses [T, 4, 4] start. Returns poses [T, 4, 4] and shape [P, 3].
    Levenberg-Marquardt on Huber residuals.
    """
    shape, damping = prior.copy(), 1e-3
    prior_weight = SHAPE_PRIOR * len(observed)
    cost = _cost(observed, poses, shape, prior, camera)
    for _ in range(steps):
        pose_steps, shape_step = _solve(observed, poses, shape, prior, camera, prior_weight, damping)
        moved, reshaped = stepped(poses, pose_steps), shape + shape_step
        new_cost = _cost(observed, moved, reshaped, prior, camera)
        if new_cost >= cost:
            damping *= 10
            if damping > 1e6:
                break
            continue
        is_done = cost - new_cost < 1e-7 * cost
        poses, shape, cost, damping = moved, reshaped, new_cost, max(damping / 5, 1e-9)
        if is_done:
            break
    return poses, shape


def fit_poses(observed: np.ndarray, shape: np.ndarray, poses: np.ndarray, camera: Camera, *, steps: int = 15):
    """Poses alone, the shape being known: observed [T, P, 2], shape [P, 3], start [T, 4, 4] to [T, 4, 4]."""
    for _ in range(steps):
        pixels, by_pose, _ = project_with_jacobian(poses[:, None], shape[None], camera)
        residual = observed - pixels
        weights = huber_weights(np.linalg.norm(residual, axis=-1), LANDMARK_HUBER_PX)
        hessian = np.einsum("tpka,tp,tpkb->tab", by_pose, weights, by_pose)
        gradient = np.einsum("tpka,tp,tpk->ta", by_pose, weights, residual)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        poses = stepped(poses, step)
        if np.abs(step).max() < 1e-7:
            break
    return poses


def fit_mesh(observed: np.ndarray, prior: np.ndarray, poses: np.ndarray, camera: Camera) -> np.ndarray:
    """The whole face mesh of this person: each vertex alone, poses known.

    observed [T, V, 2] px, prior [V, 3] cm. Returns [V, 3] cm. Moving parts (lips, lids) come out at their mean place.
    """
    mesh = prior.copy()
    for _ in range(4):
        pixels, _, by_point = project_with_jacobian(poses[:, None], mesh[None], camera)
        by_vertex = by_point @ poses[:, None, :3, :3]
        residual = observed - pixels
        weights = huber_weights(np.linalg.norm(residual, axis=-1), LANDMARK_HUBER_PX)
        hessian = np.einsum("tvka,tv,tvkb->vab", by_vertex, weights, by_vertex)
        hessian += MESH_PRIOR * len(observed) * np.eye(3)
        gradient = np.einsum("tvka,tv,tvk->va", by_vertex, weights, residual)
        gradient += MESH_PRIOR * len(observed) * (prior - mesh)
        mesh = mesh + np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return mesh


def reprojection_rmse(observed: np.ndarray, shape: np.ndarray, poses: np.ndarray, camera: Camera) -> float:
    """Root mean squared distance in px between observed [T, P, 2] and the projected shape [P, 3]."""
    residual = observed - project(transform(poses[:, None], shape[None]), camera)
    return float(np.sqrt((residual**2).sum(-1).mean()))


def _cost(observed, poses, shape, prior, camera) -> float:
    error = np.linalg.norm(observed - project(transform(poses[:, None], shape[None]), camera), axis=-1)
    bound = LANDMARK_HUBER_PX
    huber = np.where(error < bound, 0.5 * error**2, bound * (error - 0.5 * bound)).sum()
    return float(huber + 0.5 * SHAPE_PRIOR * len(observed) * ((shape - prior) ** 2).sum())


def _solve(observed, poses, shape, prior, camera, prior_weight, damping):
    """One damped Gauss-Newton step: pose steps [T, 6] and shape step [P, 3], the poses eliminated first."""
    frames, points = observed.shape[:2]
    pixels, by_pose, by_point = project_with_jacobian(poses[:, None], shape[None], camera)
    by_shape = by_point @ poses[:, None, :3, :3]  # [T, P, 2, 3]
    residual = observed - pixels
    weights = huber_weights(np.linalg.norm(residual, axis=-1), LANDMARK_HUBER_PX)
    weighted_pose = by_pose * weights[..., None, None]
    pose_block = np.einsum("tpka,tpkb->tab", weighted_pose, by_pose)
    pose_block *= 1 + damping * np.eye(6)
    pose_gradient = np.einsum("tpka,tpk->ta", weighted_pose, residual)
    cross = np.einsum("tpka,tpkb->tapb", weighted_pose, by_shape).reshape(frames, 6, 3 * points)
    shape_diagonal = np.einsum("tpka,tp,tpkb->pab", by_shape, weights, by_shape) + prior_weight * np.eye(3)
    shape_block = np.zeros((points, 3, points, 3))
    shape_block[np.arange(points), :, np.arange(points)] = shape_diagonal * (1 + damping * np.eye(3))
    shape_gradient = np.einsum("tpka,tp,tpk->pa", by_shape, weights, residual) + prior_weight * (prior - shape)
    solved = np.linalg.solve(pose_block, np.concatenate([cross, pose_gradient[..., None]], axis=-1))
    reduced = shape_block.reshape(3 * points, 3 * points) - np.einsum("tai,taj->ij", cross, solved[..., :-1])
    right = shape_gradient.ravel() - np.einsum("tai,ta->i", cross, solved[..., -1])
    shape_step = np.linalg.solve(reduced, right)
    pose_steps = solved[..., -1] - solved[..., :-1] @ shape_step
    return pose_steps, shape_step.reshape(points, 3)
