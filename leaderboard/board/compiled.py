"""All records compiled to one file, results/board.json, from which page and report are drawn: same records, same bytes.

A row is one method at one revision on one dataset under one protocol; its clips stand in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.board.placing import DIGITS, place_all
from leaderboard.board.reported import reported
from leaderboard.board.rows import Key, Row, read_rows
from leaderboard.board.series import Entry
from leaderboard.metrics import cells
from leaderboard.protocol import VERSION
from leaderboard.schema import validate
from leaderboard.statistics import clips_interval
from pgstalker import __version__
from pgstalker.errors import ConfigError
from pgstalker.files import replacing

SCHEMA, FILE = "pgstalker-board/1", "board.json"
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


def read_board(results: Path) -> dict[str, Any]:
    """The compiled board. Raises ConfigError where there is none, or it is damaged."""
    path = results / FILE
    try:
        board = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no {path}; python -m leaderboard report writes it") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}); python -m leaderboard report writes it anew") from None
    validate(board)
    return board


def compile_board(results: Path) -> dict[str, Any]:
    """The board (schema pgstalker-board/1) of the records below `results`. A damaged record is said and leaves its
    cells blank with the reason."""
    rows = read_rows(results)
    tables = {key: _row(key, row) for key, row in sorted(rows.items())}
    left_out, pairs = place_all(rows, tables)
    board = {
        "schema": SCHEMA,
        "generated_by": {"version": __version__},
        "protocols": _protocols(rows),
        "metrics": _metrics(),
        "rows": list(tables.values()),
        "left_out": left_out,
        "paired": pairs,
        "reported": reported(),
        "experiments": _experiments(results),
    }
    validate(board)
    return board


def _row(key: Key, row: Row) -> dict[str, Any]:
    method, revision, dataset, protocol = key
    about, entries = row.method, list(row.entries.values())
    title, kind = _declared(method, about)
    device, speed = _speed(entries)
    clips = [_clip(name, row) for name in sorted({*row.entries, *row.failures})]
    values, intervals = _means(row)
    return {
        "method": method,
        "variant": about.get("variant", ""),
        "title": title,
        "kind": kind,
        "source": "submitted" if entries and entries[0].path.startswith("submitted/") else "measured",
        "dataset": dataset,
        "protocol": protocol,
        "device": device,
        "preset": about.get("preset"),
        "size": about.get("size"),
        "seed": about.get("seed"),
        "revision": revision,
        "clips": clips,
        "values": values,
        "ci95": intervals,
        "ranks": {},
        "group_ranks": {},
        "overall": None,
        "overall_ci95": None,
        "speed": speed,
        "train_seconds": _mean([entry.record["method"].get("train_seconds") for entry in entries]),
        "train_peak_memory_mb": _most([entry.record["method"].get("train_peak_memory_mb") for entry in entries]),
        "gaussians": _mean([entry.record["method"].get("gaussians") for entry in entries], 0),
    }


def _declared(method: str, about: dict[str, Any]) -> tuple[str, str]:
    """(title, kind): as the record says, else as this program knows the method, else its id."""
    from leaderboard.running.references import REFERENCES
    from pgstalker.method import discover

    if "title" in about:
        return about["title"], about.get("kind", "external")
    if method in REFERENCES:
        return REFERENCES[method].title, "reference"
    return (discover()[method].title, discover()[method].kind) if method in discover() else (method, "external")


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


def device_of(record: dict[str, Any]) -> str:
    """The machine in words: the GPU where the frames were made on one, else processor and cores."""
    env = record["env"]
    on_gpu = str(record["method"].get("device") or env["device"]).startswith("cuda") and env["gpu"]
    return env["gpu"] if on_gpu else f"{env['cpu']}, {env['threads']} cores"


def _means(row: Row) -> tuple[dict[str, float | None], dict[str, list[float] | None]]:
    """Mean over clips of each cell and its interval; blank where any clip is."""
    values: dict[str, float | None] = dict.fromkeys(cells())
    intervals: dict[str, list[float] | None] = dict.fromkeys(cells())
    for key in cells():
        found = [row.entries[clip].values(key) for clip in sorted(row.entries)]
        series = [values for values in found if values is not None]
        if row.failures or not series or len(series) < len(found):
            continue
        stride = max(1, *(entry.step(key) for entry in row.entries.values()))
        mean, ci95 = clips_interval(series, stride)
        values[key] = round(mean, DIGITS)
        if len(series) == 1 and len(series[0]) == 1:
            intervals[key] = next(iter(row.entries.values())).record["metrics"][key]["ci95"]
        else:
            intervals[key] = None if ci95 is None else [round(bound, DIGITS) for bound in ci95]
    return values, intervals


def _speed(entries: list[Entry]) -> tuple[str | None, dict[str, float | None]]:
    """(device, figures) of the machine that most of the clips were made on: speeds of several are not mixed."""
    devices = Counter(device_of(entry.record) for entry in entries)
    device = min(devices, key=lambda name: (-devices[name], name)) if devices else None
    speeds = [entry.record["speed"] or {} for entry in entries if device_of(entry.record) == device]
    stages = [speed.get("stages", {}) for speed in speeds]
    return device, {
        "render_fps": _mean([stage.get("frame", {}).get("fps_median") for stage in stages]),
        "render_ms_p95": _mean([stage.get("frame", {}).get("ms_p95") for stage in stages]),
        "end_to_end_fps": _mean([stage.get("end_to_end", {}).get("fps_median") for stage in stages]),
        "first_frame_ms": _mean([speed.get("first_frame_ms") for speed in speeds]),
        "peak_memory_mb": _most([speed.get("peak_memory_mb") for speed in speeds]),
    }


def _mean(values: Iterable[float | None], digits: int = 2) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), digits) if known else None


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


# ---- what else the board holds


def _protocols(rows: dict[Key, Row]) -> dict[str, dict[str, Any]]:
    found = {key[3]: entry.record["protocol"] for key, row in sorted(rows.items()) for entry in row.entries.values()}
    missing = {key[3] for key in rows} - set(found)
    blank = {"version": VERSION, "setting": None, "composite": None, "codec": None}
    return dict(sorted((found | {name: {"id": name} | blank for name in missing}).items()))


def _metrics() -> dict[str, dict[str, Any]]:
    return {
        key: {
            "title": title_of(key),
            "unit": figure.unit,
            "direction": figure.direction,
            "target": figure.target,
            "group": figure.group,
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
