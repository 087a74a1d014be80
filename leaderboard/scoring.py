"""Score one result: a prediction, with its truth and sound where there are any, to one record.

    probe, match -> survey: counts, digests, lag, faces -> frames in step: every meter -> cells -> scores.json, .npz

Two passes over the videos, one frame of each in memory. What goes wrong with one metric leaves its cells blank with the
reason; only videos that cannot be read or do not belong together end the whole.
"""

from __future__ import annotations

import logging
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard import inputs
from leaderboard.case import Case, Failed, NotApplicable
from leaderboard.environment import environment
from leaderboard.faces import FaceTrack, Observer, mediapipe_observer
from leaderboard.inputs import Side, Survey
from leaderboard.metrics import Meter, Metric, Reading, discover
from leaderboard.protocol import Protocol
from leaderboard.records import SCHEMA, cell, write_record
from leaderboard.source import source
from pgstalker.errors import ConfigError, PgsError, WeightsError
from pgstalker.media import probe, read_audio
from pgstalker.preflight import check_python
from pgstalker.types import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

MISHAPS = (PgsError, OSError, RuntimeError, ValueError, ArithmeticError, LookupError, ImportError)
"""What one metric may stumble over without ending the others; a broken invariant is none of these."""
SHIFTED_LINE = "the prediction is {count} frame{s} {way} (best lag {lag:+d}: {at:.1f} dB against {zero:.1f} dB at 0)"

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ScoreRequest:
    """What to score and how. resample: match rate and size; cut: compare the common length; align: shift by the best
    lag. metrics: ids, all where empty. weights: a folder looked in first. openface: CSVs of prediction and truth."""

    prediction: Path
    truth: Path | None = None
    audio: Path | None = None
    protocol: Protocol = field(default_factory=Protocol)
    resample: bool = False
    cut: bool = False
    align: bool = False
    every_frame: bool = False
    metrics: tuple[str, ...] = ()
    weights: Path | None = None
    openface: tuple[Path, Path] | None = None
    device: str = "auto"
    seed: int = 0
    stride: int = 1
    """Both videos hold every stride-th frame of a performance only."""
    truth_audio: Path | None = None
    """The truth's own sound where it is not in its file; audio is the one that drove the prediction."""
    labels: dict[str, Any] = field(default_factory=dict)
    """What the caller knows: method, clip, speed, operator, notes; written into the record as they are."""


def check_installed() -> None:
    """Raises EnvironmentMissing where only what plays avatars is installed."""
    check_python("judging a video", "torch", "mediapipe")


def score(
    request: ScoreRequest,
    out: Path | None = None,
    progress: Progress = lambda stage, share: None,
    observer: AbstractContextManager[Observer] | None = None,
) -> dict[str, Any]:
    """The record (schema pgstalker-eval/1) of one result, also written to `out` (.json, with an .npz beside) if given.

    observer finds the faces; MediaPipe where none is given. Raises MediaError for videos that cannot be read or differ
    in rate, size or length, with the values and the switch that allows it; ConfigError for unknown metrics,
    EnvironmentMissing where only what plays avatars is installed.
    """
    from pgstalker.devices import choose_device

    started, clock = datetime.now(UTC), time.perf_counter()
    chosen = choose_metrics(request.metrics)
    if request.weights is not None and not request.weights.is_dir():
        raise ConfigError(f"{request.weights} is no folder; give --weights with the folder that holds the files")
    check_installed()
    device = choose_device(request.device)
    with tempfile.TemporaryDirectory(prefix="pgstalker-score-") as scratch, ExitStack() as resources:
        scene = _survey(request, chosen, Path(scratch), progress, observer)
        case = scene.case(request, device, Path(scratch), resources)
        readings = _measure(scene, case, chosen, progress)
    progress("statistics", 0.0)
    cells = {
        key: cell(metric, figure, region, readings[key], request.seed, compares=request.protocol.is_papers(case.size))
        for metric in chosen.values()
        for key, (figure, region) in metric.cells().items()
    }
    record = _record(request, scene, case, cells, started.isoformat(timespec="seconds"))
    record["env"] = environment(device, request.seed)
    record["seconds"] = round(time.perf_counter() - clock, 2)
    if out is not None:
        series = {key: reading.per_frame for key, reading in readings.items() if reading.per_frame is not None}
        write_record(record, series, out)
    return record


