"""Intervals that hold what they say, tests that are fair, ranks that know ties."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard.board.ranking import Column, rank
from leaderboard.metrics.metric import Figure
from leaderboard.statistics import (
    _mean_draws,
    block_draws,
    block_length,
    clips_interval,
    compare,
    compare_all,
    holm,
    interval,
    least_clips,
    mean_interval,
    sign_flip_p,
    sign_flip_ps,
    widened,
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


def coverage(frames: int, block: int) -> float:
    held = [mean_interval(values, block, draws=400) for values in autoregressive(200, frames, 0.6)]
    return float(np.mean([low <= 0 <= high for low, high in held]))


@pytest.mark.parametrize("frames", [50, 100, 500])
def test_an_interval_of_dependent_frames_holds_the_truth_as_often_as_it_says(frames):
    assert 0.91 <= coverage(frames, block_length(frames)) <= 0.99


def test_frames_taken_for_independent_give_far_too_narrow_an_interval():
    assert coverage(500, 1) < 0.75


def test_an_interval_is_widened_by_hand():
    """Four blocks: 3.182 is Student's 97.5 % quantile of three degrees of freedom."""
    factor = 3.182 / 1.96 * np.sqrt(4 / 3)
    assert widened(10.0, (9.0, 12.0), 4) == pytest.approx((10 - factor, 10 + 2 * factor), rel=1e-3)
    assert widened(10.0, (9.0, 12.0), 1.5) is None


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
    few = [np.array([value]) for value in (1.0, 2.0, 6.0)]
    assert clips_interval(few) == (3.0, None), "three numbers tell nothing of other clips"
    assert clips_interval(few * 2)[1] is not None


def test_the_interval_over_six_clips_holds_the_truth():
    rng = np.random.default_rng(4)
    held = [clips_interval(list(rng.normal(size=(6, 1)) + 0.3 * rng.normal(size=(6, 40))), draws=300)[1]
            for _ in range(200)]  # fmt: skip
    assert 0.89 <= np.mean([low <= 0 <= high for low, high in held]) <= 0.99


def test_five_clips_cannot_be_tested_and_six_can():
    assert least_clips() == 6
    assert sign_flip_p(np.ones(5)) is None
    assert [least_clips(tested) for tested in (2, 4, 25)] == [7, 8, 10], "Holm asks for more"
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


def test_half_of_the_signs_are_enough():
    differences = np.random.default_rng(3).normal(0.4, 1, (20, 7))
    signs = np.array(np.meshgrid(*[[1, -1]] * 7)).reshape(7, -1)
    plain = np.mean(np.abs(differences @ signs) >= np.abs(differences.sum(1, keepdims=True)) - 1e-12, axis=1)
    np.testing.assert_allclose(sign_flip_ps(differences), plain)


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
    assert outcome.ci95[0] > 0 and outcome.is_different and outcome.scope == "clips"
    assert outcome.p == 2 / 64 and outcome.verdict == "different" and outcome.clips == 6
    few = compare(dict(list(better.items())[:3]), truth)
    assert few.p is None and few.scope == "frames"
    assert few.verdict == "not testable: 3 clips, 6 are the least; different on these frames"
    assert not compare(truth, truth).is_different
    one = {clip: np.array([value]) for clip, value in zip("abc", (1.0, 2.0, 3.0))}
    number = compare(one, {clip: np.zeros(1) for clip in one})
    assert number.ci95 is None and not number.is_different, "one number per clip, and three of them"
    with pytest.raises(ValueError, match="share no clip"):
        compare({"a": np.ones(3)}, {"b": np.ones(3)})


@pytest.mark.parametrize("clips", [1, 2, 3, 5])
@pytest.mark.parametrize("frames", [46, 98])
def test_where_nothing_differs_few_clips_seldom_claim_a_difference(clips, frames):
    """On these frames: at most one time in twenty."""
    zero = {str(clip): np.zeros(frames) for clip in range(clips)}
    found = [
        compare(dict(zip(zero, autoregressive(clips, frames, 0.6, seed))), zero).is_different for seed in range(120)
    ]
    assert np.mean(found) <= 0.085


@pytest.mark.parametrize("clips", [2, 3, 4, 5])
def test_few_clips_claim_nothing_of_other_clips(clips):
    """Each clip prefers one of the two methods by chance: on these frames that is so, of others nothing is said."""
    rng = np.random.default_rng(clips)
    for preference in rng.normal(0, 1, (20, clips)):
        sides = {str(i): value + 0.05 * rng.normal(size=40) for i, value in enumerate(preference)}
        outcome = compare(sides, {clip: np.zeros(40) for clip in sides})
        assert outcome.p is None and outcome.scope == "frames" and outcome.verdict.startswith("not testable")
        assert outcome.verdict != "different"
        numbers = {clip: values[:1] for clip, values in sides.items()}
        assert not compare(numbers, {clip: np.zeros(1) for clip in sides}).is_different


def test_chance_preferences_of_enough_clips_are_called_different_one_time_in_twenty():
    rng = np.random.default_rng(7)
    zero = {str(clip): np.zeros(1) for clip in range(8)}
    found = [compare({c: rng.normal(size=1) for c in zero}, zero).is_different for _ in range(300)]
    assert np.mean(found) <= 0.08


def test_the_verdict_is_the_corrected_one():
    clips = [f"c{i}" for i in range(7)]
    zero = {clip: np.zeros(1) for clip in clips}
    sure = {clip: np.array([1.0 + i]) for i, clip in enumerate(clips)}
    unsure = sure | {"c0": np.array([-1.0])}
    assert compare(unsure, zero).p == pytest.approx(4 / 128) and compare(unsure, zero).verdict == "different"
    both = compare_all({"sure": (sure, zero, 1), "unsure": (unsure, zero, 1), "flat": (zero, zero, 1)})
    assert both["sure"].p_holm == pytest.approx(6 / 128) and both["sure"].verdict == "different"
    assert both["unsure"].p_holm == pytest.approx(8 / 128) and both["unsure"].verdict == "no difference shown"
    four = compare_all({str(i): (sure, zero, 1) for i in range(4)})
    assert four["0"].verdict == "not testable: 7 clips, 8 are the least for 4 figures", "and one number per clip"


