"""Fill one cell of the board: the stages in order, each in a process of its own, and a note where one fails.

A stage of its own process has its memory measured by itself, and takes nobody with it when it dies.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from leaderboard.progress import Line
from leaderboard.records import FAILURE, read_record
from leaderboard.running.stages import LEARNING, STAGES, Run
from leaderboard.running.tasks import Places, Task
from leaderboard.scoring import MISHAPS
from pgstalker.errors import ConfigError, PgsError
from pgstalker.files import replacing

FAILURE_SCHEMA = "pgstalker-failure/1"


class StageDied(PgsError):
    """The process of a stage ended without an answer."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task: record where it was scored (or had been before), else the reason why not."""

    task: Task
    record: Path | None
    reason: str | None = None
    seconds: float = 0.0
    was_there: bool = False


def run(task: Task, places: Places, isolated: bool = True) -> Outcome:
    """Fill the task's cell, or find it filled. Nothing that goes wrong with a person's files or a method is raised:
    the outcome bears the reason, and so does failed.json beside where the record would be."""
    whole, started, record = Run(task, places), time.monotonic(), None
    try:
        record = whole.record()
        check_clip(whole, record)
        if record is not None:
            return Outcome(task, record, was_there=True)
        done = whole.stages
        do(whole, [name for name in STAGES if name not in done], isolated)
    except MISHAPS as error:
        reason = in_words(error)
        if record is None:  # what was scored before stays scored
            note_failure(whole, reason)
        return Outcome(task, None, reason, time.monotonic() - started)
    (places.measured / task.place / FAILURE).unlink(missing_ok=True)
    return Outcome(task, whole.record(), None, time.monotonic() - started)


def do(whole: Run, stages: Iterable[str], isolated: bool = True) -> None:
    """Some stages, one after another. Raises what a stage stumbles over."""
    for name in stages:
        (_apart if isolated else _here)(name, whole.learner if name in LEARNING else whole)


def in_words(error: BaseException) -> str:
    """One line, with the kind of error where it is not one of ours."""
    line = str(error).strip().partition("\n")[0]
    return line if isinstance(error, PgsError) else f"{type(error).__name__}: {line}"


def check_clip(whole: Run, record: Path | None) -> None:
    """Raises ConfigError where the clip at hand is another one than its record, or what is there of its run, was made
    of; one that is not at hand is no matter while nothing asks for it."""
    clip = whole.task.find_clip()
    if not clip.is_at_hand:
        return
    digest = clip.digest()
    if record is not None:
        told, what, remedy = read_record(record)[0]["clip"].get("sha256"), record, "give the new one an id of its own"
    else:
        told = whole.stages.get("prepare", {}).get("clip_sha256")
        kept = whole if (whole.folder / "run.json").is_file() else whole.learner
        what, remedy = kept.folder, "remove that folder"
    if told not in (None, digest):
        raise ConfigError(
            f"{clip.path} is another clip (sha256 {digest[:12]}...) than {what} was made of ({told[:12]}...); "
            f"put that one back, or {remedy}"
        )


def note_failure(whole: Run, reason: str) -> None:
    """Say on disk why the cell is blank; the next run tries again."""
    task = whole.task
    for folder, name in ((whole.places.work.resolve(), "WORK"), (Path.home(), "~")):
        reason = reason.replace(str(folder), name)  # others read it
    path = whole.places.measured / task.place / FAILURE
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": FAILURE_SCHEMA,
        "reason": reason,
        "setting": whole.setting,
        "codec": task.codec,
        "method": task.declaration() | {"revision": task.revision, "variant": task.variant},
        "dataset": task.dataset_id,
        "clip": task.performance,
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _here(name: str, whole: Run) -> None:
    with Line(f"{whole.task.label}: {name}") as line:
        STAGES[name](whole, line.show)


def _apart(name: str, whole: Run) -> None:
    """A stage in a fresh process, whose greatest memory is noted with what the stage found."""
    context = get_context("spawn")
    answers, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(name, whole, sender, os.getpid()))
    process.start()
    sender.close()
    try:
        error = answers.recv()
    except EOFError:
        raise StageDied(f"its process died in the stage '{name}' (killed, out of memory, or as said above)") from None
    finally:
        process.terminate()  # where this one was interrupted; else it has ended
        process.join()
    if error is not None:
        raise error


def _answer(name: str, whole: Run, sender: Connection, parent: int) -> None:
    """The stage's process: sends None, or what the stage stumbled over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it hears Ctrl-C too, and ends it
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        _measured(name, whole)
    except MISHAPS as error:
        sender.send(error)
    else:
        sender.send(None)


def _end_with(parent: int) -> None:
    """A stage must not go on writing when whoever asked for it was killed and asks again."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _measured(name: str, whole: Run) -> None:
    _here(name, whole)
    if name in ("train", "perform"):
        found: dict[str, Any] = dict(whole.stages[name])
        peak = _peak_memory_mb()
        if name == "train":
            found["peak_memory_mb"] = peak
        elif found["speed"] is not None:
            found["speed"] = found["speed"] | {"peak_memory_mb": peak}
        whole.note(name, found)


def _peak_memory_mb() -> float:
    """Of this process: the device's where CUDA is in use, else the machine's."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return round(torch.cuda.max_memory_allocated() / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
