"""A method of somebody else's repository, judged without being reimplemented: two commands in an environment of their
own, which see the same prepared subject as every method (exchange.py) and give back frames.

    METHOD = external(id="theirs", title="Theirs", file=__file__,
                      train=("conda", "run", "-n", "theirs", "python", "{here}/fit.py", "--data", "{subject}",
                             "--out", "{out}"),
                      render=("conda", "run", "-n", "theirs", "python", "{here}/draw.py", "--model", "{model}",
                              "--performance", "{performance}", "--frames", "{frames}"))

A line "progress 0.35 fitting psnr=31.2" on its standard output is shown. docs/external_method.md tells the rest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pgstalker import __version__, exchange
from pgstalker.errors import AvatarError, ConfigError, ExternalError
from pgstalker.files import replacing
from pgstalker.method import Composite, Method, Performance, Progress, TrainingRequest
from pgstalker.presets import PRESETS
from pgstalker.subject import Subject

SCHEMA = "pgstalker-external/1"
DECLARATION, PLATE, MODEL = "method.json", "plate.png", "model"
KINDS = {
    "train": {"here", "python", "subject", "out", "seed", "size", "steps", "minutes", "preset", "device", "resume"},
    "render": {"here", "python", "model", "performance", "frames", "seed", "size", "device"},
}
"""What a command may ask for in braces. steps and minutes are 0 where none were asked for, resume is 0 or 1."""
NOT_THEIRS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")
"""Variables of this program's own environment that would put its libraries before theirs."""
PROGRESS = re.compile(r"progress\s+([0-9.eE+-]+)(?:\s+([^\s=]+))?((?:\s+[^\s=]+=\S+)*)\s*")
TAIL_CHARACTERS = 300
GRACE_S = 5.0


@dataclass(frozen=True)
class Commands:
    """train, render: programs with their arguments, as in KINDS. file: the method's own, whose folder is {here}.
    environment: variables set for both. limit_s: after so long a command is ended."""

    id: str
    file: Path
    train: tuple[str, ...]
    render: tuple[str, ...]
    composite: Composite
    environment: Mapping[str, str] = field(default_factory=dict)
    limit_s: float | None = None

    def check(self) -> None:
        """Raises ConfigError for a command that is empty or asks for what there is not."""
        for kind, known in KINDS.items():
            command = getattr(self, kind)
            if not command:
                raise ConfigError(f"{self.file}: {kind} is empty; name a program")
            try:
                asked = {
                    name for part in command for _, name, _, _ in string.Formatter().parse(part) if name is not None
                }
            except ValueError as error:
                raise ConfigError(f"{self.file}: {kind}: {error}; a brace that is meant is doubled") from error
            if unknown := sorted(asked - known):
                values = ", ".join(sorted(known))
                raise ConfigError(f"{self.file}: {kind} asks for {{{unknown[0]}}}; there are: {values}")

    def run(self, kind: str, progress: Progress, **values: object) -> None:
        """Run one of the commands to its end. Raises ExternalError."""
        known = {"here": self.file.parent, "python": sys.executable, **values}
        command = [part.format_map({name: str(value) for name, value in known.items()}) for part in getattr(self, kind)]
        own = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
        run_command(command, f"{self.id}'s {kind}", {**own, **self.environment}, progress, self.limit_s)


def external(
    *,
    id: str,
    title: str,
    file: str,
    train: Sequence[str],
    render: Sequence[str],
    composite: Composite = "full_frame",
    **more: Any,
) -> Method:
    """The METHOD of a file that names two commands. composite: what its frames show beside the head; "gt_torso" gets
    the true torso as backgrounds. more: paper, differences, reported_as, test_stride of method.Method; environment and
    limit_s of Commands. Raises ConfigError for a wrong command."""
    parts = {name: more.pop(name) for name in ("environment", "limit_s") if name in more}
    commands = Commands(id, Path(file).resolve(), tuple(train), tuple(render), composite, **parts)
    commands.check()

    def learn(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> External:
        return _train(method, commands, Path(subject), Path(out), request, progress)

    def load(folder: Path, device: str = "auto") -> External:
        return _load(commands, Path(folder), device)

    facts = {"paper": "", "differences": ()} | more
    method = Method(id=id, title=title, kind="external", train=learn, load=load, **facts)
    return method


class External:
    """What somebody else's program has learnt. folder: method.json, plate.png, model/ (theirs)."""

    def __init__(self, commands: Commands, folder: Path, provenance: dict[str, Any], device: str):
        self.commands, self.folder, self.provenance, self.device = commands, folder, provenance, device
        self.size: int = provenance["size"]
        self.composite: Composite = commands.composite

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        """Raises ExternalError where the command fails, MediaError for frames of another count, size or kind."""
        commands, plate = self.commands, exchange.load_picture(self.folder / PLATE)
        with tempfile.TemporaryDirectory(prefix="pgstalker-external-") as scratch:
            told = Path(scratch) / "performance"
            exchange.write_performance(told, performance, plate, commands.composite == "gt_torso")
            commands.run(
                "render",
                lambda *_: None,
                model=self.folder / MODEL,
                performance=told,
                frames=told / exchange.FRAMES,
                seed=self.provenance["seed"],
                size=self.size,
                device=self.device,
            )
            yield from exchange.read_answer(told / exchange.FRAMES, len(performance), self.size, commands.id)


def _train(
    method: Method, commands: Commands, subject_folder: Path, out: Path, request: TrainingRequest, progress: Progress
) -> External:
    from pgstalker.training.data import TrainingData
    from pgstalker.training.session import data_digests, picture_size

    method.check(request)
    _check_place(out)
    started, subject = time.monotonic(), Subject.load(subject_folder)
    size = picture_size(request, PRESETS[request.preset].size, subject)
    progress("load", 0.0, {})
    data = TrainingData.load(subject_folder, size)
    model = out / MODEL
    if model.is_dir() and not request.resume:
        shutil.rmtree(model)
    model.mkdir(parents=True, exist_ok=True)
    (out / DECLARATION).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="pgstalker-external-") as scratch:
        told = Path(scratch) / "subject"
        exchange.write_training(told, data, subject)
        began = time.monotonic()
        commands.run(
            "train",
            progress,
            subject=told,
            out=model,
            seed=request.seed,
            size=size,
            steps=request.steps or 0,
            minutes=request.minutes or 0,
            preset=request.preset,
            device=request.device,
            resume=int(request.resume),
        )
        command_s = time.monotonic() - began
        shutil.copyfile(told / exchange.PLATE, out / PLATE)
    provenance = _provenance(commands, request, subject) | {
        "size": size,
        "seconds": round(time.monotonic() - started, 1),
        "command_seconds": round(command_s, 1),
        "train_frames": len(data),
        "data": data_digests(data, "mel"),
    }
    with replacing(out / DECLARATION) as temporary:
        content = {"schema": SCHEMA, "method": commands.id, "provenance": provenance}
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True))
    return _load(commands, out, request.device)


