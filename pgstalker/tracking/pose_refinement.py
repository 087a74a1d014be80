"""Head pose from landmarks and skin texture together: sparse Gauss-Newton over all frames at once."""

from __future__ import annotations

import numpy as np

from pgstalker.tracking.geometry import huber_weights, project, project_with_jacobian, stepped, transform
from pgstalker.tracking.optical_flow import Surface, Tracks
from pgstalker.tracking.pose import LANDMARK_HUBER_PX
from pgstalker.types import Camera

FLOW_HUBER_PX = 1.0
MAX_TRACKS = 50_000  # at a time


def refine(
    observed: np.ndarray,
    valid: np.ndarray,
    shape: np.ndarray,
    poses: np.ndarray,
    camera: Camera,
    groups: list[tuple[Surface, float]],
    *,
    appearance: tuple[np.ndarray, np.ndarray] | None = None,
    steps: int = 3,
) -> np.ndarray:
    """Poses [T, 4, 4] that explain the landmarks and the motion of the tracks.

    observed [T, P, 2] px used where valid [T]; shape [P, 3]; groups: (tracks on the face, weight of the group's mean
    squared residual). A track asks only that its point moves as its texture did, so that an error of its depth matters
    little. appearance: Hessians [T, 6, 6] and gradients [T, 6] at the start, good for one step.
    """
    assert appearance is None or steps == 1, "appearance terms hold where they were computed"
    points = [surface.head_points(poses) for surface, _ in groups]
    for _ in range(steps):
        system = _System(len(poses))
        _add_landmarks(system, observed, valid, shape, poses, camera)
        if appearance is not None:
            system.diagonal += appearance[0]
            system.gradient += appearance[1]
        landmarks = int(valid.sum()) * len(shape)
        for (surface, weight), place in zip(groups, points, strict=True):
            for part in _parts(surface.tracks):
                share = weight * landmarks / len(surface.tracks)
                _add_tracks(system, surface.tracks[part], place[part], poses, camera, share)
        step = system.solve()
        poses = stepped(poses, step)
        if np.abs(step).max() < 1e-6:
            break
    return poses


def flow_residual(surface: Surface, poses: np.ndarray) -> float | None:
    """Median distance in px between where the poses carry a track and where it went, averaged over frame pairs.

    None where there is no track.
    """
    tracks = surface.tracks
    carried = project(transform(poses[tracks.to_frame], surface.head_points(poses)), surface.camera)
    return _by_pair(tracks, carried - tracks.target)


def motion(tracks: Tracks) -> float | None:
    """Median length of the tracks in px, averaged over frame pairs: the residual of a pose that never moves."""
    return _by_pair(tracks, tracks.target - tracks.source)


def _by_pair(tracks: Tracks, vectors: np.ndarray) -> float | None:
    if not len(tracks):
        return None
    error = np.linalg.norm(vectors, axis=1)
    starts = np.flatnonzero(np.r_[True, np.diff(tracks.to_frame) != 0])
    return float(np.mean([np.median(part) for part in np.split(error, starts[1:])]))


class _System:
    """Normal equations of 6 unknowns per frame, with blocks between frames that share tracks."""

    def __init__(self, frames: int):
        self.gradient = np.zeros((frames, 6))
        self.blocks: dict[tuple[int, int], np.ndarray] = {}
        self.diagonal = np.tile(1e-6 * np.eye(6), (frames, 1, 1))  # keeps frames that nothing observes where they are

    def solve(self) -> np.ndarray:
        """The step [T, 6]."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.linalg import splu

        frames = len(self.gradient)
        keys = [(frame, frame) for frame in range(frames)] + list(self.blocks)
        values = np.concatenate(
            [self.diagonal, np.stack(list(self.blocks.values()))] if self.blocks else [self.diagonal]
        )
        at = np.array(keys)
        rows = np.broadcast_to(6 * at[:, 0, None, None] + np.arange(6)[:, None], values.shape)
        columns = np.broadcast_to(6 * at[:, 1, None, None] + np.arange(6), values.shape)
        matrix = coo_matrix((values.ravel(), (rows.ravel(), columns.ravel())), shape=(6 * frames, 6 * frames))
        return splu(matrix.tocsc()).solve(self.gradient.ravel()).reshape(frames, 6)


def _add_landmarks(system: _System, observed, valid, shape, poses, camera) -> None:
    frames = np.flatnonzero(valid)
    pixels, by_pose, _ = project_with_jacobian(poses[frames, None], shape[None], camera)
    residual = observed[frames] - pixels
    weights = huber_weights(np.linalg.norm(residual, axis=-1), LANDMARK_HUBER_PX)
    system.diagonal[frames] += np.einsum("tpka,tp,tpkb->tab", by_pose, weights, by_pose)
    system.gradient[frames] += np.einsum("tpka,tp,tpk->ta", by_pose, weights, residual)


def _parts(tracks: Tracks) -> list[slice]:
    """Slices of at most about MAX_TRACKS: their derivatives take a kilobyte each."""
    return [slice(start, start + MAX_TRACKS) for start in range(0, len(tracks), MAX_TRACKS)]


def _add_tracks(system: _System, tracks: Tracks, points, poses, camera, weight: float) -> None:
    here, by_here, _ = project_with_jacobian(poses[tracks.from_frame], points, camera)
    there, by_there, _ = project_with_jacobian(poses[tracks.to_frame], points, camera)
    residual = (tracks.target - tracks.source) - (there - here)
    weights = weight * huber_weights(np.linalg.norm(residual, axis=-1), FLOW_HUBER_PX)
    both = np.concatenate([-by_here, by_there], axis=-1)  # [M, 2, 12]
    hessian = np.einsum("mka,m,mkb->mab", both, weights, both)
    gradient = np.einsum("mka,m,mk->ma", both, weights, residual)
    order = np.lexsort((tracks.to_frame, tracks.from_frame))
    sources, targets = tracks.from_frame[order], tracks.to_frame[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(sources) != 0) | (np.diff(targets) != 0)])
    hessian = np.add.reduceat(hessian[order], starts, axis=0)
    gradient = np.add.reduceat(gradient[order], starts, axis=0)
    for a, b, block, slope in zip(sources[starts], targets[starts], hessian, gradient, strict=True):
        system.diagonal[a] += block[:6, :6]
        system.diagonal[b] += block[6:, 6:]
        system.gradient[a] += slope[:6]
        system.gradient[b] += slope[6:]
        for key, part in (((a, b), block[:6, 6:]), ((b, a), block[6:, :6])):
            system.blocks[key] = system.blocks.get(key, 0) + part
