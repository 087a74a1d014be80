"""Does the picture change from frame to frame as the truth does? Both trembling and freezing count."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from leaderboard.case import Case, NotApplicable
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading

FLICKER = Figure(
    "flicker",
    unit="grey levels",
    direction="lower",
    bounds=(0, 510),
    meaning="mean |change of the prediction - change of the truth| from frame to frame",
    span=2,
)
RATIO = Figure(
    "flicker_ratio",
    unit="ratio",
    direction="target",
    target=1.0,
    bounds=(0, None),
    meaning="mean |change of the prediction| over mean |change of the truth|; 0 is a still picture",
    is_mean=False,
)


@dataclass
class FlickerMeter:
    """Keeps the last pair of frames, nothing more."""

    last: tuple[np.ndarray, np.ndarray] | None = None
    differences: list[float] = field(default_factory=list)
    changes: list[tuple[float, float]] = field(default_factory=list)

    def update(self, index: int, frame: np.ndarray, truth: np.ndarray | None) -> None:
        assert truth is not None, "only for metrics that need the truth"
        pair = frame.astype(np.int16), truth.astype(np.int16)
        if self.last is not None:
            change, true_change = pair[0] - self.last[0], pair[1] - self.last[1]
            self.differences.append(float(np.abs(change - true_change).mean()))
            self.changes.append((float(np.abs(change).mean()), float(np.abs(true_change).mean())))
        self.last = pair

    def finish(self) -> dict[str, Reading]:
        changes = np.array(self.changes)
        return {FLICKER.id: Reading.mean_of(np.array(self.differences)), RATIO.id: _ratio(changes)}


def _ratio(changes: np.ndarray) -> Reading:
    own, true = changes.mean(0)
    if true == 0:
        return Reading(status="not_applicable", reason="the truth does not move")

    def again(indices: np.ndarray) -> float:
        mine, its = changes[indices].mean(0)
        return mine / its if its else np.nan

    return Reading(value=own / true, resample=again, n=len(changes))


def begin(case: Case) -> Meter:
    if case.frames < 2:
        raise NotApplicable("one frame does not flicker")
    return FlickerMeter()


METRIC = Metric(
    id="flicker",
    figures=(FLICKER, RATIO),
    reference="temporal difference of differences; tested in closed form",
    parameters="abs-difference-of-frame-differences,rgb",
    begin=begin,
    pitfalls="a still picture flickers least: read it beside fidelity and lips",
    needs=frozenset({"truth", "every frame"}),
)
