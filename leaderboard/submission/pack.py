"""Packing a submission: records and their predictions, a description, and the sha256 of every file."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.protocol import Protocol
from leaderboard.records import find_records, read_record
from leaderboard.schema import load, validate
from leaderboard.submission.archive import pack
from leaderboard.submission.submit import METHOD, PREDICTIONS, RECORDS, RUN
from pgstalker.errors import ConfigError
from pgstalker.subject import sha256_of

METHOD_ID = load("pgstalker-description/1")["properties"]["id"]["pattern"]
EXAMPLE_SIDE, EXAMPLE_FRAMES = 96, 25
EXAMPLE = {
    "schema": "pgstalker-description/1",
    "id": "example",
    "title": "Example",
    "kind": "external",
    "description": "Two clips of a drawn ball with noise: shows what a submission holds. Put your own in their place.",
    "paper": "",
    "code": "",
    "licence": "CC0-1.0",
    "differences": [],
}


@dataclass(frozen=True)
class Entry:
    """A record with the lossless video that it was made of."""

    record: Path
    prediction: Path


def pack_submission(
    out: Path, description: dict[str, Any], entries: Iterable[Entry], revision: str, generated_by: str
) -> Path:
    """Write the zip. Raises ConfigError for a record without dataset and clip, or a description that lacks something;
    whether it will be taken is for submit.lint to say."""
    validate(description)
    files: dict[str, Path | bytes] = {METHOD: _json(description)}
    for entry in entries:
        record, _ = read_record(entry.record)
        clip = record["clip"]
        if not clip.get("dataset") or not clip.get("id"):
            raise ConfigError(f"{entry.record} names no dataset and clip; score it with --clip DATASET/CLIP")
        place = f"{clip['dataset']}/{clip['id']}/{record['protocol']['id']}"
        if f"{RECORDS}/{place}.json" in files:
            raise ConfigError(f"{entry.record} is a second record of {place}; leave one out")
        if record["per_frame"] is None:
            files[f"{RECORDS}/{place}.json"] = entry.record
        else:
            renamed = record | {"per_frame": f"{record['protocol']['id']}.npz"}
            files[f"{RECORDS}/{place}.json"] = _json(renamed)
            files[f"{RECORDS}/{place}.npz"] = entry.record.with_name(record["per_frame"])
        files[f"{PREDICTIONS}/{place}{entry.prediction.suffix}"] = entry.prediction
    run = {
        "schema": "pgstalker-submission/1",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision,
        "generated_by": generated_by,
        "files": {name: _sha256(content) for name, content in sorted(files.items())},
    }
    validate(run)
    pack(out, files | {RUN: _json(run)})
    return out


def measured_entries(results: Path, runs: Path, method: str, revision: str) -> Iterator[Entry]:
    """What the runner measured of a method here and still has the frames of. Raises ConfigError where it has none."""
    folder = results / "measured" / method / revision
    found = find_records(results, f"{method}/{revision}/*/*/*", ("measured",))
    if not found:
        run = f"python -m leaderboard run {method} --dataset DATASET --clip CLIP"
        raise ConfigError(f"{folder} holds no record; measure it first: {run}")
    for path in found:
        prediction = runs / method / revision / path.parent.relative_to(folder) / "prediction.mkv"
        if not prediction.is_file():
            raise ConfigError(f"{prediction} is not there; submit from where {path.name} was measured")
        yield Entry(path, prediction)


def example(out: Path) -> Path:
    """A small submission that lint passes: two clips, scored here and now without any weights."""
    from leaderboard.scoring import ScoreRequest, score

    protocol = Protocol("self", "full_frame", "lossless")
    with tempfile.TemporaryDirectory(prefix="pgstalker-example-") as scratch:
        entries = []
        for number, clip in enumerate(("one", "two")):
            truth = drawn(Path(scratch) / f"{clip}-truth.mkv", number, 0.0)
            prediction = drawn(Path(scratch) / f"{clip}.mkv", number, 3.0)
            labels = {
                "method": {"id": EXAMPLE["id"], "revision": "r1"},
                "clip": {"dataset": "example", "id": clip, "identity": clip},
            }
            record = Path(scratch) / f"{clip}.json"
            request = ScoreRequest(
                prediction, truth, protocol=protocol, metrics=("psnr", "ssim", "flicker"), device="cpu", labels=labels
            )
            score(request, record)
            entries.append(Entry(record, prediction))
        return pack_submission(out, EXAMPLE, entries, "r1", "leaderboard submit --example")


def drawn(path: Path, seed: int, noise: float) -> Path:
    """A ball that goes round over a gradient, with grey levels of noise."""
    from pgstalker.media import VideoWriter

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EXAMPLE_SIDE, :EXAMPLE_SIDE]
    with VideoWriter(path, EXAMPLE_SIDE, EXAMPLE_SIDE, codec="ffv1") as writer:
        for frame in range(EXAMPLE_FRAMES):
            angle = frame / 8 + seed
            ball = (x - 48 - 25 * np.cos(angle)) ** 2 + (y - 48 - 25 * np.sin(angle)) ** 2 < 15**2
            picture = np.stack([x + 60, y + 40 + 30 * seed, 120 + 0 * x], -1)
            picture[ball] = [220, 90, 60]
            picture = picture + noise * rng.standard_normal(picture.shape)
            writer.write(np.clip(picture, 0, 255).astype(np.uint8))
    return path


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _sha256(content: Path | bytes) -> str:
    return sha256_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
