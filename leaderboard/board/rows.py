"""The board's rows as they lie on disk: records, and the notes of cells that stayed blank."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboard.board.series import Entry, read_entry
from leaderboard.protocol import VERSION
from leaderboard.records import FAILURE, KINDS
from leaderboard.schema import validate
from pgstalker.errors import ConfigError

log = logging.getLogger(__name__)
UNKNOWN = "unknown"
"""The protocol of a row none of whose clips came as far as to show its composite."""

AS_IT_IS = ("", "torso=gt")
"""The variants that a method's bare name means: what stands beside the head is its protocol's matter."""

Key = tuple[str, str, str, str]
"""Of a row: method, revision, dataset, protocol."""


@dataclass
class Row:
    """The clips of one row: scored ones, and the reasons of the others."""

    entries: dict[str, Entry] = field(default_factory=dict)
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def method(self) -> dict[str, Any]:
        """As the records, else the failures, name it."""
        first = min(self.entries) if self.entries else min(self.failures)
        return self.entries[first].record["method"] if self.entries else self.failures[first]["method"]

    @property
    def size(self) -> int | None:
        """Side of its pictures, px."""
        if not self.entries:
            return self.method.get("size")
        return self.entries[min(self.entries)].record["clip"]["size"][0]

    @property
    def source(self) -> str:
        """Where the board has it from: measured or submitted."""
        return (
            "submitted" if any(entry.path.startswith("submitted/") for entry in self.entries.values()) else "measured"
        )


def name_of(key: Key) -> str:
    return f"{key[0]} [{key[1]}]"


def declared(key: Key, row: Row) -> tuple[str, str]:
    """(title, kind) of a row: as its record says, else as this program knows the method, else its id."""
    from leaderboard.running.references import REFERENCES
    from pgstalker.method import discover

    about, method = row.method, key[0]
    if "title" in about:
        return about["title"], about.get("kind", "external")
    if method in REFERENCES:
        return REFERENCES[method].title, "reference"
    return (discover()[method].title, discover()[method].kind) if method in discover() else (method, "external")


def read_rows(results: Path, dataset: str = "*") -> dict[Key, Row]:
    """Every row of results/measured and results/submitted (or of one dataset), with the failures that lie there."""
    rows: dict[Key, Row] = {}
    failures: list[dict[str, Any]] = []
    for path in sorted(path for kind in KINDS for path in (results / kind).glob(f"*/*/{dataset}/*/*.json")):
        method, revision, dataset, clip = path.relative_to(results).parts[1:5]
        try:
            if path.name == FAILURE:
                failures.append(_read_failure(path))
                continue
            entry = read_entry(path, results)
            rows.setdefault((method, revision, dataset, path.stem), Row()).entries[clip] = entry
        except ConfigError as error:
            log.warning("%s", error)
            failures.append(_damaged(path, (method, revision, dataset, clip), error))
    for failure in failures:
        _place_failure(rows, failure)
    return rows


def _read_failure(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
        validate(content)
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}; run its cell again") from None
    return content


def _damaged(path: Path, place: tuple[str, ...], error: ConfigError) -> dict[str, Any]:
    """A failure in the place of a record that cannot be read."""
    method, revision, dataset, clip = place
    variant = revision.partition("+")[2]
    about = {"method": method, "revision": revision, "variant": variant, "preset": revision.partition("-")[0]}
    setting, _, codec = (
        path.stem.removesuffix(f"-v{VERSION}").split("-")[:3] if path.stem.count("-") >= 3 else ("",) * 3
    )
    reason = str(error).partition(": ")[2] or str(error)
    return {
        "reason": f"the record is damaged: {reason}",
        "setting": setting,
        "codec": codec,
        "protocol": path.stem if path.name != FAILURE else None,
        "method": about,
        "dataset": dataset,
        "clip": clip,
    }


def _place_failure(rows: dict[Key, Row], failure: dict[str, Any]) -> None:
    """Into the row that its method, revision and dataset have under the same setting and codec."""
    method, dataset = failure["method"], failure["dataset"]
    place = (method["method"], method["revision"], dataset)
    start, end = f"{failure['setting']}-", f"-{failure['codec']}-v{VERSION}"
    beside = [key for key in sorted(rows) if key[:3] == place and key[3].startswith(start) and key[3].endswith(end)]
    if any(failure["clip"] in rows[key].entries for key in beside):
        return  # it was scored before, and what went wrong later takes nothing from that
    key = (*place, failure.get("protocol") or (beside[0][3] if beside else UNKNOWN))
    about = {"id": method["method"], **method}
    rows.setdefault(key, Row()).failures.setdefault(failure["clip"], failure | {"method": about})
