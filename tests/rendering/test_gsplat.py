"""gsplat against the oracle, where a CUDA device and its toolkit are present."""

import pytest
import torch

from tests.rendering.scenes import assert_same_gradients, assert_same_picture, draw, random_scene, settled

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("needs_gsplat")]


@pytest.mark.parametrize(("seed", "width", "height"), [(0, 64, 64), (1, 50, 70)])
def test_agrees_with_the_oracle(seed, width, height):
    scene = settled(random_scene(600, seed), width, height)
    got = draw(scene, width, height, "gsplat", "cuda")
    truth = draw(scene, width, height, "reference")
    assert_same_picture(got.rendering, truth.rendering)
    assert_same_gradients(got, truth)


def test_coverage_agrees_with_the_oracle():
    scene, weight = random_scene(500, 2), torch.rand(64, 64)
    pixels, mass = draw(scene, 64, 64, "gsplat", "cuda").rendering.coverage(weight.cuda())
    true_pixels, true_mass = draw(scene, 64, 64, "reference").rendering.coverage(weight)
    # gsplat leaves out the Gaussian at which a pixel becomes opaque: at most one per pixel
    assert (pixels.cpu() - true_pixels).abs().sum() <= 64 * 64
    assert (mass.cpu() - true_mass).abs().max() <= 1e-3 * true_mass.max()


def test_mass_alone_agrees_with_the_oracle():
    weight = torch.rand(64, 64)
    got, truth = draw(random_scene(500, 2), 64, 64, "gsplat", "cuda"), draw(random_scene(500, 2), 64, 64, "reference")
    expected = truth.rendering.coverage(weight)[1]
    assert (got.rendering.mass(weight.cuda()).cpu() - expected).abs().max() <= 1e-3 * expected.max()


def test_no_gaussians_leave_the_background():
    got, truth = draw(random_scene(0, 3), 20, 30, "gsplat", "cuda"), draw(random_scene(0, 3), 20, 30, "reference")
    assert_same_picture(got.rendering, truth.rendering)