def choose_metrics(names: tuple[str, ...]) -> dict[str, Metric]:
    """Metrics by id, all where no names are given. Raises ConfigError for one that there is not."""
    everything = discover()
    unknown = [name for name in names if name not in everything]
    if unknown:
        raise ConfigError(f"metric '{unknown[0]}' is unknown; use some of: {', '.join(everything)}")
    return {name: metric for name, metric in everything.items() if not names or name in names}


@dataclass(frozen=True)
class Sound:
    """samples float32 [S] at 16 kHz with the file they come from, or None and why there are none; side 0 is in step
    with the prediction as it lies on disk, side 1 with the truth."""

    samples: np.ndarray | None
    path: Path | None = None
    why_not: str = ""
    side: int = 0

    def from_start(self, starts: tuple[int, int], fps: float) -> np.ndarray | None:
        """The samples from the first frame that is compared on."""
        return None if self.samples is None else self.samples[round(starts[self.side] * SAMPLE_RATE_HZ / fps) :]


@dataclass(frozen=True)
class Scene:
    """Both sides surveyed, and what there is to warn of."""

    own: Side
    true: Side | None
    surveys: tuple[Survey, Survey | None]
    starts: tuple[int, int]
    count: int
    lag: int
    sound: Sound
    truth_sound: Sound
    why_no_faces: str | None
    warnings: list[str]

    def case(self, request: ScoreRequest, device: str, scratch: Path, resources: ExitStack) -> Case:
        own, true = self.surveys
        return Case(
            frames=self.count,
            fps=self.own.fps,
            size=self.own.size,
            scratch=scratch,
            resources=resources,
            faces=self._faces(0),
            truth_faces=self._faces(1),
            audio=self.sound.from_start(self.starts, self.own.fps),
            truth_audio=self.truth_sound.from_start(self.starts, self.own.fps),
            why_no_audio=self.sound.why_not,
            starts=self.starts,
            lengths=(own.frames, own.frames if true is None else true.frames),
            has_truth=self.true is not None,
            why_no_faces=self.why_no_faces,
            weights=request.weights,
            openface=request.openface,
            every_frame=request.every_frame,
            stride=request.stride,
            device=device,
        )

    def _faces(self, side: int) -> FaceTrack | None:
        survey = self.surveys[side]
        if survey is None or survey.faces is None:
            return None
        part = slice(self.starts[side], self.starts[side] + self.count)
        faces = survey.faces
        return replace(faces, landmarks_px=faces.landmarks_px[part], blendshapes=faces.blendshapes[part])


def _survey(
    request: ScoreRequest,
    chosen: dict[str, Metric],
    scratch: Path,
    progress: Progress,
    observer: AbstractContextManager[Observer] | None,
) -> Scene:
    own, true = inputs.open_sides(request.prediction, request.truth, request.resample)
    if true is not None and not request.resample and own.stored_frames and true.stored_frames:
        inputs.check_counts(own.stored_frames, true.stored_frames, request.cut)
    warnings = inputs.resampled(own, "the prediction") + inputs.resampled(true, "the truth")
    stored_md5: dict[str, str] = {}
    if request.protocol.codec == "h264_q8":
        own, stored_md5["prediction"] = inputs.through_h264(own, scratch, "prediction")
        if true is not None:
            true, stored_md5["truth"] = inputs.through_h264(true, scratch, "truth")
    eyes, why_no_faces = _open_observer(chosen, observer)
    with eyes as looks:
        mine = inputs.survey(own, looks, _ticker(progress, "prediction", own))
        its = None if true is None else inputs.survey(true, looks, _ticker(progress, "truth", true))
    if stored_md5:
        mine = replace(mine, frame_md5=stored_md5["prediction"])
        its = its and replace(its, frame_md5=stored_md5["truth"])
    starts, count, lag = (0, 0), mine.frames, 0
    if its is not None:
        inputs.check_counts(mine.frames, its.frames, request.cut)
        starts, count, lag = _alignment(mine, its, request.align, warnings)
    hears = any("audio" in metric.needs for metric in chosen.values())
    sound = truth_sound = Sound(None, why_not="no metric that hears was chosen")
    if hears:
        sound = _sound(request, warnings)
        truth_sound = _truth_sound(request, sound, warnings)
    if sound.samples is not None and len(sound.samples) / SAMPLE_RATE_HZ < count / own.fps - 0.1:
        seconds = len(sound.samples) / SAMPLE_RATE_HZ
        warnings.append(f"the sound lasts {seconds:.2f} s, the video {count / own.fps:.2f} s")
    for line in warnings:
        log.warning("%s", line)
    return Scene(own, true, (mine, its), starts, count, lag, sound, truth_sound, why_no_faces, warnings)


