"""What a preset means for each method: as many steps as take the seconds that PGSTalker's take. One JSON line.

    python benchmarks/pace.py SUBJECT [--shares 1.0 0.2] [--only talking-gaussian ...] [--out FILE]

All methods that learn are trained side by side in one process, taking turns of about half a second, so that a machine
that others use too slows all alike. Whole runs are timed, at 256 px (presets quick and compare) and at 512 px
(default), not one stage: each method's steps cost differently from stage to stage. --shares shortens the runs at the
two sizes, schedules and all: density control then acts as often in fewer steps, so that the Gaussians are as many. What
comes once (reading the subject, hearing, saving) is counted apart. --out is added to: what is there of other methods
stays.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from leaderboard.source import commit
from pgstalker.files import replacing
from pgstalker.gaussians.density import DensityControl
from pgstalker.method import Method, TrainingRequest, discover
from pgstalker.presets import PRESETS
from pgstalker.training import trainer

MEASURED = {256: ("quick", "compare"), 512: ("default",)}
"""Presets by the size of their pictures, the one that is timed first."""
PACEMAKER = "pgstalker"
WARM_UP_PX, WARM_UP_STEPS = 64, 12
ROUND_TO = 50
"""Steps."""


class Turns:
    """Whose turn it is, one name after the other, until all have left."""

    def __init__(self, names: list[str]):
        self._names, self._changed = list(names), threading.Condition()

    def wait_for(self, name: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._names[0] == name)

    def pass_on(self, name: str) -> None:
        with self._changed:
            self._names.append(self._names.pop(0))
            self._changed.notify_all()
        self.wait_for(name)

    def leave(self, name: str) -> None:
        with self._changed:
            self._names.remove(name)
            self._changed.notify_all()


@dataclass
class Clock:
    """The seconds of one method's own turns, and (step, seconds) at each report of a step."""

    seconds: float = 0.0
    reports: list[tuple[int, float]] = field(default_factory=list)

    def pace(self) -> dict[str, float]:
        """Seconds of a step, and those that come once whatever the steps."""
        (first, begun), (last, ended) = self.reports[0], self.reports[-1]
        per_step = (ended - begun) / (last - first)
        return {"seconds_per_step": round(per_step, 5), "fixed_seconds": round(self.seconds - per_step * last, 2)}


def run_in_turn(method: Method, subject: Path, request: TrainingRequest, turns: Turns) -> Clock:
    """Train, giving the turn away at every report."""
    clock = Clock()
    turns.wait_for(method.id)
    began = time.perf_counter()

    def progress(stage: str, share: float, numbers: dict[str, Any]) -> None:
        nonlocal began
        clock.seconds += time.perf_counter() - began
        if "step" in numbers:
            clock.reports.append((numbers["step"], clock.seconds))
        turns.pass_on(method.id)
        began = time.perf_counter()

    try:
        with tempfile.TemporaryDirectory() as folder:
            method.train(subject, Path(folder) / "model", request, progress)
        clock.seconds += time.perf_counter() - began
    finally:
        turns.leave(method.id)
    return clock


def side_by_side(methods: list[Method], subject: Path, requests: dict[str, TrainingRequest]) -> dict[str, Clock]:
    """Clocks by id. Raises what a method raises."""
    turns = Turns([method.id for method in methods])
    with ThreadPoolExecutor(len(methods)) as pool:
        running = {m.id: pool.submit(run_in_turn, m, subject, requests[m.id], turns) for m in methods}
        return {name: future.result() for name, future in running.items()}


def matched(paces: dict[str, dict[str, float]], steps: int) -> dict[str, int]:
    """Steps of every method that take as long as so many of PGSTalker's."""
    pacemaker = paces[PACEMAKER]
    whole = pacemaker["fixed_seconds"] + steps * pacemaker["seconds_per_step"]
    fitting = {name: (whole - pace["fixed_seconds"]) / pace["seconds_per_step"] for name, pace in paces.items()}
    return {name: max(ROUND_TO, round(count / ROUND_TO) * ROUND_TO) for name, count in fitting.items()}


def measure(methods: list[Method], subject: Path, shares: dict[int, float]) -> dict[str, Any]:
    """Paces by size, and steps by preset."""
    result: dict[str, Any] = {"paces": {}, "steps": {}}
    for size, presets in MEASURED.items():
        steps = {method.id: max(2, round(method.steps[presets[0]] * shares[size])) for method in methods}
        requests = {
            name: TrainingRequest(preset=presets[0], size=size, steps=count, device="cpu")
            for name, count in steps.items()
        }
        trainer.DensityControl = partial(DensityControl, every=max(1, round(DensityControl.every * shares[size])))
        clocks = side_by_side(methods, subject, requests)
        paces = {name: clock.pace() | {"timed_steps": steps[name]} for name, clock in sorted(clocks.items())}
        result["paces"][str(size)] = paces
        for preset in presets:
            result["steps"][preset] = matched(paces, PRESETS[preset].steps)
    return result


def added(before: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """A file {"runs": [...], "steps": {preset: {method: steps}}} and one more run, whose steps replace older ones."""
    steps = {preset: before["steps"].get(preset, {}) | counts for preset, counts in run["steps"].items()}
    return {"runs": [*before["runs"], run], "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("subject", type=Path)
    parser.add_argument("--shares", type=float, nargs=2, default=[1.0, 0.2], help="of the runs at 256 and at 512 px")
    parser.add_argument("--only", nargs="*", help="methods beside pgstalker; all that learn without it")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    learning = [method for method in discover().values() if method.kind in ("gaussians", "nerf")]
    wanted = [m for m in learning if not arguments.only or m.id in (PACEMAKER, *arguments.only)]
    warm_up = TrainingRequest(steps=WARM_UP_STEPS, size=WARM_UP_PX, device="cpu")
    for method in wanted:  # compiles kernels
        run_in_turn(method, arguments.subject, warm_up, Turns([method.id]))
    shares = dict(zip(MEASURED, arguments.shares, strict=True))
    run: dict[str, Any] = {
        "subject": arguments.subject.name,
        "commit": commit(ROOT),
        "cpus": os.cpu_count(),
        "shares": {str(size): share for size, share in shares.items()},
    }
    run |= measure(wanted, arguments.subject, shares)
    print(json.dumps(run))
    if arguments.out:
        before = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"runs": [], "steps": {}}
        with replacing(arguments.out) as temporary:
            temporary.write_text(json.dumps(added(before, run), indent=1) + "\n")


if __name__ == "__main__":
    main()
