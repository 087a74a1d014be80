"""Motion without sound: no jump in position or velocity, nothing that training did not see, natural blinks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pgstalker.avatar import Avatar, drive_from_audio, drive_from_subject, held_still
from pgstalker.avatar.drive import blinks, own_blink, ping_pong, poses_between
from pgstalker.errors import AvatarError
from pgstalker.subject import Subject
from pgstalker.synthetic import make_subject
from pgstalker.types import FPS, SAMPLE_RATE_HZ, TORSO_MOTION


@pytest.mark.parametrize("length", [1, 2, 5, 60, 500])
def test_ping_pong_never_jumps_nor_leaves_the_track(length):
    position = ping_pong(4 * length + 200, length, start=0.7)
    assert position.min() >= 0 and position.max() <= length - 1
    assert np.abs(np.diff(position)).max(initial=0) <= 1 + 1e-9
    if length >= 60:
        assert np.abs(np.diff(position, n=2)).max() <= np.pi / 25 + 1e-9  # an easy turn: from 1 to -1 in a second
        assert position.min() < 0.1 and position.max() > length - 1.1


def test_head_motion_is_smooth_at_the_seams(tiny_avatar):
    poses = tiny_avatar.idle.camera_from_head
    moved = poses_between(poses, ping_pong(600, len(poses)))
    own, idle = (np.diff(track[:, :3, 3], n=2, axis=0) for track in (poses, moved))
    own_speed = np.abs(np.diff(poses[:, :3, 3], axis=0)).max()
    assert np.abs(np.diff(moved[:, :3, 3], axis=0)).max() <= own_speed + 1e-9
    assert np.abs(idle).max() <= np.abs(own).max() + own_speed * np.pi / 25 * 1.5
    turn = Rotation.from_matrix(moved[1:, :3, :3] @ moved[:-1, :3, :3].transpose(0, 2, 1)).magnitude()
    assert np.abs(np.diff(turn)).max() < 0.004


def test_poses_stay_within_those_seen(tiny_avatar, tone):
    drive = drive_from_audio(tiny_avatar, np.tile(tone, 6))
    seen, idle = tiny_avatar.idle.camera_from_head, drive.camera_from_head
    assert (idle[:, :3, 3] >= seen[:, :3, 3].min(0) - 1e-9).all() and (
        idle[:, :3, 3] <= seen[:, :3, 3].max(0) + 1e-9
    ).all()
    np.testing.assert_allclose(np.linalg.det(idle[:, :3, :3]), 1, atol=1e-9)
    assert (
        drive.torso.shape == (len(drive), TORSO_MOTION)
        and np.abs(drive.torso).max() <= np.abs(tiny_avatar.idle.torso).max()
    )


def test_a_drive_covers_the_sound_and_repeats_with_its_seed(tiny_avatar, tone):
    drive = drive_from_audio(tiny_avatar, tone[:-1], seed=4)
    assert len(drive) == len(drive.audio) == len(drive.eyes) == int(np.ceil(FPS * (len(tone) - 1) / SAMPLE_RATE_HZ))
    again, other = (drive_from_audio(tiny_avatar, tone[:-1], seed=seed) for seed in (4, 5))
    np.testing.assert_array_equal(drive.camera_from_head, again.camera_from_head)
    np.testing.assert_array_equal(drive.eyes, again.eyes)
    assert not np.array_equal(drive.camera_from_head, other.camera_from_head)
    with pytest.raises(AvatarError, match="0 samples"):
        drive_from_audio(tiny_avatar, tone[:0])


def test_blinks_come_every_two_to_six_seconds_as_deep_as_ones_own(tiny_avatar):
    eyes = blinks(tiny_avatar.idle.blink, 3000, np.random.default_rng(0))
    closed = np.flatnonzero((eyes[1:-1] > 0.5) & (eyes[1:-1] >= eyes[:-2]) & (eyes[1:-1] > eyes[2:]))
    pauses = np.diff(closed) / FPS
    assert pauses.min() >= 1.9 and pauses.max() <= 6.1
    assert eyes.max() == pytest.approx(0.85, abs=1e-3) and np.median(eyes) == pytest.approx(0.05)


def test_who_never_blinked_only_narrows_the_eyes():
    shape, depth = own_blink(np.full(50, 0.1, np.float32) + np.linspace(0, 0.2, 50, dtype=np.float32))
    assert depth == pytest.approx(0.3) and shape.max() == 1.0
    assert blinks(np.zeros(50, np.float32), 500, np.random.default_rng(0)).max() == 0


def test_only_a_voice_opens_the_gate(tiny_avatar, tone):
    from tests.audio.test_gate import vowels

    hum = drive_from_audio(tiny_avatar, 0.1 * np.random.default_rng(0).standard_normal(len(tone)).astype(np.float32))
    voice = drive_from_audio(tiny_avatar, vowels(1.5).astype(np.float32))
    assert hum.gate.shape == (len(hum),) and (hum.gate == 0).all() and (voice.gate == 1).all()
    codes = tiny_avatar.talker.controls(hum).code
    assert np.ptp(np.asarray(codes), axis=0).max() == 0


def test_the_own_recording_is_heard_without_a_gate(tiny_avatar, tmp_path):
    subject = Subject.load(make_subject(tmp_path / "toon", seconds=4, size=64))
    other = drive_from_subject(tiny_avatar, subject)[0]
    assert other.gate.shape == (len(other),)
    source = subject.manifest["source"]["sha256"]
    own = Avatar(tiny_avatar.talker, tiny_avatar.idle, tiny_avatar.poster, {"subject_sha256": source})
    assert drive_from_subject(own, subject)[0].gate is None
    assert drive_from_subject(tiny_avatar, subject, mouth="tracked")[0].gate is None


def test_a_long_speech_needs_little_memory(tiny_avatar):
    drive = drive_from_audio(tiny_avatar, np.zeros(600 * SAMPLE_RATE_HZ, np.float32))
    assert len(drive) == 15_000
    held = sum(track.nbytes for track in (drive.camera_from_head, drive.eyes, drive.torso, drive.audio))
    assert held < 64 << 20


def test_a_subject_drives_after_its_pictures_are_gone(tiny_avatar, tmp_path):
    folder = make_subject(tmp_path / "toon", seconds=4, size=64)
    (folder / "frames.mp4").unlink()
    (folder / "labels.mkv").unlink()
    subject = Subject.load(folder)
    drive, samples = drive_from_subject(tiny_avatar, subject)
    frames = subject.frames_count - subject.train_frames
    assert len(drive) == frames and len(samples) == frames * SAMPLE_RATE_HZ // FPS
    np.testing.assert_array_equal(drive.eyes, subject.tracks.blink[subject.train_frames :])
    tracked, _ = drive_from_subject(tiny_avatar, subject, "all", mouth="tracked", torso="predicted")
    assert tracked.audio is None and tracked.torso is None
    assert tracked.mouth_code.shape == (subject.frames_count, tiny_avatar.talker.config.code_size)


def test_a_head_held_still_says_the_same(tiny_avatar, tone):
    drive = drive_from_audio(tiny_avatar, tone, seed=4)
    still = held_still(drive)
    assert (still.camera_from_head == drive.camera_from_head[0]).all() and (still.torso == drive.torso[0]).all()
    np.testing.assert_array_equal(still.audio, drive.audio)
    np.testing.assert_array_equal(still.eyes, drive.eyes)
