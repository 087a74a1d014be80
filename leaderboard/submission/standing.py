"""Where a submission would stand: the board's own tables and ranks, with it as one more row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.board.compiled import compiled_table
from leaderboard.board.placing import RANKED, tables_of
from leaderboard.board.rows import Key, Row, read_rows
from leaderboard.board.series import Entry

if TYPE_CHECKING:
    from leaderboard.submission.submit import Submission

Scored = tuple[str, dict[str, Any], Mapping[str, np.ndarray]]
"""dataset/clip/protocol, record, per-frame values."""


def standing(submission: Submission, results: Path) -> list[dict[str, Any]]:
    """The board's rows (schema pgstalker-board/1) of the tables that the submission stands in, best first, those that
    do not rank last; without references and oracles, which know the answer. Each also has is_own, and the submission's
    own left_out: which rows and figures of its table do not rank, and why."""
    scored = [(one.place, one.record, one.series) for one in submission.scored]
    own = _own_rows(scored, submission.method, submission.run["revision"])
    return _standing(own, _board_rows(own, results))


def standing_of(
    scored: Iterable[Scored], method: Mapping[str, Any], revision: str, results: Path
) -> list[dict[str, Any]]:
    """The same for records that are not packed, with the board cut to the clips that they are of. method: its id, title
    and kind."""
    own = _own_rows(scored, method, revision)
    clips = {(key[2], clip) for key, row in own.items() for clip in row.entries}
    cut = {
        key: Row({clip: entry for clip, entry in row.entries.items() if (key[2], clip) in clips})
        for key, row in _board_rows(own, results).items()
    }
    return _standing(own, {key: row for key, row in cut.items() if row.entries})


def _own_rows(scored: Iterable[Scored], method: Mapping[str, Any], revision: str) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for place, record, series in scored:
        dataset, clip, protocol = place.split("/")
        told = record | {"method": record["method"] | {name: method[name] for name in ("id", "title", "kind")}}
        row = found.setdefault((method["id"], revision, dataset, protocol), Row())
        row.entries[clip] = Entry(told, series, f"submitted/{place}")
    return found


def _board_rows(own: dict[Key, Row], results: Path) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for dataset in sorted({key[2] for key in own}):
        found |= read_rows(results, dataset)
    return found


def _standing(own: dict[Key, Row], others: dict[Key, Row]) -> list[dict[str, Any]]:
    found = []
    for place, table in tables_of(others | own).items():
        if not own.keys() & table.rows.keys():
            continue
        told = compiled_table(place, table)
        reasons = [f"{line['cell'] or line['row']}: {line['reason']}" for line in told.left_out]
        rows = [
            row | {"is_own": key in own} | ({"left_out": reasons} if key in own else {})
            for key, row in told.rows.items()
            if key in own or (row["kind"] in RANKED and table.rows[key].entries)
        ]
        found += sorted(rows, key=lambda row: (row["overall"] is None, row["overall"] or 0.0, row["title"]))
    return found
