"""Small videos of the board's rows for whoever compares them by eye: of people who do not exist only."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.protocol import Protocol
from leaderboard.running.references import REFERENCES
from leaderboard.running.tasks import BOARD_BASE
from leaderboard.running.truths import Truth
from pgstalker.media import VideoWriter, read_frames
from pgstalker.provenance import COMMENT

if TYPE_CHECKING:
    from leaderboard.running.stages import Run

log = logging.getLogger(__name__)
MOST_BYTES = 10_000_000
CRF = 27


def ship(run: Run, protocol: Protocol, truth: Truth, sound: Path) -> str | None:
    """Write the prediction, and once the truth, with sound as results/media/<dataset>/<clip>/<method>[+variant].mp4.

    Returns its path from the results folder; None for a real person's clip, a reference, a codec's row, and, with a
    warning, where all media together would pass MOST_BYTES."""
    clip = run.task.find_clip()
    if not clip.is_redistributable or protocol.codec != "lossless" or run.task.method in REFERENCES:
        return None
    folder = run.places.results / "media" / run.task.dataset_id / run.task.performance
    if run.setting == "self" and not (folder / "truth.mp4").is_file():
        _write(folder / "truth.mp4", truth, truth.frames(), sound)
    path = folder / f"{_name(run)}.mp4"
    if not path.is_file():
        _write(path, truth, read_frames(run.prediction), sound, COMMENT)
        used = sum(file.stat().st_size for file in (run.places.results / "media").rglob("*.mp4"))
        if used > MOST_BYTES:
            path.unlink()
            log.warning("%s would make %.1f MB of media, at most %.0f ship", path.name, used / 1e6, MOST_BYTES / 1e6)
            return None
    return path.relative_to(run.places.results).as_posix()


def _name(run: Run) -> str:
    """The method and its variant; what was not made as the board's rows are bears how it was made too."""
    base, _, variant = run.task.revision.partition("+")
    name = "+".join(filter(None, [run.task.method, variant]))
    return name if base == BOARD_BASE else f"{name}@{base}"


def _write(path: Path, truth: Truth, frames: Iterable[np.ndarray], sound: Path, comment: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, truth.side, truth.side, truth.fps, audio=sound, crf=CRF, comment=comment) as writer:
        for frame in frames:
            writer.write(frame)
