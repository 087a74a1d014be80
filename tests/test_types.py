"""The nouns: a camera that scales, a drive that can be cut."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.types import Camera, Drive


def project(camera: Camera, point: np.ndarray) -> np.ndarray:
    x, y, w = camera.matrix() @ point
    return np.array([x / w, y / w])


def test_a_point_keeps_its_place_when_the_picture_is_scaled():
    camera = Camera(1200.0, 512, 512, 250.0, 260.0)
    point = np.array([4.0, -3.0, 90.0])
    for size in (64, 256, 1024):
        small = camera.scaled(size)
        assert (small.width, small.height) == (size, size)
        np.testing.assert_allclose(project(small, point) / size, project(camera, point) / 512)


def test_scaling_there_and_back_changes_nothing():
    camera = Camera(1200.0, 512, 512, 256.0, 256.0)
    assert camera.scaled(128).scaled(512) == camera
    assert camera.scaled(512) == camera


def test_a_picture_that_is_not_square_keeps_its_shape():
    camera = Camera(600.0, 640, 360, 320.0, 180.0).scaled(320)
    assert (camera.width, camera.height, camera.center_y_px) == (320, 180, 90.0)


def test_a_drive_is_cut_in_all_its_tracks():
    drive = Drive(
        camera_from_head=np.arange(5 * 16, dtype=float).reshape(5, 4, 4),
        eyes=np.arange(5, dtype=np.float32),
        torso=np.arange(20, dtype=np.float32).reshape(5, 4),
        audio=np.zeros((5, 2, 3), np.float32),
        mouth_code=np.arange(10, dtype=np.float32).reshape(5, 2),
    )
    part = drive[1:4]
    assert len(drive) == 5 and len(part) == 3
    assert part.camera_from_head[0, 0, 0] == 16
    assert part.eyes.tolist() == [1, 2, 3] and part.torso[0].tolist() == [4, 5, 6, 7]
    assert part.audio.shape == (3, 2, 3) and part.mouth_code[-1].tolist() == [6, 7]


def test_absent_tracks_stay_absent_when_cut():
    part = Drive(np.zeros((3, 4, 4)), np.zeros(3))[:2]
    assert len(part) == 2 and part.torso is part.audio is part.mouth_code is None


def test_the_nouns_cannot_be_changed():
    with pytest.raises(AttributeError):
        Camera(1.0, 2, 2, 1.0, 1.0).width = 3
