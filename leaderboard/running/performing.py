"""A learnt person performs: frames to a lossless file, and how long that took, by the stages of pgstalker.performance.

    frame        networks, drawing and compositing to uint8 on the host, one frame after another
    end_to_end   sound to a finished H.264 video with that sound, hearing it included; the model is loaded already.
                 first_frame_ms is how long its first frame took

A few frames go by untimed, so that nothing is compiled on the clock; while frames are timed nothing is encoded.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.running.references import Reference
from leaderboard.running.truths import Truth
from pgstalker.devices import choose_device
from pgstalker.media import VideoWriter
from pgstalker.method import Performance, Trained, method
from pgstalker.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from leaderboard.running.stages import Report, Run

WARM_UP = {"cpu": 2, "cuda": 20}
MOST_TIMED = 300
BLOCK = 16
"""Frames whose mean time is one entry of the median: on CUDA methods draw so many at once."""
END_TO_END_S = 20.0
LEAST_END_TO_END = 8
PRESET_STRIDES = {"compare": 4}
"""The preset for boards on small machines draws every so many-th test frame, whatever the method."""


def act(run: Run, performance: Performance, report: Report) -> dict[str, Any]:
    """Render what a method learnt; returns the facts for run.json. On a CPU slow methods skip frames
    (test_stride), in the preset "compare" all do."""
    device = choose_device(run.task.device)
    chosen = method(run.task.method)
    learnt = chosen.load(run.model, device)
    stride = max(chosen.test_stride if device == "cpu" else 1, PRESET_STRIDES.get(run.task.preset, 1))
    shown = performance[::stride]
    for _ in learnt.render(shown[: WARM_UP[device]]):
        pass
    started = time.perf_counter()
    frames = iter(learnt.render(shown))
    timed, seconds = [], []
    last = started
    for frame in frames:
        now = time.perf_counter()
        seconds.append(now - last)
        timed.append(frame)
        report("render", len(timed) / len(shown))
        if len(timed) == MOST_TIMED:
            break
        last = time.perf_counter()
    digest = _write(run.prediction, learnt.size, _chained(timed, frames))
    stages = {"frame": _summary(np.array(seconds[1:] or seconds), WARM_UP[device])}
    stages["end_to_end"] = _end_to_end(learnt, performance, stages["frame"]["fps_median"], report)
    return {
        "composite": learnt.composite,
        "stride": stride,
        "frames": len(shown),
        "frame_md5": digest,
        "device": device,
        "speed": {
            "stages": stages,
            "first_frame_ms": stages["end_to_end"]["first_frame_ms"],
            "peak_memory_mb": None,
            "includes": [
                "networks",
                "drawing",
                "compositing",
                "uint8 on the host",
                *(["reading the true torso"] if learnt.composite == "gt_torso" else []),
            ],
        },
    }


def recite(run: Run, reference: Reference, truth: Truth) -> dict[str, Any]:
    """Write what a reference shows; it has no speed."""
    with tempfile.TemporaryDirectory(prefix="pgstalker-reference-") as scratch:
        digest = _write(run.prediction, truth.side, reference.frames(truth, Path(scratch)))
    facts = {"composite": "full_frame", "stride": 1, "frames": truth.frames_count, "frame_md5": digest}
    return facts | {"device": None, "speed": None}


def _chained(first: list[np.ndarray], rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames already drawn, each let go once it is written, then the others."""
    first.reverse()
    while first:
        yield first.pop()
    yield from rest


def _write(path: Path, side: int, frames: Iterable[np.ndarray]) -> str:
    """Write a lossless video, one frame after another whatever the stride: Matroska's clock would round 3.125 frames/s.

    Returns the md5 of its frames, which decoding it must give again."""
    digest = hashlib.md5(usedforsecurity=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, side, side, codec="ffv1") as writer:
        for frame in frames:
            digest.update(np.ascontiguousarray(frame).data)
            writer.write(frame)
    return digest.hexdigest()


def _summary(seconds: np.ndarray, warm_up: int) -> dict[str, Any]:
    """Of the times between frames [n]."""
    usable = len(seconds) // BLOCK * BLOCK
    blocks = seconds[:usable].reshape(-1, BLOCK).mean(1) if usable >= 3 * BLOCK else np.array([seconds.mean()])
    return {
        "fps_median": round(float(1 / np.median(blocks)), 3),
        "ms_p95": round(float(1e3 * np.percentile(seconds, 95)), 2),
        "n": len(seconds),
        "warmup": warm_up,
        "sync": True,
    }


def _end_to_end(learnt: Trained, performance: Performance, frames_per_s: float, report: Report) -> dict[str, Any]:
    """Consecutive frames, as many as fit into about END_TO_END_S."""
    count = min(len(performance), max(LEAST_END_TO_END, int(END_TO_END_S * frames_per_s)))
    shown = performance[:count].alone()
    report("end to end", 0.0)
    with tempfile.TemporaryDirectory(prefix="pgstalker-speed-") as scratch:
        started = time.perf_counter()
        sound, size, first = (shown.samples, SAMPLE_RATE_HZ), learnt.size, None
        with VideoWriter(Path(scratch) / "talk.mp4", size, size, audio=sound, preset="veryfast") as writer:
            for frame in learnt.render(shown):
                first = first or time.perf_counter() - started
                writer.write(frame)
        seconds = time.perf_counter() - started
    return {
        "fps_median": round(count / seconds, 3),
        "ms_p95": None,
        "n": count,
        "seconds": round(seconds, 2),
        "first_frame_ms": round(1e3 * (first or seconds), 2),
    }
