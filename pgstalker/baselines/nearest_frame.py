"""A second floor: the training frame that sounded most alike. It knows every word of the clip and no grammar of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker.method import Composite, Method, Performance, Progress, TrainingRequest

if TYPE_CHECKING:
    from pgstalker.training.references import Reference

AT_ONCE = 64


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> NearestFrame:
    from pgstalker.audio import create_features
    from pgstalker.training.references import learn

    def windows(reference: Reference) -> dict[str, np.ndarray]:
        data, features = reference.data, create_features(request.switches.get("audio", "mel"))
        statistics = features.measure(data.samples)
        progress("listen", 0.5, {})
        return {
            "windows": features.extract(data.samples, len(data), statistics).reshape(len(data), -1),
            "statistics": np.asarray(statistics, np.float32),
            "frames": data.pictures,
        }

    learn(METHOD, subject, out, request, windows)
    return load(out)


def load(folder: Path, device: str = "auto") -> NearestFrame:
    from pgstalker.training.references import recall

    return NearestFrame(*recall(METHOD, folder))


class NearestFrame:
    """arrays: windows [T, W * C] float32 of the training frames; frames [T, H, W, 3] uint8; statistics of the sound."""

    composite: Composite = "full_frame"

    def __init__(self, arrays: dict[str, np.ndarray], provenance: dict[str, Any]):
        self.windows, self.frames, self.statistics = (arrays[name] for name in ("windows", "frames", "statistics"))
        self.provenance, self.size = provenance, self.frames.shape[1]

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        from pgstalker.audio import create_features

        features = create_features(self.provenance["switches"].get("audio", "mel"))
        samples, statistics = performance.samples, self.statistics
        if not performance.is_own:
            statistics = features.adapt(samples, statistics)
        heard = features.extract(samples, performance.recording_frames, statistics)[performance.moments]
        for number in nearest(heard.reshape(len(heard), -1), self.windows):
            yield self.frames[number].copy()


def nearest(queries: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[Q] int: for each query [Q, D] the row of known [K, D] at the least Euclidean distance."""
    squares = (known.astype(np.float64) ** 2).sum(1)
    parts = [queries[first : first + AT_ONCE].astype(np.float64) for first in range(0, len(queries), AT_ONCE)]
    return np.concatenate([(squares - 2 * part @ known.T).argmin(1) for part in parts]) if parts else np.zeros(0, int)


METHOD = Method(
    id="nearest-frame",
    title="Nearest frame by sound",
    paper="",
    kind="floor",
    differences=(),
    train=train,
    load=load,
    switches={"audio": ("mel", "viseme", "mel+viseme", "hubert", "wav2vec2", "whisper")},
)
