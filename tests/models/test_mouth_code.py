"""The mouth code: what the lips do, whatever the head does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pgstalker.landmarks import CHIN, EYE_CORNERS, LIPS_INNER, LIPS_OUTER, MESH_POINTS, RIGID
from pgstalker.models.mouth_code import LIMIT, MouthBasis
from pgstalker.synthetic.face import Face
from tests.models.faces import talking

CODE = 6


@pytest.fixture(scope="module")
def basis():
    return MouthBasis.fit(talking()[0], CODE)


def test_landmark_lists_name_real_and_different_points():
    for group in (RIGID, LIPS_OUTER, LIPS_INNER, CHIN, EYE_CORNERS):
        assert len(set(group)) == len(group) and min(group) >= 0 and max(group) < MESH_POINTS
    assert len(RIGID) == 34 and not set(RIGID) & set(LIPS_OUTER + LIPS_INNER + CHIN)


def test_codes_of_the_training_frames_are_standardised(basis):
    codes = basis.encode(talking()[0])
    assert codes.shape == (60, CODE) and codes.dtype == np.float32
    np.testing.assert_allclose(codes.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(codes.std(0), 1, atol=0.1)  # less only where the limit cuts


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"),
    [((0, 0, 0), 0.25, (0, 0, 0)), ((20, -35, 15), 1.0, (0, 0, 0)), ((0, 0, 170), 3.0, (100, -50, 20)),
     ((5, 5, 5), 0.5, (-300, 40, 9))],
)  # fmt: skip
def test_turning_scaling_and_moving_the_head_changes_nothing(basis, degrees, scale, shift):
    landmarks = talking()[0].astype(np.float64)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    moved = scale * landmarks @ turn.T + np.array(shift)
    np.testing.assert_allclose(basis.encode(moved), basis.encode(landmarks), atol=2e-4)


def test_a_mirrored_face_is_not_taken_for_a_turned_one(basis):
    landmarks = talking()[0].astype(np.float64)
    assert np.abs(basis.encode(landmarks * [-1, 1, 1]) - basis.encode(landmarks)).mean() > 0.5


def test_the_first_element_rises_with_the_opening(basis):
    face = Face()
    landmarks = np.stack([face.points(o, 0.0, 0.0) for o in np.linspace(0, 1.7, 12)])
    assert (np.diff(basis.encode(landmarks)[:, 0]) > 0).all()


def test_the_code_tells_opening_from_spread(basis):
    face = Face()
    round_lips, wide = basis.encode(np.stack([face.points(0.6, s, 0.0) for s in (-1.0, 1.0)]))
    assert np.abs(round_lips - wide)[1:].max() > 1.0


def test_eyes_do_not_speak(basis):
    face = Face()
    awake, asleep = basis.encode(np.stack([face.points(0.6, 0.2, b) for b in (0.0, 1.0)]))
    np.testing.assert_allclose(awake, asleep, atol=1e-4)


def test_an_impossible_mouth_is_clipped(basis):
    landmarks = talking(4)[0].astype(np.float64)
    landmarks[:, LIPS_INNER[10:]] += [0, 500, 0]
    codes = basis.encode(landmarks)
    assert np.abs(codes).max() == LIMIT and (codes[:, 0] == LIMIT).all()


@pytest.mark.parametrize("code_size", [2, 6, 16])
def test_arrays_have_the_announced_shapes(code_size):
    noise = np.random.default_rng(0).normal(size=(60, 478, 3))  # as trackers have, so that no axis is degenerate
    basis = MouthBasis.fit(talking()[0] + 0.3 * noise, code_size)
    arrays = basis.to_arrays()
    assert {name: value.shape for name, value in arrays.items()} == MouthBasis.shapes(code_size)
    again = MouthBasis(**arrays)
    landmarks = talking(10, seed=3)[0]
    np.testing.assert_allclose(again.encode(landmarks), basis.encode(landmarks), atol=2e-3)  # float32 of 300 px
