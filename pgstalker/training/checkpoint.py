"""Checkpoints: one safetensors file, replaced atomically; what it was made with travels in its header."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pgstalker.errors import ConfigError
from pgstalker.files import replacing

SCHEMA = "pgstalker-checkpoint/3"


def save(path: Path, tensors: dict[str, Tensor], header: dict) -> None:
    """Write tensors and a JSON-able header; a kill at any moment leaves the old file or the new one."""
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={"schema": SCHEMA, "header": json.dumps(header)})


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The tensors and the header. Raises ConfigError for a damaged or foreign file."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("schema") != SCHEMA:
                raise ConfigError(f"{path} is not a checkpoint of this version; delete it or train without --resume")
            names = file.keys()  # a method of its own: the file cannot be iterated
            return {name: file.get_tensor(name) for name in names}, json.loads(metadata["header"])
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise ConfigError(f"checkpoint {path} cannot be read ({error}); delete it or train without --resume") from error


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """Adam's state by parameter name: `optimizer/<parameter>/<exp_avg|exp_avg_sq|step>`."""
    return {
        f"optimizer/{name}/{key}": value
        for name, parameter in module.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """The inverse of optimizer_tensors, for parameters of the same names and shapes."""
    for name, parameter in module.named_parameters():
        state = under(f"optimizer/{name}/", tensors)
        if state:
            optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in state.items()}
