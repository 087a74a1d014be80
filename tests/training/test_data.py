"""What training is fed: the subject's training frames, and every one of them in turn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from pgstalker.measures import lip_aperture
from pgstalker.subject import BEHIND_CHIN, Subject, torso_over
from pgstalker.training.data import RARE_EVERY, TrainingData, mouth_boxes
from pgstalker.types import Drive, Label


def with_tracks(data: TrainingData, aperture, eyes) -> TrainingData:
    """Fresh, so that nothing is cached."""
    drive = Drive(data.drive.camera_from_head, np.asarray(eyes, np.float32), data.drive.torso)
    return replace(data, aperture=np.asarray(aperture, np.float32), drive=drive)


def test_only_training_frames_are_loaded(subject_folder, subject_data):
    subject = Subject.load(subject_folder)
    count, side = subject.train_frames, subject.camera.width
    assert len(subject_data) == count < subject.frames_count
    assert subject_data.pictures.shape == (count, side, side, 3) and subject_data.pictures.dtype == np.uint8
    assert subject_data.labels.shape == (count, side, side)
    assert len(subject_data.samples) == count * 640
    tracks = (subject_data.landmarks, subject_data.aperture, subject_data.drive)
    assert {len(track) for track in tracks} == {count}
    assert np.isin(subject_data.labels, range(7)).all()


def test_landmarks_and_labels_follow_the_size(subject_folder, subject_data):
    small = TrainingData.load(subject_folder, 32)
    assert small.pictures.shape[1:] == (32, 32, 3) and small.labels.shape[1:] == (32, 32)
    np.testing.assert_allclose(small.landmarks, subject_data.landmarks / 2, rtol=1e-6)
    np.testing.assert_allclose(lip_aperture(small.landmarks), lip_aperture(subject_data.landmarks), atol=1e-6)
    assert np.isin(small.labels, range(7)).all()  # nearest: no label is mixed from others
    halved = subject_data.pictures[0].reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(small.pictures[0] - halved).mean() < 3


def test_a_picture_is_planar_and_within_range(subject_data):
    picture = subject_data.picture(4, torch.device("cpu"))
    assert picture.dtype == torch.float32 and picture.is_contiguous()
    np.testing.assert_allclose(picture.permute(1, 2, 0).numpy() * 255, subject_data.pictures[4], atol=1e-4)


def test_the_true_torso_stands_over_the_plate(subject_data):
    background, labels = subject_data.torso_background(3), subject_data.labels[3]
    assert background.dtype == np.uint8
    np.testing.assert_array_equal(background[labels == 1], subject_data.pictures[3][labels == 1])
    chin = np.argwhere(labels >= 2)[:, 0].max()
    above = (labels >= 2) & (np.arange(len(labels))[:, None] < chin - 0.3 * len(labels))
    assert above.any()
    np.testing.assert_allclose(background[above], subject_data.plate[above] * 255, atol=0.51)


def test_the_neck_goes_on_behind_the_chin_and_nowhere_else():
    labels = np.zeros((64, 64), np.uint8)
    labels[10:40, 20:44] = Label.FACE
    labels[40:, 28:36] = Label.TORSO
    picture = np.full((64, 64, 3), 40, np.uint8)
    picture[labels == Label.TORSO] = [200, 150, 100]
    background = torso_over(np.full((64, 64, 3), 0.5, np.float32), picture, labels)
    behind, height = (background != 128).all(2) & (labels == Label.FACE), round(BEHIND_CHIN * 64)
    assert not behind[: 40 - height].any() and not behind[:, :28].any() and not behind[:, 36:].any()
    assert behind[40 - height + 1 : 40, 28:36].all()
    column = background[34:41, 32, 0].astype(int)
    assert column[-1] == 200 and (np.diff(column) > 0).all(), "darker and darker"
    assert (background[labels == Label.BACKGROUND] == 40).all()


def test_mouth_boxes_hold_the_mouth(subject_data):
    inside = total = 0
    for (top, bottom, left, right), label in zip(subject_data.mouth_boxes, subject_data.labels, strict=True):
        mouth = np.isin(label, (Label.LIPS, Label.MOUTH))
        inside += mouth[top:bottom, left:right].sum()
        total += mouth.sum()
    assert inside > 0.97 * total > 0


@pytest.mark.parametrize("place", [(-50, 30), (200, 30), (30, -90), (30, 300), (0, 0), (64, 64), (32, 32)])
def test_mouth_boxes_stay_inside_the_picture(place):
    landmarks = np.zeros((1, 478, 3), np.float32) + [*place, 0]
    top, bottom, left, right = mouth_boxes(landmarks, 12.0, 64)[0]
    assert top >= 0 and bottom <= 64 and bottom - top >= 2
    assert left >= 0 and right <= 64 and right - left >= 2


def test_which_frame_comes_next_depends_on_step_and_seed_alone(subject_data):
    order = [subject_data.frame_at(step, 5) for step in range(200)]
    assert all(0 <= frame < len(subject_data) for frame in order)
    fresh = with_tracks(subject_data, subject_data.aperture, subject_data.drive.eyes)
    assert [fresh.frame_at(step, 5) for step in reversed(range(200))] == order[::-1]
    assert [subject_data.frame_at(step, 6) for step in range(200)] != order


def test_every_frame_gets_its_turn(subject_data):
    steps = 10 * len(subject_data)
    seen = Counter(subject_data.frame_at(step, 0) for step in range(steps) if step % RARE_EVERY)
    assert len(seen) == len(subject_data)
    assert max(seen.values()) <= 10


def test_rare_mouths_and_eyes_are_seen_more_often(subject_data):
    count = len(subject_data)
    aperture, eyes = np.full(count, 0.1), np.zeros(count)
    aperture[7], eyes[11] = 0.9, 1.0
    data = with_tracks(subject_data, aperture, eyes)
    seen = Counter(data.frame_at(step, 0) for step in range(0, 200 * RARE_EVERY, RARE_EVERY))
    assert seen[7] > 25 and seen[11] > 25  # half of a hundred each


def test_frames_whose_face_was_not_seen_are_never_trained_on(subject_data):
    valid = np.arange(len(subject_data)) % 9 != 4
    data = replace(subject_data, valid=valid)
    seen = {data.frame_at(step, 0) for step in range(10 * len(data))}
    assert seen == set(np.flatnonzero(valid))


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_tracks_that_never_change_do_not_hang(subject_data, value):
    count = len(subject_data)
    data = with_tracks(subject_data, np.full(count, value), np.full(count, value))
    seen = {data.frame_at(step, 0) for step in range(300)}
    assert len(seen) == count
