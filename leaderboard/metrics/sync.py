"""SyncNet's confidence, distance and offset (LSE-C, LSE-D), of the prediction and, where there is one, of the truth."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard import syncnet
from leaderboard.case import Case, Failed, NotApplicable
from leaderboard.faces import FaceTrack
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading
from leaderboard.weights import find, missing
from pgstalker.measures import SILENCE_DBFS, loudness_dbfs
from pgstalker.media import VideoWriter, read_jpeg_frames
from pgstalker.types import FPS, SAMPLE_RATE_HZ

MOST_GAP = 25
"""Frames without a face over which the crop may be guessed: the original's bound."""

CONFIDENCE = Figure(
    "sync_confidence",
    unit="",
    direction="higher",
    bounds=(0, None),
    meaning="median less least of SyncNet's mean distance over 31 shifts; generated lips may exceed real ones",
    is_mean=False,
)
DISTANCE = Figure(
    "sync_distance",
    unit="",
    direction="lower",
    bounds=(0, None),
    meaning="SyncNet's least mean distance over 31 shifts",
    group="sync",
    is_mean=False,
)
OFFSET = Figure(
    "sync_offset",
    unit="frames",
    direction="target",
    target=0.0,
    bounds=(-syncnet.MOST_SHIFT, syncnet.MOST_SHIFT),
    meaning="the shift of the least distance; positive where the sound comes early",
    group="sync",
    is_mean=False,
)
GAP = Figure(
    "sync_confidence_gap",
    unit="",
    direction="lower",
    bounds=(0, None),
    meaning="|confidence - the truth's|: closer to the person is better, more confident than the person is not",
    group="sync",
    is_mean=False,
)


@dataclass
class SyncMeter:
    """Writes the crops of each side to a lossless file as they come; the network runs when all are there."""

    case: Case
    network: Any
    weights: dict[str, Any]

    def __post_init__(self) -> None:
        sides: dict[str, FaceTrack | None] = {"prediction": self.case.faces}
        if _why_no_truth(self.case) is None:
            sides["truth"] = self.case.truth_faces
        self._boxes = {side: syncnet.crop_boxes(track) for side, track in sides.items() if track is not None}
        self._stack = self.case.resources.enter_context(ExitStack())
        self._writers = {side: self._stack.enter_context(self._writer(side)) for side in self._boxes}

    def _path(self, side: str) -> Path:
        return self.case.scratch / f"{side}-crops.mkv"

    def _writer(self, side: str) -> VideoWriter:
        return VideoWriter(self._path(side), syncnet.SIDE, syncnet.SIDE, codec="ffv1")

    def update(self, index: int, frame: np.ndarray, truth: np.ndarray | None) -> None:
        for side, writer in self._writers.items():
            picture = frame if side == "prediction" else truth
            assert picture is not None
            writer.write(syncnet.crop(picture, self._boxes[side][index]))

    def finish(self) -> dict[str, Reading]:
        self._stack.close()
        scores = {side: self._score(side) for side in self._boxes}
        return readings(scores["prediction"], scores.get("truth"), self.weights, _why_no_truth(self.case))

    def _score(self, side: str) -> syncnet.SyncScore:
        audio = self.case.audio if side == "prediction" else self.case.truth_audio
        assert audio is not None, "begin saw to it"
        windows = syncnet.window_count(self.case.frames, len(audio))
        return syncnet.score(self.network, read_jpeg_frames(self._path(side)), audio, windows, self.case.device)


