"""An oracle: the training frame that is closest to the true one, picked with knowledge of the answer.

No talker can know it; the best of a talker's own pictures would look like this. An avatar worth its Gaussians beats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker.errors import ConfigError
from pgstalker.method import Composite, Method, Performance, Progress, TrainingRequest

if TYPE_CHECKING:
    from pgstalker.training.references import Reference


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> OracleFrame:
    from pgstalker.training.references import learn

    def frames(reference: Reference) -> dict[str, np.ndarray]:
        return {"frames": reference.data.pictures}

    learn(METHOD, subject, out, request, frames)
    progress("frames", 1.0, {})
    return load(out)


def load(folder: Path, device: str = "auto") -> OracleFrame:
    from pgstalker.training.references import recall

    return OracleFrame(*recall(METHOD, folder))


class OracleFrame:
    """arrays: frames [T, H, W, 3] uint8 of training."""

    composite: Composite = "full_frame"

    def __init__(self, arrays: dict[str, np.ndarray], provenance: dict[str, Any]):
        self.frames, self.provenance = arrays["frames"], provenance
        self.size = self.frames.shape[1]

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        """Raises ConfigError for another's sound: there is no true frame to know."""
        if not performance.is_own:
            raise ConfigError(
                "oracle-frame knows the answer of a self-driven performance only; this one is cross-driven"
            )
        for truth in performance.pictures(self.size):
            yield self.frames[closest(truth, self.frames)].copy()


def closest(truth: np.ndarray, frames: np.ndarray) -> int:
    """The frame [T, H, W, 3] uint8 of the least mean squared difference from truth [H, W, 3] uint8."""
    target = truth.astype(np.int32)
    return int(np.argmin([((frame - target) ** 2).sum(dtype=np.int64) for frame in frames]))


METHOD = Method(
    id="oracle-frame",
    title="Best training frame (oracle)",
    paper="",
    kind="oracle",
    differences=(),
    train=train,
    load=load,
)
