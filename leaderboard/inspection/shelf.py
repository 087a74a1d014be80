"""Where the frames of a result lie: a video of one's own, a record, or a method on the board.

a.mkv                      a video; its truth and sound are given beside it
path/to/record.json        a record; the runner's work folder has its prediction and truth
pgstalker                  a method of the board without its switches but for the torso's, with --clip DATASET/CLIP;
                           METHOD/REVISION for another of its rows
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.board.rows import AS_IT_IS
from leaderboard.records import find_records, read_record
from pgstalker.errors import ConfigError
from pgstalker.subject import Subject, sha256_of

log = logging.getLogger(__name__)
VIDEOS = (".mkv", ".mp4", ".mov", ".avi", ".webm")
Labels = Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Evidence:
    """One result. record and series are {} for a plain video; labels gives types.Label of each truth frame."""

    name: str
    prediction: Path
    truth: Path | None = None
    audio: Path | None = None
    labels: Labels | None = None
    record: dict[str, Any] = field(default_factory=dict)
    series: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Shelf:
    """results: the board's folder; work: the runner's. truth, audio: those of plain videos."""

    results: Path
    work: Path
    truth: Path | None = None
    audio: Path | None = None

    def find(self, what: str, clip: str | None = None, frames: bool = True) -> Evidence:
        """Raises ConfigError where there is no such result, or its frames are not at hand though they are asked for."""
        path = Path(what)
        if path.suffix == ".json":
            return self.of_record(path, frames)
        if path.is_file():
            return Evidence(path.stem, path, self.truth, self.audio)
        if path.is_absolute() or path.suffix.lower() in VIDEOS:
            raise ConfigError(f"{what} does not exist; give a video, a record, or a method of the board")
        records = self.records(what, clip)
        if len({record.parent for record in records}) == 1:  # the same frames, scored as they are and through a codec
            records = sorted(records, key=is_lossy)[:1]
        if len(records) > 1:
            there_are = ", ".join("/".join(p.relative_to(self.results).parts[1:5]) for p in records[:6])
            raise ConfigError(
                f"'{what}' has {len(records)} records ({there_are}); name one: METHOD/REVISION and --clip"
            )
        return self.of_record(records[0], frames)

    def records(self, method: str, clip: str | None = None) -> list[Path]:
        """Records of METHOD or METHOD/REVISION, on one clip or on all. Raises ConfigError where there is none."""
        name, _, revision = method.partition("/")
        dataset, _, wanted = (clip or "").partition("/")
        found = find_records(self.results, f"{name}/{revision or '*'}/{dataset or '*'}/{wanted or '*'}/*")
        if not revision:
            found = [path for path in found if _variant_of(path) in AS_IT_IS] or found
        if not found:
            where = f" on {clip}" if clip else ""
            raise ConfigError(f"'{method}' is no file and has no record{where} in {self.results}")
        return found

    def of_record(self, path: Path, frames: bool = True) -> Evidence:
        """The record's own frames: checked against the sha256 that it bears; only what it says where they are not
        asked for."""
        record, series = read_record(path)
        name = f"{record['method'].get('id', path.stem)} [{record['method'].get('revision', '')}]"
        if not frames:
            return Evidence(name, path, record=record, series=series)
        if not path.resolve().is_relative_to(self.results.resolve()):
            raise ConfigError(
                f"{path} is not of the board, and its frames are nowhere; give the video itself, with --gt"
            )
        place = Path(record["method"]["id"], record["method"].get("revision", ""), *_clip_of(record))
        run = self.work / "runs" / place
        prediction = run / "prediction.mkv"
        told = record["inputs"]["prediction"]["sha256"]
        if record["source"] == "submitted" and not prediction.is_file():
            raise ConfigError(f"the frames of {path} came with the submission; give that video itself, with --gt")
        if not prediction.is_file():
            raise ConfigError(f"the frames of {path} are not at hand; make them: {self._again(path)}")
        if (found := sha256_of(prediction)) != told:
            kept = _rendered(run)
            if found != kept.get("sha256"):
                raise ConfigError(
                    f"{prediction} is not what {path.name} was made of (its sha256 differs); remove it, then: "
                    f"{self._again(path)}"
                )
            if kept.get("frame_md5") != record["inputs"]["prediction"]["frame_md5"]:
                log.warning(
                    "the frames of %s were made again here: alike, but not bit for bit those of the record", path
                )
        truth = self.work / "truths" / record["inputs"]["truth"]["file"] if record["inputs"]["truth"] else None
        sound = run / record["inputs"]["audio"]["file"] if record["inputs"]["audio"] else None
        return Evidence(
            name,
            prediction,
            truth if truth is not None and truth.is_file() else self.truth,
            sound if sound is not None and sound.is_file() else self.audio,
            _labels_of(run, record),
            record,
            series,
        )

    def _again(self, path: Path) -> str:
        from leaderboard.running.tasks import Places
        from leaderboard.running.verify import again_command

        return again_command(path, Places(self.work, self.results), {})


def is_lossy(record: Path) -> bool:
    """Whether prediction and truth went through a codec before they were scored."""
    return "-lossless-" not in record.name


def _variant_of(record: Path) -> str:
    """The switches in the name of its revision."""
    return record.parts[-4].partition("+")[2]


def _rendered(run: Path) -> dict[str, Any]:
    """What run.json says of what a run rendered; {} where it says nothing."""
    try:
        return json.loads((run / "run.json").read_text("utf-8"))["stages"]["perform"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _clip_of(record: dict[str, Any]) -> tuple[str, str]:
    return record["clip"].get("dataset", ""), record["clip"].get("id", "")


def _labels_of(run: Path, record: dict[str, Any]) -> Labels | None:
    """Those of the run's subject, where it is there: of its held-out part, in step with the prediction."""
    try:
        stages = json.loads((run / "run.json").read_text("utf-8"))["stages"]
        subject = Subject.load(stages["prepare"]["subject"])
        stride = int(stages["perform"]["stride"])
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None
    side = record["clip"]["size"][0]

    def labels() -> Iterator[np.ndarray]:
        for index, image in enumerate(subject.read_labels(size=side, start=subject.train_frames)):
            if index % stride == 0:
                yield image

    return labels