def _provenance(commands: Commands, request: TrainingRequest, subject: Subject) -> dict[str, Any]:
    return {
        "method": commands.id,
        "preset": request.preset,
        "steps": request.steps or 0,
        "seed": request.seed,
        "switches": {},
        "subject_sha256": subject.manifest["source"]["sha256"],
        "source_name": subject.manifest["source"]["name"],
        "device": request.device,
        "pgstalker": __version__,
        "commands": {"train": commands.train, "render": commands.render},
    }


def _load(commands: Commands, folder: Path, device: str) -> External:
    path = folder / DECLARATION
    try:
        content = json.loads(path.read_text("utf-8"))
        kind, whose, provenance = content["schema"], content["method"], content["provenance"]
    except OSError:
        raise AvatarError(f"{folder} holds no trained {commands.id} (no {DECLARATION}); train it first") from None
    except (ValueError, KeyError, TypeError):
        raise AvatarError(f"{path} is damaged or not a method's; train it again") from None
    if (kind, whose) != (SCHEMA, commands.id):
        raise AvatarError(f"{folder} holds {whose} ({kind}), not {commands.id} ({SCHEMA}); give that one's folder")
    return External(commands, folder, provenance, device)


def _check_place(out: Path) -> None:
    if out.is_file():
        raise AvatarError(f"{out} is a file; choose another name")
    if out.is_dir() and any(entry.name not in (DECLARATION, PLATE, MODEL) for entry in out.iterdir()):
        raise AvatarError(f"{out} holds other things; choose another folder")


def run_command(
    command: list[str], whose: str, environment: Mapping[str, str], progress: Progress, limit_s: float | None = None
) -> None:
    """Run a program with its children in a process group of their own, which ends with this call in every case.

    Raises ExternalError where the program is not there, fails, or takes longer than limit_s."""
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=dict(environment),
                start_new_session=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise ExternalError(
                f"{whose} cannot be started: {command[0]}: {error.strerror}; check the program"
            ) from None
        is_late = threading.Event()
        watch = _after(limit_s, lambda: _end(process, is_late))
        last_line = ""
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if not _told(line, progress) and line.strip():
                    last_line = line.strip()
            process.wait()
        finally:
            if watch is not None:
                watch.cancel()
            _end(process)
        if is_late.is_set():
            raise ExternalError(f"{whose} took more than {limit_s:g} s and was ended; raise limit_s or make it faster")
        if process.returncode:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip() or last_line or "nothing was said"
            tail = " | ".join(line.strip() for line in said.splitlines()[-3:] if line.strip())[-TAIL_CHARACTERS:]
            raise ExternalError(f"{whose} ended with exit code {process.returncode}: {tail}")


def _after(seconds: float | None, action: Callable[[], object]) -> threading.Timer | None:
    if seconds is None:
        return None
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


def _end(process: subprocess.Popen, is_late: threading.Event | None = None) -> None:
    """End the whole group: asked first, then at once. Children that outlive their parent are in it too."""
    if is_late is not None:
        is_late.set()
    if not hasattr(os, "killpg"):  # Windows has no groups of this kind
        process.kill()
        return
    for number, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _told(line: str, progress: Progress) -> bool:
    """Whether a line was one of progress, which is then shown."""
    match = PROGRESS.fullmatch(line.strip())
    if match is None:
        return False
    try:
        share = float(match[1])
        numbers = {name: float(value) for name, _, value in (part.partition("=") for part in match[3].split())}
    except ValueError:
        return False
    progress(match[2] or "train", min(1.0, max(0.0, share)), numbers)
    return True
