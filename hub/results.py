"""The compiled board as the page shows it: which rows, which columns, which marks. No gradio and no statistics here.

leaderboard/results/board.json -> Results -> rows -> table [pandas], exports, one row's evidence
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboard.board.reported import reported
from leaderboard.places import BOARD_PX, RESULTS, truth_video
from leaderboard.report.tables import composite_of, is_usual
from pgstalker.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger(__name__)
SCHEMA = "pgstalker-board/1"
OURS, ANCHORS = "pgstalker", ("floor", "oracle", "reference")
ARROWS = {"higher": "↑", "lower": "↓", "target": "→"}
NAMES = ("Method", "Dataset", "Protocol", "Device", "Source")
"""What tells one row from all others: the first two stand first in a table, the others last."""
BESIDE = "Beside the head"
MADE = {"Size": "size", "Preset": "preset", "Kind": "kind"}
GROUPS = {"fidelity": "Fidelity", "lip": "Lips", "sync": "Sync", None: "Other"}
FIRST = ("psnr", "ssim", "lpips", "lmd", "sync_confidence", "sync_distance")
SPEED = {"render_fps": "Frames/s drawn", "end_to_end_fps": "Frames/s in all", "first_frame_ms": "First frame, ms"}
COST = {"train_seconds": "Training, s", "train_peak_memory_mb": "Training, MB", "gaussians": "Gaussians"}
COLUMN_SETS = ("Fidelity", "Lips", "Sync", "Other", "Speed", "Cost")
FACETS = ("dataset", "setting", "composite", "protocol", "source", "device")

Row = dict[str, Any]


@dataclass(frozen=True)
class Clip:
    """What Compare can open: a clip of a dataset, and the rows that have a video of it in one picture size."""

    dataset: str
    clip: str
    size: int | None
    """Of the pictures, px; None where the rows do not say."""
    truth: Path | None
    videos: dict[str, Path] = field(default_factory=dict)
    records: dict[str, Path] = field(default_factory=dict)

    @property
    def id(self) -> str:
        size = "" if self.size in (None, BOARD_PX) else f", {self.size} px"
        return f"{self.dataset}/{self.clip}{size}"


class Results:
    """folder holds board.json, the records and the media that it names."""

    def __init__(self, folder: Path = RESULTS):
        self.folder = folder
        board = _read(folder / "board.json")
        self.is_compiled = board is not None
        board = board or {}
        self.metrics: dict[str, dict] = dict(sorted(board.get("metrics", {}).items(), key=_prominence))
        self.protocols: dict[str, dict] = board.get("protocols", {})
        self.rows: list[Row] = sorted(board.get("rows", []), key=self._standing)
        self.experiments: list[dict] = board.get("experiments", [])
        self.made_by: dict[str, Any] = board.get("generated_by", {})
        self.reported: list[dict] = board["reported"] if self.is_compiled else reported()

    # ---- choosing rows

    def facet(self, row: Row, name: str) -> str:
        """What a row says to one of FACETS; setting and composite are its protocol's."""
        if name in ("setting", "composite"):
            return self.protocols.get(row["protocol"], {}).get(name, "")
        return str(row.get(name) or "")

    def values(self, name: str) -> list[str]:
        return sorted({self.facet(row, name) for row in self.rows} - {""})

    def choose(self, wanted: dict[str, str | None], search: str = "") -> list[Row]:
        """Rows that agree with every facet in `wanted` (None or "" asks nothing) and hold every searched word."""
        words = search.lower().split()
        return [
            row
            for row in self.rows
            if all(not value or self.facet(row, name) == value for name, value in wanted.items())
            and all(word in " ".join(self.names(row)).lower() for word in words)
        ]

    def beside(self, row: Row) -> str:
        """What its protocol shows around the drawn head, in words; "unknown" for a protocol that is not declared."""
        return composite_of({"protocols": self.protocols}, row)

    def is_usual(self, row: Row) -> bool:
        """Said by the person's own sound, and compared losslessly."""
        return is_usual({"protocols": self.protocols}, row)

    def _standing(self, row: Row) -> tuple:
        """Methods before the floors and references beside them, rows of one table together, the usual ones and the
        best first."""
        overall = row.get("overall")
        return (
            row["dataset"],
            row["kind"] in ANCHORS,
            not self.is_usual(row),
            row["protocol"],
            row.get("size") or 0,
            overall is None,
            overall or 0.0,
            row["title"],
        )

    def names(self, row: Row) -> tuple[str, ...]:
        return (label(row), *(str(row[name.lower()]) for name in NAMES[1:]))

    # ---- tables

    def columns(self, sets: Iterable[str] = COLUMN_SETS) -> dict[str, tuple[str, str]]:
        """Column title to (where in the row, key), for the column sets asked for."""
        chosen = set(sets)
        found = {
            f"{metric['title']} {ARROWS[metric['direction']]}": ("values", key)
            for key, metric in self.metrics.items()
            if GROUPS.get(metric.get("group"), "Other") in chosen
        }
        if "Speed" in chosen:
            found |= {title: ("speed", key) for key, title in SPEED.items()}
        if "Cost" in chosen:
            found |= {title: ("", key) for key, title in COST.items()}
        return found

    def table(self, rows: list[Row], sets: Iterable[str] = COLUMN_SETS) -> pd.DataFrame:
        """One line per row: method, dataset, what is beside the head, rank, how many clips the figures are means over,
        figures as numbers (None where none is, columns without any left out), then the other NAMES and how it was
        made."""
        import pandas as pd

        columns = self.columns(sets)
        lines = []
        for row in rows:
            names = self.names(row)
            figures = (number(row, place) for place in columns.values())
            lines.append(
                [
                    *names[:2],
                    self.beside(row),
                    row.get("overall"),
                    row.get("clips_meant", len(row["clips"])),
                    *figures,
                    *names[2:],
                ]
                + [row.get(key) for key in MADE.values()]
            )
        table = pd.DataFrame(lines, columns=[*NAMES[:2], BESIDE, "Rank", "Clips", *columns, *NAMES[2:], *MADE])
        empty = [title for title in [*columns, *MADE] if table[title].isna().all()]
        return table.drop(columns=empty)

    def decimals(self, title: str) -> int:
        place = self.columns().get(title)
        if place is None:
            return 0 if title == "Clips" or title in MADE else 2
        return self.metrics[place[1]].get("decimals", 3) if place[0] == "values" else (1 if "fps" in place[1] else 0)

    def marks(self, rows: list[Row], table: pd.DataFrame) -> dict[tuple[int, str], str]:
        """(line, column) to "best" or "second", by the board's own ranks within a dataset, protocol and size: equal
        ranks are ties, and all who share one are marked."""
        found = {}
        for title, (place, key) in self.columns().items():
            if place != "values" or title not in table:
                continue
            for members in _groups(rows):
                ranks = {i: rows[i]["ranks"][key] for i in members if rows[i].get("ranks", {}).get(key) is not None}
                places = sorted(set(ranks.values()))[:2]
                for i, rank in ranks.items():
                    if rank in places and len(ranks) > 1:
                        found[i, title] = ("best", "second")[places.index(rank)]
        return found

    def best_first(self, title: str) -> str:
        """Which way a column is sorted so that its best comes first: "asc" or "desc"."""
        where, key = self.columns().get(title, ("", ""))
        is_higher_better = self.metrics[key]["direction"] == "higher" if where == "values" else key.endswith("fps")
        return "desc" if is_higher_better else "asc"

    # ---- evidence

    def record(self, clip: dict) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The record of one clip of a row and its per-frame values. Raises ConfigError where it is damaged."""
        from leaderboard.records import read_record

        return read_record(self.inside(clip["record"]))

    def media(self, clip: dict) -> Path | None:
        """The clip's video, where it ships."""
        path = self._file(clip.get("media"))
        return path if path is not None and path.is_file() else None

    def _file(self, relative: str | None) -> Path | None:
        """`inside` for what the page can do without: what leads out of the folder is left out with a warning."""
        try:
            return self.inside(relative) if relative else None
        except ConfigError as problem:
            log.warning("%s", problem)
            return None

    def inside(self, relative: str) -> Path:
        """A path within the results folder. Raises ConfigError for one that leads out of it."""
        path = (self.folder / relative).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ConfigError(f"{relative} leads out of {self.folder}; compile the board again")
        return path

    @cached_property
    def clips(self) -> dict[str, Clip]:
        """Clips of which at least one video ships, by id; the videos that one would compare first come first."""
        found: dict[str, Clip] = {}
        for row in sorted(self.rows, key=self._interest):
            for entry in row["clips"]:
                path, record = self.media(entry), self._file(entry["record"])
                if path is None or record is None:
                    continue
                truth = path.with_name(truth_video(row["size"]))
                clip = Clip(row["dataset"], entry["clip"], row["size"], truth if truth.is_file() else None)
                clip = found.setdefault(clip.id, clip)
                name = self.unique_name(row, clip)
                clip.videos[name], clip.records[name] = path, record
        return found

    def shown(self, entry: dict) -> tuple[Clip, str] | None:
        """Where Compare has the video of a clip of a row, and its name there; None where it does not ship."""
        record = self._file(entry["record"])
        places = ((clip, name) for clip in self.clips.values() for name in clip.records)
        return next(((clip, name) for clip, name in places if clip.records[name] == record), None)

    def _interest(self, row: Row) -> tuple:
        """Our best row, then those of others, then our other ones; what is unusual and what copies frames last."""
        is_own = row["method"] == OURS
        is_second = is_own and row is not next(
            one for one in self.rows if (one["method"], one["dataset"]) == (OURS, row["dataset"])
        )
        return row["kind"] in ANCHORS, not self.is_usual(row), is_second, not is_own

    def unique_name(self, row: Row, clip: Clip) -> str:
        """The row's label, with what tells it from another row of that label on this clip."""
        parts = [label(row), row["preset"], row["protocol"], row["revision"], row["method"]]
        names = (" · ".join(str(part) for part in parts[:count] if part) for count in range(1, len(parts) + 1))
        return next(name for name in names if name not in clip.videos)


