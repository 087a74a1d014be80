"""A look at a portrait video before anybody waits for it: seconds, not minutes, and every finding at once.

The gates are those of preparation (quality.py), applied to frames far apart. What only a full pass can tell (cuts, head
pose, a moving camera) is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from pgstalker import measures, media
from pgstalker.errors import SubjectError
from pgstalker.tracking import quality
from pgstalker.tracking.crop import FACE_SHARE, choose_crop
from pgstalker.tracking.landmarks import FaceLandmarker
from pgstalker.types import FPS, SAMPLE_RATE_HZ

Verdict = Literal["good", "fair", "bad"]
LOOKED_AT_S, SAMPLES = 60.0, 48
PREVIEW_PX = 320
MIN_MOUTH_RANGE, GOOD_MOUTH_RANGE = 0.015, 0.04
"""Of the lip aperture between the 5th and the 95th percentile, in distances of the outer eye corners. Talking people
have 0.1 and more, a closed mouth 0.01."""
MIN_FPS, GOOD_FPS = 15.0, 24.0


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, the value seen, and, where it is not good, what to do."""

    topic: str
    value: str
    verdict: Verdict = "good"
    remedy: str = ""


@dataclass
class CheckReport:
    """What was found; preview is the square that would be used, uint8 [P, P, 3], None where there is no face."""

    seconds: float
    findings: list[Finding] = field(default_factory=list)
    preview: np.ndarray | None = None

    @property
    def is_fit(self) -> bool:
        return all(finding.verdict != "bad" for finding in self.findings)

    @property
    def problem(self) -> str:
        """Why it is not fit, one line."""
        return "; ".join(finding.remedy for finding in self.findings if finding.verdict == "bad")

    def judge(self, topic: str, value: str, gate: Callable[[], list[str] | None]) -> None:
        """Add a finding: a gate that raises is bad, one that warns is fair."""
        try:
            warnings = gate() or []
        except SubjectError as error:
            self.findings.append(Finding(topic, value, "bad", str(error)))
            return
        self.findings.append(Finding(topic, value, "fair" if warnings else "good", "; ".join(warnings)))


def check_video(video: str | Path, name: str = "the video") -> CheckReport:
    """Look at a video of a person talking. name: what the report calls it.

    Raises MediaError for what is no video with sound, or is too long or too large; WeightsError where the landmark
    model cannot be had."""
    video = Path(video)
    info = media.probe(video)
    media.check_video(info)
    stream, sound = info.require_video(), info.require_audio()
    samples = media.read_audio(video, SAMPLE_RATE_HZ)
    seconds = min(info.duration_s, len(samples) / SAMPLE_RATE_HZ)
    report = CheckReport(seconds)
    report.judge("Length", f"{seconds:.1f} s", lambda: quality.check_length(name, round(seconds * FPS)))
    report.judge("Picture", f"{stream.width} x {stream.height} px, {stream.fps:.4g} per second", lambda: _rate(stream))
    loudness = measures.loudness_dbfs(samples) if len(samples) else -120.0
    report.judge("Sound", f"{loudness:.0f} dB, {sound.codec}", lambda: quality.check_sound(name, samples))
    _look_at_faces(video, stream, seconds, name, report)
    return report


def _rate(stream: media.VideoStream) -> list[str]:
    if stream.fps < MIN_FPS:
        raise SubjectError(f"the video shows {stream.fps:.3g} pictures a second; record it with {FPS} or more")
    if stream.has_variable_rate:
        return [f"its rate varies; it is brought to {FPS} a second by its timestamps"]
    return [f"few pictures a second; {FPS} are good"] if stream.fps < GOOD_FPS else []


def _look_at_faces(video: Path, stream: media.VideoStream, seconds: float, name: str, report: CheckReport) -> None:
    faces, looks, shown = [], [], None
    rate = min(FPS / 5, SAMPLES / max(1.0, min(seconds, LOOKED_AT_S)))
    count = max(1, int(rate * min(seconds, LOOKED_AT_S)))
    with FaceLandmarker(max_faces=2) as landmarker:
        for image in media.read_frames(video, fps=rate, count=count):
            found = sorted(landmarker.track(image), key=quality.face_height, reverse=True)
            faces.append(found)
            if found:
                scale = FACE_SHARE * 512 / max(1.0, quality.face_height(found[0]))
                looks.append(quality.luma_and_sharpness(image, found[0], scale))
                if shown is None or len(faces) <= count // 2:
                    shown = image
    seen = [each[0] for each in faces if each]
    report.judge("Face", f"in {len(seen)} of {len(faces)} frames", lambda: _faces(name, faces))
    if not seen:
        return
    luma, sharpness = np.median(looks, axis=0)
    report.judge("Light", f"{luma:.0f} of 255", lambda: quality.check_picture(luma, quality.SOFT_SHARPNESS))
    report.judge("Sharpness", f"{sharpness:.0f}", lambda: quality.check_picture(quality.MIN_LUMA, sharpness))
    landmarks = np.stack(seen)
    spread = float(np.ptp(np.percentile(measures.lip_aperture(landmarks), [5, 95])))
    report.judge("Mouth", f"opens by {spread:.0%} of the eyes' distance", lambda: _mouth(name, spread))
    assert shown is not None
    _frame(landmarks, stream, shown, report)


def _faces(name: str, faces: list[list[np.ndarray]]) -> list[str]:
    warnings = quality.check_faces(name, faces)
    quality.check_valid(name, np.array([bool(each) for each in faces]))
    return warnings


def _mouth(name: str, spread: float) -> list[str]:
    if spread < MIN_MOUTH_RANGE:
        raise SubjectError(f"the mouth hardly moves in {name}; the person must be seen speaking")
    return ["the mouth moves little; clear speech teaches more"] if spread < GOOD_MOUTH_RANGE else []


def _frame(landmarks: np.ndarray, stream: media.VideoStream, image: np.ndarray, report: CheckReport) -> None:
    import cv2

    try:
        crop = choose_crop(landmarks, stream.width, stream.height, 512)
    except SubjectError as error:
        report.findings.append(Finding("Framing", "the head moves about", "bad", str(error)))
        return
    report.judge("Framing", f"{crop.side} x {crop.side} px around the head", lambda: quality.check_crop(crop.side))
    square = image[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]
    report.preview = cv2.resize(square, (PREVIEW_PX, PREVIEW_PX), interpolation=cv2.INTER_AREA)
