"""Head pose of a whole clip: landmarks give it to half a pixel, skin texture steadies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pgstalker import media
from pgstalker.tracking import face_model
from pgstalker.tracking.appearance import appearance_terms, skin_points
from pgstalker.tracking.geometry import interpolate
from pgstalker.tracking.optical_flow import FaceTracker
from pgstalker.tracking.pose import bundle_adjust, fit_mesh, fit_poses, initial_poses, reprojection_rmse
from pgstalker.tracking.pose_refinement import flow_residual, motion, refine
from pgstalker.types import Camera

NEIGHBOUR_WEIGHT = 4.0  # per group of tracks, against the landmarks; chosen by held-out PSNR on two clips
ROUNDS, APPEARANCE_ROUNDS = 2, 2  # the tracks' places on the head, and the mean texture, follow the pose

MESH_FRAMES = 500


@dataclass(frozen=True)
class HeadTrack:
    """poses camera_from_head [T, 4, 4]; mesh [468, 3] of this person, head frame, cm; quality: numbers in px."""

    poses: np.ndarray
    mesh: np.ndarray
    quality: dict[str, float | None]


def track_head(
    video: Path, landmarks: np.ndarray, valid: np.ndarray, train: int, camera: Camera, report: Callable[[float], None]
) -> HeadTrack:
    """landmarks [T, 478, 3] px of the video's frames; shape and mesh come from the valid frames before `train`."""
    observed = landmarks[:, face_model.RIGID, :2]
    canonical = face_model.canonical_vertices()
    prior = canonical[face_model.RIGID]
    start = initial_poses(observed, valid, prior, camera)
    for_shape = np.flatnonzero(valid[:train])
    _, shape = bundle_adjust(observed[for_shape], prior, start[for_shape], camera)
    poses = np.tile(np.eye(4), (len(start), 1, 1))
    poses[valid] = fit_poses(observed[valid], shape, start[valid], camera)
    poses = interpolate(poses, valid)
    for_mesh = for_shape[:: -(-len(for_shape) // MESH_FRAMES)]
    mesh = fit_mesh(landmarks[for_mesh, : len(canonical), :2], canonical, poses[for_mesh], camera)
    report(0.2)

    tracker = FaceTracker(poses, mesh, face_model.upper_face(), camera)
    tracks = tracker.collect(_reported(_gray(video), len(poses), report))
    groups = [(tracker.surface(part), NEIGHBOUR_WEIGHT) for part in tracks.neighbours.values()]
    for _ in range(ROUNDS):
        poses = refine(observed, valid, shape, poses, camera, groups)
    report(0.8)
    points, for_mean = skin_points(mesh), valid & (np.arange(len(poses)) < train)
    for round_ in range(APPEARANCE_ROUNDS):
        terms = appearance_terms(_gray(video), poses, points, camera, for_mean)
        poses = refine(observed, valid, shape, poses, camera, groups, appearance=terms, steps=1)
        report(0.8 + 0.2 * (round_ + 1) / APPEARANCE_ROUNDS)
    numbers: dict[str, float | None] = {
        "landmark_rmse_px": reprojection_rmse(observed[valid], shape, poses[valid], camera)
    }
    for gap, judge in tracks.judges.items():
        name = f"{gap}_frame{'s' if gap > 1 else ''}_px"
        numbers[f"flow_{name}"] = flow_residual(tracker.surface(judge), poses)
        numbers[f"motion_{name}"] = motion(judge)
    return HeadTrack(poses, mesh, numbers)


def _gray(video: Path) -> Iterator[np.ndarray]:
    return media.read_frames(video, gray=True)


def _reported(images: Iterator[np.ndarray], frames: int, report: Callable[[float], None]) -> Iterator[np.ndarray]:
    for index, image in enumerate(images):
        yield image
        report(0.2 + 0.5 * (index + 1) / frames)