PSNR = Figure("psnr", "dB", "higher", (0, 100), "", group="fidelity")
OFFSET = Figure("offset", "frames", "target", (None, None), "", target=0.0, group="sync")


METHODS, CLIPS = ["good", "poor", "twin"], [f"c{i}" for i in range(6)]
OFFSETS = {"good": -1.0, "twin": 1.0, "poor": 0.0}


def table(clips: list[str] = CLIPS) -> dict[str, Column]:
    rng = np.random.default_rng(0)
    frames = {clip: rng.normal(30, 1, 50) for clip in clips}
    jitter = {clip: rng.normal(0, 0.3, 50) for clip in clips}
    psnr = {
        "good": {clip: values + 2 for clip, values in frames.items()},
        "twin": {clip: values + 2 + jitter[clip] - jitter[clip].mean() for clip, values in frames.items()},
        "poor": frames,
    }
    offset = {method: {clip: np.array([OFFSETS[method]]) for clip in clips} for method in METHODS}
    return {"psnr": Column(PSNR, "fidelity", psnr), "offset": Column(OFFSET, "sync", offset)}


def test_methods_that_do_not_differ_share_a_rank():
    ranking = rank(table(), METHODS, CLIPS)
    assert ranking.figures["psnr"] == {"good": 1, "twin": 1, "poor": 3} and ranking.scope == "clips"
    assert ranking.figures["offset"] == {"good": 2, "twin": 2, "poor": 1}  # one frame early is as bad as one late
    assert ranking.groups["fidelity"]["poor"] == 3 and ranking.groups["sync"]["poor"] == 1
    assert ranking.overall == {"good": 1.5, "twin": 1.5, "poor": 2}
    assert ranking.ci95["poor"] == (2, 2), "every draw of clips says the same"


def test_rank_intervals_take_the_same_clips_for_every_figure_and_know_ties():
    """Good is better by as much in both figures on four clips, and worse on two: a draw of clips moves both alike."""
    gains = dict(zip(CLIPS, (1.0, 1.2, 0.9, 1.1, -1.0, -1.2)))
    scores = {
        "a": {clip: np.full(30, 30 + gain) for clip, gain in gains.items()},
        "b": {clip: np.full(30, 30.0) for clip in CLIPS},
    }
    columns = {key: Column(PSNR, "fidelity", scores) for key in ("psnr", "again")}
    ranking = rank(columns, ["a", "b"], CLIPS)
    assert ranking.overall == {"a": 1, "b": 1}, "they tie"
    assert ranking.ci95["b"] == (1, 2) and set(ranking.ci95["a"]) <= {1, 2}, "never half of it"


def test_who_draws_few_frames_thins_nobody_else_s():
    rng = np.random.default_rng(2)
    frames = rng.normal(30, 1, 96)
    own = {"a": frames + 1 + rng.normal(0, 2.0, 96), "b": frames}
    both = {name: {"c0": values} for name, values in own.items()}
    strided = both | {"few": {"c0": frames[::8] - 5}}
    column = Column(PSNR, "fidelity", strided, {name: {"c0": 8 if name == "few" else 1} for name in strided})
    assert rank({"psnr": Column(PSNR, "fidelity", both)}, ["a", "b"], ["c0"]).figures["psnr"] == {"a": 1, "b": 2}
    assert rank({"psnr": column}, list(strided), ["c0"]).figures["psnr"] == {"a": 1, "b": 2, "few": 3}
    thinned = {name: {"c0": values["c0"][::8]} for name, values in both.items()}
    assert rank({"psnr": Column(PSNR, "fidelity", thinned)}, ["a", "b"], ["c0"]).figures["psnr"] == {"a": 1, "b": 1}
    ours, theirs, step = column.pair("a", "few")
    assert len(ours["c0"]) == len(theirs["c0"]) == 12 and step == 8


def test_few_clips_rank_on_their_frames_and_have_no_interval():
    ranking = rank(table(CLIPS[:3]), METHODS, CLIPS[:3])
    assert ranking.scope == "frames" and ranking.ci95 == {}
    assert ranking.figures == {"psnr": {"good": 1, "twin": 1, "poor": 3}}
    assert ranking.left_out == {"offset": "one number per clip, and 3 clips; 6 are the least to compare by"}


def test_a_figure_that_one_method_lacks_ranks_nobody():
    rows = table()
    del rows["psnr"].scores["twin"]
    del rows["offset"].scores["poor"]["c2"]
    ranking = rank(rows, METHODS, CLIPS)
    assert ranking.left_out == {"psnr": "twin has no value on every clip", "offset": "poor has no value on every clip"}
    assert ranking.figures == {} and ranking.overall == {} and ranking.ci95 == {}


@pytest.mark.parametrize(("entries", "block"), [(98, 25), (7, 3), (4, 1), (50, 50), (1, 1)])
def test_means_from_running_sums_are_those_of_the_drawn_entries(entries, block):
    values = np.random.default_rng(1).normal(35, 3, entries)
    if entries > 10:
        values[[3, 7, 8]] = np.nan
    fast = _mean_draws(values, block, 200, np.random.default_rng(5))
    plain = np.nanmean(values[block_draws(entries, block, 200, np.random.default_rng(5))], 1)
    np.testing.assert_allclose(fast, plain, rtol=1e-12)
