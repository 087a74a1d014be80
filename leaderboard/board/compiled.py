"""All records compiled to one file, results/board.json, from which page and report are drawn: same records, same bytes.

A row is one method at one revision on one dataset under one protocol; its clips stand in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.board.placing import Place, Table, pairs_of, rank_table, ranking_figures, tables_of
from leaderboard.board.ranking import Ranking
from leaderboard.board.reported import reported
from leaderboard.board.rows import Key, Row, declared, name_of, read_rows
from leaderboard.board.series import Paired
from leaderboard.board.speed import device_of, mean_of, most_of, speed_of
from leaderboard.metrics import cells
from leaderboard.protocol import VERSION
from leaderboard.records import within
from leaderboard.schema import validate
from leaderboard.statistics import Interval, Scope, clips_interval
from pgstalker import __version__
from pgstalker.errors import ConfigError
from pgstalker.files import replacing

SCHEMA, FILE = "pgstalker-board/1", "board.json"
DIGITS = 6
WORDS = {name.lower(): name for name in ("PSNR", "SSIM", "LPIPS", "LMD", "AUE", "FLIP", "F1")}
WORDS |= {"ms": "MS", "bs": "of blendshapes", "mp": "(MediaPipe)", "fan": "(FAN)", "openface": "(OpenFace)"}
WORDS |= {"av": "Sound and lips:", "norm": "/ eye distance"}
DECIMALS = {"dB": 2, "px": 2, "grey levels": 2, "frames": 1, "intensity^2": 2}


def write_board(results: Path) -> Path:
    """Compile and write results/board.json; the path."""
    path = results / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text_of(compile_board(results)), "utf-8")
    return path


def text_of(board: dict[str, Any]) -> str:
    return json.dumps(board, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def compile_board(results: Path) -> dict[str, Any]:
    """The board (schema pgstalker-board/1) of the records below `results`. A damaged record is said and leaves its
    cells blank with the reason."""
    rows = read_rows(results)
    lines: dict[Key, dict[str, Any]] = {}
    tables, left_out, pairs = [], [], []
    for place, table in tables_of(rows).items():
        told = compiled_table(place, table)
        lines |= told.rows
        left_out += told.left_out
        about: dict[str, Any] = {"dataset": place[0], "protocol": place[1], "size": place[2] or None}
        tables.append(about | {"clips": table.clips, "scope": told.scope, "ranked": len(table.ranked)})
        pairs += [about | _outcome(*pair) for pair in pairs_of(table)]
    board = {
        "schema": SCHEMA,
        "generated_by": {"version": __version__},
        "protocols": _protocols(rows),
        "metrics": _metrics(),
        "rows": [lines[key] for key in sorted(lines)],
        "tables": tables,
        "left_out": left_out,
        "paired": pairs,
        "reported": reported(),
        "experiments": _experiments(results),
    }
    validate(board)
    return board


@dataclass(frozen=True)
class Told:
    """A table as the board holds it: its rows with their ranks, and which rows and figures do not rank, and why."""

    rows: dict[Key, dict[str, Any]]
    left_out: list[dict[str, Any]]
    scope: Scope


def compiled_table(place: Place, table: Table) -> Told:
    """The board's rows of one place, ranked among each other."""
    ranking = rank_table(table)
    rows = {key: _row(key, row, table) for key, row in table.rows.items()}
    for key in table.ranked:
        rows[key] |= _standing(ranking, name_of(key))
    about = {"dataset": place[0], "protocol": place[1], "size": place[2] or None}
    left_out = [about | {"row": name_of(key), "cell": None, "reason": why} for key, why in table.unranked.items()]
    if table.ranked:
        left_out += [about | {"row": None, "cell": key, "reason": why} for key, why in ranking.left_out.items()]
    return Told(rows, left_out, ranking.scope)


def _standing(ranking: Ranking, name: str) -> dict[str, Any]:
    return {
        "ranks": {key: ranks[name] for key, ranks in ranking.figures.items()},
        "group_ranks": {group: round(ranks[name], DIGITS) for group, ranks in ranking.groups.items()},
        "overall": round(ranking.overall[name], DIGITS) if name in ranking.overall else None,
        "overall_ci95": _rounded(ranking.ci95.get(name)),
    }


def _rounded(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(bound, DIGITS) for bound in interval]


def _outcome(first: Key, second: Key, line: Paired) -> dict[str, Any]:
    outcome = line.comparison
    return {
        "first": {"method": first[0], "revision": first[1]},
        "second": {"method": second[0], "revision": second[1]},
        "cell": line.key,
        "difference": round(outcome.difference, DIGITS),
        "ci95": _rounded(outcome.ci95),
        "clips": outcome.clips,
        "p": outcome.p,
        "p_holm": outcome.p_holm,
        "verdict": outcome.verdict,
    }


