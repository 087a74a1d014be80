"""How long an avatar takes: as the last one that was made here without a break, else as measured on two cores."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pgstalker.files import replacing
from pgstalker.types import FPS

FILE = "pace.json"
MEASURED = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "amd-epyc-2-cores"
"""Where benchmarks/pace.py and fidelity.py left what they measured on two cores."""
HELD_OUT = 11
"""A clip's frames for each one that fidelity.py judges."""


@dataclass(frozen=True)
class Pace:
    """Seconds of reading per second of video, of learning, and of the first words."""

    read_per_s: float
    learn_s: float
    speak_s: float

    def expected_s(self, video_s: float) -> float:
        return self.read_per_s * video_s + self.learn_s + self.speak_s


def remember(root: Path, preset: str, pace: Pace) -> None:
    paces = _all(root) | {preset: asdict(pace)}
    with replacing(root / FILE) as temporary:
        temporary.write_text(json.dumps(paces))


@dataclass(frozen=True)
class Expected:
    """seconds that a video will take; is_here: judged by this machine."""

    seconds: float
    is_here: bool


def expected(root: Path, preset: str, video_s: float) -> Expected | None:
    """How long a video of this length will take; None where neither this machine nor another has told."""
    found = _all(root).get(preset)
    pace = Pace(**found) if found else measured(preset)
    return None if pace is None else Expected(pace.expected_s(video_s), found is not None)


@functools.cache
def measured(preset: str) -> Pace | None:
    """A preset's pace on two cores; None where its results do not lie there. The first words are left out: seconds."""
    from pgstalker.presets import PRESETS

    clips = [json.loads(path.read_text()) for path in MEASURED.glob("fidelity_*.json")]
    reading = [
        clip["prepare_seconds"] * FPS / (HELD_OUT * clip["test_frames"]) for clip in clips if "prepare_seconds" in clip
    ]
    if not reading or not (MEASURED / FILE).is_file():
        return None
    run = json.loads((MEASURED / FILE).read_text())["runs"][-1]
    learning = run["paces"][str(PRESETS[preset].size)]["pgstalker"]
    learn_s = PRESETS[preset].steps * learning["seconds_per_step"] + learning["fixed_seconds"]
    return Pace(max(reading), learn_s, 0.0)


def _all(root: Path) -> dict[str, dict[str, float]]:
    path = root / FILE
    return json.loads(path.read_text()) if path.is_file() else {}
