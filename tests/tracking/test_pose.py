"""Head pose from projected points with known answers."""

import numpy as np
import pytest

from pgstalker.tracking.geometry import project, transform
from pgstalker.tracking.optical_flow import Surface, Tracks
from pgstalker.tracking.pose import bundle_adjust, fit_mesh, fit_poses, initial_poses, reprojection_rmse
from pgstalker.tracking.pose_refinement import flow_residual, motion, refine
from tests.tracking.faces import degrees_apart

NOISE_PX = 0.5


@pytest.fixture
def observed(camera, head, poses):
    """[60, 34, 2] px with the noise of real landmarks."""
    exact = project(transform(poses[:, None], head[None]), camera)
    return exact + np.random.default_rng(0).normal(0, NOISE_PX, exact.shape)


def test_pnp_and_fit_find_the_poses_of_a_known_shape(camera, head, poses, observed):
    valid = np.ones(60, bool)
    valid[10] = False
    start = initial_poses(observed, valid, head, camera)
    np.testing.assert_array_equal(start[10], np.eye(4))
    found = fit_poses(observed[valid], head, start[valid], camera)
    # 34 points with half a pixel of noise fix a rotation to about 0.2 degrees.
    assert degrees_apart(found, poses[valid]).mean() < 0.4
    assert np.abs(found[:, :2, 3] - poses[valid][:, :2, 3]).mean() < 0.05


def test_bundle_adjustment_recovers_shape_and_poses(camera, head, poses, observed):
    prior = head + np.random.default_rng(1).normal(0, 0.4, head.shape)
    start = initial_poses(observed, np.ones(60, bool), prior, camera)
    before = reprojection_rmse(observed, prior, start, camera)
    found, shape = bundle_adjust(observed, prior, start, camera)
    after = reprojection_rmse(observed, shape, found, camera)
    assert after < 1.05 * NOISE_PX * np.sqrt(2) < before
    # The prior fixes the frame of the head up to its own error, so poses are compared by how they turn.
    turn = found[:, :3, :3] @ found[:1, :3, :3].transpose(0, 2, 1)
    true_turn = poses[:, :3, :3] @ poses[:1, :3, :3].transpose(0, 2, 1)
    assert degrees_apart(turn, true_turn).mean() < 0.8


def test_one_wild_landmark_does_not_move_the_pose(camera, head, poses, observed):
    wild = observed.copy()
    wild[:, 3] += 60
    found = fit_poses(wild, head, poses, camera)
    assert degrees_apart(found, poses).mean() < 1.2


def test_a_mesh_vertex_comes_out_where_it_is(camera, head, poses):
    exact = project(transform(poses[:, None], head[None]), camera)
    mesh = fit_mesh(exact, head + 0.3, poses, camera)
    assert np.abs(mesh - head).max() < 0.02


def test_texture_tracks_steady_the_pose(camera, head, poses, observed):
    surface = surface_of_ball(camera, head, poses)
    landmarks_only = fit_poses(observed, head, poses, camera)
    found = refine(observed, np.ones(60, bool), head, landmarks_only, camera, [(surface, 15.0)])

    def jitter(path):  # second differences: what the eye sees as trembling
        error = path[:, :3, 3] - poses[:, :3, 3]
        return np.abs(np.diff(error, 2, axis=0))[:, :2].mean()

    assert jitter(found) < 0.5 * jitter(landmarks_only)
    assert flow_residual(surface, found) < 0.5 * flow_residual(surface, landmarks_only)
    assert motion(surface.tracks) > 1


def test_frames_that_nothing_observes_stay_where_they_are(camera, head, poses, observed):
    valid = np.ones(60, bool)
    valid[30] = False
    found = refine(observed, valid, head, poses, camera, [])
    np.testing.assert_allclose(found[30], poses[30], atol=1e-9)


def surface_of_ball(camera, head, poses) -> Surface:
    """Every point of the head followed from each frame to the next, to a twentieth of a pixel."""
    pixels = project(transform(poses[:, None], head[None]), camera)
    pixels = pixels + np.random.default_rng(2).normal(0, 0.05, pixels.shape)
    frames = np.repeat(np.arange(59), len(head))
    tracks = Tracks(frames, frames + 1, pixels[:-1].reshape(-1, 2), pixels[1:].reshape(-1, 2))
    vertices = np.tile(np.arange(len(head))[:, None], (59, 3)).reshape(-1, 3)
    return Surface(tracks, head, vertices, np.full(vertices.shape, 1 / 3), camera)
