"""A baked avatar moves as its networks do, is stored and read again, and can be played without the bake."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pgstalker.__main__ import main
from pgstalker.avatar import Avatar, drive_from_audio
from pgstalker.avatar.bake import bake
from pgstalker.errors import AvatarError, ConfigError
from pgstalker.models.config import TalkerConfig
from pgstalker.player.networks import deformation


@pytest.fixture
def moving(tiny_avatar, tmp_path):
    """The tiny avatar, its networks made to move it, as a folder."""
    import copy

    talker = copy.deepcopy(tiny_avatar.talker)
    torch.manual_seed(1)
    with torch.no_grad():
        for branch in (talker.face, talker.mouth):
            branch.triplane.planes.normal_()
            branch.head.straight.weight.normal_(std=0.05)
            branch.head.out.weight.normal_(std=0.05)
    Avatar(talker, tiny_avatar.idle, tiny_avatar.poster).save(tmp_path / "moving")
    return tmp_path / "moving"


def drive(avatar, tone):
    made = drive_from_audio(avatar, tone)[:20]
    codes = np.random.default_rng(0).normal(size=(20, avatar.talker.config.code_size)).astype(np.float32)
    return type(made)(made.camera_from_head, made.eyes, made.torso, mouth_code=codes)


def moved(player, drive) -> np.ndarray:
    return np.stack([player.stage.move(*inputs).means.copy() for inputs in player.inputs(player.controls(drive))])


def test_the_baked_head_moves_as_the_networks_do(moving, tone):
    avatar = Avatar.load(moving)
    driven = drive(avatar, tone)
    truth, rest = moved(avatar.talker, driven), avatar.talker.canonical()["means"]
    lost = bake(avatar)
    assert avatar.talker.config.baked == 33 and avatar.talker.plays_baked
    assert lost["face_basis"] < 0.01 and lost["face_regression"] < 0.5
    played = moved(avatar.talker, driven)
    motion = truth[:, : len(rest)] - truth[:, : len(rest)].mean(0)
    error = played[:, : len(rest)] - truth[:, : len(rest)]
    assert np.square(motion).mean() > 1e-3  # there is something to get wrong
    assert np.square(error).mean() < 0.03 * np.square(motion).mean()
    np.testing.assert_allclose(played[:, len(rest) :], truth[:, len(rest) :], atol=1e-5)  # the torso has no bake


def test_the_kernel_combines_as_its_plain_form(moving, tone):
    avatar = Avatar.load(moving)
    bake(avatar, vectors=5)
    player, driven = avatar.talker, drive(avatar, tone)
    pose, vectors = next(player.inputs(player.controls(driven)))
    still = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    got = player.stage.move([still] * 3, vectors)
    at = 0
    for branch, control in zip(player.stage.branches[:2], vectors, strict=False):
        delta = deformation(branch.network, control)
        part = slice(at, at + len(branch.means))
        np.testing.assert_allclose(got.means[part], branch.means + delta[:, :3], atol=1e-5)
        at = part.stop
    assert len(pose) == 3


def test_it_is_stored_and_may_be_left_aside(moving, tone):
    avatar = Avatar.load(moving)
    full = np.stack(list(avatar.talker.render(drive(avatar, tone))))
    plain_config = json.loads((moving / "config.json").read_text())["talker"]
    assert "baked" not in plain_config  # an older program reads what is not baked
    assert main(["bake", str(moving), "--vectors", "8"]) == 0
    assert json.loads((moving / "config.json").read_text())["talker"]["baked"] == 9
    baked = Avatar.load(moving)
    assert (np.stack(list(baked.talker.render(drive(avatar, tone)))) != full).any()
    baked.choose({"bake": "off"})
    np.testing.assert_array_equal(np.stack(list(baked.talker.render(drive(avatar, tone)))), full)
    assert baked.talker.twin().config.baked == 0
    bake(baked, vectors=4)  # again, with fewer
    assert baked.talker.config.baked == 5


def test_what_cannot_be_is_refused(moving, tmp_path, capsys):
    avatar = Avatar.load(moving)
    for switches, reason in (({"bake": "on"}, "not baked"), ({"bake": "maybe"}, "unknown"), ({"cake": "on"}, "cake")):
        with pytest.raises(ConfigError, match=reason):
            avatar.choose(switches)
    for vectors in (0, 256):
        with pytest.raises(ConfigError, match="vectors"):
            bake(avatar, vectors=vectors)
    options = ["--audio", str(tmp_path / "none.wav"), "--out", str(tmp_path / "o.mp4"), "--set", "bake=on"]
    assert main(["render", str(moving), *options]) == 2
    assert "not baked" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="baked is 1000"):
        TalkerConfig.from_dict(avatar.talker.config.to_dict() | {"baked": 1000})


def test_a_basis_of_another_kind_is_refused(moving):
    from safetensors.numpy import load_file, save_file

    from pgstalker.subject import sha256_of

    assert main(["bake", str(moving), "--vectors", "3"]) == 0
    state = load_file(moving / "model.safetensors")
    state["bake.face.basis"] = state["bake.face.basis"].astype(np.float64)
    save_file(state, moving / "model.safetensors")
    config = json.loads((moving / "config.json").read_text())
    config["files"]["model.safetensors"] = sha256_of(moving / "model.safetensors")
    (moving / "config.json").write_text(json.dumps(config))
    with pytest.raises(AvatarError, match=r"bake\.face\.basis is of float64"):
        Avatar.load(moving)
