"""Small videos of the board's rows for whoever compares them by eye: of people who do not exist only.

All run at 25 frames/s, those of methods that draw every few frames too, whose frames stand longer: so that any two of
a clip and a size, and the truth, can be played side by side.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.places import truth_video
from leaderboard.protocol import Protocol
from leaderboard.running.references import REFERENCES
from leaderboard.running.tasks import BOARD_BASE
from leaderboard.running.truths import Truth
from pgstalker.media import VideoWriter, read_frames
from pgstalker.provenance import COMMENT
from pgstalker.types import FPS

if TYPE_CHECKING:
    from leaderboard.running.stages import Run

log = logging.getLogger(__name__)
MOST_BYTES = 10_000_000
CRF = 27


def ship(run: Run, protocol: Protocol, truth: Truth, sound: Path) -> str | None:
    """Write the prediction, and once for each size the truth (truth_video), with sound, as
    results/media/<dataset>/<clip>/<method>[+variant].mp4.

    Returns its path from the results folder; None for a real person's clip, a reference, a codec's row, and, with a
    warning, where all media together would pass MOST_BYTES."""
    clip = run.task.find_clip()
    if not clip.is_redistributable or protocol.codec != "lossless" or run.task.method in REFERENCES:
        return None
    folder = run.places.results / "media" / run.task.dataset_id / run.task.performance
    its_truth = folder / truth_video(truth.side)
    if run.setting == "self" and not its_truth.is_file():
        _write(its_truth, truth.side, replace(truth, stride=1).frames(), sound)
    path = folder / f"{_name(run)}.mp4"
    if not path.is_file():
        standing = (frame for frame in read_frames(run.prediction) for _ in range(truth.stride))
        most = truth.count if run.setting == "self" else None
        _write(path, truth.side, islice(standing, most), sound, COMMENT)
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


def _write(path: Path, side: int, frames: Iterable[np.ndarray], sound: Path, comment: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, side, side, FPS, audio=sound, crf=CRF, comment=comment) as writer:
        for frame in frames:
            writer.write(frame)
