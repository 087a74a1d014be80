"""What a frame is judged by."""

from __future__ import annotations

import pytest
import torch

from pgstalker.training.losses import (
    MOUTH_WEIGHT,
    SSIM_WEIGHT,
    WeightedL1,
    photometric,
    pixel_weights,
    small_motion,
)

CPU = torch.device("cpu")


@pytest.fixture
def pictures():
    torch.manual_seed(0)
    target = torch.rand(3, 32, 32)
    return (target + 0.1 * torch.randn(3, 32, 32)).clamp(0, 1), target


def test_a_perfect_picture_has_no_loss(pictures):
    weights = pixel_weights(32, (8, 16, 8, 24), CPU)
    assert photometric(pictures[1], pictures[1], weights).abs() < 1e-5
    assert photometric(*pictures, weights) > 0.05


def test_the_mouth_weighs_more(pictures):
    _, target = pictures
    weights = pixel_weights(32, (8, 16, 4, 20), CPU)
    assert weights.sum() == 32 * 32 + (MOUTH_WEIGHT - 1) * 8 * 16
    assert weights[8, 4] == weights[15, 19] == MOUTH_WEIGHT and weights[16, 4] == weights[8, 20] == 1
    in_mouth, elsewhere = target.clone(), target.clone()
    in_mouth[:, 8:16, 4:20] = 1 - in_mouth[:, 8:16, 4:20]
    elsewhere[:, 22:30, 4:20] = 1 - target[:, 8:16, 4:20].roll(0)
    assert photometric(in_mouth, target, weights) > 1.5 * photometric(elsewhere, target, weights)


def test_it_is_l1_and_ssim(pictures):
    image, target = pictures
    ones = torch.ones(32, 32)
    full, half = (photometric(image, target, ones, weight) for weight in (SSIM_WEIGHT, SSIM_WEIGHT / 2))
    l1 = (image - target).abs().mean()
    torch.testing.assert_close(2 * half - full, l1, rtol=1e-4, atol=1e-6)


def test_small_motion_is_the_mean_square():
    motion = torch.tensor([[1.0, 2.0, 2.0], [0, 0, 0]])
    assert small_motion(motion) == pytest.approx(1e-3 * 4.5)


def test_the_weighted_l1_is_its_plain_form_with_its_gradient(pictures):
    image, target = (picture.double() for picture in pictures)
    image[:, :4] = target[:, :4]  # where they agree there is no slope
    weights, results = torch.rand(32, 32, dtype=torch.float64), []
    forms = (WeightedL1.apply, lambda x, y, w: ((x - y).abs() * w).sum())
    for form, memory in ((forms[0], "as it is"), (forms[0], "channels last"), (forms[1], "any")):
        leaf = (image.permute(1, 2, 0).contiguous().permute(2, 0, 1) if memory == "channels last" else image).clone()
        leaf.requires_grad_()
        assert leaf.is_contiguous() == (memory != "channels last"), "as gsplat's pictures lie in memory"
        value = form(leaf, target, weights)
        (2.5 * value).backward()
        results.append((value.detach(), leaf.grad))
    for mine, too, plain in zip(*results, strict=True):
        torch.testing.assert_close(mine, plain)
        torch.testing.assert_close(too, plain)
