"""The background plate: what is behind somebody who moves, and a guess where nothing was ever seen."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.training.plate import background_plate, inpaint

SIDE, FRAMES = 96, 30


@pytest.fixture(scope="module")
def wall():
    """A textured wall uint8 [H, W, 3]."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.stack([120 + 60 * np.sin(x / 9), 100 + 50 * np.cos(y / 7), 90 + 40 * np.sin((x + y) / 5)], 2).astype(
        np.uint8
    )


def scene(wall: np.ndarray, lefts, label: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A bright blob of 30 x 40 px that stands at `lefts`, one frame each, with a soft edge that no label covers."""
    pictures = np.tile(wall, (len(lefts), 1, 1, 1))
    labels = np.zeros(pictures.shape[:3], np.uint8)
    for frame, left in enumerate(lefts):
        pictures[frame, 29:71, left - 1 : left + 31] = 200
        pictures[frame, 30:70, left : left + 30] = 255
        labels[frame, 30:70, left : left + 30] = label
    return pictures, labels


@pytest.mark.parametrize("label", [1, 2, 3, 6])
def test_a_wall_behind_somebody_who_walks_is_recovered(wall, label):
    plate = background_plate(*scene(wall, np.linspace(2, SIDE - 33, FRAMES).astype(int), label))
    assert plate.shape == (SIDE, SIDE, 3) and plate.dtype == np.float32
    np.testing.assert_allclose(plate, wall / 255, atol=1e-6)


def test_it_is_a_median_and_so_forgets_a_passer_by(wall):
    pictures, labels = scene(wall, [2] * FRAMES)
    pictures[3, :, 60:] = 0  # nobody labelled him
    plate = background_plate(pictures, labels)
    np.testing.assert_allclose(plate[:, 40:], wall[:, 40:] / 255, atol=1e-6)


def test_what_is_never_seen_is_filled_smoothly_from_its_edges(wall):
    slope = np.tile((60 + np.arange(SIDE))[None, :, None], (SIDE, 1, 3)).astype(np.uint8)
    plate = background_plate(*scene(slope, [33] * FRAMES))
    np.testing.assert_allclose(plate[:, :30], slope[:, :30] / 255, atol=1e-6)
    hole = plate[30:70, 33:63] * 255
    assert hole.max() < 170  # nothing of the blob
    assert np.abs(hole - slope[30:70, 33:63]).max() < 16
    steps = [np.abs(np.diff(plate * 255, axis=axis)).max() for axis in (0, 1)]
    assert max(steps) < 8


def test_where_only_the_person_is_seen_the_plate_is_grey():
    pictures = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3)).astype(np.uint8)
    plate = background_plate(pictures, np.full((5, 32, 32), 2, np.uint8))
    assert plate.dtype == np.float32 and np.ptp(plate) == 0 and abs(plate[0, 0, 0] - 0.5) < 1 / 255


@pytest.mark.parametrize("frames", [1, 2, 200])
def test_any_number_of_frames_will_do(wall, frames):
    plate = background_plate(*scene(wall, [2] * frames))
    np.testing.assert_allclose(plate[:, 40:], wall[:, 40:] / 255, atol=1e-6)


def test_inpainting_keeps_what_is_known(wall):
    picture = wall.astype(np.float32) / 255
    known = np.ones((SIDE, SIDE), bool)
    assert inpaint(picture, known) is picture
    known[40:50, 40:50] = False
    filled = inpaint(picture, known)
    np.testing.assert_array_equal(filled[known], picture[known])
    assert filled[~known].min() >= picture.min() and filled[~known].max() <= picture.max()