def readings(
    own: syncnet.SyncScore, true: syncnet.SyncScore | None, details: dict[str, Any], why_no_truth: str | None = None
) -> dict[str, Reading]:
    """All figures; those of the truth with its own sound stand beside them in the details."""

    def reading(name: str, value: float, place: int) -> Reading:
        more = details | ({} if true is None else {"truth": round(float(getattr(true, name)), 6)})
        again = lambda indices: float(syncnet.summary(own.distances[indices])[place])  # noqa: E731
        return Reading(value=float(value), resample=again, n=len(own.distances), details=more)

    gap = Reading(status="not_applicable", reason=why_no_truth or "no truth video was given")
    if true is not None:

        def gap_again(indices: np.ndarray) -> float:
            pair = (syncnet.summary(score.distances[indices])[1] for score in (own, true))
            return abs(next(pair) - next(pair))

        count = min(len(own.distances), len(true.distances))
        gap = Reading(value=abs(own.confidence - true.confidence), resample=gap_again, n=count, details=details)
    return {
        CONFIDENCE.id: reading("confidence", own.confidence, 1),
        DISTANCE.id: reading("distance", own.distance, 2),
        OFFSET.id: reading("offset", own.offset, 0),
        GAP.id: gap,
    }


def _why_lost(track: FaceTrack) -> str | None:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], track.is_seen, [True]]).astype(int)))
    gaps = edges[1::2] - edges[::2]
    longest = int(gaps.max()) if len(gaps) else 0
    if not track.is_seen.any():
        return "no face was found"
    return f"the face is lost for {longest} frames; at most {MOST_GAP} are bridged" if longest > MOST_GAP else None


def _why_no_truth(case: Case) -> str | None:
    """Why the truth cannot be judged beside the prediction; None where it can."""
    if not case.has_truth:
        return "no truth video was given"
    if case.truth_faces is None:
        return case.why_no_faces or "the truth's face was not tracked"
    if lost := _why_lost(case.truth_faces):
        return f"in the truth {lost}"
    if case.truth_audio is None or loudness_dbfs(case.truth_audio) < SILENCE_DBFS:
        return "the truth has no sound"
    return None if syncnet.window_count(case.frames, len(case.truth_audio)) > 0 else "the truth's sound is too short"


def is_published(sha256: str) -> bool:
    """Whether it is that of the file that SyncNet's authors publish."""
    return sha256.startswith(syncnet.PUBLISHED[0]) and sha256.endswith(syncnet.PUBLISHED[1])


def begin(case: Case) -> Meter:
    if case.audio is None:
        raise NotApplicable(case.why_no_audio)
    if (loudness := loudness_dbfs(case.audio)) < SILENCE_DBFS:
        raise NotApplicable(f"the sound is silent ({loudness:.0f} dBFS); give --audio with speech")
    if abs(case.fps - FPS) > 0.01:
        raise NotApplicable(f"SyncNet sees {FPS} frames/s and this video has {case.fps:g}; add --resample")
    windows = syncnet.window_count(case.frames, len(case.audio))
    if windows < 1 or case.frames < syncnet.LEAST_FRAMES:
        seconds, least = len(case.audio) / SAMPLE_RATE_HZ, syncnet.LEAST_FRAMES
        wanted = f"{least} frames with {(syncnet.FRAMES + 1) / FPS:.2f} s are the least"
        raise NotApplicable(f"{case.frames} frames with {seconds:.2f} s of sound are too few; {wanted}")
    path = find(syncnet.FILE, case.weights)
    if path is None:
        raise missing(syncnet.FILE, f"from {syncnet.SOURCE}")
    if lost := _why_lost(case.own_face()):
        raise Failed(lost)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = {"weights_sha256": digest, "is_published_file": is_published(digest), "crop": "mediapipe"}
    return SyncMeter(case, syncnet.load_network(path, case.device), weights)


METRIC = Metric(
    id="sync",
    figures=(CONFIDENCE, DISTANCE, OFFSET, GAP),
    reference="Chung and Zisserman 2016; tested against syncnet-python's SyncNetInstance.evaluate. Papers crop by the "
    "box of S3FD and we by that of MediaPipe, so printed figures compare only roughly",
    package="syncnet-python",
    parameters="adapter,jpeg-crops,mediapipe-box,vshift15",
    begin=begin,
    pitfalls="SyncNet likes exaggerated mouths: more than the truth has is no praise",
    needs=frozenset({"audio", "faces", "every frame"}),
    is_published=is_published,
)
