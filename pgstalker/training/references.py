"""Floors and oracles of the comparison: nothing is optimised, some arrays are kept.

A folder like every method's (training/session.py), whose tensors are those arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pgstalker.method import Method, TrainingRequest
from pgstalker.presets import PRESETS
from pgstalker.subject import Subject
from pgstalker.training.data import TrainingData
from pgstalker.training.session import Options, check_place, data_digests, load_model, picture_size, save_model


@dataclass
class Reference:
    """What a reference method may look at."""

    data: TrainingData
    subject: Subject


@dataclass
class _Arrays:
    """Arrays in the place of a module."""

    arrays: dict[str, np.ndarray]
    config: dict[str, Any]

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in self.arrays.items()}


def learn(
    method: Method,
    subject_folder: Path,
    out: Path,
    request: TrainingRequest,
    keep: Callable[[Reference], dict[str, np.ndarray]],
) -> None:
    """Keep what `keep` makes of the training part. Raises as training.session.train_method does."""
    method.check(request)
    check_place(out)
    started = time.monotonic()
    subject = Subject.load(subject_folder)
    size = picture_size(request, PRESETS[request.preset].size, subject)
    data = TrainingData.load(Path(subject_folder), size)
    arrays = keep(Reference(data, subject))
    source = subject.manifest["source"]
    options = Options(method.id, request.preset, size, 0, request.seed, dict(request.switches), source["sha256"])
    provenance = asdict(options) | {
        "source_name": source["name"],
        "seconds": round(time.monotonic() - started, 1),
        "train_frames": len(data),
        "data": data_digests(data, request.switches.get("audio", "mel")),
        "device": "cpu",
    }
    save_model(out, method.id, _Arrays(arrays, {}), provenance)


def recall(method: Method, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the provenance. Raises AvatarError."""
    _, tensors, provenance = load_model(folder, method.id)
    return {name: tensor.numpy() for name, tensor in tensors.items()}, provenance
