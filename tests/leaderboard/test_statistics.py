"""Intervals that hold what they say, tests that are fair, ranks that know ties."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard.board.ranking import rank
from leaderboard.metrics.metric import Figure
from leaderboard.statistics import (
    _mean_draws,
    block_draws,
    block_length,
    clips_interval,
    compare,
    holm,
    interval,
    least_clips,
    mean_interval,
    sign_flip_p,
)


def autoregressive(series: int, length: int, phi: float, seed: int = 0) -> np.ndarray:
    """[series, length] with mean 0."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(series, length))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0] / np.sqrt(1 - phi**2)
    for t in range(1, length):
        values[:, t] = phi * values[:, t - 1] + noise[:, t]
    return values


def coverage(block: int) -> float:
    held = [mean_interval(values, block, draws=400) for values in autoregressive(200, 500, 0.6)]
    return float(np.mean([low <= 0 <= high for low, high in held]))


def test_an_interval_of_dependent_frames_holds_the_truth_as_often_as_it_says():
    assert 0.88 <= coverage(25) <= 0.99
    assert coverage(1) < 0.75  # frames taken for independent: far too narrow


def test_the_interval_of_a_mean_is_that_of_any_statistic():
    values = autoregressive(1, 200, 0.5)[0]
    low, high = mean_interval(values, 25, draws=2000)
    other = interval(200, lambda indices: float(values[indices].mean()), 25, draws=2000)
    assert (low, high) == pytest.approx(other, abs=1e-12)


def test_frames_without_a_value_are_left_out_of_the_interval():
    values = np.where(np.arange(100) % 3 == 0, np.nan, 5.0)
    assert mean_interval(values, 10) == (5.0, 5.0)
    assert mean_interval(np.full(10, np.nan), 2) is None


def test_blocks_are_consecutive_and_go_round():
    rows = block_draws(10, 4, 50, np.random.default_rng(0))
    assert rows.shape == (50, 10) and rows.min() == 0 and rows.max() == 9
    steps = np.diff(rows, axis=1) % 10
    assert (steps[:, [0, 1, 2, 4, 5, 6, 8]] == 1).all()


@pytest.mark.parametrize(("entries", "stride", "expected"), [(250, 1, 25), (50, 5, 5), (46, 1, 11), (3, 1, 1)])
def test_a_block_is_a_second_or_a_quarter_of_a_short_clip(entries, stride, expected):
    assert block_length(entries, stride) == expected


def test_clips_are_the_unit():
    rng = np.random.default_rng(0)
    clips = [rng.normal(mean, 1, 200) for mean in (0, 2, 4, 6, 8, 10)]
    mean, (low, high) = clips_interval(clips)
    assert mean == pytest.approx(5, abs=0.2)
    assert high - low > 4  # the clips differ far more than their frames
    assert clips_interval([np.array([3.0])]) == (3.0, None)
    _, (low, high) = clips_interval([clips[0]])
    assert low < 0.1 < high + 0.2 and high - low < 1


def test_five_clips_cannot_be_tested_and_six_can():
    assert least_clips() == 6
    assert sign_flip_p(np.ones(5)) is None
    assert sign_flip_p(np.ones(6)) == 2 / 64
    assert sign_flip_p(np.array([1.0, -1, 1, -1, 1, -1])) == 1


