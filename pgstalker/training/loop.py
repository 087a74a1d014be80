"""Steps to the end, with checkpoints and progress: the loop of everything that learns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from pgstalker.method import Progress
from pgstalker.training import checkpoint

CHECKPOINT_SECONDS = 30
TELL_SECONDS = 0.5
FORGETS = 0.98
TRIAL_STEPS = 60


@dataclass
class StepReport:
    """What one step found; gaussians is 0 where there are none."""

    stage: str
    loss: float
    psnr: float
    gaussians: int = 0


class Learner(Protocol):
    """Holds a model and its optimizer. A step depends on (seed, step, state) alone, so that a resumed run repeats an
    uninterrupted one. config() is what a learner of the same shapes is built from before it restores."""

    steps: int
    step_number: int

    def step(self) -> StepReport: ...

    def config(self) -> dict[str, Any]: ...

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, tensors: dict[str, Tensor], step: int) -> None: ...

    def finish(self) -> Any:
        """The model, as it is to be kept."""
        ...


def run(learner: Learner, path: Path, options: dict[str, Any], report: Progress, spent: float) -> None:
    """Step to the end; `path` holds a checkpoint not much older than CHECKPOINT_SECONDS. spent: seconds until now.

    Loss and PSNR are reported as running means."""
    started = last_saved = last_told = time.monotonic()
    first, loss, psnr = learner.step_number, None, None
    while learner.step_number < learner.steps:
        result = learner.step()
        loss = result.loss if loss is None else FORGETS * loss + (1 - FORGETS) * result.loss
        psnr = result.psnr if psnr is None else FORGETS * psnr + (1 - FORGETS) * result.psnr
        now = time.monotonic()
        if now - last_told > TELL_SECONDS or learner.step_number == learner.steps:
            last_told, rate = now, (learner.step_number - first) / (now - started)
            numbers: dict[str, Any] = {"step": learner.step_number, "loss": loss, "psnr": psnr}
            if result.gaussians:
                numbers["gaussians"] = result.gaussians
            numbers |= {"per_second": rate, "seconds_left": (learner.steps - learner.step_number) / rate}
            report(result.stage, learner.step_number / learner.steps, numbers)
        if now - last_saved > CHECKPOINT_SECONDS:
            save(learner, path, options, spent + now - started)
            last_saved = time.monotonic()


def save(learner: Learner, path: Path, options: dict[str, Any], seconds: float) -> None:
    """Write the checkpoint, whole or not at all."""
    header = {"options": options, "model": learner.config(), "step": learner.step_number, "seconds": seconds}
    checkpoint.save(path, learner.state(), header)


def steps_per_second(learner: Learner) -> float:
    """How fast a learner is in the middle of its run; it is of no use afterwards."""
    learner.step_number = learner.steps // 2
    for _ in range(TRIAL_STEPS // 6):
        learner.step()
    started = time.monotonic()
    for _ in range(TRIAL_STEPS):
        learner.step()
    return TRIAL_STEPS / (time.monotonic() - started)
