"""Are a submission's figures those of its frames? The cheap ones scored again, where the clip is at hand.

What needs a landmarker, weights or the sound is not: another machine's landmarker moves a mouth's box by a pixel, and
what went through a codec comes out otherwise of another ffmpeg. `score` is for those who want to look at these too.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.protocol import Protocol
from leaderboard.records import read_record
from leaderboard.running.stages import subject_of
from leaderboard.running.tasks import Places, Task
from leaderboard.running.truths import Truth
from leaderboard.running.verify import rescored, unlike
from pgstalker.errors import MediaError, PgsError

if TYPE_CHECKING:
    from leaderboard.submission.submit import Scored, Submission

log = logging.getLogger(__name__)
METRICS = ("psnr", "ssim", "flicker")


class Nobody:
    """An observer that sees no face, so that no landmarker is asked."""

    def examine(self, image: np.ndarray) -> list[tuple[np.ndarray, dict[str, float]]]:
        return []


def unfounded(submission: Submission, places: Places, datasets: Mapping[str, str] | None = None) -> Iterator[str]:
    """In words, each figure or per-frame value that its prediction does not give beside the clip's own frames.

    Records whose clip is not at hand, or is prepared otherwise here, are passed over with a warning. datasets: what to
    ask for to find a dataset by its id (folder:PATH, say)."""
    for scored in submission.scored:
        with tempfile.TemporaryDirectory(prefix="pgstalker-rescoring-") as scratch:
            try:
                truth = _truth(scored, places, datasets or {}, Path(scratch))
            except PgsError as error:
                log.warning("%s was not scored again: %s", scored.place, error)
                continue
            yield from (f"{scored.place}: {line}" for line in _unfounded(scored, truth, Path(scratch)))


def _truth(scored: Scored, places: Places, datasets: Mapping[str, str], scratch: Path) -> Path:
    """The clip's held-out frames, as the runner scores against them. Raises PgsError where they cannot be had."""
    clip, protocol = scored.record["clip"], scored.record["protocol"]
    if protocol["setting"] != "self" or protocol["codec"] != "lossless":
        raise MediaError("it has no truth, or went through a codec")
    task = Task("truth", datasets.get(clip["dataset"], clip["dataset"]), clip["id"], size=clip["size"][0])
    task.find_clip().require()
    subject, _ = subject_of(task, places, lambda stage, share: None)
    return Truth(task.find_clip(), subject, task.side, clip.get("stride", 1)).write(scratch / "truth.mkv")


def _unfounded(scored: Scored, truth: Path, scratch: Path) -> Iterator[str]:
    from leaderboard.scoring import ScoreRequest, score

    assert scored.prediction is not None, "lint saw to it"
    told = scored.record["protocol"]
    protocol = Protocol(told["setting"], told["composite"], told["codec"])
    stride = scored.record["clip"].get("stride", 1)
    request = ScoreRequest(scored.prediction, truth, protocol=protocol, metrics=METRICS, device="cpu", stride=stride)
    try:
        score(request, scratch / "scores.json", observer=nullcontext(Nobody()))
    except MediaError as error:
        yield str(error)
        return
    fresh = read_record(scratch / "scores.json")
    if fresh[0]["inputs"]["truth"]["frame_md5"] != scored.record["inputs"]["truth"]["frame_md5"]:
        log.warning("%s was not scored again: its clip is prepared otherwise here", scored.place)
        return
    for key, again in fresh[0]["metrics"].items():
        cell = scored.record["metrics"].get(key)
        if cell is not None and cell["status"] == again["status"] == "ok":
            yield from unlike(key, (scored.record, scored.series), fresh, rescored(key, cell), by_frame=True)
