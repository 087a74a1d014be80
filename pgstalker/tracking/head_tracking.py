"""Head pose of a whole clip: landmarks give it to half a pixel, skin texture steadies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pgstalker import media
from pgstalker.tracking import face_model
from pgstalker.tracking.geometry import interpolate
from pgstalker.tracking.optical_flow import FaceTracker, choose_key_frames
from pgstalker.tracking.pose import bundle_adjust, fit_mesh, fit_poses, initial_poses, reprojection_rmse
from pgstalker.tracking.pose_refinement import flow_residual, motion, refine
from pgstalker.types import Camera

NEIGHBOUR_WEIGHT, KEY_WEIGHT = 15.0, 10.0  # per group of tracks, against the landmarks; measured on two clips
ROUNDS = 2  # the tracks' places on the head follow the pose


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
    mesh = fit_mesh(landmarks[for_shape, : len(canonical), :2], canonical, poses[for_shape], camera)
    report(0.2)

    keys = choose_key_frames(poses[:train], valid[:train])
    tracker = FaceTracker(poses, mesh, face_model.upper_face(), camera, keys)
    key_images = {index: image for index, image in enumerate(_gray(video)) if index in keys}
    tracks = tracker.collect(_reported(_gray(video), len(poses), report), key_images)
    for _ in range(ROUNDS):
        weighted = [(part, NEIGHBOUR_WEIGHT) for part in tracks.neighbours.values()] + [(tracks.key_frames, KEY_WEIGHT)]
        groups = [(part, tracker.head_points(part, poses), weight) for part, weight in weighted]
        poses = refine(observed, valid, shape, poses, camera, groups, steps=5)
    report(1.0)
    numbers = {"landmark_rmse_px": reprojection_rmse(observed[valid], shape, poses[valid], camera)}
    for gap, judge in tracks.judges.items():
        name = f"{gap}_frame{'s' if gap > 1 else ''}_px"
        numbers[f"flow_{name}"] = flow_residual(judge, tracker.head_points(judge, poses), poses, camera)
        numbers[f"motion_{name}"] = motion(judge)
    return HeadTrack(poses, mesh, numbers)


def _gray(video: Path) -> Iterator[np.ndarray]:
    return media.read_frames(video, gray=True)


def _reported(images: Iterator[np.ndarray], frames: int, report: Callable[[float], None]) -> Iterator[np.ndarray]:
    for index, image in enumerate(images):
        yield image
        report(0.2 + 0.7 * (index + 1) / frames)
