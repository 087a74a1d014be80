"""Per-frame values of records, brought to common frames so that rows can be paired."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.metrics import cells
from leaderboard.records import read_record
from leaderboard.statistics import Comparison, Side, compare_all, on_common_frames


@dataclass(frozen=True)
class Entry:
    """A record, its per-frame values by cell [n], and its path from the results folder."""

    record: dict[str, Any]
    series: Mapping[str, np.ndarray]
    path: str

    @property
    def clip(self) -> str:
        return self.record["clip"]["id"]

    @property
    def stride(self) -> int:
        """Every how many frames of the performance were rendered."""
        return self.record["clip"].get("stride", 1)

    def values(self, key: str) -> np.ndarray | None:
        """Per frame, or the one number that the clip has, or None for a blank cell."""
        cell = self.record["metrics"].get(key)
        if cell is None or cell["status"] != "ok":
            return None
        return np.asarray(self.series[key]) if key in self.series else np.array([cell["value"]])

    def step(self, key: str) -> int:
        """Every how many frames of the performance a value stands for; 0 for a clip's one number."""
        return self.stride * self.record["metrics"][key]["stride"] if key in self.series else 0


def read_entry(path: Path, results: Path) -> Entry:
    """Raises ConfigError where the record is damaged."""
    record, series = read_record(path)
    return Entry(record, series, path.relative_to(results).as_posix())


def aligned(entries: Mapping[str, Entry], key: str) -> dict[str, np.ndarray]:
    """Values of one cell of one clip, by row, of the frames that all of the rows judged; blank ones are left out. None
    at all where the rows have none in common: see `other_frames`."""
    found = {row: values for row, entry in entries.items() if (values := entry.values(key)) is not None}
    if other_frames(entries.values(), key) is not None:
        return {}
    return on_common_frames({row: (values, entries[row].step(key)) for row, values in found.items()})[0]


def common_step(entries: Iterable[Entry], key: str) -> int:
    """Every how many frames of the performance all of them have a value; 0 for one number each."""
    steps = [entry.step(key) for entry in entries if entry.values(key) is not None]
    return math.lcm(*steps) if steps else 0


def other_frames(entries: Iterable[Entry], key: str) -> str | None:
    """Why values of one cell of one clip are not of the same frames, or None where they are."""
    used = [entry for entry in entries if entry.values(key) is not None]
    if len({entry.step(key) > 0 for entry in used}) > 1:
        return "some of its rows have no values per frame"
    strides = {entry.stride * entry.record["metrics"][key]["stride"] for entry in used if not entry.step(key)}
    return "its rows were judged on different frames" if len(strides) > 1 else None


def measured_by(cell: Mapping[str, Any]) -> str:
    """The implementation of a figure, and the weights that it had, where it has any."""
    weights = cell.get("weights_sha256")
    return cell["impl"] if weights is None else f"{cell['impl']}, weights {weights[:12]}"


def unlike(entries: Iterable[Entry], key: str) -> str | None:
    """Why the values of one cell of one clip do not compare, or None where they do."""
    used = [entry for entry in entries if entry.values(key) is not None]
    truths: dict[int, set[str]] = {}
    for entry in used:
        truth = entry.record["inputs"]["truth"]
        truths.setdefault(entry.stride, set()).add(truth["frame_md5"] if truth else "")
    if any(len(digests) > 1 for digests in truths.values()):
        return "its rows were compared with different truths"
    if len({measured_by(entry.record["metrics"][key]) for entry in used}) > 1:
        return "its rows were measured by different implementations, or with different weights"
    return other_frames(used, key)


@dataclass(frozen=True)
class Paired:
    """One figure of two rows over their common clips: both means, and the first less the second (of a figure with a
    target, of the distances from it), tested together with the other figures of the table."""

    key: str
    first: float
    second: float
    comparison: Comparison

    @property
    def better(self) -> str:
        """ "first" or "second" where the comparison claims a difference, else ""."""
        if not self.comparison.is_different:
            return ""
        is_higher_better = cells()[self.key][1].direction == "higher"
        return "first" if (self.comparison.difference > 0) == is_higher_better else "second"


def paired(
    first: Mapping[str, Entry], second: Mapping[str, Entry], keys: Iterable[str] | None = None, seed: int = 0
) -> list[Paired]:
    """Row A and row B, each given as clip to Entry, in every cell that both have; of `keys` where they are given."""
    sides: dict[str, tuple[Side, Side, int]] = {}
    means: dict[str, tuple[float, float]] = {}
    for key in cells() if keys is None else keys:
        one, other, steps = {}, {}, []
        for clip in sorted(set(first) & set(second)):
            both = {"first": first[clip], "second": second[clip]}
            values = aligned(both, key)
            if len(values) == 2:
                one[clip], other[clip] = values["first"], values["second"]
                steps.append(common_step(both.values(), key))
        if one:
            means[key] = _mean(one), _mean(other)
            sides[key] = _directed(key, one), _directed(key, other), min(filter(None, steps), default=1)
    return [Paired(key, *means[key], outcome) for key, outcome in compare_all(sides, seed).items()]


def _mean(side: Side) -> float:
    return float(np.mean([np.nanmean(values) for values in side.values()]))


def _directed(key: str, side: Side) -> Side:
    """Of a figure with a target the distance from it, clip by clip; others as they are."""
    figure = cells()[key][1]
    if figure.direction != "target":
        return side
    return {clip: np.array([figure.badness(float(np.nanmean(values)))]) for clip, values in side.items()}
