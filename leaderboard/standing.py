"""Where a submission would stand among the board's records: ranked anew, on the clips that it has."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.metrics import cells
from leaderboard.ranking import Ranking, rank
from leaderboard.records import read_record
from pgstalker.errors import ConfigError
from pgstalker.method import discover

if TYPE_CHECKING:
    from leaderboard.submit import Submission

log = logging.getLogger(__name__)


@dataclass
class Contender:
    """A method on some clips under one protocol. scores: cell key to clip to series [n], or to one entry."""

    method: str
    revision: str
    title: str
    kind: str
    source: str
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    clips: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"{self.method} {self.revision}"

    def add(self, clip: str, record: Mapping[str, Any], series: Mapping[str, np.ndarray]) -> None:
        self.clips.add(clip)
        for key, cell in record["metrics"].items():
            if cell["status"] == "ok":
                self.scores.setdefault(key, {})[clip] = series.get(key, np.array([cell["value"]]))

    def value(self, key: str, clips: set[str]) -> float | None:
        """The mean over clips of each one's mean; None where one of them has none."""
        held = self.scores.get(key, {})
        return float(np.mean([np.nanmean(held[clip]) for clip in clips])) if clips <= set(held) else None


def standing(submission: Submission, results: Path) -> list[dict[str, Any]]:
    """Rows, best first within each dataset, protocol and device: method, revision, title, kind, source, dataset,
    protocol, device, clips, values, ranks, group_ranks, overall. The submission's own row also has left_out: figures
    that could not be ranked, and why; they are in values all the same."""
    scored = [(one.place, one.record, one.series) for one in submission.scored]
    return standing_of(scored, submission.method, submission.run["revision"], results)


def standing_of(
    scored: Iterable[tuple[str, Mapping[str, Any], Mapping[str, np.ndarray]]],
    method: Mapping[str, Any],
    revision: str,
    results: Path,
) -> list[dict[str, Any]]:
    """The same for records that are not packed. scored: dataset/clip/protocol, record and per-frame values; method:
    its id, title and kind."""
    groups: dict[tuple[str, str, str], Contender] = {}
    for place, record, series in scored:
        dataset, clip, protocol = place.split("/")
        group = dataset, protocol, record["env"]["device"]
        own = Contender(method["id"], revision, method["title"], method["kind"], "submitted")
        groups.setdefault(group, own).add(clip, record, series)
    rows = []
    for group, own in groups.items():
        rows += _rows(group, own, contenders(results, group))
    return rows


def contenders(results: Path, group: tuple[str, str, str]) -> list[Contender]:
    """Who is on the board for that dataset, protocol and device; a damaged record is told and passed over."""
    dataset, protocol, device = group
    known = discover()
    found: dict[tuple[str, str], Contender] = {}
    for path in sorted((results / "measured").glob(f"*/*/{dataset}/*/{protocol}.json")):
        method, revision, _, clip = path.relative_to(results / "measured").parts[:4]
        try:
            record, series = read_record(path)
        except ConfigError as error:
            log.warning("%s", error)
            continue
        if record["env"]["device"] != device:
            continue
        listed = known.get(method)
        title, kind = (listed.title, listed.kind) if listed else (method, "reference")
        contender = Contender(method, revision, title, kind, record["source"])
        found.setdefault((method, revision), contender).add(clip, record, series)
    return list(found.values())


def _rows(group: tuple[str, str, str], own: Contender, others: list[Contender]) -> list[dict[str, Any]]:
    rivals = [other for other in others if own.clips <= other.clips and other.name != own.name]
    everybody = [own, *rivals]
    figures = {key: figure for key, (_, figure, region) in cells().items() if figure.group and region == "full"}
    keys = [key for key in figures if key in own.scores]
    table = {
        key: {one.name: {clip: one.scores.get(key, {}).get(clip) for clip in own.clips} for one in everybody}
        for key in keys
    }
    whole = {
        key: {name: {c: s for c, s in clips.items() if s is not None} for name, clips in scores.items()}
        for key, scores in table.items()
    }
    ranking = rank(whole, figures, {key: str(figures[key].group) for key in keys})
    rows = [_row(group, one, own.clips, ranking) for one in everybody]
    rows[0]["left_out"] = ranking.left_out
    worst = len(rows) + 1.0
    return sorted(rows, key=lambda row: (row["overall"] if row["overall"] is not None else worst, row["title"]))


def _row(group: tuple[str, str, str], one: Contender, clips: set[str], ranking: Ranking) -> dict[str, Any]:
    dataset, protocol, device = group
    return {
        "method": one.method,
        "revision": one.revision,
        "title": one.title,
        "kind": one.kind,
        "source": one.source,
        "dataset": dataset,
        "protocol": protocol,
        "device": device,
        "clips": sorted(clips),
        "values": {key: one.value(key, clips) for key in one.scores},
        "ranks": {key: ranks[one.name] for key, ranks in ranking.figures.items()},
        "group_ranks": {name: ranks[one.name] for name, ranks in ranking.groups.items()},
        "overall": ranking.overall.get(one.name),
    }
