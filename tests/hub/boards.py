"""A small compiled board of real records: three methods on two clips of coloured noise, scored here and now."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np

from leaderboard.metrics import cells
from leaderboard.places import BOARD_PX
from leaderboard.protocol import Protocol
from leaderboard.scoring import ScoreRequest, score
from pgstalker.media import VideoWriter
from pgstalker.types import SAMPLE_RATE_HZ

FRAMES, SIDE = 30, 64
"""Of the videos; the rows call their size the board's usual one."""
METHODS = {"pgstalker": ("PGSTalker", "gaussians", 2.0), "talking-gaussian": ("TalkingGaussian", "gaussians", 6.0)}
METHODS |= {"still-frame": ("Still frame", "floor", 18.0)}
METRICS = ("psnr", "ssim", "flicker")


def make_board(folder: Path) -> Path:
    """Write board.json, records and media into `folder`: dataset "drawn", clips "one" and "two" with truth."""
    protocol = Protocol("self", "full_frame", "lossless")
    rows = [_row(folder, number, name, protocol) for number, name in enumerate(METHODS)]
    for row in rows:
        row["ranks"] = _ranks(rows, row)
        row["overall"] = float(np.mean(list(row["ranks"].values())))
    metrics = {
        key: {
            "title": key.upper(), "unit": figure.unit, "direction": figure.direction, "target": figure.target,
            "group": figure.group, "meaning": figure.meaning, "decimals": 2,
        }
        for key, (metric, figure, _) in cells().items() if metric.id in METRICS
    }  # fmt: skip
    board = {
        "schema": "pgstalker-board/1",
        "generated_by": {"version": "0.1.0", "commit": "0123456789abcdef"},
        "protocols": {protocol.id: protocol.record()},
        "metrics": metrics,
        "rows": rows,
        "reported": [_reported("AD-NeRF", 30.75), _reported("PGSTalker", 34.1)],
        "experiments": [_experiment(folder)],
    }
    (folder / "board.json").write_text(json.dumps(board))
    return folder


def video(path: Path, noise: float, seed: int, sound: np.ndarray | None = None) -> Path:
    """FRAMES frames of a moving gradient, `noise` grey levels away from it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    audio = None if sound is None else (sound, SAMPLE_RATE_HZ)
    with VideoWriter(path, SIDE, SIDE, audio=audio, crf=12) as writer:
        for frame in range(FRAMES):
            clean = np.stack([2 * x + 3 * frame, 2 * y + frame, 100 + 0 * x], -1) % 256
            writer.write(np.clip(clean + noise * rng.standard_normal(clean.shape), 0, 255).astype(np.uint8))
    return path


def tone() -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * 200 * np.arange(int(FRAMES / 25 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype("f4")


def _row(folder: Path, number: int, name: str, protocol: Protocol) -> dict:
    title, kind, noise = METHODS[name]
    clips = []
    for place, clip in enumerate(("one", "two")):
        media = Path("media") / "drawn" / clip
        truth = folder / media / "truth.mp4"
        if not truth.is_file():
            video(truth, 0.0, 0, tone())
        video(folder / media / f"{name}.mp4", noise + place, 1 + number, tone())
        record = Path("measured") / name / "r1" / "drawn" / clip / f"{protocol.id}.json"
        labels = {"method": {"id": name, "revision": "r1"}, "clip": {"dataset": "drawn", "id": clip}}
        request = ScoreRequest(folder / media / f"{name}.mp4", truth, None, protocol, metrics=METRICS, labels=labels)
        made = score(request, folder / record)["metrics"]
        clips.append(
            {
                "clip": clip, "record": str(record), "media": str(media / f"{name}.mp4"), "frames": FRAMES,
                "values": {key: cell["value"] for key, cell in made.items()},
                "reasons": {key: cell["reason"] for key, cell in made.items() if cell["reason"]},
                "ci95": {key: cell["ci95"] for key, cell in made.items()},
            }
        )  # fmt: skip
    keys = clips[0]["values"]
    values = {key: _mean([clip["values"][key] for clip in clips]) for key in keys}
    return {
        "method": name, "variant": "audio_training=two-stage" if number == 1 else "", "title": title, "kind": kind,
        "source": "measured", "dataset": "drawn", "protocol": protocol.id, "device": "cpu", "clips": clips,
        "clips_meant": len(clips),
        "values": values, "ci95": clips[0]["ci95"], "group_ranks": {}, "train_seconds": 60.0 * (number + 1),
        "speed": {"render_fps": 100.0 / (number + 1), "end_to_end_fps": 50.0, "first_frame_ms": 20},
        "size": BOARD_PX, "preset": "quick", "train_peak_memory_mb": 900, "gaussians": 9000, "revision": "r1",
    }  # fmt: skip


def _mean(values: list) -> float | None:
    return None if None in values else float(np.mean(values))


def _ranks(rows: list[dict], row: dict) -> dict[str, float]:
    """Places by plain value; the first two methods tie in flicker."""
    ranks = {}
    for key, (_, figure, _) in cells().items():
        if row["values"].get(key) is not None:
            own = figure.badness(row["values"][key])
            ranks[key] = 1 + sum(figure.badness(other["values"][key]) < own for other in rows)
    return ranks | {"ssim": 1 if row["kind"] == "gaussians" else 3}


def _reported(method: str, psnr: float) -> dict:
    return {
        "method": method, "table": "self", "audio_id": None, "metrics": {"psnr": psnr, "lpips": 0.1}, "note": None,
        "fps_device": None, "training": None, "source": {"paper": "ER-NeRF", "arxiv": "2307.09323", "place": None},
        "verified": "table_text_seen",
    }  # fmt: skip


def _experiment(folder: Path) -> dict:
    plot = {"data": [{"type": "bar", "x": ["gated", "concat"], "y": [31.0, 30.2]}], "layout": {"title": {"text": "dB"}}}
    (folder / "plots").mkdir(exist_ok=True)
    (folder / "plots" / "fusion.json").write_text(json.dumps(plot))
    table = [
        {"fusion": "gated", "psnr_mouth_low": 31.0, "steps": 13500.0, "at_most": None, "agrees": True},
        {"fusion": "concat", "psnr_mouth_low": 30.2, "steps": 9000.0, "at_most": None, "agrees": False},
    ]
    about = {"id": "fusion", "title": "Fusion", "question": "What does gating add?", "notes": ["on one clip"]}
    return about | {"table": table, "plot": "plots/fusion.json"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