def _row(key: Key, row: Row, table: Table) -> dict[str, Any]:
    method, revision, dataset, protocol = key
    about = row.method
    title, kind = declared(key, row)
    meant = table.clips if table.is_whole(key) else sorted(row.entries)
    entries = [row.entries[clip] for clip in meant]
    device, speed = speed_of(entries)
    values, intervals = _means(row, meant)
    return {
        "method": method,
        "variant": about.get("variant", ""),
        "title": title,
        "kind": kind,
        "source": row.source,
        "dataset": dataset,
        "protocol": protocol,
        "device": device,
        "preset": about.get("preset"),
        "size": row.size,
        "seed": about.get("seed"),
        "revision": revision,
        "clips": [_clip(name, row) for name in sorted({*row.entries, *row.failures})],
        "is_compared": table.is_whole(key),
        "clips_meant": len(meant),
        "values": values,
        "ci95": intervals,
        "ranks": {},
        "group_ranks": {},
        "overall": None,
        "overall_ci95": None,
        "speed": speed,
        "train_seconds": mean_of(entry.record["method"].get("train_seconds") for entry in entries),
        "train_peak_memory_mb": most_of(entry.record["method"].get("train_peak_memory_mb") for entry in entries),
        "gaussians": mean_of((entry.record["method"].get("gaussians") for entry in entries), 0),
    }


def _clip(name: str, row: Row) -> dict[str, Any]:
    if name not in row.entries:
        failure = row.failures[name]
        reasons = dict.fromkeys(cells(), failure["reason"])
        blank: dict[str, Any] = {"clip": name, "values": dict.fromkeys(cells()), "reasons": reasons, "ci95": {}}
        return blank | {"record": None, "media": None, "frames": 0, "stride": 1, "device": None, "warnings": []}
    entry = row.entries[name]
    record = entry.record
    found = {key: record["metrics"].get(key) for key in cells()}
    values = {key: None if cell is None else cell["value"] for key, cell in found.items()}
    reasons = {
        key: "scored before this metric was there" if cell is None else cell["reason"]
        for key, cell in found.items()
        if cell is None or cell["status"] != "ok"
    }
    return {
        "clip": name,
        "values": values,
        "reasons": reasons,
        "ci95": {key: None if cell is None else cell["ci95"] for key, cell in found.items()},
        "record": entry.path,
        "media": record["clip"].get("media"),
        "frames": record["counts"]["n_used"],
        "stride": entry.stride,
        "device": device_of(record),
        "warnings": record["warnings"],
    }


def _means(row: Row, clips: list[str]) -> tuple[dict[str, float | None], dict[str, list[float] | None]]:
    """Mean over these clips of each cell and its interval; blank where any clip is."""
    values: dict[str, float | None] = dict.fromkeys(cells())
    intervals: dict[str, list[float] | None] = dict.fromkeys(cells())
    entries = [row.entries[clip] for clip in clips]
    for key, (_, figure, _) in cells().items():
        found = [entry.values(key) for entry in entries]
        series = [values for values in found if values is not None]
        if not series or len(series) < len(found):
            continue
        steps = filter(None, (entry.step(key) for entry in entries))
        mean, ci95 = clips_interval(series, min(steps, default=1))
        values[key] = round(mean, DIGITS)
        if len(series) == 1 and len(series[0]) == 1:
            intervals[key] = entries[0].record["metrics"][key]["ci95"]
        else:
            intervals[key] = None if ci95 is None else _rounded(within(figure, ci95))
    return values, intervals


# ---- what else the board holds


def _protocols(rows: dict[Key, Row]) -> dict[str, dict[str, Any]]:
    found = {key[3]: entry.record["protocol"] for key, row in sorted(rows.items()) for entry in row.entries.values()}
    missing = {key[3] for key in rows} - set(found)
    blank = {"version": VERSION, "setting": None, "composite": None, "codec": None}
    return dict(sorted((found | {name: {"id": name} | blank for name in missing}).items()))


def _metrics() -> dict[str, dict[str, Any]]:
    ranking = ranking_figures()
    return {
        key: {
            "title": title_of(key),
            "unit": figure.unit,
            "direction": figure.direction,
            "target": figure.target,
            "group": ranking.get(key, figure).group,
            "region": region,
            "meaning": figure.meaning,
            "decimals": DECIMALS.get(figure.unit, 4 if not figure.unit else 3),
            "compares_with_papers": figure.compares_with_papers and region == "full",
            "stride": metric.stride,
            "reference": metric.reference,
        }
        for key, (metric, figure, region) in cells().items()
    }


def title_of(key: str) -> str:
    """A cell's name for people: ms_ssim_face is MS SSIM face, lmd_mp is LMD (MediaPipe)."""
    words = " ".join(WORDS.get(word, word) for word in key.split("_"))
    return words[:1].upper() + words[1:]


def _experiments(results: Path) -> list[dict[str, Any]]:
    """Each results/experiments/<id>.json: id, title, question, table (a list of flat objects), plot (a path)."""
    found = []
    for path in sorted((results / "experiments").glob("*.json")):
        try:
            found.append(json.loads(path.read_text("utf-8")))
        except ValueError as error:
            raise ConfigError(f"{path} is no JSON ({error}); run the experiment again") from None
    return found
