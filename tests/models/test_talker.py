"""The whole model: what drives it, what it keeps, what it draws."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pgstalker.audio.streaming import stream_whole
from pgstalker.models.config import TalkerConfig
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.models.talker import Controls, Talker
from pgstalker.types import SAMPLE_RATE_HZ, TORSO_MOTION, Drive
from tests.models.faces import SIDE, poses, small_talker, talking

FRAMES = 5


def sound(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE_HZ)
    return (0.1 * rng.standard_normal(count) * (1 + np.sin(np.arange(count) / 700))).astype(np.float32)


def drive(**tracks) -> Drive:
    values = {
        "eyes": np.linspace(0, 1, FRAMES, dtype=np.float32),
        "torso": np.zeros((FRAMES, TORSO_MOTION), np.float32),
        "mouth_code": talking_codes(FRAMES),
    }
    return Drive(poses(FRAMES), **{**values, **tracks})


def talking_codes(frames: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(frames, 6)).astype(np.float32)


def difference(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    return float(np.abs(np.stack(first).astype(int) - np.stack(second)).mean())


@pytest.fixture(scope="module")
def talker():
    return small_talker()


@pytest.fixture(scope="module")
def frames(talker):
    return list(talker.render(drive()))


def test_frames_are_pictures(frames):
    assert len(frames) == FRAMES
    assert all(frame.shape == (SIDE, SIDE, 3) and frame.dtype == np.uint8 for frame in frames)
    assert np.ptp(np.stack(frames)) > 100


@pytest.mark.parametrize(
    "options", [{}, {"fusion": "concat"}, {"fusion": "region-attention"}, {"torso": "gt"},
                {"audio_training": "end-to-end", "code_size": 16, "members": 1}],
)  # fmt: skip
def test_everything_that_a_frame_needs_is_in_the_state(options):
    talker = small_talker(seed=4, **options)
    talker.calibration.fit(np.random.default_rng(0).normal(size=(50, talker.config.code_size)),
                           np.random.default_rng(1).normal(size=(50, talker.config.code_size)))  # fmt: skip
    torch.manual_seed(99)  # another starting point
    empty = Talker(TalkerConfig.from_dict(talker.config.to_dict())).eval()
    empty.load_state_dict(talker.state_dict())
    heard = drive(mouth_code=None, torso=None, audio=talker.hear(sound(), FRAMES))
    for there, back in zip(talker.render(heard), empty.render(heard), strict=True):
        np.testing.assert_array_equal(there, back)
    landmarks = talking(3, seed=5)[0]
    np.testing.assert_array_equal(empty.mouth_basis.encode(landmarks), talker.mouth_basis.encode(landmarks))


@pytest.mark.parametrize(
    "change",
    [
        {"mouth_code": np.zeros((FRAMES, 6), np.float32)},
        {"eyes": np.zeros(FRAMES, np.float32)},
        {"torso": np.full((FRAMES, TORSO_MOTION), 0.05, np.float32)},
        {"torso": None},
        {"mouth_code": None, "audio": np.zeros((FRAMES, 20, 40), np.float32)},
    ],
    ids=["mouth", "eyes", "torso", "predicted torso", "heard"],
)
def test_every_part_of_the_drive_moves_the_picture(talker, frames, change):
    assert difference(frames, list(talker.render(drive(**change)))) > 0.02


def test_the_head_goes_where_the_pose_says(talker):
    there = poses(FRAMES)
    there[:, 0, 3] += 8.0
    moved = list(talker.render(replace(drive(), camera_from_head=there)))
    plate = talker.plate.numpy() * 255
    columns = [
        np.average(
            np.arange(SIDE), weights=np.abs(np.stack(frames).transpose(0, 3, 1, 2) - plate)[:, :, :30].sum((0, 1, 2))
        )
        for frames in (list(talker.render(drive())), moved)
    ]
    assert columns[1] - columns[0] > 5  # 8 cm are 13 px here


def test_the_mouth_code_takes_precedence_over_the_sound(talker, frames):
    with_sound = drive(audio=talker.hear(sound(), FRAMES))
    assert difference(frames, list(talker.render(with_sound))) == 0


def test_true_torso_frames_take_the_plates_place():
    talker = small_talker(torso="gt")
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    over = list(talker.render(drive(), backgrounds=iter([black] * 2 + [black + 255] * 3)))
    over_plate = list(talker.render(drive()))
    corner = slice(0, 4)
    assert over[1][corner, corner].max() == 0 and over[2][corner, corner].min() == 255
    assert difference(over, over_plate) > 5
    middle = np.abs(talker(talker.controls(drive())[0]).means.detach().numpy())
    assert len(middle) == 140  # the torso's 40 Gaussians are not drawn


def test_controls_are_indexed_frame_by_frame(talker):
    controls = talker.controls(drive())
    assert len(controls) == FRAMES
    shapes = {field.name: tuple(getattr(controls[2], field.name).shape) for field in fields(Controls)}
    assert shapes == {
        "rotation": (3, 3), "translation": (3,), "code": (6,), "eyes": (1,), "pose": (12,), "torso": (TORSO_MOTION,),
    }  # fmt: skip
    for field in fields(Controls):
        assert torch.equal(getattr(controls[2], field.name), getattr(controls, field.name)[2])


def test_hearing_another_recording_adapts_to_it_and_the_own_one_does_not(talker):
    own, other = (talker.hear(sound(), 25, own_recording=flag) for flag in (True, False))
    trained = talker.audio_statistics.numpy()
    np.testing.assert_array_equal(own, talker.features.extract(sound(), 25, trained))
    np.testing.assert_array_equal(other, talker.features.extract(sound(), 25, talker.features.adapt(sound(), trained)))
    assert np.abs(own - other).max() > 0.1


def test_the_code_that_is_heard(talker):
    features = talker.hear(sound(2.0), 50)
    talker.hearing.train()
    code = talker.code(features)
    assert talker.hearing.training
    talker.hearing.eval()
    assert code.shape == (50, 6) and code.dtype == np.float32
    np.testing.assert_array_equal(code, talker.code(features))  # no dropout, whatever the mode
    np.testing.assert_allclose(
        code[10:20], talker.code(features[8:22])[2:-2], atol=1e-5
    )  # a frame hears its neighbours
    silent = drive(mouth_code=None, audio=features[:FRAMES])
    torch.testing.assert_close(talker.controls(silent).code, torch.from_numpy(talker.code(features[:FRAMES])))


def test_a_shut_gate_lays_the_mouth_to_rest(talker):
    features = talker.hear(sound(2.0), 50)
    gate = np.repeat(np.float32([0, 0.5, 1]), [20, 10, 20])
    codes, gated = talker.code(features), talker.code(features, gate)
    silence = talker.code(talker.features.extract(np.zeros(16000, np.float32), 9, talker.audio_statistics.numpy()))
    np.testing.assert_allclose(gated[:20], np.repeat(silence[4:5], 20, 0), atol=1e-5)
    np.testing.assert_allclose(gated[20:30], (silence[4] + codes[20:30]) / 2, atol=1e-5)
    np.testing.assert_array_equal(gated[30:], codes[30:])
    shut = drive(mouth_code=None, audio=features[:FRAMES], gate=np.zeros(FRAMES, np.float32))
    np.testing.assert_allclose(talker.controls(shut).code.numpy(), gated[:FRAMES], atol=1e-5)
    np.testing.assert_allclose(talker.controls(shut[1:3]).code.numpy(), gated[:2], atol=1e-5)


def test_without_two_stages_no_gate_shuts():
    talker = small_talker(audio_training="end-to-end", code_size=16, members=1)
    features = talker.hear(sound(), 25)
    np.testing.assert_array_equal(talker.code(features, np.zeros(25, np.float32)), talker.code(features))


@pytest.mark.parametrize("attention_frames", [1, 3])
def test_codes_come_in_a_stream(attention_frames):
    talker = small_talker(attention_frames=attention_frames)
    stream, samples = talker.listen(), sound(2.0)
    whole = stream_whole(samples, 50, talker.audio_statistics.numpy())
    parts = [stream.push(samples[first : first + 1000]) for first in range(0, len(samples), 1000)]
    codes = np.concatenate([*parts, stream.finish()])
    np.testing.assert_allclose(codes, talker.code(whole.features, whole.gate), atol=1e-5)  # other batch sizes
    assert stream.look_ahead_ms == pytest.approx(115 + (attention_frames // 2) * 40)


def test_the_code_of_end_to_end_training_is_bounded():
    talker = small_talker(audio_training="end-to-end", code_size=16, members=1)
    with torch.no_grad():
        talker.hearing.code.weight.mul_(100)
    assert np.abs(talker.code(talker.hear(sound(), 25))).max() <= 1


def test_at_rest_nothing_that_is_said_matters(talker):
    controls = talker.controls(drive())
    first, other = controls[0], replace(controls[0], code=controls.code[1] + 3, eyes=controls.eyes[4])
    torch.testing.assert_close(talker(first, True).means, talker(other, True).means)
    assert talker(first, True).motion.abs().max() == 0
    assert (talker(first).means - talker(other).means).abs().max() > 0.01


def test_gaussians_are_in_camera_space_in_one_order(talker):
    control = talker.controls(drive())[3]
    splats = talker(control, is_static=True)
    head = torch.cat([talker.face.cloud.means, talker.mouth.cloud.means])
    torch.testing.assert_close(splats.means[:140], head @ control.rotation.T + control.translation)
    assert [len(part) for part in splats.scene()] == [180] * 5
    norms = torch.cat([talker.face.cloud.quats, talker.mouth.cloud.quats]).norm(dim=1)
    torch.testing.assert_close(splats.quats[:140].norm(dim=1), norms)


def test_drawing_differentiably_is_what_rendering_shows(talker, frames):
    rendering, splats = talker.draw(talker.controls(drive())[1])
    shown = (rendering.image.detach().clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
    assert np.abs(shown.astype(int) - frames[1]).max() <= 1
    rendering.image.sum().backward()
    assert talker.face.cloud.colors.grad.abs().sum() > 0 and talker.embed.net[0].weight.grad.abs().sum() > 0
    talker.zero_grad()
    assert len(splats.motion) == 140


def test_canonical_is_the_head_without_shoulders(talker):
    arrays = talker.canonical()
    assert {name: array.shape for name, array in arrays.items()} == {
        "means": (140, 3), "quats": (140, 4), "scales": (140, 3), "opacities": (140,), "colors": (140, 3),
    }  # fmt: skip
    np.testing.assert_array_equal(arrays["means"][:120], talker.face.cloud.means.detach().numpy())


def test_counts_are_written_back_after_density_control():
    talker = small_talker()
    raw = talker.face.cloud.raw()
    talker.face.cloud.fill({name: value[:7] for name, value in raw.items()})
    talker.count_gaussians()
    assert talker.config.counts == {"face": 7, "mouth": 20, "torso": 40}
    empty = Talker(talker.config)
    empty.load_state_dict(talker.state_dict())


def test_pose_features_smooth_the_pose(talker):
    still = np.tile(poses(1), (40, 1, 1))
    features = talker.pose_features(still)
    assert features.shape == (40, 12)
    np.testing.assert_allclose(features[:, :6], features[:, 6:], atol=1e-9)
    jump = still.copy()
    jump[20:, 0, 3] += 1.0
    smoothed = talker.pose_features(jump)[:, 9]
    assert (np.diff(smoothed) >= -1e-12).all() and 0.4 < smoothed[20] - smoothed[0] < 0.6
    assert talker.pose_features(poses(1)).shape == (1, 12)


def test_the_mouth_basis_survives_the_buffers():
    talker = small_talker()
    basis = MouthBasis.fit(talking(40, seed=9)[0], 6)
    talker.mouth_basis = basis
    landmarks = talking(5, seed=2)[0]
    np.testing.assert_allclose(talker.mouth_basis.encode(landmarks), basis.encode(landmarks), atol=5e-3)
