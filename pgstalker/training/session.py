"""How a compared method is trained: the same data, options, checkpoints and file format for all of them.

A method gives `build`, which makes its Learner from a Session; the rest is here. What it has learnt is a folder:

    method.json         schema, method, options, configuration, provenance, sha256 of the tensors
    state.safetensors   the model's state_dict
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgstalker import __version__
from pgstalker.audio import create_features
from pgstalker.devices import choose_device, one_torch_thread
from pgstalker.errors import AvatarError, ConfigError
from pgstalker.files import replacing, sweep
from pgstalker.method import Method, Progress, TrainingRequest
from pgstalker.presets import PRESETS
from pgstalker.rendering.numba_runtime import thread_count
from pgstalker.subject import Subject, sha256_of
from pgstalker.training import checkpoint, loop
from pgstalker.training.data import TrainingData
from pgstalker.training.loop import Learner

SCHEMA = "pgstalker-method/1"
DECLARATION, STATE = "method.json", "state.safetensors"


@dataclass(frozen=True)
class Options:
    """What decides the outcome, and so must be the same when a run is taken up again."""

    method: str
    preset: str
    size: int
    steps: int
    seed: int
    switches: dict[str, str]
    subject_sha256: str
    most_gaussians: int | None = None


@dataclass(frozen=True)
class Session:
    """What a method's `build` is given. switches holds a value for each of the method's switches."""

    data: TrainingData
    subject: Subject
    options: Options
    switches: Mapping[str, str]
    device: torch.device
    report: Progress
    """Of the stages before the first step."""


Build = Callable[[Session, dict[str, Any] | None], Learner]
"""(session, configuration of a checkpoint or None) -> a learner; with a configuration it is about to restore()."""


@one_torch_thread()
def train_method(
    method: Method,
    build: Build,
    subject_folder: Path,
    out: Path,
    request: TrainingRequest,
    progress: Progress,
) -> tuple[Learner, dict[str, Any]]:
    """Train and save into `out`; returns the learner, at its end, and the provenance that was written.

    learner.finish() gives the model that is saved: a module with `config`, a JSON-able dict. Raises SubjectError,
    ConfigError, AvatarError where something else stands in `out`.
    """
    method.check(request)
    if request.frames_per_step not in (None, 1):
        raise ConfigError(f"{method.id} draws one frame a step, not {request.frames_per_step}; leave that option out")
    check_place(out)
    subject = Subject.load(subject_folder)
    size = picture_size(request, PRESETS[request.preset].size, subject)
    started = time.monotonic()
    progress("load", 0.0, {})
    data = TrainingData.load(Path(subject_folder), size)
    device = torch.device(choose_device(request.device))
    switches = {name: values[0] for name, values in method.switches.items()} | request.switches
    options = Options(
        method.id,
        request.preset,
        size,
        request.steps or method.steps[request.preset],
        request.seed,
        request.switches,
        subject.manifest["source"]["sha256"],
        request.gaussians,
    )
    session = Session(data, subject, options, switches, device, progress)
    path = out.with_name(f".{out.name}.checkpoint.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    if request.resume and path.exists():
        if request.minutes is not None:  # how many steps they were is known
            steps = checkpoint.load(path)[1]["options"]["steps"]
            session = replace(session, options=replace(options, steps=steps))
        learner, spent = _resumed(session, path, build)
    else:
        if request.minutes is not None:
            session = replace(session, options=_fitted(session, build, request.minutes))
        torch.manual_seed(options.seed)
        learner, spent = build(session, None), 0.0
        loop.save(learner, path, asdict(session.options), time.monotonic() - started)
    loop.run(learner, path, asdict(session.options), progress, spent + time.monotonic() - started)
    provenance, model = _provenance(session, spent + time.monotonic() - started), learner.finish()
    if counts := model.config.get("counts"):
        provenance["gaussians"] = sum(counts.values())
    save_model(out, method.id, model, provenance)
    path.unlink(missing_ok=True)
    sweep(path)
    return learner, provenance


def picture_size(request: TrainingRequest, preset_px: int, subject: Subject) -> int:
    """Side of the pictures, px: what is asked for, else the preset's, at most the subject's. Raises ConfigError."""
    size = request.size or min(preset_px, subject.camera.width)
    if size % 2 or not 32 <= size <= subject.camera.width:
        raise ConfigError(f"size {size} is not possible; give an even number from 32 to {subject.camera.width}")
    return size


def _resumed(session: Session, path: Path, build: Build) -> tuple[Learner, float]:
    tensors, header = checkpoint.load(path)
    wanted = asdict(session.options)
    differing = [name for name, value in wanted.items() if header["options"].get(name) != value]
    if differing:
        raise ConfigError(
            f"the checkpoint {path} was made with other {', '.join(differing)}; "
            "repeat its options or train without --resume"
        )
    learner = build(session, header["model"])
    learner.restore(tensors, header["step"])
    return learner, header["seconds"]


def _fitted(session: Session, build: Build, minutes: float) -> Options:
    """The options with as many steps as fit: a trial is timed and thrown away."""
    started = time.monotonic()
    torch.manual_seed(session.options.seed)
    trial = build(session, None)
    prepared = time.monotonic() - started
    rate = loop.steps_per_second(trial)
    left = minutes * 60 - (time.monotonic() - started) - prepared
    return replace(session.options, steps=max(loop.TRIAL_STEPS, int(rate * left)))


def data_digests(data: TrainingData, audio: str) -> dict[str, str]:
    """sha256 of what a method was given: pictures, masks, poses (with eyes and landmarks), sound, and its features."""
    drive, features = data.drive, create_features(audio)
    heard = features.extract(data.samples, len(data), features.measure(data.samples))
    parts = {
        "pictures": (data.pictures,),
        "masks": (data.labels,),
        "poses": (drive.camera_from_head, drive.eyes, data.landmarks),
        "sound": (data.samples,),
        "features": (heard,),
    }
    return {name: _digest(arrays) for name, arrays in parts.items()}


def _digest(arrays: tuple[np.ndarray, ...]) -> str:
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _provenance(session: Session, seconds: float) -> dict[str, Any]:
    return {
        **asdict(session.options),
        "switches": dict(session.switches),
        "source_name": session.subject.manifest["source"]["name"],
        "seconds": round(seconds, 1),
        "train_frames": len(session.data),
        "peak_memory_mb": _peak_memory_mb(session.device),
        "data": data_digests(session.data, session.switches.get("audio", "mel")),
        "device": str(session.device),
        "pgstalker": __version__,
        "torch": torch.__version__,
        "threads": thread_count(),
        "cpus": os.cpu_count(),
    }


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


# ---- the folder


def save_model(folder: Path, method: str, model: Any, provenance: dict[str, Any]) -> None:
    """Write a learnt model; the declaration, which vouches for the tensors, last."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / DECLARATION).unlink(missing_ok=True)
    state = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    with replacing(folder / STATE) as temporary:
        save_file(state, temporary)
    declaration = {
        "schema": SCHEMA,
        "method": method,
        "config": model.config,
        "provenance": provenance,
        "files": {STATE: sha256_of(folder / STATE)},
    }
    with replacing(folder / DECLARATION) as temporary:
        temporary.write_text(json.dumps(declaration, indent=1, sort_keys=True))