def _open_observer(
    chosen: dict[str, Metric], observer: AbstractContextManager[Observer] | None
) -> tuple[AbstractContextManager[Observer | None], str | None]:
    """The observer, or none and the reason, where no metric looks at faces or the landmarker cannot be had."""
    wanted = any("faces" in metric.needs or len(metric.regions) > 1 for metric in chosen.values())
    if observer is not None or not wanted:
        return (observer or nullcontext(None)), None
    try:
        return mediapipe_observer(), None
    except WeightsError as error:
        return nullcontext(None), str(error)


def _ticker(progress: Progress, stage: str, side: Side) -> Callable[[int], None]:
    total = side.stored_frames or 1
    return lambda frame: progress(f"look at {stage}", min(1.0, (frame + 1) / total))


def _alignment(own: Survey, true: Survey, align: bool, warnings: list[str]) -> tuple[tuple[int, int], int, int]:
    lag, decibels = inputs.best_lag(own.thumbs, true.thumbs)
    starts = (max(0, lag), max(0, -lag)) if align else (0, 0)
    if lag:
        way, plural = ("late" if lag > 0 else "early"), "s" if abs(lag) > 1 else ""
        numbers = {"lag": lag, "at": decibels[lag], "zero": decibels[0]}
        line = SHIFTED_LINE.format(count=abs(lag), s=plural, way=way, **numbers)
        warnings.append(f"{line}; {'shifted as asked' if align else 'scored as it is, --align shifts it'}")
    if own.frames != true.frames:
        warnings.append(f"the prediction has {own.frames} frames, the truth {true.frames}")
    return starts, min(own.frames - starts[0], true.frames - starts[1]), lag


def _sound(request: ScoreRequest, warnings: list[str]) -> Sound:
    """What the prediction is heard with: --audio, else its own, else the truth's. Only its own moves with it when it is
    shifted: what drove it, and the truth, stay where they are."""
    if request.audio is not None:
        return _read_sound(request.audio, 1, warnings)
    for side, video in enumerate((request.prediction, request.truth)):
        if video is not None and probe(video).audio is not None:
            return _read_sound(video, side, warnings)
    return Sound(None, why_not="there is no sound; give --audio FILE")


def _truth_sound(request: ScoreRequest, sound: Sound, warnings: list[str]) -> Sound:
    """The truth's own; that of the prediction, which says the same words, where the truth has none."""
    if request.truth_audio is not None:
        return _read_sound(request.truth_audio, 1, warnings)
    if request.truth is not None and request.truth != sound.path and probe(request.truth).audio is not None:
        return _read_sound(request.truth, 1, warnings)
    return sound


def _read_sound(path: Path, side: int, warnings: list[str]) -> Sound:
    try:
        return Sound(read_audio(path), path, side=side)
    except PgsError as error:
        warnings.append(str(error))
        return Sound(None, why_not=str(error))


def _measure(scene: Scene, case: Case, chosen: dict[str, Metric], progress: Progress) -> dict[str, Reading]:
    """Readings of every cell: meters begin, see each pair of frames, finish; one that stumbles goes no further."""
    readings: dict[str, Reading] = {}
    meters: dict[str, Meter] = {}
    for name, metric in chosen.items():
        if (meter := _attempt(metric, readings, _begin, metric, case)) is not None:
            meters[name] = meter
    sides = inputs.pairs(scene.own, scene.true, scene.starts, case.frames) if meters else ()
    for index, (frame, truth) in enumerate(sides):
        progress("compare", index / case.frames)
        for name, meter in list(meters.items()):
            _attempt(chosen[name], readings, meter.update, index, frame, truth)
            if chosen[name].cells().keys() & readings.keys():
                del meters[name]
    for name, meter in meters.items():
        progress(name, 0.0)
        readings.update(_attempt(chosen[name], readings, meter.finish) or {})
    return {key: _sound_reading(reading) for key, reading in readings.items()}


