import numpy as np

from pgstalker.tracking.geometry import (
    euler_degrees,
    interpolate,
    project,
    project_with_jacobian,
    stepped,
    to_head,
    transform,
    unproject,
)


def test_jacobian_equals_finite_differences(camera, head, poses):
    point, step = head[5], 1e-6
    _, by_pose, by_point = project_with_jacobian(poses[:1], point[None], camera)
    for axis in range(6):
        change = np.zeros((1, 6))
        change[0, axis] = step
        moved = project(transform(stepped(poses[:1], change), point[None]), camera)
        still = project(transform(poses[:1], point[None]), camera)
        np.testing.assert_allclose((moved - still)[0] / step, by_pose[0, :, axis], rtol=1e-4, atol=1e-4)
    seen = transform(poses[:1], point[None])
    for axis in range(3):
        moved = project(seen + step * np.eye(3)[axis], camera)
        np.testing.assert_allclose(
            (moved - project(seen, camera))[0] / step, by_point[0, :, axis], rtol=1e-4, atol=1e-4
        )


def test_projection_and_pose_are_undone(camera, head, poses):
    seen = transform(poses[:, None], head[None])
    again = unproject(project(seen, camera), seen[..., 2], camera)
    np.testing.assert_allclose(to_head(poses[:, None], again), np.broadcast_to(head, again.shape), atol=1e-9)


def test_a_point_on_the_axis_is_seen_at_the_center(camera):
    np.testing.assert_allclose(project(np.array([0.0, 0.0, 50.0]), camera), [256, 256])


def test_lost_frames_are_interpolated_and_the_ends_held(poses):
    known = np.ones(len(poses), bool)
    known[[0, 20, 21, 59]] = False
    filled = interpolate(poses, known)
    np.testing.assert_allclose(filled[known], poses[known], atol=1e-9)
    np.testing.assert_allclose(filled[20, :3, 3], poses[19, :3, 3] * 2 / 3 + poses[22, :3, 3] / 3, atol=1e-9)
    np.testing.assert_allclose(filled[0], filled[1], atol=1e-12)
    gram = filled[:, :3, :3] @ filled[:, :3, :3].transpose(0, 2, 1)
    np.testing.assert_allclose(gram, np.tile(np.eye(3), (60, 1, 1)), atol=1e-9)


def test_euler_angles_of_a_pure_turn():
    from scipy.spatial.transform import Rotation

    pose = np.eye(4)[None].copy()
    pose[0, :3, :3] = Rotation.from_euler("y", 20, degrees=True).as_matrix()
    np.testing.assert_allclose(euler_degrees(pose), [[0, 20, 0]], atol=1e-9)
