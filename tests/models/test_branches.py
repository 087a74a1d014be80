"""The two branches: still at first, then moved by sound, each Gaussian by where it sits."""

from __future__ import annotations

import pytest
import torch

from pgstalker.models.branches import FaceBranch, MouthBranch, TriPlane
from pgstalker.models.fusion import FUSIONS

AUDIO, EYES = 9, 1


def branch(kind: str, fusion: str = "gated", count: int = 200):
    torch.manual_seed(0)
    made = FaceBranch(count, fusion, AUDIO, EYES, 10) if kind == "face" else MouthBranch(count, fusion, AUDIO, EYES)
    with torch.no_grad():
        made.cloud.means.copy_(torch.randn(count, 3) * 3)
        made.cloud.log_scales.normal_()
    return made


def excited(made):
    """The same branch, as if it had learnt to move a lot."""
    with torch.no_grad():
        made.triplane.planes.normal_(std=3)
        made.head.straight.weight.normal_()
    return made


def control(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(AUDIO, generator=generator), torch.rand(EYES, generator=generator)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("kind", ["face", "mouth"])
def test_motion_starts_tiny_and_is_what_moves_the_means(kind, fusion):
    made = branch(kind, fusion)
    means, quats, scales, motion = made(*control())
    torch.testing.assert_close(means, made.cloud.means + motion)
    assert 0 < motion.abs().max() < 0.2  # cm
    torch.testing.assert_close(quats, made.cloud.quats, rtol=0, atol=0.1)
    torch.testing.assert_close(scales, made.cloud.scales, rtol=0.1, atol=0)


@pytest.mark.parametrize("kind", ["face", "mouth"])
def test_a_gaussian_outside_the_box_moves_as_the_nearest_point_of_the_box(kind):
    made = excited(branch(kind, count=6))
    edge = float(made.triplane.high[0])
    with torch.no_grad():
        made.cloud.means[:3] = torch.tensor([[edge + 5, 1, 2], [1, -edge - 0.01, -2], [-40, 0, 50.0]])
        made.cloud.means[3:] = torch.tensor([[edge, 1, 2], [1, -edge, -2], [-edge, 0, edge]])
    motion = made(*control())[3]
    torch.testing.assert_close(motion[:3], motion[3:])
    assert (motion.abs().amax(1) > 0).all() and (motion[0] - motion[1]).abs().max() > 0.01


def test_the_mouth_only_shifts_and_mostly_up_and_down():
    made = excited(branch("mouth", count=2000))
    with torch.no_grad():
        made.cloud.means.copy_(torch.rand(2000, 3) * 6 - 3)
    _, quats, scales, motion = made(*control())
    assert torch.equal(quats, made.cloud.quats) and torch.equal(scales, made.cloud.scales)
    spread = motion.std(0)
    assert spread[1] > 1.5 * spread[0] and spread[1] > 1.5 * spread[2]


def test_scales_never_explode():
    made = excited(branch("face"))
    ratio = made(*control())[2] / made.cloud.scales
    assert ratio.max() <= 2.72 and ratio.min() >= 0.367  # e and 1 / e


@pytest.mark.parametrize("kind", ["face", "mouth"])
def test_another_sound_moves_it_elsewhere(kind):
    made = excited(branch(kind))
    assert (made(*control(0))[3] - made(*control(1))[3]).abs().max() > 0.05


def test_the_mouth_box_is_laid_round_the_lips():
    made = branch("mouth")
    low, high = torch.tensor([-2.0, 3.0, -4.0]), torch.tensor([2.0, 5.0, -3.0])
    made.place(low, high)
    places = torch.stack([low - made.margin_cm, (low + high) / 2, high + made.margin_cm, high + 9])
    expected = torch.tensor([-1.0, 0, 1, 1])[:, None].expand(4, 3)
    torch.testing.assert_close(made.triplane.unit(places), expected)


def test_the_triplane_does_not_pull_gaussians_about():
    planes = TriPlane(torch.full((3,), -5.0), torch.full((3,), 5.0), 6, 4)
    means = torch.zeros(4, 3, requires_grad=True)
    features = planes(means)
    assert features.shape == (4, planes.features) == (4, 12)
    features.sum().backward()
    assert means.grad is None and planes.planes.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["face", "mouth"])
def test_an_empty_branch_is_no_trouble(kind):
    assert [len(part) for part in branch(kind, count=0)(*control())] == [0, 0, 0, 0]