def _begin(metric: Metric, case: Case) -> Meter:
    if metric.needs_truth and not case.has_truth:
        raise NotApplicable("no truth video was given")
    if "every frame" in metric.needs and case.stride > 1:
        raise NotApplicable(f"one frame in {case.stride} was rendered, and this needs every one")
    return metric.begin(case)


def _attempt(metric: Metric, readings: dict[str, Reading], action: Callable[..., Any], *arguments: Any) -> Any:
    """What `action` returns; where it stumbles, all cells of the metric bear the reason."""
    try:
        return action(*arguments)
    except NotApplicable as reason:
        blank = Reading(status="not_applicable", reason=str(reason))
    except WeightsError as reason:
        blank = Reading(status="weights_missing", reason=str(reason))
    except Failed as reason:
        blank = Reading(status="failed", reason=str(reason))
    except MISHAPS as reason:
        log.warning("%s: %s", metric.id, reason)
        line = str(reason).strip().partition("\n")[0]
        blank = Reading(status="failed", reason=f"{type(reason).__name__}: {line}")
    readings.update(dict.fromkeys(metric.cells(), blank))
    return None


def _sound_reading(reading: Reading) -> Reading:
    """A value that is no number is no value."""
    if reading.value is None or np.isfinite(reading.value):
        return reading
    return Reading(status="failed", reason=f"its value is {reading.value}")


def _record(request: ScoreRequest, scene: Scene, case: Case, cells: dict, created: str) -> dict[str, Any]:
    from pgstalker.subject import sha256_of

    mine, its = scene.surveys
    heard: dict[str, Any] = {"audio": _told(scene.sound)}
    if its is not None and scene.truth_sound.path != scene.sound.path:
        heard["truth_audio"] = _told(scene.truth_sound)
    failed = [key for key, value in cells.items() if value["status"] == "failed"]
    videos = [(request.prediction, scene.own, mine), (request.truth, scene.true, its)]
    prediction, truth = (
        None
        if path is None or side is None or survey is None
        else {"file": path.name, "sha256": sha256_of(path), "frame_md5": survey.frame_md5, "codec": side.codec}
        for path, side, survey in videos
    )
    labels = dict(request.labels)
    clip = {"fps": case.fps, "size": list(case.size), "best_lag": scene.lag, "starts": list(scene.starts)}
    return {
        "schema": SCHEMA,
        "id": str(uuid.uuid4()),
        "created": created,
        "source": "measured",
        "status": "partial" if failed else "ok",
        "tool": source(),
        "protocol": request.protocol.record(),
        "method": {"id": request.prediction.stem} | labels.pop("method", {}),
        "clip": clip | labels.pop("clip", {}),
        "inputs": {"prediction": prediction, "truth": truth, **heard},
        "counts": {
            "n_pred": mine.frames,
            "n_gt": None if its is None else its.frames,
            "n_used": case.frames,
            "n_face_missing": None if case.faces is None else int((~case.faces.is_seen).sum()),
            "n_face_missing_gt": None if case.truth_faces is None else int((~case.truth_faces.is_seen).sum()),
        },
        "metrics": cells,
        "per_frame": None,
        "speed": labels.pop("speed", None),
        "warnings": scene.warnings,
        **labels,
    }


def _told(sound: Sound) -> dict[str, Any] | None:
    """A sound as a record bears it."""
    from pgstalker.subject import sha256_of

    if sound.path is None or sound.samples is None:
        return None
    seconds = round(len(sound.samples) / SAMPLE_RATE_HZ, 3)
    return {
        "file": sound.path.name,
        "sha256": sha256_of(sound.path),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "seconds": seconds,
    }
