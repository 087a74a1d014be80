"""The numba rasterizer against the float64 oracle, forward and backward, and its own promises."""

import gc
import threading

import numpy as np
import pytest
import torch

from pgstalker.errors import ConfigError
from pgstalker.rendering import choose_backend, rasterize, render_uint8
from pgstalker.rendering.types import Scene
from tests.rendering.scenes import (
    assert_same_gradients,
    assert_same_picture,
    camera_matrix,
    draw,
    random_scene,
    settled,
    turned_view,
)


def compare(scene: Scene, width: int = 64, height: int = 64) -> None:
    scene = settled(scene, width, height)
    got, truth = draw(scene, width, height, "numba"), draw(scene, width, height, "reference")
    assert_same_picture(got.rendering, truth.rendering)
    assert_same_gradients(got, truth)


@pytest.mark.parametrize(("seed", "width", "height"), [(0, 64, 64), (1, 50, 70), (2, 33, 17), (3, 96, 40)])
def test_agrees_with_the_oracle(seed, width, height):
    compare(random_scene(600, seed), width, height)


def test_many_layers_stop_where_the_oracle_stops():
    scene = settled(random_scene(1500, 4, scale_cm=2.0), 48, 48)
    got, truth = draw(scene, 48, 48, "numba"), draw(scene, 48, 48, "reference")
    assert (truth.rendering.alpha > 1 - 2e-4).double().mean() > 0.5
    assert_same_picture(got.rendering, truth.rendering)
    assert_same_gradients(got, truth)


@pytest.mark.parametrize("scale_cm", [0.003, 8.0, 60.0])
def test_tiny_and_huge_gaussians(scale_cm):
    compare(random_scene(60 if scale_cm > 1 else 600, 5, scale_cm))


@pytest.mark.parametrize("opacity", [1 / 255 + 1e-4, 0.9985, 1.0])
def test_extreme_opacities(opacity):
    scene = random_scene(300, 6)
    compare(scene._replace(opacities=torch.full((300,), opacity)))


def test_needles():
    scene = random_scene(300, 7)
    compare(scene._replace(scales=torch.tensor([6.0, 0.02, 0.005]).repeat(300, 1)))


def test_a_gaussian_near_the_camera_and_one_far_outside_the_picture():
    scene = random_scene(40, 8)
    scene.means[0] = torch.tensor([0.2, 0.1, 0.5])  # the view moves it to a depth of 1.5 cm
    scene.means[1] = torch.tensor([60.0, -5.0, 55.0])
    scene.scales[1] = 15.0
    compare(scene)


@pytest.mark.parametrize("case", ["none", "behind", "too faint", "beside"])
def test_nothing_to_draw_leaves_the_background(case):
    scene = random_scene(0 if case == "none" else 20, 9)
    if case == "behind":
        scene.means[:, 2] -= 100
    if case == "too faint":
        scene.opacities[:] = 0.003
    if case == "beside":
        scene.means[:, 0] += 1000
    got, truth = draw(scene, 20, 35, "numba"), draw(scene, 20, 35, "reference")
    assert_same_picture(got.rendering, truth.rendering)
    assert got.rendering.alpha.abs().max() == 0
    assert all(not gradient.any() for gradient in got.gradients.values())
    pixels, mass = got.rendering.coverage()
    assert len(pixels) == len(scene.means)
    assert not pixels.any()
    assert not mass.any()


def test_numbers_that_are_not_finite_are_not_drawn():
    scene = random_scene(50, 10)
    scene.means[:3] = torch.tensor([float("nan"), float("inf"), -float("inf")])[:, None]
    scene.means[3, 0] = float("nan")
    scene.quats[4] = float("nan")
    scene.scales[5] = float("inf")
    scene.opacities[6] = float("nan")
    sane = Scene(*(t[7:] for t in scene))
    assert torch.equal(draw(scene, 32, 32, "numba").rendering.image, draw(sane, 32, 32, "numba").rendering.image)


def test_the_same_bits_on_every_run_and_number_of_threads():
    from pgstalker.rendering.numba_runtime import set_thread_count, thread_count

    scene, threads = random_scene(2000, 11), thread_count()
    first = draw(scene, 80, 60, "numba")
    try:
        set_thread_count(1)
        again = draw(scene, 80, 60, "numba")
    finally:
        set_thread_count(threads)
    assert torch.equal(first.rendering.image, again.rendering.image)
    for name, gradient in first.gradients.items():
        assert torch.equal(gradient, again.gradients[name]), name


