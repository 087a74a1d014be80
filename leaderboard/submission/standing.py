"""Where a submission would stand among the board's records: ranked anew, on the clips that it has."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.board.placing import RANKED
from leaderboard.board.ranking import Ranking, rank
from leaderboard.board.series import Entry, aligned, read_entry
from leaderboard.metrics import cells
from leaderboard.records import find_records
from pgstalker.errors import ConfigError
from pgstalker.method import discover

if TYPE_CHECKING:
    from leaderboard.submission.submit import Submission

log = logging.getLogger(__name__)

Group = tuple[str, str, str, int]
"""Who ranks together: dataset, protocol, device, side of the pictures in px."""


@dataclass
class Contender:
    """A method on some clips under one protocol."""

    method: str
    revision: str
    title: str
    kind: str
    source: str
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.method} {self.revision}"

    def values(self, clips: set[str]) -> dict[str, float | None]:
        """Of each figure the mean over clips of each one's mean; None where one of them has none."""
        found: dict[str, float | None] = {}
        for key in cells():
            held = [self.entries[clip].values(key) for clip in clips]
            if any(series is not None for series in held):
                means = [float(np.nanmean(series)) for series in held if series is not None]
                found[key] = float(np.mean(means)) if len(means) == len(clips) else None
        return found


def standing(submission: Submission, results: Path) -> list[dict[str, Any]]:
    """Rows, best first within each dataset, protocol, device and size: method, revision, title, kind, source, dataset,
    protocol, device, size, clips, values, ranks, group_ranks, overall. The submission's own row also has left_out:
    figures that could not be ranked, and why; they are in values all the same."""
    scored = [(one.place, one.record, one.series) for one in submission.scored]
    return standing_of(scored, submission.method, submission.run["revision"], results)


def standing_of(
    scored: Iterable[tuple[str, dict[str, Any], Mapping[str, np.ndarray]]],
    method: Mapping[str, Any],
    revision: str,
    results: Path,
) -> list[dict[str, Any]]:
    """The same for records that are not packed. scored: dataset/clip/protocol, record and per-frame values; method:
    its id, title and kind."""
    groups: dict[Group, Contender] = {}
    for place, record, series in scored:
        dataset, clip, protocol = place.split("/")
        group = dataset, protocol, record["env"]["device"], record["clip"]["size"][0]
        own = Contender(method["id"], revision, method["title"], method["kind"], "submitted")
        groups.setdefault(group, own).entries[clip] = Entry(record, series, place)
    rows = []
    for group, own in groups.items():
        rows += _rows(group, own, contenders(results, group))
    return rows


def contenders(results: Path, group: Group) -> list[Contender]:
    """Who ranks on the board there: references and oracles, which know the answer, do not. A damaged record is told
    and passed over."""
    dataset, protocol, device, size = group
    known = discover()
    found: dict[tuple[str, str], Contender] = {}
    for path in find_records(results, f"*/*/{dataset}/*/{protocol}"):
        method, revision, _, clip = path.relative_to(results).parts[1:5]
        try:
            entry = read_entry(path, results)
        except ConfigError as error:
            log.warning("%s", error)
            continue
        told = entry.record["method"]
        kind = told.get("kind") or (known[method].kind if method in known else "reference")
        title = told.get("title") or (known[method].title if method in known else method)
        here = entry.record["env"]["device"], entry.record["clip"]["size"][0]
        if kind in RANKED and here == (device, size):
            contender = Contender(method, revision, title, kind, entry.record["source"])
            found.setdefault((method, revision), contender).entries[clip] = entry
    return list(found.values())


def _rows(group: Group, own: Contender, others: list[Contender]) -> list[dict[str, Any]]:
    clips = set(own.entries)
    everybody = [own, *(other for other in others if clips <= set(other.entries) and other.name != own.name)]
    figures = {key: figure for key, (_, figure, region) in cells().items() if figure.group and region == "full"}
    table: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for key in figures:
        if all(own.entries[clip].values(key) is None for clip in clips):
            continue
        table[key] = {one.name: {} for one in everybody}
        for clip in clips:
            for name, series in aligned({one.name: one.entries[clip] for one in everybody}, key).items():
                table[key][name][clip] = series
    ranking = rank(table, figures, {key: str(figures[key].group) for key in table})
    rows = [_row(group, one, clips, ranking) for one in everybody]
    rows[0]["left_out"] = ranking.left_out
    worst = len(rows) + 1.0
    return sorted(rows, key=lambda row: (row["overall"] if row["overall"] is not None else worst, row["title"]))


def _row(group: Group, one: Contender, clips: set[str], ranking: Ranking) -> dict[str, Any]:
    dataset, protocol, device, size = group
    return {
        "method": one.method,
        "revision": one.revision,
        "title": one.title,
        "kind": one.kind,
        "source": one.source,
        "dataset": dataset,
        "protocol": protocol,
        "device": device,
        "size": size,
        "clips": sorted(clips),
        "values": one.values(clips),
        "ranks": {key: ranks[one.name] for key, ranks in ranking.figures.items()},
        "group_ranks": {name: ranks[one.name] for name, ranks in ranking.groups.items()},
        "overall": ranking.overall.get(one.name),
    }
