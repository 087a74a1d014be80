"""Ranks inside groups of figures, with ties; no single weighted score.

In a figure, a method's rank is one more than the number of methods that are better than it beyond doubt: where the
interval of the paired difference holds 0, two methods tie. Figures of a group are averaged, then the groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from leaderboard.metrics.metric import Figure
from leaderboard.statistics import Interval, compare

DRAWS = 1000

Scores = Mapping[str, Mapping[str, np.ndarray]]
"""Of one figure: method to clip to per-frame series [n], or one entry."""


@dataclass(frozen=True)
class Ranking:
    """figures: figure to method to rank, 1 best. groups: group to method to mean rank. overall: method to mean over
    groups. ci95: method to the interval of `overall` when the clips are drawn anew. left_out: figure to the reason."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    overall: dict[str, float] = field(default_factory=dict)
    ci95: dict[str, Interval] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def rank(
    table: Mapping[str, Scores], figures: Mapping[str, Figure], groups: Mapping[str, str], seed: int = 0
) -> Ranking:
    """Rank methods. table: cell key to Scores; figures: cell key to its Figure; groups: cell key to group.

    A figure that a method lacks, or in which the methods share no clip, ranks nobody: left_out says so.
    """
    methods = sorted({method for scores in table.values() for method in scores})
    result = Ranking()
    usable: dict[str, Scores] = {}
    for key, scores in table.items():
        lacking = [method for method in methods if not scores.get(method)]
        common = set.intersection(*(set(scores[method]) for method in scores)) if not lacking and scores else set()
        if lacking:
            result.left_out[key] = f"{', '.join(lacking)} has no value"
        elif not common:
            result.left_out[key] = "the methods share no clip"
        else:
            usable[key] = {m: {clip: _badness(figures[key], scores[m][clip]) for clip in common} for m in methods}
    for key, scores in usable.items():
        result.figures[key] = _ranks(scores, methods, seed)
    result.groups.update(_grouped(result.figures, groups, methods))
    result.overall.update(_overall(result.groups, methods))
    result.ci95.update(_intervals(usable, groups, methods, seed))
    return result


def _badness(figure: Figure, series: np.ndarray) -> np.ndarray:
    """What is lower for the better: of a figure with a target, how far the clip's mean is from it."""
    series = np.asarray(series, np.float64)
    if figure.direction == "target":
        return np.array([abs(np.nanmean(series) - (figure.target or 0.0))])
    return -series if figure.direction == "higher" else series


def _ranks(scores: Scores, methods: list[str], seed: int) -> dict[str, float]:
    better_than: dict[str, int] = dict.fromkeys(methods, 0)
    for first, second in combinations(methods, 2):
        outcome = compare(scores[first], scores[second], seed=seed)
        if not outcome.is_tie:
            better_than[second if outcome.difference < 0 else first] += 1
    return {method: 1.0 + count for method, count in better_than.items()}


def _grouped(ranks: Mapping[str, Mapping[str, float]], groups: Mapping[str, str], methods: list[str]) -> dict:
    members = {group: [key for key in ranks if groups[key] == group] for group in dict.fromkeys(groups.values())}
    return {
        group: {method: float(np.mean([ranks[key][method] for key in keys])) for method in methods}
        for group, keys in members.items()
        if keys
    }


def _overall(grouped: Mapping[str, Mapping[str, float]], methods: list[str]) -> dict[str, float]:
    if not grouped:
        return {}
    return {method: float(np.mean([ranks[method] for ranks in grouped.values()])) for method in methods}


def _intervals(usable: Mapping[str, Scores], groups: Mapping[str, str], methods: list[str], seed: int) -> dict:
    """Rank intervals: clips are drawn anew, methods ordered by their plain means."""
    if not usable:
        return {}
    rng = np.random.default_rng(seed)
    drawn = np.zeros((DRAWS, len(methods)))
    names = list(dict.fromkeys(groups[key] for key in usable))
    for group in names:
        keys = [key for key in usable if groups[key] == group]
        for key in keys:
            clips = sorted(next(iter(usable[key].values())))
            means = np.array([[np.nanmean(usable[key][m][clip]) for clip in clips] for m in methods])
            sample = means[:, rng.integers(len(clips), size=(DRAWS, len(clips)))].mean(-1)
            places = 1 + (sample[None] < sample[:, None] - 1e-12).sum(1)
            drawn += places.T / (len(keys) * len(names))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {method: (float(low[i]), float(high[i])) for i, method in enumerate(methods)}
