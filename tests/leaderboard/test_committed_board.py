"""The board that is committed, and which rows a board has."""

from __future__ import annotations

import json

import pytest

from leaderboard.records import read_record
from leaderboard.report import stale
from leaderboard.running import tasks
from leaderboard.running.regenerate import variants
from leaderboard.running.tasks import Places, Task
from leaderboard.running.verify import task_of
from pgstalker.method import method


def test_the_committed_report_is_what_the_records_give():
    assert stale(tasks.RESULTS) == [], "run: python -m leaderboard report"


def test_the_committed_board_shows_what_a_board_must():
    """Whatever learns beats the still frame on every clip, and Gaussians are drawn many times faster than rays."""
    rows = json.loads((tasks.RESULTS / "board.json").read_text())["rows"]
    clips = [(row, clip) for row in rows if "-lossless-" in row["protocol"] for clip in row["clips"] if clip["record"]]
    floor = {
        (row["dataset"], clip["clip"]): clip["values"]["psnr"] for row, clip in clips if row["method"] == "still-frame"
    }
    learnt = [(row, clip) for row, clip in clips if row["kind"] in ("gaussians", "nerf")]
    assert {clip["clip"] for _, clip in learnt} >= {"mira", "olu", "newsreader_20s", "wda_address_8s"}
    speeds: dict[tuple, dict[str, list[float]]] = {}
    for row, clip in learnt:
        place = row["dataset"], clip["clip"]
        if place in floor and clip["values"]["psnr"] is not None:
            assert clip["values"]["psnr"] > floor[place], (row["method"], place)
        record, _ = read_record(tasks.RESULTS / clip["record"])
        found = speeds.setdefault((*place, clip["device"]), {"gaussians": [], "nerf": []})
        found[row["kind"]].append(record["speed"]["stages"]["frame"]["fps_median"])
    for place, found in speeds.items():
        if found["nerf"]:
            assert min(found["gaussians"]) > 10 * max(found["nerf"]), place


def test_a_method_stands_on_the_board_with_its_own_hearing_and_with_the_other():
    found = {name: [dict(switches) for switches in variants(method(name))] for name in ("pgstalker", "er-nerf")}
    own, other = {"torso": "gt"}, {"torso": "gt", "audio_training": "end-to-end"}
    assert found == {"pgstalker": [own, {}, other], "er-nerf": [{}, {"audio_training": "two-stage"}]}
    assert variants(method("still-frame")) == [{}]


@pytest.mark.parametrize("more", [{}, {"gaussians": 900}, {"steps": 70, "gaussians": 900, "switches": {"torso": "gt"}}])
def test_a_record_names_the_task_that_made_it(more):
    task = Task("pgstalker", "presenters", "mira", device="cpu", **more)
    told = {"preset": "quick", "size": task.side, "seed": 0, "switches": task.switches, "device": "cpu"}
    record = {
        "method": {"id": "pgstalker", "revision": task.revision} | told,
        "clip": {"id": "mira", "dataset": "presenters"},
        "protocol": {"codec": "lossless"},
    }
    again = task_of(record, {})
    assert (again.place, again.request()) == (task.place, task.request())
    assert ("--gaussians 900" in task.command(Places())) == ("gaussians" in more)
