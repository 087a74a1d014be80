"""Per-frame values of records, brought to common frames so that rows can be paired."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.metrics import cells
from leaderboard.records import read_record
from leaderboard.statistics import Comparison, compare, holm


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
    """Values of one cell of one clip, by row, of the frames that all of the rows judged; blank ones are left out."""
    found = {row: values for row, entry in entries.items() if (values := entry.values(key)) is not None}
    steps = {row: entries[row].step(key) for row in found}
    common = math.lcm(*(step for step in steps.values() if step)) if any(steps.values()) else 0
    thinned = {row: values[:: common // steps[row]] if steps[row] else values for row, values in found.items()}
    length = min(map(len, thinned.values()), default=0)
    return {row: values[:length] for row, values in thinned.items()}


@dataclass(frozen=True)
class Paired:
    """One figure of two rows over their common clips; holm is the p-value corrected over all figures of the table."""

    key: str
    comparison: Comparison
    holm: float | None


def paired(first: Mapping[str, Entry], second: Mapping[str, Entry], keys: tuple[str, ...] = ()) -> list[Paired]:
    """Row A less row B, each given as clip to Entry, in every cell that both have; all cells where none are named."""
    found: dict[str, Comparison] = {}
    for key in keys or tuple(cells()):
        both: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = {}, {}
        for clip in sorted(set(first) & set(second)):
            values = aligned({"first": first[clip], "second": second[clip]}, key)
            if len(values) == 2:
                both[0][clip], both[1][clip] = values["first"], values["second"]
        if both[0]:
            found[key] = compare(*both)
    corrected = holm({key: comparison.p for key, comparison in found.items()})
    return [Paired(key, comparison, corrected[key]) for key, comparison in found.items()]