def test_renderings_may_wait_for_their_backward_pass():
    scenes = [random_scene(400, seed) for seed in (12, 13, 14)]
    alone = [draw(scene, 40, 40, "numba").gradients["means"] for scene in scenes]
    plates = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(2))
    matrix, view = camera_matrix(40, 40), turned_view().float()
    inputs = [[t.clone().requires_grad_() for t in scene] for scene in scenes]
    together = [rasterize(*i, matrix, 40, 40, camera_from_world=view, background=plates) for i in inputs]
    # draw()'s weights and its plate come from one stream; only the picture's part of the loss is repeated here
    for rendering in together[::-1]:
        rendering.image.sum().backward()
    late = [i[0].grad for i in inputs]
    for scene, gradient, whole in zip(scenes, late, alone, strict=True):
        means = scene.means.clone().requires_grad_()
        rasterize(means, *scene[1:], matrix, 40, 40, camera_from_world=view, background=plates).image.sum().backward()
        assert torch.equal(means.grad, gradient)
        assert gradient.shape == whole.shape
    del together, rendering
    gc.collect()


def test_two_threads_may_draw_at_once():
    scene = random_scene(500, 15)
    alone = draw(scene, 64, 64, "numba").rendering.image
    pictures: list[torch.Tensor] = []

    def work():
        pictures.extend(draw(scene, 64, 64, "numba").rendering.image for _ in range(5))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(pictures) == 10
    assert all(torch.equal(picture, alone) for picture in pictures)


@pytest.mark.parametrize("seed", [16, 17])
def test_coverage_agrees_with_the_oracle(seed):
    scene, weight = random_scene(500, seed), torch.rand(50, 70, generator=torch.Generator().manual_seed(seed))
    got, truth = (draw(scene, 70, 50, backend).rendering for backend in ("numba", "reference"))
    for (pixels, mass), (true_pixels, true_mass) in [
        (got.coverage(weight), truth.coverage(weight)),
        (got.coverage(), truth.coverage()),
    ]:
        # a pixel on the 1/255 or the 1e-4 limit may fall on either side
        assert (pixels - true_pixels).abs().sum() <= 1e-4 * true_pixels.sum() + 1
        assert (mass - true_mass).abs().max() <= 1e-3 * true_mass.max()
    torch.testing.assert_close(got.mass(weight), got.coverage(weight)[1])


def test_a_picture_of_nothing_has_every_gradient_on_cuda_too():
    """What draws it there needs no device."""
    from pgstalker.rendering.cuda import _empty
    from pgstalker.rendering.types import View

    scene = Scene(*(tensor.requires_grad_() for tensor in random_scene(0, 3)))
    view, plate = torch.eye(4, requires_grad=True), torch.rand(3, 5, 4)
    picture = _empty(scene, View(9, 9, 2, 2.5, 4, 5, 1.0), view, plate)
    picture.image.sum().backward()
    assert all(tensor.grad is not None for tensor in (*scene, view))
    torch.testing.assert_close(picture.image.detach(), plate)


def test_uint8_frames_are_the_rounded_picture():
    scene = random_scene(500, 18)
    plate = torch.randint(0, 256, (3, 45, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    matrix = camera_matrix(70, 45)
    picture = render_uint8(*scene, matrix, 70, 45, background=plate)
    image = rasterize(*scene, matrix, 70, 45, background=plate).image
    expected = (image.clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    assert picture.shape == (45, 70, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture - expected).max() <= 0.51
    oracle = render_uint8(*scene, matrix, 70, 45, background=plate, backend="reference")
    assert np.abs(picture.astype(int) - oracle.astype(int)).max() <= 1


@pytest.mark.parametrize("background", [None, torch.tensor([0.2, 0.5, 0.9])])
def test_flat_backgrounds(background):
    scene, matrix = random_scene(100, 19), camera_matrix(40, 40)
    got = rasterize(*scene, matrix.numpy(), 40, 40, background=background)
    truth = rasterize(*scene, matrix, 40, 40, background=background, backend="reference")
    assert_same_picture(got, truth)


def test_near_hides_what_is_closer():
    scene, matrix = random_scene(100, 20), camera_matrix(40, 40)
    got = rasterize(*scene, matrix, 40, 40, near=60.0)
    assert_same_picture(got, rasterize(*scene, matrix, 40, 40, near=60.0, backend="reference"))
    assert got.alpha.sum() < rasterize(*scene, matrix, 40, 40).alpha.sum()


def test_a_background_that_wants_a_gradient_is_refused():
    scene = random_scene(5, 21)
    with pytest.raises(AssertionError, match="no gradient"):
        rasterize(*scene, camera_matrix(16, 16), 16, 16, background=torch.zeros(3, requires_grad=True))


def test_backends_are_chosen_by_device_or_by_name():
    cpu = torch.device("cpu")
    assert choose_backend(cpu) == "numba"
    assert choose_backend(cpu, "reference") == "reference"
    with pytest.raises(ConfigError, match="unknown"):
        choose_backend(cpu, "opengl")
    with pytest.raises(ConfigError, match="cannot draw"):
        choose_backend(cpu, "gsplat")
