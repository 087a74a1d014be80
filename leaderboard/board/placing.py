"""Who is better: ranks of the board's rows, and our own method beside each of the others.

Rows are placed only among those of the same dataset, protocol and picture size; references and oracles, which know the
answer, never are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from leaderboard.board.ranking import rank
from leaderboard.board.rows import UNKNOWN, Key, Row
from leaderboard.board.series import Entry, Paired, aligned, paired
from leaderboard.metrics import Figure, cells

OWN = "pgstalker"
RANKED = ("gaussians", "nerf", "floor", "external")
DIGITS = 6


def place_all(
    rows: dict[Key, Row], tables: dict[Key, dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write ranks into the tables; returns which figures ranked nobody, and why, by dataset, protocol and size; and
    the paired comparisons of our own method with each of the others there."""
    groups: dict[tuple[str, str, int], list[Key]] = {}
    for key, table in tables.items():
        if table["kind"] in RANKED and rows[key].entries and key[3] != UNKNOWN:
            groups.setdefault((table["dataset"], table["protocol"], table["size"] or 0), []).append(key)
    left_out, pairs = [], []
    for (dataset, protocol, size), members in sorted(groups.items()):
        reasons = _rank_group({key: rows[key] for key in members}, tables)
        place = {"dataset": dataset, "protocol": protocol, "size": size or None}
        left_out += [place | {"cell": cell, "reason": reason} for cell, reason in sorted(reasons.items())]
        own = [key for key in members if key[0] == OWN and tables[key]["variant"] in ("", "torso=gt")]
        rivals = [(first, second) for first in own for second in members if first != second]
        pairs += [
            place | _outcome(first, second, line) for first, second in rivals for line in _lines(rows, first, second)
        ]
    return left_out, pairs


def _lines(rows: dict[Key, Row], first: Key, second: Key) -> list[Paired]:
    """Of the figures that rank, those without a target: their differences mean something."""
    keys = tuple(key for key, figure in _ranking_figures().items() if figure.direction != "target")
    sides = rows[first].entries, rows[second].entries
    common = sorted(set(sides[0]) & set(sides[1]))
    fit = tuple(key for key in keys if not any(_unlike([side[clip] for side in sides], key) for clip in common))
    return paired(*sides, fit)


def _outcome(first: Key, second: Key, line: Paired) -> dict[str, Any]:
    outcome = line.comparison
    return {
        "first": {"method": first[0], "revision": first[1]},
        "second": {"method": second[0], "revision": second[1]},
        "cell": line.key,
        "difference": round(outcome.difference, DIGITS),
        "ci95": None if outcome.ci95 is None else [round(bound, DIGITS) for bound in outcome.ci95],
        "clips": outcome.clips,
        "p": outcome.p,
        "p_holm": line.holm,
        "verdict": outcome.verdict,
    }


def _ranking_figures() -> dict[str, Figure]:
    """Whole frames only: the same figure in three regions would count three times."""
    return {key: figure for key, (_, figure, region) in cells().items() if figure.group and region == "full"}


def _rank_group(rows: dict[Key, Row], tables: dict[Key, dict[str, Any]]) -> dict[str, str]:
    names = {f"{key[0]} [{key[1]}]": key for key in rows}
    figures = _ranking_figures()
    groups = {key: str(figure.group) for key, figure in figures.items()}
    clips = sorted({clip for row in rows.values() for clip in row.entries})
    table: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    unlike: dict[str, str] = {}
    for key in figures:
        scores: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
        for clip in clips:
            entries = {name: rows[own].entries[clip] for name, own in names.items() if clip in rows[own].entries}
            if (reason := _unlike(entries.values(), key)) is not None:
                unlike[key] = f"{clip}: {reason}"
                continue
            for name, values in aligned(entries, key).items():
                scores[name][clip] = values
        table[key] = scores
    ranking = rank(table, figures, groups)
    for name, own in names.items():
        target = tables[own]
        target["ranks"] = {key: ranks[name] for key, ranks in ranking.figures.items()}
        target["group_ranks"] = {group: round(ranks[name], DIGITS) for group, ranks in ranking.groups.items()}
        target["overall"] = round(ranking.overall[name], DIGITS) if name in ranking.overall else None
        if name in ranking.ci95:
            target["overall_ci95"] = [round(bound, DIGITS) for bound in ranking.ci95[name]]
    return ranking.left_out | unlike


def _unlike(entries: Iterable[Entry], key: str) -> str | None:
    """Why the values of one cell of one clip do not compare, or None where they do."""
    used = [entry for entry in entries if entry.values(key) is not None]
    truths: dict[int, set[str]] = {}
    for entry in used:
        truth = entry.record["inputs"]["truth"]
        truths.setdefault(entry.stride, set()).add(truth["frame_md5"] if truth else "")
    if any(len(digests) > 1 for digests in truths.values()):
        return "its rows were compared with different truths"
    if len({entry.record["metrics"][key]["impl"] for entry in used}) > 1:
        return "its rows were measured by different implementations"
    return None