def _read(path: Path) -> dict | None:
    """board.json, or None where nothing was compiled yet. Raises ConfigError for one that is not a board."""
    if not path.is_file():
        return None
    try:
        board = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}); run: python -m leaderboard report") from error
    if board.get("schema") != SCHEMA:
        raise ConfigError(f"{path} is {board.get('schema')}, not {SCHEMA}; run: python -m leaderboard report")
    return board


def _prominence(item: tuple[str, dict]) -> tuple:
    """Figures of the whole picture before those of a part, and PSNR, SSIM and LPIPS before those of our own making."""
    key, about = item
    group = list(GROUPS).index(about.get("group")) if about.get("group") in GROUPS else len(GROUPS)
    known = next((place for place, name in enumerate(FIRST) if key.startswith(name)), len(FIRST))
    return group, about.get("region", "full") != "full", known


def is_subdued(row: Row) -> bool:
    """Whether it stands beside the methods rather than among them: it is no method, or lacks some of the clips."""
    return row["kind"] in ANCHORS or not is_compared(row)


def is_compared(row: Row) -> bool:
    """Whether it has all clips of its table, so that its means compare."""
    return row.get("is_compared", True)


def label(row: Row) -> str:
    return f"{row['title']} ({row['variant']})" if row.get("variant") else row["title"]


def number(row: Row, place: tuple[str, str]) -> float | None:
    where, key = place
    return ((row.get(where) or {}) if where else row).get(key)


def _groups(rows: list[Row]) -> Iterator[list[int]]:
    """Lines that are ranked together."""
    found: dict[tuple, list[int]] = {}
    for i, row in enumerate(rows):
        found.setdefault((row["dataset"], row["protocol"], row.get("size")), []).append(i)
    yield from found.values()
