"""An avatar folder comes back as it was saved, or is refused by name and reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pgstalker.avatar import Avatar
from pgstalker.errors import AvatarError
from pgstalker.subject import sha256_of


@pytest.fixture
def folder(tiny_avatar, tmp_path):
    tiny_avatar.save(tmp_path / "tiny")
    return tmp_path / "tiny"


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    config.update(changes)
    (folder / "config.json").write_text(json.dumps(config))


def edit_model(folder, change):
    """Change the tensors and make the hash agree again, as a forger would."""
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")
    files = json.loads((folder / "config.json").read_text())["files"]
    edit_config(folder, files=files | {"model.safetensors": sha256_of(folder / "model.safetensors")})


def test_save_and_load_keep_everything(tiny_avatar, folder):
    loaded = Avatar.load(folder)
    assert loaded.talker.config == tiny_avatar.talker.config
    for name, tensor in tiny_avatar.talker.state_dict().items():
        np.testing.assert_array_equal(loaded.talker.state_dict()[name], tensor.numpy(), name)
    for track in ("camera_from_head", "torso", "blink"):
        np.testing.assert_array_equal(getattr(loaded.idle, track), getattr(tiny_avatar.idle, track))
    assert loaded.provenance == tiny_avatar.provenance
    assert loaded.poster.shape == tiny_avatar.poster.shape
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "idle.safetensors", "model.safetensors", "plate.png", "poster.jpg"
    ]  # fmt: skip


def test_it_goes_through_the_hub_mixin(tiny_avatar, tmp_path):
    tiny_avatar.save_pretrained(tmp_path / "hub")
    assert (tmp_path / "hub" / "README.md").is_file()
    loaded = Avatar.from_pretrained(tmp_path / "hub")
    assert loaded.talker.config == tiny_avatar.talker.config
    with pytest.raises(AvatarError, match=r"no config\.json"):
        Avatar.from_pretrained(tmp_path)


def test_saving_replaces_an_avatar_and_nothing_else(tiny_avatar, folder, tmp_path):
    (folder / "README.md").write_text("from the hub")
    tiny_avatar.save(folder)
    Avatar.load(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(AvatarError, match=r"thesis\.tex"):
        tiny_avatar.save(folder)
    assert (folder / "thesis.tex").read_text() == "precious"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(AvatarError, match="not an avatar's"):
        tiny_avatar.save(tmp_path / "other")


def test_a_failed_save_leaves_nothing_and_the_old_avatar(tiny_avatar, folder, tmp_path, monkeypatch):
    before = sha256_of(folder / "config.json")
    monkeypatch.setattr("safetensors.numpy.save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tiny_avatar.save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert sha256_of(folder / "config.json") == before


def test_an_avatar_that_cannot_be_put_in_place_leaves_the_old_one(tiny_avatar, folder, tmp_path, monkeypatch):
    before, rename = sha256_of(folder / "config.json"), Path.rename

    def refuse(path, target):
        if path.suffix == ".part":
            raise PermissionError("a virus scanner holds it")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        tiny_avatar.save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert sha256_of(folder / "config.json") == before


@pytest.mark.parametrize("name", ["model.safetensors", "idle.safetensors", "poster.jpg"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_file_is_named(folder, name, damage):
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(AvatarError, match=name):
        Avatar.load(folder)


def test_foreign_and_newer_folders_are_refused_with_the_reason(folder, tmp_path):
    cases = [
        ({"schema": "pgstalker-avatar/3"}, "newer"),
        ({"schema": "pgstalker-subject/1"}, "not an avatar's"),
        ({"schema": None}, "not an avatar's"),
        ({"files": None}, "'files'"),
        ({"files": {}}, "does not list"),
    ]
    original = (folder / "config.json").read_text()
    for changes, reason in cases:
        edit_config(folder, **changes)
        with pytest.raises(AvatarError, match=reason):
            Avatar.load(folder)
        (folder / "config.json").write_text(original)
    (folder / "config.json").write_text(original[:-20])
    with pytest.raises(AvatarError, match="damaged"):
        Avatar.load(folder)
    with pytest.raises(AvatarError, match="does not exist"):
        Avatar.load(tmp_path / "nowhere")
    (tmp_path / "subject").mkdir()
    (tmp_path / "subject" / "subject.json").write_text("{}")
    with pytest.raises(AvatarError, match="train it first"):
        Avatar.load(tmp_path / "subject")


def test_a_path_out_of_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    files = json.loads((folder / "config.json").read_text())["files"]
    edit_config(folder, files=files | {"../secret": sha256_of(tmp_path / "secret")})
    with pytest.raises(AvatarError, match="no avatar of version 2 has"):
        Avatar.load(folder)


def test_a_configuration_that_asks_for_too_much_spends_no_memory(folder):
    talker = json.loads((folder / "config.json").read_text())["talker"]
    edit_config(folder, talker=talker | {"size": 8000})
    with pytest.raises(AvatarError, match="does not fit"):
        Avatar.load(folder)
    edit_config(folder, talker=talker | {"fusion": "magic"})
    with pytest.raises(AvatarError, match="fusion=magic"):
        Avatar.load(folder)


def test_tensors_that_do_not_fit_are_refused(folder):
    edit_model(folder, lambda state: state.pop("plate"))
    with pytest.raises(AvatarError, match="plate"):
        Avatar.load(folder)


def test_values_that_are_not_finite_are_refused(folder):
    edit_model(folder, lambda state: state["face.cloud.means"].fill_(torch.nan))
    with pytest.raises(AvatarError, match="not finite"):
        Avatar.load(folder)


def test_no_file_can_run_code(folder):
    """safetensors starts with the length of its header; a pickle would start with its protocol mark."""
    for path in folder.glob("*.safetensors"):
        assert int.from_bytes(path.read_bytes()[:8], "little") < 100_000


def test_an_avatar_of_version_1_has_one_colour_from_all_sides(folder):
    def flatten(state):
        for name in [name for name in state if name.endswith(".shading")]:
            del state[name]

    edit_model(folder, flatten)
    with pytest.raises(AvatarError, match="shading is nothing"):
        Avatar.load(folder)
    edit_config(folder, schema="pgstalker-avatar/1")
    assert not Avatar.load(folder).talker.state_dict()["face.cloud.shading"].any()
