"""The floor: the mean training frame, whatever is said. What does not beat it has learnt nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker.method import Composite, Method, Performance, Progress, TrainingRequest

if TYPE_CHECKING:
    from pgstalker.training.references import Reference


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> StillFrame:
    from pgstalker.training.references import learn

    def mean(reference: Reference) -> dict[str, np.ndarray]:
        total = np.zeros(reference.data.pictures.shape[1:], np.float64)
        for number, picture in enumerate(reference.data.pictures):
            total += picture
            progress("mean", (number + 1) / len(reference.data), {})
        return {"frame": np.rint(total / len(reference.data)).astype(np.uint8)}

    learn(METHOD, subject, out, request, mean)
    return load(out)


def load(folder: Path, device: str = "auto") -> StillFrame:
    from pgstalker.training.references import recall

    return StillFrame(*recall(METHOD, folder))


class StillFrame:
    """One picture for ever. arrays: frame [H, W, 3] uint8."""

    composite: Composite = "full_frame"

    def __init__(self, arrays: dict[str, np.ndarray], provenance: dict[str, Any]):
        self.frame, self.provenance = arrays["frame"], provenance
        self.size = len(self.frame)

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        for _ in range(len(performance)):
            yield self.frame.copy()


METHOD = Method(
    id="still-frame",
    title="Still frame",
    paper="",
    kind="floor",
    differences=(),
    train=train,
    load=load,
)
