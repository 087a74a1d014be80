"""Who is better: ranks of the board's rows, and our own method beside each of the others.

Rows are placed only among those of the same dataset, protocol and picture size; references and oracles, which know the
answer, never are, nor is a row that lacks some of its table's clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from leaderboard.board.ranking import Column, Ranking, rank
from leaderboard.board.rows import AS_IT_IS, UNKNOWN, Key, Row, declared, name_of
from leaderboard.board.series import Paired, paired, unlike
from leaderboard.board.speed import GROUP, SPEED, device_of, fps_of
from leaderboard.metrics import Figure, cells

OWN = "pgstalker"
OF_LIPS = ("psnr_mouth",)
RANKED = ("gaussians", "nerf", "floor", "external")

Place = tuple[str, str, int]
"""What compares: dataset, protocol, picture size in px (0 where nothing was scored)."""


@dataclass
class Table:
    """The rows of one place. clips: those that its rows are compared on; ranked: who ranks; unranked: row to the reason
    why one that could rank does not."""

    rows: dict[Key, Row] = field(default_factory=dict)
    clips: list[str] = field(default_factory=list)
    ranked: list[Key] = field(default_factory=list)
    unranked: dict[Key, str] = field(default_factory=dict)

    def is_whole(self, key: Key) -> bool:
        """Whether a row has all of the table's clips: only then do its means compare."""
        return bool(self.clips) and set(self.clips) <= set(self.rows[key].entries)


def tables_of(rows: dict[Key, Row]) -> dict[Place, Table]:
    """The rows by place; a table's clips are those that most of the methods that could rank share."""
    found: dict[Place, Table] = {}
    for key, row in sorted(rows.items()):
        found.setdefault((key[2], key[3], row.size or 0), Table()).rows[key] = row
    for place, table in found.items():
        scored = [key for key, row in table.rows.items() if row.entries]
        able = [key for key in scored if declared(key, table.rows[key])[1] in RANKED and place[1] != UNKNOWN]
        table.clips = _shared({key: table.rows[key] for key in able or scored})
        table.ranked = [key for key in able if table.is_whole(key)]
        for key in able:
            lacking = sorted(set(table.clips) - set(table.rows[key].entries))
            if lacking:
                table.unranked[key] = f"it lacks {', '.join(lacking)}, so that its means do not compare"
        _set_apart(table)
        if len(table.ranked) == 1:
            table.unranked[table.ranked.pop()] = f"nobody else has {', '.join(table.clips)}"
    return dict(sorted(found.items()))


def _set_apart(table: Table) -> None:
    """A submitted row that lacks a figure of the others, or was judged otherwise, ranks nowhere: it must not take that
    figure from everybody's ranks."""
    submitted = [key for key in table.ranked if table.rows[key].source == "submitted"]
    others = [table.rows[key] for key in table.ranked if key not in submitted]
    for key in submitted if others else ():
        if (why := _apart(table.rows[key], others, table.clips)) is not None:
            table.ranked.remove(key)
            table.unranked[key] = why


def _apart(row: Row, others: list[Row], clips: list[str]) -> str | None:
    for figure in ranking_figures():
        for clip in clips:
            own, theirs = row.entries[clip], [other.entries[clip] for other in others]
            if any(entry.values(figure) is None for entry in theirs) or unlike(theirs, figure) is not None:
                break  # it ranks nobody anyway
            if own.values(figure) is None:
                return f"it has no {figure} of {clip}, as every row made here has"
            if (why := unlike([own, *theirs], figure)) is not None:
                return f"{figure} of {clip}: {why}"
    return None


def _shared(rows: dict[Key, Row]) -> list[str]:
    """The largest set of clips that more than half of the methods have; where there is none, that of the most methods.

    Methods count, not rows, and most of them, so that neither a variant on one clip nor a few methods on many move the
    others out of the comparison."""
    methods = {key[0] for key in rows}
    sets: set[frozenset[str]] = {frozenset(row.entries) for row in rows.values()}
    while more := {one & other for one in sets for other in sets} - sets - {frozenset()}:
        sets |= more
    held: dict[tuple[str, ...], int] = {}
    for clips in sets:
        held[tuple(sorted(clips))] = len({key[0] for key, row in rows.items() if clips <= set(row.entries)})
    shared = {clips: count for clips, count in held.items() if 2 * count > len(methods)}
    best: tuple[str, ...] = ()
    if shared:
        best = min(shared, key=lambda clips: (-len(clips), -held[clips], clips))
    elif held:
        best = min(held, key=lambda clips: (-held[clips], -len(clips), clips))
    return list(best)


def rank_table(table: Table) -> Ranking:
    """Ranks by name_of a row."""
    rows = {name_of(key): table.rows[key] for key in table.ranked}
    columns, unlike_ones = {}, {}
    for key, figure in ranking_figures().items():
        reasons = (
            f"{clip}: {reason}"
            for clip in table.clips
            if (reason := unlike([row.entries[clip] for row in rows.values()], key)) is not None
        )
        if (reason := next(reasons, None)) is not None:
            unlike_ones[key] = reason
        else:
            columns[key] = _column(key, figure, rows, table.clips)
    if len({device_of(row.entries[clip].record) for row in rows.values() for clip in table.clips}) > 1:
        unlike_ones[SPEED.id] = "its rows were timed on several machines"
    else:
        columns[SPEED.id] = _speeds(table)
    ranking = rank(columns, list(rows), table.clips)
    ranking.left_out.update(unlike_ones)
    return ranking


def ranking_figures() -> dict[str, Figure]:
    """Of whole frames, since the same figure in three regions would count three times; and how the mouth looks, which
    is the lips' matter."""
    whole = {key: figure for key, (_, figure, region) in cells().items() if figure.group and region == "full"}
    return whole | {key: replace(cells()[key][1], group="lip") for key in OF_LIPS}


def _column(key: str, figure: Figure, rows: dict[str, Row], clips: list[str]) -> Column:
    scores: dict[str, dict[str, np.ndarray]] = {name: {} for name in rows}
    steps: dict[str, dict[str, int]] = {name: {} for name in rows}
    for name, row in rows.items():
        for clip in clips:
            if (values := row.entries[clip].values(key)) is not None:
                scores[name][clip], steps[name][clip] = values, row.entries[clip].step(key)
    return Column(figure, str(figure.group), scores, steps)


def _speeds(table: Table) -> Column:
    """Floors draw nothing and have no speed."""
    scores: dict[str, dict[str, np.ndarray]] = {}
    for key in table.ranked:
        is_drawn = declared(key, table.rows[key])[1] != "floor"
        found = {clip: fps_of(table.rows[key].entries[clip].record) if is_drawn else None for clip in table.clips}
        scores[name_of(key)] = {clip: np.array([fps]) for clip, fps in found.items() if fps is not None}
    return Column(SPEED, GROUP, scores)


def pairs_of(table: Table) -> Iterator[tuple[Key, Key, Paired]]:
    """Our own method with each of the others, over the clips that both have, in the figures that rank and have no
    target: their differences mean something."""
    able = [*table.ranked, *table.unranked]
    own = [key for key in able if key[0] == OWN and table.rows[key].method.get("variant", "") in AS_IT_IS]
    keys = [key for key, figure in ranking_figures().items() if figure.direction != "target"]
    for first in sorted(own):
        for second in sorted(set(able) - {first}):
            sides = table.rows[first].entries, table.rows[second].entries
            common = sorted(set(sides[0]) & set(sides[1]))
            fit = [key for key in keys if not any(unlike([side[clip] for side in sides], key) for clip in common)]
            for line in paired(*sides, fit):
                yield first, second, line
