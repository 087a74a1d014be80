"""The figures of benchmarks/hearing.py: known answers, and the whole program on a tiny subject."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import hearing
from pgstalker.training.hearing import Hearing, folds


def test_closure_f1_counts_frames():
    true = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    assert hearing.closure_f1(true, true, 0.5) == 1
    assert hearing.closure_f1(1 - true, true, 0.5) == 0
    assert hearing.closure_f1(np.array([0.0, 0, 1, 1, 1, 1, 1, 0]), true, 0.5) == pytest.approx(2 * 2 / (3 + 4))
    assert hearing.closure_f1(true + 1, true + 1, 0.5) == 0
    assert hearing.closure_chance(true, true, 0.5) == 0.5


def test_chance_is_what_guessing_gives():
    rng = np.random.default_rng(0)
    guess, true = rng.random(20000), rng.random(20000)
    assert hearing.closure_f1(guess, true, 0.2) == pytest.approx(hearing.closure_chance(guess, true, 0.2), abs=0.02)


def test_intervals_hold_the_value_and_shrink_with_data():
    rng = np.random.default_rng(0)
    widths = []
    for count in (100, 3000):
        true = rng.normal(size=count)
        report = hearing.judge([true + rng.normal(size=count)], true, float(np.quantile(true, 0.2)))
        for name in ("r", "amplitude", "closure_f1"):
            low, high = report[f"{name}_interval"]
            assert low <= report[name] <= high
        assert report["r_interval"][0] <= 0.71 <= report["r_interval"][1]
        widths.append(np.ptp(report["r_interval"]))
    assert widths[1] < 0.4 * widths[0]


def test_no_fold_is_calibrated_on_itself():
    """Changing what the mouth did in one fold leaves that fold's own calibrated prediction as it was."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(200, 3)).astype(np.float32)
    heard = Hearing(None, (0.5 * codes + 0.3 * rng.normal(size=codes.shape)).astype(np.float32))
    before = hearing.cross_validated(heard, codes)
    low, high = folds(200)[1]
    codes[low:high] += 3
    after = hearing.cross_validated(heard, codes)
    np.testing.assert_array_equal(before[low:high], after[low:high])
    assert np.abs(before - after).max() > 0.1


def test_the_program_prints_one_line(tmp_path, monkeypatch, capsys):
    from pgstalker.synthetic import make_subject

    folder = make_subject(tmp_path / "toon", seconds=3.0, size=64, seed=3)
    monkeypatch.setattr("sys.argv", ["hearing.py", str(folder), "--seeds", "1", "--epochs", "2"])
    hearing.main()
    report = json.loads(capsys.readouterr().out)
    assert set(report["held_out"]) == {"own", "whole", "stream"}
    assert report["cross_validated"]["frames"] == 75 and report["look_ahead_ms"] == 115
    assert report["silence"]["silent_mean"] == report["silence"]["noisy_mean"] == report["silence"]["rest"]
