"""One result on disk: a JSON record that the schema describes, and per-frame values in an .npz beside it."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.metrics import cells
from leaderboard.metrics.metric import Figure, Metric, Reading, Region
from leaderboard.schema import validate
from leaderboard.statistics import DRAWS, block_length, interval, mean_interval, widened
from pgstalker.errors import ConfigError
from pgstalker.files import replacing

SCHEMA = "pgstalker-eval/1"
DIGITS = 6
WIDENED = "t"
"""Ends the name of an interval that was widened for the few blocks of its clip; the first records' were not."""
FAILURE = "failed.json"
"""What lies beside records and is none: why a cell is blank."""
KINDS = ("measured", "submitted")
"""The results' folders of records: made by the runner here, and taken from others."""


def find_records(results: Path, place: str = "*/*/*/*/*", kinds: tuple[str, ...] = KINDS) -> list[Path]:
    """Records below `results`, sorted. place: METHOD/REVISION/DATASET/CLIP/PROTOCOL, * for any."""
    found = (path for kind in kinds for path in sorted((results / kind).glob(f"{place}.json")))
    return [path for path in found if path.name != FAILURE]


def cell(
    metric: Metric, figure: Figure, region: Region, reading: Reading, seed: int, compares: bool = False
) -> dict[str, Any]:
    """One figure as it stands in a record: null with status and reason where there is no value. compares: protocol and
    picture size are those of papers."""
    has_frames = reading.per_frame is not None
    assert reading.status != "ok" or has_frames == figure.is_mean, f"{figure.id} is declared otherwise: Figure.is_mean"
    entries = len(reading.per_frame) if reading.per_frame is not None else reading.n
    block = block_length(entries, reading.stride)
    ci95, is_published = None, reading.details.get("is_published_file", True)
    if reading.status == "ok" and reading.per_frame is not None and reading.n > 1:
        ci95 = mean_interval(reading.per_frame, block, seed=seed)
    elif reading.status == "ok" and reading.resample is not None and reading.n > 1:
        ci95 = interval(entries, reading.resample, block, seed=seed)
    details = {name: value for name, value in reading.details.items() if name != "weights_sha256"}
    return {
        "value": _rounded(reading.value),
        "status": reading.status,
        "reason": reading.reason,
        "unit": figure.unit,
        "direction": figure.direction,
        "region": region,
        "agg": "mean_frame" if figure.is_mean else "clip",
        "n": reading.n,
        "n_missing": reading.n_missing,
        "stride": reading.stride,
        "ci95": None if ci95 is None else [_rounded(bound) for bound in within(figure, ci95)],
        "ci": None if ci95 is None else f"block{block}x{DRAWS}{WIDENED}",
        "impl": metric.implementation(),
        "weights_sha256": reading.details.get("weights_sha256"),
        "comparable_to_papers": bool(compares and figure.compares_with_papers and is_published and region == "full"),
        "details": details,
    }


def within(figure: Figure, bounds: tuple[float, float]) -> tuple[float, float]:
    """Both bounds, none beyond what the figure's definition allows."""
    low, high = figure.bounds
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    return max(bounds[0], least), min(bounds[1], most)


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), DIGITS)


def write_record(record: dict[str, Any], series: dict[str, np.ndarray], path: Path) -> None:
    """Write record and series, whole or not at all; the same content gives the same bytes.

    Raises ConfigError where the record does not fit its schema.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    record["per_frame"] = path.with_suffix(".npz").name if series else None
    validate(record)
    if series:
        with replacing(path.with_suffix(".npz")) as temporary:
            _write_series(temporary, series)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", "utf-8")


def _write_series(path: Path, series: dict[str, np.ndarray]) -> None:
    """As numpy.savez_compressed does, but without the time of day."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, values in sorted(series.items()):
            content = io.BytesIO()
            np.save(content, np.asarray(values, np.float32))
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)


def read_record(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record and its per-frame values [n] float32 by key, its intervals widened where they are plain percentiles.
    Raises ConfigError where either is damaged."""
    try:
        record = json.loads(path.read_text("utf-8"), parse_constant=_no_constant)
        validate(record)
        _widen(record)
        if record["per_frame"] is None:
            return record, {}
        with np.load(path.with_name(record["per_frame"]), allow_pickle=False) as file:
            return record, {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ConfigError(f"{path} is no record of {SCHEMA}: {error}; score it anew") from error


def _widen(record: dict[str, Any]) -> None:
    """Bring the intervals of the first records to their level."""
    known = cells()
    for key, told in record["metrics"].items():
        plain = re.fullmatch(r"block(\d+)x\d+", told["ci"] or "")
        if plain is None or told["ci95"] is None:
            continue
        bounds = widened(told["value"], tuple(told["ci95"]), (told["n"] + told["n_missing"]) / int(plain[1]))
        if bounds is not None and key in known:
            bounds = within(known[key][1], bounds)
        told["ci95"] = None if bounds is None else [_rounded(bound) for bound in bounds]
        told["ci"] = None if bounds is None else told["ci"] + WIDENED


def _no_constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which JSON does not know")
