"""SSIM: the fused kernel against its torch twin, and the twin against an independent implementation."""

import pytest
import torch

from pgstalker.rendering.ssim import prepare_target, ssim, ssim_reference


def pictures(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(3, height, width, generator=generator)
    image = (target + 0.2 * torch.randn(3, height, width, generator=generator)).clamp(0, 1)
    return image, target, torch.rand(height, width, generator=generator)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (37, 50), (5, 3), (11, 129)])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_value_and_gradient_agree_with_the_twin(height, width, is_weighted):
    image, target, weight = pictures(height, width)
    weight = weight if is_weighted else None
    fast, plain = image.clone().requires_grad_(), image.double().requires_grad_()
    got = ssim(fast, target, weight)
    truth = ssim_reference(plain, target.double(), None if weight is None else weight.double())
    (3 * got).backward()
    (3 * truth).backward()
    assert abs(got.item() - truth.item()) < 1e-5
    assert (fast.grad - plain.grad).abs().max() < 1e-4 * plain.grad.abs().max()


def test_flat_pictures_keep_their_digits():
    """A variance is a difference of near equal numbers: float32 leaves an error of some 1e-7 beside C2 = 9e-4."""
    image = torch.full((3, 40, 40), 0.9).requires_grad_()
    target = torch.full((3, 40, 40), 0.8)
    got, truth = ssim(image, target), ssim_reference(image.double(), target.double())
    assert abs(got.item() - truth.item()) < 1e-3


def test_a_prepared_target_gives_the_same_value():
    image, target, weight = pictures(30, 41)
    prepared = prepare_target(target)
    assert ssim(image, prepared, weight) == ssim(image, target, weight)
    assert ssim(image, prepared) == ssim(image, target)


def test_equal_pictures_score_one_and_damage_lowers():
    image, target, _ = pictures(32, 32)
    assert ssim(target, target).item() == pytest.approx(1, abs=1e-6)
    assert ssim(image, target) < 0.99


def test_pictures_of_several_sizes_do_not_disturb_each_other():
    small, large = pictures(20, 20), pictures(33, 47, 1)
    alone = ssim(*small[:2]).item()
    for _ in range(2):
        ssim(*large[:2])
        assert ssim(*small[:2]).item() == alone


def test_the_twin_equals_an_independent_implementation():
    """Direct sums over each pixel's own window, in float64."""
    image, target, _ = pictures(12, 13)
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    taps = torch.exp(-offsets.square() / 4.5)
    taps = torch.outer(taps, taps) / taps.sum() ** 2
    x, y = (torch.nn.functional.pad(t.double(), (5, 5, 5, 5)) for t in (image, target))
    total = 0.0
    for c in range(3):
        for i in range(12):
            for j in range(13):
                a, b = x[c, i : i + 11, j : j + 11], y[c, i : i + 11, j : j + 11]
                ma, mb = (taps * a).sum(), (taps * b).sum()
                va, vb, cov = (taps * a * a).sum() - ma**2, (taps * b * b).sum() - mb**2, (taps * a * b).sum() - ma * mb
                light = (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
                total += (light * (2 * cov + 9e-4) / (va + vb + 9e-4)).item()
    assert ssim_reference(image.double(), target.double()).item() == pytest.approx(total / (3 * 12 * 13), abs=1e-9)
