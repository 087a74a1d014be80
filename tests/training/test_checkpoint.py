"""Checkpoints: whole or not at all, and a clear word where one cannot be read."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pgstalker.errors import ConfigError
from pgstalker.training import checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "x.safetensors"
    checkpoint.save(
        path, {"a": torch.arange(6.0).view(2, 3).T, "empty": torch.zeros(0, 3)}, {"step": 7, "who": {"x": 1}}
    )
    return path


def test_what_was_saved_comes_back(saved):
    tensors, header = checkpoint.load(saved)
    assert header == {"step": 7, "who": {"x": 1}}
    assert torch.equal(tensors["a"], torch.arange(6.0).view(2, 3).T) and tensors["empty"].shape == (0, 3)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]  # nothing half-written


def test_saving_again_replaces(saved):
    checkpoint.save(saved, {"b": torch.ones(1)}, {"step": 8})
    tensors, header = checkpoint.load(saved)
    assert list(tensors) == ["b"] and header["step"] == 8


def test_a_failed_save_leaves_the_old_one(saved, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError):
        checkpoint.save(saved, {"b": torch.ones(1)}, {"step": 8})
    assert checkpoint.load(saved)[1]["step"] == 7
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(ConfigError, match=r"foreign.safetensors is not a checkpoint of this version.*--resume"):
        checkpoint.load(path)


@pytest.mark.parametrize("keep", [0, 4, 60, -5])
def test_a_truncated_file_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(ConfigError, match=r"x.safetensors cannot be read.*delete it or train without --resume"):
        checkpoint.load(saved)


def test_a_file_that_is_no_safetensors_is_refused(saved):
    saved.write_bytes(b"GIF89a" * 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        checkpoint.load(saved)


@pytest.mark.parametrize("metadata", [{}, {"header": "{"}])
def test_a_damaged_header_is_refused(tmp_path, metadata):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata={"schema": checkpoint.SCHEMA, **metadata})
    with pytest.raises(ConfigError, match="cannot be read"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone.safetensors"):
        checkpoint.load(tmp_path / "gone.safetensors")


def made() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    return module, torch.optim.Adam(module.parameters(), 1e-2, fused=True)


def advance(module, optimizer, seed: int) -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))
    module(x).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_an_optimizer_goes_on_as_if_never_stopped(tmp_path):
    module, optimizer = made()
    for seed in range(3):
        advance(module, optimizer, seed)
    checkpoint.save(tmp_path / "o", checkpoint.optimizer_tensors(optimizer, module) | module.state_dict(), {})
    tensors, _ = checkpoint.load(tmp_path / "o")
    other, other_optimizer = made()
    other.load_state_dict({name: value for name, value in tensors.items() if not name.startswith("optimizer/")})
    checkpoint.restore_optimizer(other_optimizer, other, tensors)
    for seed in range(3, 6):
        advance(module, optimizer, seed)
        advance(other, other_optimizer, seed)
    for there, back in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(there, back)


def test_a_parameter_that_never_moved_has_no_state():
    module, optimizer = made()
    module[0](torch.ones(1, 3)).sum().backward()
    optimizer.step()
    names = checkpoint.optimizer_tensors(optimizer, module)
    assert {name.split("/")[1] for name in names} == {"0.weight", "0.bias"}
