"""The torso follows the tracked similarity of the picture exactly, and the head where there is no track."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgstalker.models.torso import MOTION, POSE, TorsoBranch

FOCAL_OVER_SIDE, SIDE = 2.34375, 512
CENTRE = torch.tensor([1.5, 14.0, 97.5])
REST = [0.0] * (MOTION - 4)
CONTROLS = torch.randn(POSE, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def branch():
    torch.manual_seed(0)
    branch = TorsoBranch(50)
    with torch.no_grad():
        branch.centre.copy_(CENTRE)
        branch.cloud.means.copy_(torch.randn(50, 3) * torch.tensor([8.0, 4.0, 1.0]) + CENTRE)
        branch.residual[-1].weight.zero_()
    return branch


def picture(points: torch.Tensor) -> np.ndarray:
    """Camera space to px of a SIDE px picture."""
    return (points[:, :2] / points[:, 2:] * FOCAL_OVER_SIDE * SIDE + SIDE / 2).double().numpy()


@pytest.mark.parametrize(
    "motion",
    [(0, 0, 0, 0), (0.03, -0.02, 0, 0), (0, 0, 0.08, 0), (0, 0, 0, 0.15), (0.02, 0.05, -0.06, -0.2)],
)
@pytest.mark.parametrize("mean", [(0, 0, 0, 0), (0.01, -0.01, 0.02, 0.03)])
@torch.no_grad()
def test_points_move_as_the_picture_does(branch, motion, mean):
    """Drive.torso is a similarity about the pivot; that of the mean motion is where the Gaussians stand."""
    branch.motion_mean.copy_(torch.tensor([*mean, *REST]))
    motion = torch.tensor([*motion, *REST], dtype=torch.float32)
    moved = branch(CONTROLS, motion, FOCAL_OVER_SIDE)[0]
    dx, dy, stretch, turn = (motion - branch.motion_mean)[:4].double().numpy()
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    pivot = picture(CENTRE[None])
    expected = (picture(branch.cloud.means) - pivot) @ ((1 + stretch) * rotation).T + pivot + np.array([dx, dy]) * SIDE
    np.testing.assert_allclose(picture(moved), expected, atol=2e-3)  # px, float32
    assert torch.equal(moved[:, 2], branch.cloud.means[:, 2])  # a picture knows no depth


@torch.no_grad()
def test_the_mean_motion_is_rest(branch):
    branch.motion_mean.copy_(torch.tensor([0.1, 0.2, 0.03, 0.4, *REST]))
    torch.testing.assert_close(branch(CONTROLS, branch.motion_mean, FOCAL_OVER_SIDE)[0], branch.cloud.means)


@torch.no_grad()
def test_the_residual_starts_tiny_and_stays_bounded_for_wild_drives():
    torch.manual_seed(0)
    branch = TorsoBranch(50)
    rest = branch(torch.zeros(POSE), torch.zeros(MOTION), FOCAL_OVER_SIDE)[0]
    assert (rest - branch.cloud.means).abs().max() < 0.02
    branch.residual[-1].weight.normal_()
    branch.motion_scale.fill_(1e-3)
    calm, wild = (
        branch(torch.zeros(POSE), torch.tensor([0, 0, 0, turn, *REST]), FOCAL_OVER_SIDE)[0] for turn in (0.1, 0.2)
    )
    turned = branch.cloud.means[:, :2].abs().max() * 0.2
    assert (wild - calm).abs().max() <= turned + 1e-6  # the residual's input is clamped: the same for both


def test_an_untouched_branch_is_finite():
    means, quats, scales = TorsoBranch(4)(torch.zeros(POSE), torch.full((MOTION,), 0.1), FOCAL_OVER_SIDE)
    assert means.isfinite().all() and quats.shape == (4, 4) and scales.shape == (4, 3)


def test_no_torso_is_no_trouble():
    assert len(TorsoBranch(0)(torch.zeros(POSE), torch.zeros(MOTION), FOCAL_OVER_SIDE)[0]) == 0


def test_prediction_recovers_a_linear_relation(branch):
    rng = np.random.default_rng(0)
    pose = rng.normal(size=(3000, POSE))
    relation, middle = rng.normal(size=(POSE, MOTION)) * 0.02, rng.normal(size=MOTION) * 0.1
    motion = pose @ relation + middle
    branch.fit_motion(pose, motion)
    fresh = rng.normal(size=(100, POSE))
    predicted = branch.predict(torch.as_tensor(fresh, dtype=torch.float32)).numpy()
    truth = fresh @ relation + middle
    assert (np.abs(predicted - truth).max(0) < 0.2 * motion.std(0)).all()  # ridge 100 of 3000 shrinks by 3 %


def test_prediction_stays_at_rest_where_the_head_tells_nothing(branch):
    rng = np.random.default_rng(1)
    motion = rng.normal(size=(400, MOTION)) * 0.01 + 0.2
    branch.fit_motion(rng.normal(size=(400, POSE)), motion)
    rest = branch.predict(torch.zeros(1, POSE))[0].numpy()
    np.testing.assert_allclose(rest, motion.mean(0), rtol=1e-5)
    wild = branch.predict(torch.full((1, POSE), 2.5))[0].numpy()
    assert (np.abs(wild - rest) < 0.1 * motion.std(0)).all()


def test_a_torso_that_was_not_tracked_is_predicted_at_rest(branch):
    branch.fit_motion(np.random.default_rng(0).normal(size=(40, POSE)), np.zeros((40, MOTION)))
    assert branch.predict(torch.ones(3, POSE)).abs().max() == 0