def load_model(folder: Path, method: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]:
    """(configuration, tensors, provenance) of a folder that save_model wrote. Raises AvatarError for any other."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / DECLARATION
    try:
        declaration = json.loads(path.read_text("utf-8"))
        kind, whose = declaration["schema"], declaration["method"]
        config, provenance, digest = declaration["config"], declaration["provenance"], declaration["files"][STATE]
    except OSError:
        raise AvatarError(f"{folder} holds no trained {method} (no {DECLARATION}); train it first") from None
    except (ValueError, KeyError, TypeError):
        raise AvatarError(f"{path} is damaged or not a method's; train it again") from None
    if (kind, whose) != (SCHEMA, method):
        raise AvatarError(f"{folder} holds {whose} ({kind}), not {method} ({SCHEMA}); give that one's folder")
    state = folder / STATE
    if not state.is_file() or sha256_of(state) != digest:
        raise AvatarError(f"{state} is missing or damaged (its sha256 differs); train {method} again")
    try:
        return config, load_file(state), provenance
    except (SafetensorError, OSError) as error:
        raise AvatarError(f"{state} cannot be read ({error}); train {method} again") from None


def check_place(out: Path) -> None:
    """Raises AvatarError where something that no training wrote stands in `out`."""
    if out.is_file():
        raise AvatarError(f"{out} is a file; choose another name")
    if out.is_dir() and any(entry.name not in (DECLARATION, STATE) for entry in out.iterdir()):
        raise AvatarError(f"{out} holds other things; choose another folder")
