"""Presets mean equal time: each method's table of steps is what was measured."""

import json
import threading
from pathlib import Path

import pytest

from benchmarks.convergence import curve, plot
from benchmarks.pace import PACEMAKER, Clock, Turns, added, matched
from pgstalker.method import TrainingRequest, discover, method
from pgstalker.presets import PRESETS

MEASURED = Path(__file__).parents[1] / "benchmarks" / "results" / "amd-epyc-2-cores" / "pace.json"
STEPS = json.loads(MEASURED.read_text())["steps"]


@pytest.mark.parametrize(("preset", "name"), [(p, n) for p in STEPS for n in STEPS[p]])
def test_tables_are_what_was_measured(preset, name):
    assert discover()[name].steps[preset] == pytest.approx(STEPS[preset][name], rel=0.1)


def test_every_learning_method_has_all_presets():
    learning = {name for name, method in discover().items() if method.kind in ("gaussians", "nerf")}
    assert learning == set(STEPS["quick"])
    assert all(list(discover()[name].steps) == list(PRESETS) for name in learning)


def test_steps_are_matched_by_the_seconds_that_they_take():
    paces = {
        PACEMAKER: {"seconds_per_step": 0.05, "fixed_seconds": 20.0},
        "slow": {"seconds_per_step": 0.5, "fixed_seconds": 2.0},
    }
    assert matched(paces, 1000) == {PACEMAKER: 1000, "slow": 150}  # 70 s in all, 68 of them in steps: 136


def test_a_run_of_some_methods_leaves_the_others():
    first = added({"runs": [], "steps": {}}, {"steps": {"quick": {"a": 100, "b": 200}}})
    second = added(first, {"steps": {"quick": {"b": 250}}})
    assert second["steps"] == {"quick": {"a": 100, "b": 250}} and len(second["runs"]) == 2


def test_a_clock_tells_steps_from_what_comes_once():
    clock = Clock(seconds=25.0, reports=[(10, 12.0), (110, 22.0)])
    assert clock.pace() == {"seconds_per_step": 0.1, "fixed_seconds": 14.0}


def test_turns_go_round_and_end():
    turns, order = Turns(["a", "b"]), []

    def play(name, rounds):
        turns.wait_for(name)
        for _ in range(rounds):
            order.append(name)
            turns.pass_on(name)
        turns.leave(name)

    players = [threading.Thread(target=play, args=("a", 2)), threading.Thread(target=play, args=("b", 4))]
    for player in players:
        player.start()
    for player in players:
        player.join(10)
    assert "".join(order) == "ababbb"


def test_a_curve_has_a_point_for_each_budget_and_is_drawn(tmp_path):
    from pgstalker.synthetic import make_subject

    folder = make_subject(tmp_path / "toon", seconds=2.0, size=64, seed=3)
    result = curve(method("talking-gaussian"), folder, TrainingRequest(size=64), [0.001, 0.002])
    steps = method("talking-gaussian").steps["quick"]
    assert [point["steps"] for point in result["points"]] == [round(steps * 0.001), round(steps * 0.002)]
    assert all(point["size"] == 64 and point["whole_db"] > 10 for point in result["points"])
    drawn = plot(result)
    assert drawn.startswith("<svg") and f"still frame {result['still_frame_db']:.2f}" in drawn
    assert f"{result['points'][1]['whole_db']:.2f}" in drawn
