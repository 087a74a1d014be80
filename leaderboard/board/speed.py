"""How fast the rows' frames were made, and on what: speeds of several machines are never mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from leaderboard.board.series import Entry
from leaderboard.metrics.metric import Figure

SPEED = Figure(
    "render_fps",
    unit="frames/s",
    direction="higher",
    bounds=(0, None),
    meaning="networks, drawing and compositing of a frame, the median's inverse",
    is_mean=False,
)
GROUP = "speed"


def device_of(record: dict[str, Any]) -> str:
    """The machine in words: the GPU where the frames were made on one, else processor and cores."""
    env = record["env"]
    on_gpu = str(record["method"].get("device") or env["device"]).startswith("cuda") and env["gpu"]
    return env["gpu"] if on_gpu else f"{env['cpu']}, {env['threads']} cores"


def fps_of(record: dict[str, Any]) -> float | None:
    """SPEED of one clip."""
    return (record["speed"] or {}).get("stages", {}).get("frame", {}).get("fps_median")


def speed_of(entries: list[Entry]) -> tuple[str | None, dict[str, float | None]]:
    """(device, figures) of the machine that most of the clips were made on."""
    devices = Counter(device_of(entry.record) for entry in entries)
    device = min(devices, key=lambda name: (-devices[name], name)) if devices else None
    records = [entry.record for entry in entries if device_of(entry.record) == device]
    speeds = [record["speed"] or {} for record in records]
    stages = [speed.get("stages", {}) for speed in speeds]
    return device, {
        "render_fps": mean_of(map(fps_of, records)),
        "render_ms_p95": mean_of(stage.get("frame", {}).get("ms_p95") for stage in stages),
        "end_to_end_fps": mean_of(stage.get("end_to_end", {}).get("fps_median") for stage in stages),
        "first_frame_ms": mean_of(speed.get("first_frame_ms") for speed in speeds),
        "peak_memory_mb": most_of(speed.get("peak_memory_mb") for speed in speeds),
    }


def mean_of(values: Iterable[float | None], digits: int = 2) -> float | None:
    """Of the known ones."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), digits) if known else None


def most_of(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
