"""One result on disk: a JSON record that the schema describes, and per-frame values in an .npz beside it."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import math
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.faces import MOST_LOST
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
MOST_BYTES = 64 << 20
"""Of a record, and of its per-frame values when unpacked: those of an hour's video take a fraction of it."""
MOST_FRAMES = 250_000
"""Values of one cell: two hours and more. The draws of their interval take a thousand times their memory."""
ROUNDED = 1e-5
"""Share of a value, or the value itself below 1, by which a mean may differ from that of the float32 values on disk."""


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
    packed = _packed(series) if series else None
    record["per_frame"] = path.with_suffix(".npz").name if series else None
    record["per_frame_sha256"] = None if packed is None else hashlib.sha256(packed).hexdigest()
    validate(record)
    if packed is not None:
        with replacing(path.with_suffix(".npz")) as temporary:
            temporary.write_bytes(packed)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", "utf-8")


def _packed(series: dict[str, np.ndarray]) -> bytes:
    """As numpy.savez_compressed does, but without the time of day."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for name, values in sorted(series.items()):
            content = io.BytesIO()
            np.save(content, np.asarray(values, np.float32))
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)
    return whole.getvalue()


DAMAGE = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, EOFError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)
"""What json, zipfile and numpy raise of files that a stranger made."""


def read_record(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record and its per-frame values [n] float32 by key, NaN where a frame has none; its intervals widened where
    they are plain percentiles. Raises ConfigError, in one line, where either is damaged or larger than MOST_BYTES, or
    where the values are not those whose sha256 the record bears."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has {path.stat().st_size >> 20} MB, at most {MOST_BYTES >> 20} are read")
        text = path.read_text("utf-8")
        record = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
        validate(record)
        _widen(record)
        if record["per_frame"] is None:
            return record, {}
        return record, _read_series(path.with_name(record["per_frame"]), record.get("per_frame_sha256"))
    except DAMAGE as error:
        line = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{path} is no record of {SCHEMA}: {line}; score it anew") from error


def _read_series(path: Path, sha256: str | None) -> dict[str, np.ndarray]:
    """sha256: what the file's must be, None where nothing vouches for it."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size >> 20} MB, at most {MOST_BYTES >> 20} are read")
    content = path.read_bytes()
    if sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError(f"{path.name} is not what was written beside it (its sha256 differs)")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        unpacked = sum(entry.file_size for entry in file.infolist())
    if unpacked > MOST_BYTES:
        raise ValueError(f"{path.name} holds {unpacked >> 20} MB, at most {MOST_BYTES >> 20} are read")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        series = {name: file[name] for name in file.files}
    for name, values in series.items():
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype != np.float32:
            raise ValueError(f"{name} in {path.name} is no list of float32 values")
        if len(values) > MOST_FRAMES:
            raise ValueError(f"{name} in {path.name} has {len(values)} values, at most {MOST_FRAMES} are read")
        if np.isinf(values).any():
            raise ValueError(f"{name} in {path.name} holds an infinite value")
    return series


def incoherent(record: dict[str, Any], series: dict[str, np.ndarray]) -> Iterator[str]:
    """In words, each cell with a value that does not follow from the per-frame values beside it: their number, how many
    frames have none, their mean, its interval. Cells of unknown metrics are passed over."""
    for key in sorted(series):
        if record["metrics"].get(key, {}).get("status") != "ok":
            yield f"there are per-frame values of {key}, which the record does not have"
    for key, told in record["metrics"].items():
        if told["status"] != "ok" or key not in cells():
            continue
        metric, figure, _ = cells()[key]
        if figure.is_mean != (key in series):
            says = "a mean over frames, and has no" if figure.is_mean else "one number of the clip, and has"
            yield f"{key} is {says} values per frame; pack the .npz that score wrote"
        elif told["stride"] not in (1, metric.stride):
            yield f"{key} looked at one frame in {told['stride']}, not in {metric.stride}"
        elif told["n"] < 1 or told["n_missing"] > _sides(metric) * MOST_LOST * (told["n"] + told["n_missing"]):
            share = f"{_sides(metric) * MOST_LOST:.0%}"
            yield f"{key} lacks {told['n_missing']} of {told['n'] + told['n_missing']} values; at most {share} may lack"
        elif key in series:
            yield from _unlike_its_frames(key, record, series[key])


def _sides(metric: Metric) -> int:
    """On how many sides a face may be lost, each in its own frames."""
    return 2 if metric.needs >= {"truth", "faces"} else 1


def _unlike_its_frames(key: str, record: dict[str, Any], values: np.ndarray) -> Iterator[str]:
    told, figure, used = record["metrics"][key], cells()[key][1], record["counts"]["n_used"]
    entries, seen = figure.entries(used, told["stride"]), int(np.isfinite(values).sum())
    if len(values) != entries:
        yield f"{key} has {len(values)} values per frame; {used} frames give {entries}"
        return
    if (seen, len(values) - seen) != (told["n"], told["n_missing"]):
        yield f"{key} has {seen} values in {len(values)} frames, the record {told['n']} and {told['n_missing']} missing"
        return
    values = values.astype(np.float64)
    mean = float(np.nanmean(values))
    if abs(mean - told["value"]) > ROUNDED * max(1.0, abs(mean)):
        yield f"{key} is {told['value']:.6g}, but its frames' mean is {mean:.6g}"
        return
    block = block_length(len(values), told["stride"])
    bounds = mean_interval(values, block, seed=record["env"]["seed"]) if seen > 1 else None
    own = [] if bounds is None else [round(bound, DIGITS) for bound in within(figure, bounds)]
    bears = told["ci95"] or []
    if len(own) != len(bears) or not np.allclose(own, bears, ROUNDED, 10 * ROUNDED):
        yield f"{key} has the interval {bears}, but its frames give {own}"


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


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"it holds {text}, which is no finite number")
    return float(text)


def _whole(text: str) -> int:
    _finite(text)
    return int(text)
