"""How long an avatar takes on this machine, judged by the last one that was made without a break."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pgstalker.files import replacing

FILE = "pace.json"


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


def expected_s(root: Path, preset: str, video_s: float) -> float | None:
    """Seconds that a video of this length will take; None while no such avatar was made here."""
    found = _all(root).get(preset)
    return Pace(**found).expected_s(video_s) if found else None


def _all(root: Path) -> dict[str, dict[str, float]]:
    path = root / FILE
    return json.loads(path.read_text()) if path.is_file() else {}
