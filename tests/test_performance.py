"""The bench: its rows, and the avatar of another size that it drives. No time is judged here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pgstalker.__main__ import main
from pgstalker.avatar import Avatar, held_still
from pgstalker.errors import ConfigError
from pgstalker.performance import BenchRequest, bench, moving, rescaled, summary, timed

KEYS = {"stage", "fps_median", "ms_p95", "batch", "gaussians", "size", "device", "threads", "versions", "avatar"}


@pytest.fixture
def folder(tiny_avatar, tmp_path):
    tiny_avatar.save(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.mark.parametrize(("size", "gaussians"), [(64, 210), (96, 700), (32, 100)])
def test_an_avatar_of_another_size_is_the_same_person(folder, size, gaussians):
    player = Avatar.load(folder).talker
    other = rescaled(player, size, gaussians)
    assert other.size == size and sum(other.config.counts.values()) == gaussians
    assert other.config.focal_px / size == pytest.approx(player.config.focal_px / player.size)
    drive = moving(Avatar.load(folder))[:1]
    (before,), (after,) = list(player.render(drive)), list(other.render(drive))
    index = np.arange(64) * size // 64
    assert np.abs(after[index][:, index].astype(int) - before).mean() < 20  # the picture's range is some 100
    if gaussians == 210 and size == 64:
        np.testing.assert_array_equal(before, after)


def test_a_still_drive_holds_head_and_shoulders(folder):
    drive = moving(Avatar.load(folder))
    held = held_still(drive)
    assert (
        len(held) == len(drive) and np.ptp(held.camera_from_head, axis=0).max() == 0 == np.ptp(held.torso, axis=0).max()
    )
    np.testing.assert_array_equal(held.audio, drive.audio)


def test_rows_say_what_was_measured(folder):
    request = BenchRequest(size=64, gaussians=300, stages=("render", "frame", "end_to_end"), seconds=0.01)
    rows = list(bench(folder, request))
    assert [row["stage"] for row in rows] == ["render", "frame", "frame", "end_to_end"]
    assert all(row.keys() >= KEYS and row["fps_median"] > 0 for row in rows)
    assert all((row["size"], row["gaussians"], row["device"]) == (64, 300, "cpu") for row in rows)
    assert all(row["calibration"]["gflops_per_core_best"] > 0 for row in rows[:3])
    assert rows[0]["times_fma_limit"] > 1 and rows[0]["times_faster_than_uncached"] > 0
    assert [row["still_pose"] for row in rows[1:3]] == [False, True]
    assert rows[3]["seconds"] > 0 and set(rows[3]["stage_seconds"]) == {"listen", "render", "encode"}


def test_the_command_writes_its_lines(folder, tmp_path, capsys):
    options = ["--size", "64", "--gaussians", "210", "--stages", "frame", "--seconds", "0.01"]
    assert main(["bench", str(folder), *options, "--out", str(tmp_path / "rows.jsonl")]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(printed) == 2


def test_an_unknown_stage_is_refused(folder):
    with pytest.raises(ConfigError, match="stage lunch is unknown"):
        next(bench(folder, BenchRequest(stages=("lunch",))))


def test_timing_takes_turns_and_sums_up():
    calls = []
    times = timed({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 0.0)
    assert calls[6:10] == ["a", "b", "a", "b"] and len(times["a"]) == len(times["b"]) == len(times["calibration"])
    row = summary(np.array([0.1, 0.2, 0.4]), None, batch=4)
    assert row == {"fps_median": 20.0, "ms_p95": pytest.approx(380.0), "batch": 4}


@pytest.mark.slow
def test_a_training_step_is_measured(folder):
    (row,) = bench(folder, BenchRequest(size=64, gaussians=300, stages=("train_step",), seconds=0.01))
    assert row["stage"] == "train_step" and row["fps_median"] > 0
