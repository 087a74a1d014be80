"""Ranks inside groups of figures, with ties; no single weighted score.

In a figure, a method's rank is one more than the number of methods that are better than it: with enough clips by a
sign-flip test over clips at the 5 % level, each pair by itself; with fewer only on these frames, where the interval of
the paired difference over their blocks leaves out 0. All others tie. Figures of a group are averaged, then the groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from leaderboard.metrics.metric import Figure
from leaderboard.statistics import (
    ALPHA,
    Interval,
    Scope,
    Side,
    compare,
    counted,
    least_clips,
    on_common_frames,
    sign_flip_ps,
)

DRAWS = 1000
FLIPS = 2000

RANKS_MEAN = (
    "In each figure, a method's rank is one more than the number of methods that are better than it; the column `rank` "
    "is the mean over the groups of figures (fidelity, lips, sync, speed) that every ranked row has; what gives one "
    f"number for each clip, as speed does, enters from {least_clips()} clips on. Better means: a sign-flip test over "
    "clips says so at the 5 % level, each pair by itself. With fewer clips than that it means only: on these very "
    "frames the 95 % interval of the paired difference (block "
    "bootstrap over the frames of these clips) leaves out 0, which says nothing of other clips. All else ties, so that "
    "a slightly worse mean can share the best rank while a better one does not."
)


@dataclass(frozen=True)
class Column:
    """One figure of a table: its group, each method's values, and every how many frames of the performance one of them
    stands for, by method and clip; 1 where it is not named, 0 for a clip's one number."""

    figure: Figure
    group: str
    scores: Mapping[str, Side]
    steps: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def pair(self, first: str, second: str) -> tuple[Side, Side, int]:
        """Both methods' values on the frames that both have, so that who draws few frames thins nobody else's; and
        every how many frames that is."""
        own, other, steps = {}, {}, []
        for clip in self.scores[first].keys() & self.scores[second].keys():
            series = {m: (self.scores[m][clip], self.steps.get(m, {}).get(clip, 1)) for m in (first, second)}
            cut, step = on_common_frames(series)
            own[clip], other[clip] = cut[first], cut[second]
            steps.append(step)
        return own, other, min(filter(None, steps), default=1)


@dataclass(frozen=True)
class Ranking:
    """figures: figure to method to rank, 1 best. groups: group to method to mean rank. overall: method to mean over
    groups. ci95: method to the interval of `overall` when the clips are drawn anew, empty where they are too few.
    left_out: figure to the reason why it ranks nobody. scope: what "better" is about."""

    scope: Scope
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    overall: dict[str, float] = field(default_factory=dict)
    ci95: dict[str, Interval] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def rank(table: Mapping[str, Column], methods: list[str], clips: list[str], seed: int = 0) -> Ranking:
    """Rank the methods over the clips, all of which they share. table: key to Column.

    A figure that a method lacks on a clip ranks nobody, nor does one number per clip where clips are too few to tell
    anything by: left_out says so.
    """
    result = Ranking("clips" if len(clips) >= least_clips() else "frames")
    usable: dict[str, Column] = {}
    for key, column in table.items():
        if (reason := _why_not(column, methods, clips)) is not None:
            result.left_out[key] = reason
        else:
            scores = {m: {clip: _badness(column.figure, column.scores[m][clip]) for clip in clips} for m in methods}
            is_one_number = column.figure.direction == "target"
            steps = {m: dict.fromkeys(clips, 0) for m in methods} if is_one_number else column.steps
            usable[key] = Column(column.figure, column.group, scores, steps)
    for key, column in usable.items():
        result.figures[key] = _ranks(column, methods, seed)
    result.groups.update(_grouped(result.figures, usable, methods))
    result.overall.update(_overall(result.groups, methods))
    if result.scope == "clips" and result.overall:
        result.ci95.update(_intervals(usable, methods, clips, result.overall, seed))
    return result


def _why_not(column: Column, methods: list[str], clips: list[str]) -> str | None:
    lacking = [m for m in methods if not set(clips) <= set(column.scores.get(m, {}))]
    if not clips or len(lacking) == len(methods):
        return "no row has a value on every clip"
    if lacking:
        return f"{', '.join(lacking)} has no value on every clip"
    is_one_number = column.figure.direction == "target" or any(
        len(column.scores[m][c]) == 1 for m in methods for c in clips
    )
    if is_one_number and len(clips) < least_clips():
        return f"one number per clip, and {counted(len(clips))}; {least_clips()} are the least to compare by"
    return None


def _badness(figure: Figure, series: np.ndarray) -> np.ndarray:
    """What is lower for the better: of a figure with a target, how far the clip's mean is from it."""
    series = np.asarray(series, np.float64)
    if figure.direction == "target":
        return np.array([figure.badness(float(np.nanmean(series)))])
    return -series if figure.direction == "higher" else series


def _ranks(column: Column, methods: list[str], seed: int) -> dict[str, float]:
    better_than: dict[str, int] = dict.fromkeys(methods, 0)
    for first, second in combinations(methods, 2):
        outcome = compare(*column.pair(first, second), seed)
        if outcome.is_different:
            better_than[second if outcome.difference < 0 else first] += 1
    return {method: 1.0 + count for method, count in better_than.items()}


def _grouped(ranks: Mapping[str, Mapping[str, float]], table: Mapping[str, Column], methods: list[str]) -> dict:
    members: dict[str, list[str]] = {}
    for key in ranks:
        members.setdefault(table[key].group, []).append(key)
    return {
        group: {method: float(np.mean([ranks[key][method] for key in keys])) for method in methods}
        for group, keys in members.items()
    }


def _overall(grouped: Mapping[str, Mapping[str, float]], methods: list[str]) -> dict[str, float]:
    if not grouped:
        return {}
    return {method: float(np.mean([ranks[method] for ranks in grouped.values()])) for method in methods}


def _intervals(
    table: Mapping[str, Column], methods: list[str], clips: list[str], overall: Mapping[str, float], seed: int
) -> dict[str, Interval]:
    """95 % intervals of the overall ranks: each draw takes the clips anew, the same for all figures, and ranks as
    `_ranks` does; the ranks themselves are always within."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(clips), size=(DRAWS, len(clips)))
    by_group: dict[str, list[np.ndarray]] = {}
    for column in table.values():
        by_group.setdefault(column.group, []).append(_drawn_ranks(column, methods, clips, drawn, seed))
    replicates = np.mean([np.mean(ranks, axis=0) for ranks in by_group.values()], axis=0)
    low, high = np.percentile(replicates, [2.5, 97.5], axis=0)
    return {m: (min(float(low[i]), overall[m]), max(float(high[i]), overall[m])) for i, m in enumerate(methods)}


def _drawn_ranks(column: Column, methods: list[str], clips: list[str], drawn: np.ndarray, seed: int) -> np.ndarray:
    """Ranks [draws, methods] of one figure under drawn [draws, clips] clips."""
    ranks = np.ones((len(drawn), len(methods)))
    for (i, first), (j, second) in combinations(enumerate(methods), 2):
        own, other, _ = column.pair(first, second)
        differences = np.array([np.nanmean(own[clip] - other[clip]) for clip in clips])[drawn]
        is_different = sign_flip_ps(differences, seed, FLIPS) <= ALPHA
        is_lower = differences.mean(1) < 0
        ranks[:, i] += is_different & ~is_lower
        ranks[:, j] += is_different & is_lower
    return ranks
