"""One result to be judged: what is known of it before its frames are compared."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.faces import MOST_LOST, FaceTrack
from pgstalker.errors import WeightsError


class NotApplicable(Exception):
    """The case lacks what a metric looks at; the message is the reason that the blank cell bears."""


class Failed(Exception):
    """The case has what a metric needs, but not in a state to be measured; the message says why."""


@dataclass(frozen=True)
class Case:
    """A prediction, with its truth and sound where there are any, as every metric sees it.

    frames counts what is compared; size is (width, height) px; audio, with which the prediction is heard, and
    truth_audio are float32 [S] at 16 kHz, sample 0 at the first frame that is compared. starts: that frame's number on
    each side; lengths: each side's frames on disk, None where they are those that are compared. stride: every how many
    frames of the performance both sides hold. What a meter opens and leaves open is closed with `resources`.
    faces and truth_faces are what was tracked, None where the landmarker could not be had (why_no_faces says why).
    """

    frames: int
    fps: float
    size: tuple[int, int]
    scratch: Path
    resources: ExitStack
    faces: FaceTrack | None = None
    truth_faces: FaceTrack | None = None
    audio: np.ndarray | None = None
    truth_audio: np.ndarray | None = None
    starts: tuple[int, int] = (0, 0)
    lengths: tuple[int, int] | None = None
    why_no_audio: str = "there is no sound; give --audio FILE"
    has_truth: bool = False
    why_no_faces: str | None = None
    weights: Path | None = None
    openface: tuple[Path, Path] | None = None
    every_frame: bool = False
    stride: int = 1
    device: str = "cpu"

    @property
    def status_no_faces(self):
        """The status of a cell that lacks faces: the landmarker's file is missing, or nobody was seen."""
        return "weights_missing" if self.why_no_faces else "failed"

    def box(self, region: str, index: int) -> tuple[int, int, int, int] | None:
        """Top, bottom, left and right px of a region in a frame, from the truth's landmarks; None where unknown."""
        width, height = self.size
        if region == "full":
            return 0, height, 0, width
        return None if self.truth_faces is None else self.truth_faces.box(region, index, self.size)

    def own_face(self) -> FaceTrack:
        """The prediction's face. Raises WeightsError without a landmarker, Failed where it is lost too often."""
        return self._usable(self.faces, "the prediction")

    def both_faces(self) -> tuple[FaceTrack, FaceTrack, np.ndarray]:
        """Prediction's and truth's face, and in which frames both are seen [T] bool. Raises as own_face does."""
        own, true = self.own_face(), self._usable(self.truth_faces, "the truth")
        return own, true, own.is_seen & true.is_seen

    def _usable(self, track: FaceTrack | None, whose: str) -> FaceTrack:
        if track is None:
            raise WeightsError(self.why_no_faces or f"the face of {whose} was not tracked")
        lost = int((~track.is_seen).sum())
        if lost == len(track):
            raise Failed(f"no face was found in {whose}")
        if lost > MOST_LOST * len(track):
            raise Failed(
                f"the face was lost in {lost} of {len(track)} frames of {whose}; at most {MOST_LOST:.0%} may be"
            )
        return track
