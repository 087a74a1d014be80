"""The board on many machines or GPUs: tasks are handed to the workers of a Ray cluster.

All machines see one file system: the repository, the work folder and the results lie at the same paths everywhere (NFS,
say), and so do the variables PGSTALKER_*. Ray gives a task whose worker or machine was lost to another worker, which
goes on from the stages that lie on disk.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.places import ROOT
from leaderboard.running.runner import Outcome
from leaderboard.running.tasks import Task
from pgstalker.errors import ConfigError, EnvironmentMissing

log = logging.getLogger(__name__)
RETRIES = 3
"""How often a task is begun again after its worker was lost; what a task itself fails with is not tried again."""


@dataclass(frozen=True)
class RayEngine:
    """An engine of regenerate. address: of the cluster's head, "auto" for the one that this machine is part
    of, None for a new one on this machine alone. cpus, gpus: what one task holds while it runs."""

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def __call__(self, work: Callable[[Task], Outcome], tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Outcomes as they come. Raises EnvironmentMissing without Ray, ConfigError where the cluster is not there or
        has no machine that could hold a task."""
        ray = _ray()
        is_ours = not ray.is_initialized()
        if is_ours:
            self._join(ray)
        try:
            self._check_room(ray)
            yield from self._map(ray, work, tasks)
        finally:
            if is_ours:
                ray.shutdown()

    def _join(self, ray: Any) -> None:
        known = {name: value for name, value in os.environ.items() if name.startswith(("PGSTALKER_", "HF_"))}
        variables = {**known, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        try:
            ray.init(
                address=self.address,
                runtime_env={"env_vars": variables},
                include_dashboard=None if self.address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, ValueError, TimeoutError) as error:
            line = str(error).strip().partition("\n")[0]
            raise ConfigError(
                f"there is no Ray cluster at {self.address} ({line}); start one: ray start --head"
            ) from error

    def _check_room(self, ray: Any) -> None:
        """A task that fits nowhere would wait for ever."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= self.cpus and node.get("GPU", 0) >= self.gpus for node in nodes):
            there = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
            raise ConfigError(
                f"a task of {self.cpus:g} CPUs and {self.gpus:g} GPUs fits no machine ({there}); ask for less"
            )

    def _map(self, ray: Any, work: Callable[[Task], Outcome], tasks: Sequence[Task]) -> Iterator[Outcome]:
        remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=RETRIES)(work_on)
        waiting: dict[Path, deque[Task]] = {}
        for task in tasks:
            waiting.setdefault(task.model, deque()).append(task)
        first = [left.popleft() for left in waiting.values()]
        running = {remote.remote(work, task): task for task in first}
        while running:
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            task = running.pop(done)
            if left := waiting[task.model]:
                following = left.popleft()
                running[remote.remote(work, following)] = following
            try:
                yield ray.get(done)
            except ray.exceptions.RayError as error:
                line = str(error).strip().splitlines()[0]
                log.warning("%s: lost %d times: %s", task.label, RETRIES + 1, line)
                yield Outcome(task, None, f"its worker was lost {RETRIES + 1} times ({line}); run again")


def work_on(work: Callable[[Task], Outcome], task: Task) -> Outcome:
    """What a worker runs."""
    return work(task)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise EnvironmentMissing("Ray is not installed; pip install -r requirements-ray.txt") from None
    return ray