def test_p_values_of_no_difference_are_uniform():
    rng = np.random.default_rng(1)
    exact = np.array([sign_flip_p(rng.normal(size=8)) for _ in range(400)])
    assert np.mean(exact <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(exact <= 0.5) == pytest.approx(0.5, abs=0.08)
    many = rng.normal(size=20)
    assert sign_flip_p(many) == pytest.approx(sign_flip_p(-many), abs=0.02)
    assert sign_flip_p(many + 3) < 0.001


def test_holm_by_hand():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None})
    assert adjusted["a"] == pytest.approx(0.03)
    assert adjusted["c"] == pytest.approx(0.06) and adjusted["b"] == pytest.approx(0.06)
    assert adjusted["d"] is None
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_a_comparison_pairs_the_frames():
    """The clips are far apart, the methods differ by little: only the differences can tell."""
    rng = np.random.default_rng(2)
    truth = {f"clip{i}": 30 + 3 * i + rng.normal(0, 2, 100) for i in range(6)}
    better = {clip: values + 0.3 + rng.normal(0, 0.2, 100) for clip, values in truth.items()}
    outcome = compare(better, truth)
    assert outcome.difference == pytest.approx(0.3, abs=0.05)
    assert outcome.ci95[0] > 0 and not outcome.is_tie
    assert outcome.p == 2 / 64 and outcome.verdict == "different" and outcome.clips == 6
    few = compare(dict(list(better.items())[:3]), truth)
    assert few.p is None and few.verdict == "not testable: 3 clips, 6 are the least"
    assert compare(truth, truth).is_tie
    with pytest.raises(ValueError, match="share no clip"):
        compare({"a": np.ones(3)}, {"b": np.ones(3)})


PSNR = Figure("psnr", "dB", "higher", (0, 100), "", group="fidelity")
OFFSET = Figure("offset", "frames", "target", (None, None), "", target=0.0, group="sync")


def table() -> dict:
    rng = np.random.default_rng(0)
    clips = {f"c{i}": rng.normal(30, 1, 50) for i in range(6)}
    jitter = {clip: rng.normal(0, 0.3, 50) for clip in clips}
    psnr = {
        "good": {clip: values + 2 for clip, values in clips.items()},
        "twin": {clip: values + 2 + jitter[clip] - jitter[clip].mean() for clip, values in clips.items()},
        "poor": clips,
    }
    offset = {method: {clip: np.array([value]) for clip in clips} for method, value in psnr_offsets().items()}
    return {"psnr": psnr, "offset": offset}


def psnr_offsets() -> dict[str, float]:
    return {"good": -1.0, "twin": 1.0, "poor": 0.0}


def test_methods_that_do_not_differ_share_a_rank():
    ranking = rank(table(), {"psnr": PSNR, "offset": OFFSET}, {"psnr": "fidelity", "offset": "sync"})
    assert ranking.figures["psnr"] == {"good": 1, "twin": 1, "poor": 3}
    assert ranking.figures["offset"] == {"good": 2, "twin": 2, "poor": 1}  # one frame early is as bad as one late
    assert ranking.groups["fidelity"]["poor"] == 3 and ranking.groups["sync"]["poor"] == 1
    assert ranking.overall == {"good": 1.5, "twin": 1.5, "poor": 2}
    assert all(low <= high for low, high in ranking.ci95.values())


def test_a_figure_that_one_method_lacks_ranks_nobody():
    rows = table()
    del rows["psnr"]["twin"]
    ranking = rank(rows, {"psnr": PSNR, "offset": OFFSET}, {"psnr": "fidelity", "offset": "sync"})
    assert ranking.left_out == {"psnr": "twin has no value"} and "psnr" not in ranking.figures
    rows = table()
    rows["offset"]["poor"] = {"elsewhere": np.array([0.0])}
    assert rank(rows, {"psnr": PSNR, "offset": OFFSET}, {"psnr": "fidelity", "offset": "sync"}).left_out == {
        "offset": "the methods share no clip"
    }


def test_one_clip_ties_what_has_one_number():
    rows = {"offset": {m: {"only": np.array([v])} for m, v in {"a": 0.0, "b": 5.0}.items()}}
    assert rank(rows, {"offset": OFFSET}, {"offset": "sync"}).figures["offset"] == {"a": 1, "b": 1}


@pytest.mark.parametrize(("entries", "block"), [(98, 25), (7, 3), (4, 1), (50, 50), (1, 1)])
def test_means_from_running_sums_are_those_of_the_drawn_entries(entries, block):
    values = np.random.default_rng(1).normal(35, 3, entries)
    if entries > 10:
        values[[3, 7, 8]] = np.nan
    fast = _mean_draws(values, block, 200, np.random.default_rng(5))
    plain = np.nanmean(values[block_draws(entries, block, 200, np.random.default_rng(5))], 1)
    np.testing.assert_allclose(fast, plain, rtol=1e-12)
