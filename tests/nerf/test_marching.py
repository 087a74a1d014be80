"""Rays and what they meet: the two fast marches against the plain loop, boxes, silhouettes, and how samples add up."""

import math

import numpy as np
import pytest
import torch

from pgstalker.nerf.marching import crossing, march_reference, march_torch, weigh
from pgstalker.nerf.marching_cpu import march_numba
from pgstalker.nerf.occupancy import Occupancy, carve
from pgstalker.nerf.rays import Rays, cast, harmonics, head_box, pixel_centres, waves
from pgstalker.types import Camera, Label

CAMERA = Camera(100.0, 64, 64, 32.0, 32.0)
POSE = torch.tensor([[1.0, 0, 0, 0.5], [0, 1, 0, -0.3], [0, 0, 1, 40], [0, 0, 0, 1]])


@pytest.fixture
def room():
    """A box with a ball in it."""
    occupancy = Occupancy([-9, -8, -7], [9, 10, 8], 24)
    axis = np.linspace(-1, 1, 24)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    occupancy.begin(np.hypot(np.hypot(x, y), z) < 0.7)
    return occupancy


@pytest.fixture
def rays():
    x, y = torch.meshgrid(torch.arange(0.5, 64, 3), torch.arange(0.5, 64, 3), indexing="xy")
    return cast(torch.stack([x, y], -1).view(-1, 2), CAMERA, POSE)


@pytest.mark.parametrize("fast", [march_torch, march_numba])
@pytest.mark.parametrize("most", [6, 64])
def test_the_fast_marches_are_the_plain_loop(room, rays, fast, most):
    offsets = torch.rand(len(rays), generator=torch.Generator().manual_seed(0))
    steps = fast(rays, room, room.occupied, 0.5, offsets, most)
    plain = march_reference(rays, room, room.occupied, 0.5, offsets, most)
    assert steps.counts.max() == min(most, max(len(kept) for kept, _ in plain)) > 5
    alike = [
        count == len(kept) and np.allclose(at[:count], kept, atol=1e-4) and math.isclose(length, one, rel_tol=1e-5)
        for at, count, length, (kept, one) in zip(steps.at, steps.counts, steps.lengths.tolist(), plain, strict=True)
    ]
    assert np.mean(alike) > 0.99, "a sample within a rounding error of a cell's wall may fall on either side"
    ray, slot = steps.places(2, 5)
    assert (slot >= 2).all() and (slot < 5).all() and len(ray) == int((steps.counts - 2).clamp(0, 3).sum())


def test_a_ray_knows_the_box(rays):
    low, high = torch.tensor([-4.0, -4, -3]), torch.tensor([4.0, 4, 5])
    near, far = crossing(rays, low, high)
    hits = far > near
    assert 0 < hits.sum() < len(rays)
    for at in (near, far):
        places = (rays.origin + rays.directions * at[:, None])[hits]
        assert (places > low - 1e-3).all() and (places < high + 1e-3).all()
        assert torch.minimum((places - low).abs(), (places - high).abs()).amin(1).max() < 1e-3


def test_a_ray_goes_through_its_pixel():
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    turn = turn * torch.linalg.det(turn)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = turn, torch.tensor([1.0, 2.0, 50.0])
    pixels = torch.from_numpy(pixel_centres(np.array([0, 65, 4095]), 64)).double()
    rays = cast(pixels, CAMERA, pose)
    points = (rays.origin + rays.directions * 30) @ turn.T + pose[:3, 3]
    back = points[:, :2] / points[:, 2:] * CAMERA.focal_px + 32
    torch.testing.assert_close(back, pixels)
    assert pixels.tolist() == [[0.5, 0.5], [1.5, 1.5], [63.5, 63.5]]


def test_samples_add_up_as_light_does():
    densities = torch.rand(5, 7, dtype=torch.float64) * 2
    lengths = torch.rand(5, dtype=torch.float64)
    weights, left = weigh(densities, lengths)
    for ray in range(5):
        light = 1.0
        for slot in range(7):
            alpha = 1 - math.exp(-densities[ray, slot] * lengths[ray])
            assert math.isclose(weights[ray, slot], light * alpha, abs_tol=1e-12)
            light *= 1 - alpha
        assert math.isclose(left[ray], light, abs_tol=1e-12)


def test_the_shadow_holds_every_ray_that_hits(room):
    indices = np.arange(64 * 64)
    rays = cast(torch.from_numpy(pixel_centres(indices, 64)), CAMERA, POSE)
    steps = march_numba(rays, room, room.occupied, 0.2, torch.zeros(len(rays)), 4)
    shadow = room.shadow(CAMERA, POSE)
    assert shadow.shape == (64, 64) and shadow.float().mean() < 0.6
    assert not ((steps.counts > 0) & ~shadow.view(-1)).any()


def test_the_head_is_carved_from_its_silhouettes():
    vertices = np.array([[x, y, 3.0 * ((x, y) != (0, 0)) - 3] for x in (-4, 0, 4) for y in (-4, 0, 4)])
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[:, 20:44, 22:42] = Label.FACE
    labels[:, :30, :30] = Label.BACKGROUND
    poses = np.tile(POSE.numpy().astype(float), (3, 1, 1))
    low, high = head_box(labels, CAMERA, poses, vertices)
    assert low[2] < -3 < high[2] and all(a < b for a, b in zip(low, high, strict=True))
    occupancy = Occupancy(low, high, 16)
    occupancy.begin(carve(occupancy, labels, CAMERA, poses, vertices))
    rim = occupancy.possible.view(-1)[occupancy.cell_of(torch.tensor([[3.0, 3, z] for z in (-4, 0, 3, 8.5)]))]
    assert rim.tolist() == [False, True, True, True], "not in front of the face, but as far back as the box"
    assert not occupancy.possible[1, 1].any() and occupancy.possible[-2, -2].any(), "only within the silhouette"
    rays = cast(torch.from_numpy(pixel_centres(np.array([32 * 64 + 32, 3 * 64 + 3]), 64)), CAMERA, POSE)
    steps = march_numba(rays, occupancy, occupancy.possible, 0.3, torch.zeros(2), 16)
    assert steps.counts[0] > 4 and steps.counts[1] == 0
    occupancy.observe(occupancy.cell_of(torch.tensor([[0.0, 0, -3]])), torch.tensor([0.5]))
    occupancy.refresh(0.9)
    assert 1 <= int(occupancy.occupied.sum()) <= 27, "a seen cell and its neighbours"
    for _ in range(100):
        occupancy.refresh(0.9)
    assert not occupancy.occupied.any(), "what is no longer seen is given up"


def test_harmonics_are_orthonormal():
    g = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(200_000, 3, generator=g, dtype=torch.float64), dim=1)
    values = harmonics(directions)
    gram = values.T @ values / len(values) * 4 * math.pi
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), rtol=0, atol=0.05)  # of 200,000 draws


def test_waves_tell_places_apart():
    x = torch.tensor([[0.25, -0.5]])
    assert waves(x, 2).shape == (1, 10)
    expected = [math.sin(math.pi * 0.25), math.sin(2 * math.pi * 0.25)]
    np.testing.assert_allclose(waves(x, 2)[0, 2:4], expected, atol=1e-6)


def test_rays_are_cut(rays):
    assert isinstance(rays[:4], Rays) and len(rays[:4]) == 4
