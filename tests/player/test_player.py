"""The player against its torch twin: what it hears, where Gaussians go, what a frame looks like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pgstalker.errors import ConfigError
from pgstalker.models.config import TalkerConfig
from pgstalker.models.layout import state_shapes
from pgstalker.models.talker import Talker
from pgstalker.player import Player
from pgstalker.player.networks import deformation
from pgstalker.types import SAMPLE_RATE_HZ, TORSO_MOTION, Drive
from tests.models.faces import SIDE, poses, small_talker

FRAMES = 5
KINDS = [
    {},
    {"fusion": "concat"},
    {"fusion": "region-attention"},
    {"torso": "gt"},
    {"audio_training": "end-to-end", "code_size": 16, "members": 1},
    {"attention_frames": 8, "members": 2},
]


def sound(seconds: float = 1.0) -> np.ndarray:
    count = int(seconds * SAMPLE_RATE_HZ)
    noise = np.random.default_rng(0).standard_normal(count)
    return (0.1 * noise * (1 + np.sin(np.arange(count) / 700))).astype(np.float32)


def pair(**options) -> tuple[Player, Talker]:
    """A talker of which every network has something to say, and its player."""
    talker = small_talker(seed=3, **options)
    rng = np.random.default_rng(2)
    size = talker.config.code_size
    talker.calibration.fit(rng.normal(size=(60, size)), 1.5 * rng.normal(size=(60, size)) + 0.3)
    with torch.no_grad():
        talker.hearing.position.normal_()
        for network in (talker.face.head.out, talker.mouth.head.out, talker.torso.residual[-1]):
            network.weight.normal_(std=0.2)
            network.bias.normal_(std=0.05)
        for cloud in talker.clouds.values():
            cloud.quats.normal_()
            cloud.opacity_logits.normal_()
    state = {name: tensor.numpy() for name, tensor in talker.state_dict().items()}
    return Player(talker.config, state), talker


def drive(code_size: int = 6, **tracks) -> Drive:
    codes = np.random.default_rng(1).normal(size=(FRAMES, code_size)).astype(np.float32)
    torso = np.random.default_rng(4).normal(size=(FRAMES, TORSO_MOTION)).astype(np.float32) * 0.02
    values = {"eyes": np.linspace(0, 1, FRAMES, dtype=np.float32), "torso": torso, "mouth_code": codes}
    return Drive(poses(FRAMES), **{**values, **tracks})


def assert_same_frames(got, truth) -> None:
    got, truth = np.stack(list(got)).astype(int), np.stack(list(truth))
    assert got.shape == truth.shape
    assert (np.abs(got - truth) > 1).mean() < 1e-3  # a pixel at the edge of alpha 1/255 may flip


@pytest.mark.parametrize("options", KINDS)
def test_it_hears_what_the_twin_hears(options):
    player, talker = pair(**options)
    features = player.hear(sound(), 25)
    np.testing.assert_array_equal(features, talker.hear(sound(), 25))
    np.testing.assert_allclose(player.code(features), talker.code(features), atol=1e-5)
    gate = np.linspace(0, 1, 25, dtype=np.float32)
    np.testing.assert_allclose(player.code(features, gate), talker.code(features, gate), atol=1e-5)
    assert player.code(features[:0]).shape == (0, talker.config.code_size)


@pytest.mark.parametrize("options", KINDS)
def test_gaussians_go_where_the_twin_puts_them(options):
    player, talker = pair(**options)
    heard = drive(mouth_code=None, torso=None, audio=player.hear(sound(), FRAMES))
    for driven in (drive(talker.config.code_size), heard):
        controls = talker.controls(driven)
        for frame, (pose, vectors) in enumerate(player.inputs(player.controls(driven))):
            truth = talker(controls[frame])
            for name, moved in player.stage.move(pose, vectors)._asdict().items():
                expected = getattr(truth, name).detach().numpy()
                np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("options", KINDS)
def test_frames_are_those_of_the_twin(options):
    player, talker = pair(**options)
    driven = drive(talker.config.code_size)
    assert_same_frames(player.render(driven), talker.render(driven))


@pytest.mark.parametrize("counts", [(120, 0, 40), (0, 3, 1), (16, 17, 33), (0, 0, 0)])
def test_branches_of_any_size(counts):
    config = TalkerConfig(size=SIDE, focal_px=150.0, counts=dict(zip(("face", "mouth", "torso"), counts, strict=True)))
    torch.manual_seed(1)
    talker = Talker(config).eval()
    with torch.no_grad():
        for name, cloud in talker.clouds.items():
            centre = torch.tensor([0.0, 16.0, 98.0]) if name == "torso" else torch.zeros(3)
            cloud.means.copy_(torch.randn(len(cloud), 3) * 3 + centre)
            cloud.colors.uniform_()
    player = Player(config, {name: tensor.numpy() for name, tensor in talker.state_dict().items()})
    assert_same_frames(player.render(drive()), talker.render(drive()))


def test_the_kernel_agrees_with_its_plain_form():
    player, _ = pair()
    stage = player.stage
    still = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    _, vectors = next(player.inputs(player.controls(drive())))
    moved = stage.move([still] * 3, vectors)
    face = stage.branches[0]
    delta = deformation(face.network, vectors[0])
    np.testing.assert_allclose(moved.means[:120], face.means + delta[:, :3], atol=1e-5)
    np.testing.assert_allclose(moved.quats[:120], face.quats + delta[:, 3:7], atol=1e-5)
    stretched = face.scales * np.exp(np.clip(delta[:, 7:], -1, 1))
    np.testing.assert_allclose(moved.scales[:120], stretched, rtol=1e-5)


def test_true_torso_frames_take_the_plates_place():
    player, talker = pair(torso="gt")
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    frames = [black, black + 90, black, black + 255, black]
    assert_same_frames(
        player.render(drive(), backgrounds=iter(frames)), talker.render(drive(), backgrounds=iter(frames))
    )
    assert_same_frames(player.render(drive()), talker.render(drive()))  # and the plate comes back


@pytest.mark.parametrize("options", [*KINDS, {"resolution": 5, "code_size": 3}])
def test_the_layout_is_that_of_the_model(options):
    config = TalkerConfig(size=32, focal_px=80.0, counts={"face": 5, "mouth": 3, "torso": 4}, **options)
    assert state_shapes(config) == {name: tuple(t.shape) for name, t in Talker(config).state_dict().items()}


def test_it_is_its_twin_in_all_that_is_asked_of_it():
    player, talker = pair()
    twin = player.twin()
    for name, tensor in talker.state_dict().items():
        assert torch.equal(twin.state_dict()[name], tensor), name
    assert (player.size, player.camera, player.device) == (talker.size, talker.camera, "cpu")
    for name, values in talker.canonical().items():
        np.testing.assert_allclose(player.canonical()[name], values, rtol=1e-6)
    for name, values in talker.mouth_basis.to_arrays().items():
        np.testing.assert_array_equal(player.mouth_basis.to_arrays()[name], values)
    assert_same_frames(player.render(drive(), backend="reference"), player.render(drive()))
    with pytest.raises(ConfigError, match="gsplat"):
        next(player.render(drive(), backend="gsplat"))


def test_it_hears_a_stream_as_the_twin_does():
    player, talker = pair()
    streams = player.listen(), talker.listen()
    heard = [[stream.push(chunk) for chunk in np.split(sound(), 10)] for stream in streams]
    codes = [np.concatenate([getattr(part, "codes", part) for part in parts]) for parts in heard]
    assert len(codes[0]) > 10
    np.testing.assert_allclose(*codes, atol=1e-5)


def test_two_drives_at_once_do_not_mix():
    from concurrent.futures import ThreadPoolExecutor

    player, _ = pair()
    drives = [drive(), replace(drive(), camera_from_head=poses(FRAMES)[::-1].copy())] * 3
    alone = [np.stack(list(player.render(driven))) for driven in drives]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda driven: np.stack(list(player.render(driven))), drives))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_frame_is_a_picture_of_its_own():
    player, _ = pair()
    frames = list(player.render(replace(drive(), camera_from_head=poses(1).repeat(FRAMES, 0))))
    copies = [frame.copy() for frame in frames]
    list(player.render(drive()))
    for frame, copy in zip(frames, copies, strict=True):
        np.testing.assert_array_equal(frame, copy)
