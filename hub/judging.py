"""Judging one video, as `python -m leaderboard score` does it, and where it would stand. No gradio in here."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hub.results import Results
from leaderboard.protocol import Protocol
from leaderboard.records import read_record, write_record
from leaderboard.scoring import Progress, ScoreRequest, score
from leaderboard.submission.archive import pack
from leaderboard.submission.pack import METHOD_ID
from leaderboard.submission.standing import standing_of
from pgstalker.errors import ConfigError, PgsError
from pgstalker.media import check_audio, check_video, probe

SWITCHES = ("resample", "cut", "align", "every_frame")
OWN = {"id": "your-result", "title": "Your result", "kind": "external"}


class JudgingStopped(Exception):
    """The visitor changed their mind."""


@dataclass(frozen=True)
class Judged:
    record: dict[str, Any]
    series: dict[str, np.ndarray]


def check_files(prediction: str | None, truth: str | None, audio: str | None) -> dict[str, str]:
    """What is wrong with the files, by input; nothing is decoded."""
    found = {}
    for name, path, look in (
        ("prediction", prediction, check_video), ("truth", truth, check_video), ("audio", audio, check_audio),
    ):  # fmt: skip
        try:
            if path:
                look(probe(path))
        except PgsError as problem:
            found[name] = str(problem)
    return found


def judge(
    files: Mapping[str, str | None],
    protocol: Mapping[str, str | None],
    switches: Mapping[str, bool],
    metrics: tuple[str, ...] = (),
    progress: Progress = lambda stage, share: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Judged:
    """Score files["prediction"] against files["truth"] and files["audio"], where they are given.

    protocol: setting (None: self with a truth, else cross), composite, codec. switches: some of SWITCHES. Raises what
    `score` raises, and JudgingStopped soon after stopped() turns true."""
    tell = stoppable(progress, stopped)
    tell("look at prediction", 0.0)  # who stopped in the queue waits for nothing more
    paths = {name: Path(path) if path else None for name, path in files.items()}
    setting = protocol.get("setting") or ("self" if paths.get("truth") else "cross")
    request = ScoreRequest(
        prediction=paths["prediction"],
        truth=paths.get("truth"),
        audio=paths.get("audio"),
        protocol=Protocol(setting, protocol.get("composite") or "full_frame", protocol.get("codec") or "lossless"),
        metrics=metrics,
        **{name: bool(switches.get(name)) for name in SWITCHES},
    )

    with tempfile.TemporaryDirectory(prefix="pgstalker-judge-") as scratch:
        out = Path(scratch) / "scores.json"
        score(request, out, tell)
        return Judged(*read_record(out))


def stoppable(progress: Progress, stopped: Callable[[], bool]) -> Progress:
    """The same, but it raises JudgingStopped once stopped() is true."""

    def tell(stage: str, share: float) -> None:
        if stopped():
            raise JudgingStopped
        progress(stage, share)

    return tell


def place_among(results: Results, judged: Judged, clip_id: str) -> list[dict[str, Any]]:
    """The board's rows of that clip, protocol and device with this result among them, best first."""
    place = f"{clip_id}/{judged.record['protocol']['id']}"
    return standing_of([(place, judged.record, judged.series)], OWN, "now", results.folder)


def pack_record(judged: Judged, clip_id: str, method: str, out: Path) -> Path:
    """A zip of scores.json and scores.npz, with the method's id and the clip, dataset/clip: what
    `python -m leaderboard submit --records` takes. Either may be empty; a record without them is for oneself.

    Raises ConfigError for an id that no method may have."""
    if method and not re.fullmatch(METHOD_ID, method):
        raise ConfigError(f"'{method}' cannot be a method's id; use small letters, digits and -, as in my-method")
    record = dict(judged.record)
    if method:
        record["method"] = record["method"] | {"id": method}
    if clip_id:
        dataset, _, clip = clip_id.partition("/")
        record["clip"] = record["clip"] | {"dataset": dataset, "id": clip}
    with tempfile.TemporaryDirectory(prefix="pgstalker-record-") as scratch:
        path = Path(scratch) / "scores.json"
        write_record(record, judged.series, path)
        return pack(out, {file.name: file for file in (path, path.with_suffix(".npz")) if file.is_file()})


def clip_ids(results: Results) -> list[str]:
    """Every clip that the board has a record of, as dataset/clip."""
    return sorted(
        {f"{row['dataset']}/{clip['clip']}" for row in results.rows for clip in row["clips"] if clip["record"]}
    )
