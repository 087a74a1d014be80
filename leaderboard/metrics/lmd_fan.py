"""Landmark distance of the mouth with FAN's points, as papers print it, where the user has face-alignment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.case import Case, Failed, NotApplicable
from leaderboard.faces import MOST_LOST
from leaderboard.metrics.lmd import mouth_distance
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading
from leaderboard.weights import find, missing

VERSION = "1.5.0"
FILES = ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar")
"""What face-alignment would otherwise fetch by itself, unasked."""
ADDRESS = "https://www.adrianbulat.com/downloads/python-fan/"
MOUTH = slice(48, 68)

FIGURE = Figure(
    "lmd_fan",
    unit="px",
    direction="lower",
    bounds=(0, None),
    meaning="mean distance of FAN's points 48 to 67, each set about its own mean, at the video's own size",
    compares_with_papers=True,
)


@dataclass
class FanMeter:
    """Both sides' mouths in every stride-th frame; a frame without a face on either side is missing."""

    detector: Any
    frames: int
    stride: int
    distances: list[float] = field(default_factory=list)

    def update(self, index: int, frame: np.ndarray, truth: np.ndarray | None) -> None:
        assert truth is not None, "only for metrics that need the truth"
        if index % self.stride:
            return
        own, true = self._mouth(frame), self._mouth(truth)
        is_seen = own is not None and true is not None
        self.distances.append(float(mouth_distance(own[None], true[None])[0]) if is_seen else np.nan)

    def _mouth(self, picture: np.ndarray) -> Any:
        faces = self.detector.get_landmarks_from_image(np.ascontiguousarray(picture))
        return faces[-1][MOUTH] if faces else None  # the last face, as the papers' scripts take it

    def finish(self) -> dict[str, Reading]:
        distances = np.array(self.distances)
        lost = int(np.isnan(distances).sum())
        if lost > MOST_LOST * len(distances):
            raise Failed(
                f"FAN found no face in {lost} of {len(distances)} frames; at most {MOST_LOST:.0%} may lack one"
            )
        return {FIGURE.id: Reading.mean_of(distances, self.stride)}


@contextmanager
def _checkpoints(files: list[Path], folder: Path) -> Iterator[None]:
    """The files where face-alignment looks before it would fetch them: $TORCH_HOME, which is `folder` meanwhile."""
    place = folder / "hub" / "checkpoints"
    place.mkdir(parents=True)
    for path in files:
        (place / path.name).symlink_to(path.resolve())
    before = os.environ.get("TORCH_HOME")
    os.environ["TORCH_HOME"] = str(folder)
    try:
        yield
    finally:
        del os.environ["TORCH_HOME"]
        os.environ.update({} if before is None else {"TORCH_HOME": before})


def begin(case: Case) -> Meter:
    installed = version("face-alignment") if find_spec("face_alignment") else "not"
    if installed != VERSION:
        raise NotApplicable(
            f"face-alignment {VERSION} is wanted, {installed} installed: pip install it to have FAN's LMD"
        )
    from pgstalker.training.perceptual import backbone_path

    kept, files = backbone_path().parent, []
    for name in FILES:
        path = find(name, case.weights) or kept / name
        if not path.is_file():
            raise missing(name, f"from {ADDRESS}{name}", also=kept)
        files.append(path)
    import face_alignment

    kind = face_alignment.LandmarksType.TWO_D
    with _checkpoints(files, case.scratch / "fan"):
        detector = face_alignment.FaceAlignment(kind, device=case.device, flip_input=False, compile=False)
    return FanMeter(detector, case.frames, 1 if case.every_frame else METRIC.stride)


METRIC = Metric(
    id="lmd_fan",
    figures=(FIGURE,),
    reference="Chen et al. 2018 (LMD) with FAN (Bulat and Tzimiropoulos 2017), as in ER-NeRF's scripts",
    package="face-alignment",
    parameters="2d,s3fd,last-face,translation-removed",
    begin=begin,
    pitfalls="is in px, so it grows with the picture, and the detector's own noise stands in it",
    stride=5,
)
