"""What a metric declares, what it is given and what it answers.

A metric is one file of this package that names METRIC. Its `begin` looks at the case and returns a meter, which sees
each pair of frames in turn and then gives one reading per figure and region:

    METRIC.begin(case) -> meter;  meter.update(index, frame, truth) per frame;  meter.finish() -> {key: Reading}

A key is a figure's id, followed by _face or _mouth where the region is not the whole frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Protocol

import numpy as np

from leaderboard.case import Case, NotApplicable
from leaderboard.faces import MOST_LOST
from pgstalker import __version__

Region = Literal["full", "face", "mouth"]
Status = Literal["ok", "weights_missing", "not_applicable", "failed"]


@dataclass(frozen=True)
class Figure:
    """One number of a metric.

    direction: "higher" and "lower" are better without end; "target" is best at `target`.
    bounds are what the definition allows, None where it sets none. compares_with_papers: the same protocol and
    implementation stand behind printed figures of this name. group is the one in which it ranks, if it does.
    is_mean: a mean over frames, each of which has its value; else one number of the whole clip. span: how many frames
    in a row one of these values is of.
    """

    id: str
    unit: str
    direction: Literal["higher", "lower", "target"]
    bounds: tuple[float | None, float | None]
    meaning: str
    target: float | None = None
    compares_with_papers: bool = False
    group: Literal["fidelity", "lip", "sync"] | None = None
    is_mean: bool = True
    span: int = 1

    def entries(self, frames: int, stride: int) -> int:
        """How many values so many compared frames have, where every stride-th is looked at."""
        return -(-(frames - self.span + 1) // stride)

    def badness(self, value: float) -> float:
        """A number that is lower for a better value."""
        if self.direction == "target":
            return abs(value - (self.target or 0.0))
        return -value if self.direction == "higher" else value


@dataclass(frozen=True)
class Reading:
    """A figure of one case: a value, or the reason why there is none.

    per_frame [n] holds the values whose mean `value` is, NaN where a frame could not be judged; frame k of it is frame
    k * stride of the video. Where the figure is no mean, `resample(indices)` computes it anew from n entries.
    """

    value: float | None = None
    status: Status = "ok"
    reason: str | None = None
    per_frame: np.ndarray | None = None
    resample: Callable[[np.ndarray], float] | None = None
    n: int = 0
    n_missing: int = 0
    stride: int = 1
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def mean_of(cls, values: np.ndarray, stride: int = 1, **details: Any) -> Reading:
        """The mean of per-frame values [n] over the frames that could be judged; failed where none could be."""
        values = np.asarray(values, np.float64)
        seen = np.isfinite(values)
        if not seen.any():
            return cls(status="failed", reason=f"none of {len(values)} frames could be judged")
        return cls(
            value=float(values[seen].mean()),
            per_frame=values,
            n=int(seen.sum()),
            n_missing=int((~seen).sum()),
            stride=stride,
            details=details,
        )


class Meter(Protocol):
    """Sees the frames in order, then answers."""

    def update(self, index: int, frame: np.ndarray, truth: np.ndarray | None) -> None: ...

    def finish(self) -> dict[str, Reading]: ...


@dataclass(frozen=True)
class Metric:
    """The declaration of one file.

    pitfalls: what the figures are blind to or misled by, one line.
    reference names the definition and the independent implementation it is tested against; package and parameters are
    what computes it. needs: "truth", "audio", "faces", "openface", "every frame" (a result that
    skips some tells it nothing). stride: every how many frames are looked at unless every frame is asked for.
    is_published: of a metric whose weights the user brings, whether a sha256 is that of the file its authors publish.
    """

    id: str
    figures: tuple[Figure, ...]
    reference: str
    parameters: str
    begin: Callable[[Case], Meter]
    pitfalls: str
    needs: frozenset[str] = frozenset({"truth"})
    regions: tuple[Region, ...] = ("full",)
    stride: int = 1
    package: str = "pgstalker"
    is_published: Callable[[str], bool] | None = None

    def implementation(self) -> str:
        """What a record bears: package@version:parameters. Rows in which it differs do not compare."""
        try:
            installed = __version__ if self.package == "pgstalker" else version(self.package)
        except PackageNotFoundError:
            installed = "absent"
        return f"{self.package}@{installed}:{self.parameters}"

    @property
    def needs_truth(self) -> bool:
        return "truth" in self.needs

    def cells(self) -> dict[str, tuple[Figure, Region]]:
        """Every cell that the metric fills: key to figure and region."""
        return {key(figure.id, region): (figure, region) for figure in self.figures for region in self.regions}


def key(figure: str, region: str) -> str:
    return figure if region == "full" else f"{figure}_{region}"


@dataclass
class PictureMeter:
    """A figure that is the mean over frames of `compare(frame, truth)`, in each region that the case can show.

    compare takes two uint8 [h, w, 3] RGB pictures of one size, whole or cut to the region's box, and returns a number;
    a region narrower than least_side px is not judged.
    """

    case: Case
    figure: str
    regions: Iterable[Region]
    compare: Callable[[np.ndarray, np.ndarray], float]
    stride: int = 1
    least_side: int = 1

    def __post_init__(self) -> None:
        self.stride = 1 if self.case.every_frame else self.stride
        least = min(self.case.size)
        if least < self.least_side:
            raise NotApplicable(f"the picture's side of {least} px is below the {self.least_side} px that it needs")
        length = -(-self.case.frames // self.stride)
        self._values = {region: np.full(length, np.nan) for region in self.regions}
        self._unseen = dict.fromkeys(self.regions, 0)

    def update(self, index: int, frame: np.ndarray, truth: np.ndarray | None) -> None:
        if index % self.stride:
            return
        assert truth is not None, "only for metrics that need the truth"
        for region, values in self._values.items():
            box = self.case.box(region, index)
            if box is None or min(box[1] - box[0], box[3] - box[2]) < self.least_side:
                self._unseen[region] += 1
                continue
            rows, columns = slice(box[0], box[1]), slice(box[2], box[3])
            values[index // self.stride] = self.compare(frame[rows, columns], truth[rows, columns])

    def finish(self) -> dict[str, Reading]:
        return {key(self.figure, region): self._reading(region, values) for region, values in self._values.items()}

    def _reading(self, region: Region, values: np.ndarray) -> Reading:
        if region != "full" and not np.isfinite(values).any():
            reason = self.case.why_no_faces or f"no {region} of {self.least_side} px or more was found in the truth"
            return Reading(status=self.case.status_no_faces, reason=reason)
        if (lost := self._unseen[region]) > MOST_LOST * len(values):
            what = f"no {region} of {self.least_side} px or more in {lost} of {len(values)} frames of the truth"
            return Reading(status="failed", reason=f"{what}; at most {MOST_LOST:.0%} may lack one")
        return Reading.mean_of(values, self.stride)


@dataclass
class TrackMeter:
    """Figures that come of what was tracked before: frames pass by unseen."""

    compute: Callable[[], dict[str, Reading]]

    def update(self, index: int, frame: np.ndarray, truth: np.ndarray | None) -> None:
        """Nothing: the tracks are known."""

    def finish(self) -> dict[str, Reading]:
        return self.compute()
