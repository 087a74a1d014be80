"""What is not drawn again: the plate's tiles, and with a held pose those in which nothing moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgstalker.player.canvas import Canvas
from pgstalker.player.stage import Scene
from pgstalker.rendering import numba_play, render_uint8
from pgstalker.types import Camera

COUNT = 60


def scene(seed: int = 0) -> Scene:
    """Small Gaussians spread over the picture's left half."""
    rng = np.random.default_rng(seed)
    means = rng.uniform([-11, -11, 60], [-3, 11, 64], (COUNT, 3))
    return Scene(*(a.astype(np.float32) for a in (means, rng.normal(size=(COUNT, 4)), np.full((COUNT, 3), 0.5))))


@pytest.fixture(params=[(128, 128), (70, 45)], ids=str)
def canvas(request):
    width, height = request.param
    rng = np.random.default_rng(1)
    camera = Camera(2.3 * height, width, height, width / 2, height / 2)
    looks = rng.uniform(0.3, 0.9, COUNT).astype(np.float32), rng.uniform(size=(COUNT, 3)).astype(np.float32)
    plate, shading = rng.uniform(-0.1, 1.1, (3, height, width)), rng.uniform(-0.2, 0.2, (COUNT, 2, 3))
    made = Canvas(camera, plate.astype(np.float32), *looks, shading.astype(np.float32))
    made.camera, made.looks = camera, looks
    return made


def whole(canvas: Canvas, gaussians: Scene) -> np.ndarray:
    """The same picture by the other way, which knows no tiles to leave out."""
    tensors = [torch.from_numpy(array) for array in (*gaussians, *canvas.looks)]
    camera = canvas.camera
    plate = torch.from_numpy(canvas._plate).view(3, camera.height, camera.width)
    return render_uint8(*tensors, camera.matrix(), camera.width, camera.height, background=plate)


def held() -> list[np.ndarray]:
    return [np.array([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 60, 1, 0, 0, 0], np.float32)]


def test_a_tile_without_gaussians_is_the_plate(canvas):
    gaussians = scene()
    np.testing.assert_array_equal(canvas.draw(gaussians), whole(canvas, gaussians))
    nothing = gaussians._replace(means=gaussians.means + np.float32(1000))
    np.testing.assert_array_equal(canvas.draw(nothing), whole(canvas, nothing))


def test_with_a_held_pose_only_what_moved_is_drawn(canvas, monkeypatch):
    drawn = []
    original = Canvas._stale_tiles

    def watched(self, pose):
        drawn.append(original(self, pose))
        return drawn[-1]

    monkeypatch.setattr(Canvas, "_stale_tiles", watched)
    gaussians = scene()
    for step in range(6):
        means = gaussians.means.copy()
        means[3] += np.float32(0.4 * step)  # one of them wanders off
        moved = gaussians._replace(means=means)
        np.testing.assert_array_equal(canvas.draw(moved, pose=held()), whole(canvas, moved))
    assert drawn[0].all() and drawn[1].all()
    assert all(0 < tiles.sum() < len(tiles) for tiles in drawn[2:])
    canvas.draw(gaussians, pose=[np.zeros(16, np.float32)])
    assert drawn[-1].all()  # another pose: everything


@pytest.mark.parametrize("change", ["scales", "quats", "appears", "vanishes"])
def test_every_kind_of_change_is_seen(canvas, change):
    gaussians = scene()
    hidden = gaussians._replace(means=np.where(np.arange(COUNT)[:, None] == 5, np.float32(-500), gaussians.means))
    other = {
        "scales": gaussians._replace(scales=gaussians.scales * np.float32(1.3)),
        "quats": gaussians._replace(
            quats=gaussians.quats[::-1].copy(), scales=gaussians.scales * np.array([1, 2, 0.4], np.float32)
        ),
        "appears": gaussians,
        "vanishes": hidden,
    }[change]
    first = hidden if change == "appears" else gaussians
    for moved in (first, first, other):
        picture = canvas.draw(moved, pose=held())
    np.testing.assert_array_equal(picture, whole(canvas, other))
    assert (picture != whole(canvas, first)).any()


def test_small_steps_do_not_add_up_unseen(canvas):
    gaussians = scene()
    step_cm = numba_play.TOLERANCE_PX * 0.9 * 62 / canvas.camera.focal_px
    for k in range(200):
        moved = gaussians._replace(means=gaussians.means + np.float32(k * step_cm))
        picture = canvas.draw(moved, pose=held())
    difference = np.abs(picture.astype(int) - whole(canvas, moved))
    assert difference.max() <= 4 and (difference > 1).mean() < 1e-3


def test_a_background_of_its_own_leaves_nothing_behind(canvas):
    gaussians = scene()
    first = canvas.draw(gaussians, pose=held())
    other = np.full_like(first, 7)
    over = canvas.draw(gaussians, other, pose=held())
    assert (over != first).any()
    np.testing.assert_array_equal(canvas.draw(gaussians, pose=held()), first)


@pytest.mark.parametrize("canvas", [(128, 128)], indirect=True, ids=str)
@pytest.mark.parametrize("turn", [0.0, 0.1, -0.9])
def test_colours_are_those_of_the_side_that_is_seen(canvas, turn):
    """As the torch twin has them; far to the side they change no more."""
    from scipy.spatial.transform import Rotation

    from pgstalker.gaussians.cloud import GaussianCloud
    from pgstalker.gaussians.transforms import view_of

    rotation, translation = Rotation.from_euler("xyz", (0.05, turn, 0.2)).as_matrix(), np.array([1.0, -2.0, 60.0])
    pose = [np.concatenate([rotation.ravel(), translation, np.ones(4)]).astype(np.float32)]
    cloud, colors = GaussianCloud(COUNT), canvas.looks[1]
    cloud.colors.data = torch.from_numpy(colors)
    cloud.shading.data = torch.from_numpy(canvas._shading.reshape(2, COUNT, 3).transpose(1, 0, 2).copy())
    view = view_of(torch.from_numpy(pose[0][:9]).view(3, 3), torch.from_numpy(pose[0][9:12]))
    canvas.draw(scene(), None, pose)
    np.testing.assert_allclose(canvas._looks[1], cloud.colors_from(view).detach().numpy(), atol=1e-6)
    assert np.abs(canvas._looks[1] - colors).max() > 0.01
