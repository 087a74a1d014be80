"""A textured region moved by a known similarity is followed."""

import cv2
import numpy as np
import pytest

from pgstalker.tracking.region_alignment import align_region
from pgstalker.tracking.region_motion import rest, track_region

SIDE, FRAMES, REFERENCE = 160, 12, 5
PIVOT = np.array([80.0, 110.0])


def similarity(shift, scale, angle):
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, PIVOT + shift - linear @ PIVOT])


@pytest.fixture
def moving():
    """gray [T, H, W]: a torso's texture moves before a still background; masks [T, H, W]; true [T, 2, 3]."""
    random = np.random.default_rng(0)

    def texture():
        smooth = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)), (0, 0), 2.0)
        return 128 + 40 * smooth / smooth.std()

    body, background = texture(), texture()
    shape = np.zeros((SIDE, SIDE))
    shape[70:150, 25:135] = 1
    true = [similarity([1.3 * (t - 5), 0.4 * (t - 5)], 1 + 0.004 * (t - 5), 0.01 * (t - 5)) for t in range(FRAMES)]
    gray, masks = [], []
    for motion in true:
        mask = cv2.warpAffine(shape, motion, (SIDE, SIDE))
        gray.append(mask * cv2.warpAffine(body, motion, (SIDE, SIDE), flags=cv2.INTER_CUBIC) + (1 - mask) * background)
        masks.append(mask > 0.5)
    return np.clip(gray, 0, 255).astype(np.uint8), np.array(masks), np.array(true)


def test_a_shifted_texture_is_followed(moving):
    gray, masks, true = moving
    found = track_region(gray, lambda frame: masks[frame], REFERENCE)
    assert found.confidence.min() > 0.5
    there = np.einsum("tij,j->ti", found.similarity[:, :, :2], PIVOT) + found.similarity[:, :, 2]
    exact = np.einsum("tij,j->ti", true[:, :, :2], PIVOT) + true[:, :, 2]
    assert np.abs(there - exact).max() < 0.3
    drive = found.as_drive(SIDE)
    np.testing.assert_allclose(drive[:, 3], 0.01 * (np.arange(FRAMES) - 5), atol=0.01)
    np.testing.assert_allclose(drive[REFERENCE], 0, atol=1e-6)


def test_alignment_sharpens_a_rough_motion(moving):
    gray, masks, true = moving
    rough = true.copy()
    rough[:, :, 2] += np.random.default_rng(1).normal(0, 0.8, (FRAMES, 2))
    rough[REFERENCE] = true[REFERENCE]
    found, likeness = align_region(gray, masks[REFERENCE], lambda frame: masks[frame], rough, REFERENCE, FRAMES)
    assert likeness.min() > 0.95
    corners = np.array([[40, 80], [120, 80], [40, 140], [120, 140]])

    def error(motion):
        return np.linalg.norm(np.einsum("tij,cj->tci", motion[:, :, :2] - true[:, :, :2], corners)
                              + (motion - true)[:, None, :, 2], axis=-1).mean()  # fmt: skip

    assert error(found) < 0.1 < 0.5 < error(rough)


def test_a_lost_region_is_interpolated_and_not_believed(moving):
    gray, masks, _ = moving
    gray[8] = 128
    found = track_region(gray, lambda frame: masks[frame], REFERENCE)
    assert found.confidence[8] == 0
    halfway = (found.similarity[7] + found.similarity[9]) / 2
    np.testing.assert_allclose(found.similarity[8], halfway, atol=1e-9)


def test_no_texture_is_no_motion():
    blank = np.full((3, SIDE, SIDE), 90, np.uint8)
    assert track_region(blank, lambda frame: np.ones((SIDE, SIDE), bool), 1) is None


def test_a_still_background_rests_and_a_moving_body_does_not(moving):
    gray, masks, _ = moving
    frames = np.array([0, 1, 11])
    never_body = ~masks.any(0)
    shares, shifts = rest(gray, never_body, REFERENCE, frames)
    assert shares.min() > 0.9 and shifts.max() < 0.1
    assert rest(gray, masks[REFERENCE], REFERENCE, frames)[0].max() < 0.3
