"""Quaternions against scipy's rotations."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from pgstalker.gaussians import VIEW_LIMIT, VIEW_UNIT
from pgstalker.gaussians.transforms import matrix_from_quaternion, quaternion_from_matrix, quaternion_product, view_of


def rotations(count: int = 200) -> Rotation:
    """Random ones, and half turns and near half turns about each axis, where careless formulas divide by zero."""
    turns = [np.pi * axis * f for axis in np.eye(3) for f in (1, 1 - 1e-9, 0, 1e-9)]
    return Rotation.concatenate([Rotation.random(count, rng=0), Rotation.from_rotvec(turns)])


def test_matrices_agree_with_scipy():
    known = rotations()
    quats = torch.from_numpy(known.as_quat(scalar_first=True)) * 3.5
    assert np.allclose(matrix_from_quaternion(quats).numpy(), known.as_matrix(), atol=1e-12)


def test_there_and_back():
    matrices = torch.from_numpy(rotations().as_matrix())
    quats = quaternion_from_matrix(matrices)
    assert torch.allclose(quats.norm(dim=-1), torch.ones(len(quats), dtype=torch.float64))
    assert (quats[:, 0] >= 0).all()
    assert torch.allclose(matrix_from_quaternion(quats), matrices, atol=1e-8)


def test_the_product_turns_by_the_second_first():
    a, b = rotations(), rotations()[::-1]
    product = quaternion_product(*(torch.from_numpy(r.as_quat(scalar_first=True)) for r in (a, b)))
    assert np.allclose(matrix_from_quaternion(product).numpy(), (a * b).as_matrix(), atol=1e-12)


def test_gradients_pass():
    quats = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(matrix_from_quaternion, quats)
    assert torch.autograd.gradcheck(lambda q: quaternion_from_matrix(matrix_from_quaternion(q)), quats)


def test_a_head_is_seen_from_where_the_camera_is_in_its_frame():
    ahead, right = torch.tensor([0.0, 0.0, 60.0]), torch.tensor([30.0, 0.0, 60.0])
    still = torch.eye(3)
    torch.testing.assert_close(view_of(still, ahead), torch.zeros(2))
    towards = torch.tensor([-30.0, 0.0]) / 67.082 / VIEW_UNIT
    torch.testing.assert_close(view_of(still, right), towards.clamp(-VIEW_LIMIT, VIEW_LIMIT))
    turned = torch.from_numpy(Rotation.from_euler("y", [[0.1], [1.5]]).as_matrix()).float()
    seen = view_of(turned, ahead.expand(2, 3))
    torch.testing.assert_close(seen[0], torch.tensor([np.sin(0.1) / VIEW_UNIT, 0.0]).float())
    torch.testing.assert_close(seen[1], torch.tensor([VIEW_LIMIT, 0.0]))
    assert view_of(still, torch.zeros(3)).isfinite().all()
