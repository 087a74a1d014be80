"""The board on a real Ray cluster of two machines on this one: the same rows, and a lost worker costs nothing."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from leaderboard.board.compiled import compile_board
from leaderboard.running.ray_engine import RayEngine
from leaderboard.running.regenerate import Wish, one_by_one, plan, regenerate
from leaderboard.running.runner import Outcome, run
from leaderboard.running.tasks import Places, Task
from pgstalker.errors import ConfigError, EnvironmentMissing

SIZE = 64
TIMINGS = ("speed", "train_seconds", "train_peak_memory_mb")


@pytest.fixture(scope="module")
def toons(tmp_path_factory) -> str:
    from pgstalker.synthetic import make_subject

    folder = tmp_path_factory.mktemp("toons")
    for name, seed in (("anna", 3), ("bert", 4)):
        make_subject(folder / f"{name}.subject", seconds=2.0, size=SIZE, seed=seed)
    clips = [{"id": name, "file": f"{name}.subject"} for name in ("anna", "bert")]
    (folder / "clips.json").write_text(json.dumps({"name": "toons", "clips": clips}))
    return f"folder:{folder}"


@pytest.fixture(scope="module")
def cluster():
    """Two raylets with one CPU each, and this process as their driver."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (requirements-ray.txt)")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    made.add_node(num_cpus=1, object_store_memory=100 << 20)
    paths = f"{Path(__file__).parents[2]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    ray.init(address=made.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield made
    ray.shutdown()
    made.shutdown()


def tasks_of(toons: str) -> list[Task]:
    return plan(Wish(datasets=(toons,), methods=("still-frame", "truth-late"), size=SIZE, device="cpu"))[0]


def untimed(results: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in compile_board(results)["rows"]]


@pytest.mark.slow
def test_two_machines_make_the_board_of_one(toons, cluster, tmp_path):
    wish = Wish(datasets=(toons,), methods=("still-frame", "truth-late"), size=SIZE, device="cpu")
    boards = []
    for name, engine in (("many", RayEngine()), ("one", one_by_one)):
        places = Places(tmp_path / name / "work", tmp_path / name / "results")
        outcomes = regenerate(wish, places, engine, isolated=False, say=lambda line: None)
        assert [outcome.reason for outcome in outcomes] == [None] * 4
        boards.append(untimed(places.results))
    assert [row["values"] for row in boards[0]] == [row["values"] for row in boards[1]]
    assert [row["method"] for row in boards[0]] == ["still-frame", "truth-late"]


@dataclass(frozen=True)
class Watched:
    """Notes when a task began and ended."""

    folder: Path

    def __call__(self, task: Task) -> Outcome:
        import time

        began = time.monotonic()
        time.sleep(0.3)
        name = f"{task.clip}-{task.codec}-{task.speech}"
        (self.folder / name).write_text(f"{began} {time.monotonic()}")
        return Outcome(task, self.folder / name)


@pytest.mark.slow
def test_tasks_of_one_model_come_one_after_another(toons, cluster, tmp_path):
    own = [Task("still-frame", toons, clip) for clip in ("anna", "bert")]
    tasks = own + [replace(t, codec="h264_q8") for t in own] + [replace(t, speech=Path("x.wav")) for t in own]
    done = list(RayEngine()(Watched(tmp_path), tasks))
    assert len(done) == 6
    for clip in ("anna", "bert"):
        times = sorted(tuple(map(float, path.read_text().split())) for path in tmp_path.glob(f"{clip}-*"))
        assert len(times) == 3 and all(before[1] <= after[0] for before, after in pairwise(times))


def where(task: Task, folder: Path) -> Outcome:
    """Notes the machine and takes a while, so that one worker cannot do all."""
    import time

    import ray

    time.sleep(1.0)
    (folder / task.clip).write_text(ray.get_runtime_context().get_node_id())
    return Outcome(task, folder / task.clip)


@pytest.mark.slow
def test_both_machines_work(toons, cluster, tmp_path):
    tasks = [Task("still-frame", toons, f"c{number}") for number in range(4)]
    done = list(RayEngine()(partial(where, folder=tmp_path), tasks))
    assert {outcome.task.clip for outcome in done} == {"c0", "c1", "c2", "c3"}
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 2


def mortal(task: Task, folder: Path, lives: int, places: Places) -> Outcome:
    """A worker that is killed half-way, `lives` times over."""
    deaths = len(list(folder.glob(f"{task.clip}-*")))
    if deaths < lives:
        from leaderboard.running.stages import STAGES, Run

        whole = Run(task, places)
        if "prepare" not in whole.stages:
            STAGES["prepare"](whole, lambda *_: None)
        (folder / f"{task.clip}-{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return run(task, places, isolated=False)


@pytest.mark.slow
@pytest.mark.fault
def test_a_lost_worker_is_replaced_and_goes_on_from_what_is_on_disk(toons, cluster, tmp_path):
    places = Places(tmp_path / "work", tmp_path / "results")
    (tmp_path / "deaths").mkdir()
    work = partial(mortal, folder=tmp_path / "deaths", lives=1, places=places)
    tasks = [task for task in tasks_of(toons) if task.method == "still-frame"]
    done = list(RayEngine()(work, tasks))
    assert all(outcome.record is not None and outcome.record.is_file() for outcome in done) and len(done) == 2
    assert len(list((tmp_path / "deaths").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.fault
def test_a_worker_that_always_dies_leaves_a_blank_cell(toons, cluster, tmp_path):
    places = Places(tmp_path / "work", tmp_path / "results")
    (tmp_path / "deaths").mkdir()
    (outcome,) = RayEngine()(partial(mortal, folder=tmp_path / "deaths", lives=9, places=places), tasks_of(toons)[:1])
    assert outcome.record is None and "lost 4 times" in outcome.reason and "\n" not in outcome.reason


@pytest.mark.slow
def test_a_task_that_fits_nowhere_is_refused(toons, cluster):
    with pytest.raises(ConfigError, match="fits no machine"):
        list(RayEngine(gpus=8)(run, tasks_of(toons)))


def test_without_ray_it_says_what_to_install(toons, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentMissing, match=r"requirements-ray\.txt"):
        list(RayEngine()(run, tasks_of(toons)))


def test_the_command_takes_the_engine(toons, tmp_path, monkeypatch, capsys):
    import sys

    from leaderboard.__main__ import main

    monkeypatch.setitem(sys.modules, "ray", None)
    places = ["--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    wish = ["--dataset", toons, "--methods", "still-frame", "--size", str(SIZE), "--device", "cpu"]
    assert main(["regenerate", *wish, "--engine", "ray", *places]) == 2
    assert "requirements-ray.txt" in capsys.readouterr().err
