"""Pictures to look at against the oracle: the ratio from row to row, whole tiles and cut ones, bytes."""

import numpy as np
import pytest
import torch

from pgstalker.rendering import rasterize, render_uint8
from pgstalker.rendering.types import Scene
from tests.rendering.scenes import camera_matrix, random_scene, settled, turned_view


def needles(count: int = 300) -> Scene:
    return random_scene(count, 7)._replace(scales=torch.tensor([6.0, 0.05, 0.005]).repeat(count, 1))


def mixed() -> Scene:
    """All shapes at once, hair beside skin: those that take the ratio and those that cannot."""
    scene = random_scene(900, 3)
    generator = torch.Generator().manual_seed(1)
    stretch = torch.exp(torch.randn(900, 3, generator=generator) * 1.2)
    return scene._replace(scales=scene.scales * stretch)


SCENES = {
    "usual": lambda: random_scene(600, 0),
    "dense": lambda: random_scene(1500, 4, scale_cm=2.0),
    "tiny": lambda: random_scene(600, 5, scale_cm=0.003),
    "huge": lambda: random_scene(60, 5, scale_cm=60.0),
    "needles": needles,
    "mixed": mixed,
    "opaque": lambda: random_scene(300, 6)._replace(opacities=torch.ones(300)),
}


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (50, 70)])
def test_bytes_are_those_of_the_oracle(name, width, height):
    scene = Scene(*(t.float() for t in settled(SCENES[name](), width, height)))
    options = {"camera_from_world": turned_view().float(), "background": torch.rand(3, height, width)}
    truth = rasterize(*scene, camera_matrix(width, height), width, height, **options, backend="reference").image
    truth = truth.clamp(0, 1).permute(1, 2, 0).numpy() * 255
    got = render_uint8(*scene, camera_matrix(width, height), width, height, **options)
    assert got.shape == (height, width, 3) and got.dtype == np.uint8
    assert np.abs(got - truth).max() < 0.6  # half for rounding


def test_one_colour_and_black_behind():
    scene = random_scene(80, 2)
    camera = camera_matrix(40, 24)
    black = render_uint8(*scene, camera, 40, 24)
    np.testing.assert_array_equal(black, render_uint8(*scene, camera, 40, 24, background=torch.zeros(3)))
    bright = render_uint8(*scene, camera, 40, 24, background=torch.tensor([2.0, -1.0, 1.0]))
    alpha = rasterize(*scene, camera, 40, 24).alpha.numpy()
    assert (bright[alpha == 0] == [255, 0, 255]).all()
