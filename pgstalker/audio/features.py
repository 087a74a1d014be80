"""What every audio front end offers: audio in, [T, window, channels] at 25 fps out."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pgstalker.errors import ConfigError


class AudioFeatures(Protocol):
    """A front end. `channels` and `window` are the sizes of one frame's features; `look_ahead_ms` says how much sound
    after the middle of a video frame that frame's features depend on.

    statistics [2, channels] float32 (mean, standard deviation) of the training recording, or None before training.
    """

    id: str
    channels: int
    window: int
    look_ahead_ms: float

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Statistics [2, channels] of a recording: samples [S] float32, 16 kHz mono."""
        ...

    def adapt(self, samples: np.ndarray, trained: np.ndarray) -> np.ndarray:
        """Statistics for another recording; a short one leans on those of training."""
        ...

    def extract(self, samples: np.ndarray, frames: int, statistics: np.ndarray, shift: int = 0) -> np.ndarray:
        """Features [frames, window, channels] float32, normalised with `statistics`.

        shift moves the window by that many feature steps (augmentation in training).
        """
        ...


def create_features(name: str) -> AudioFeatures:
    """The front end of that name. Raises ConfigError for an unknown one."""
    from pgstalker.audio.mel import MelFeatures

    kinds = {MelFeatures.id: MelFeatures}
    if name not in kinds:
        raise ConfigError(f"audio={name} is unknown; use one of: {', '.join(kinds)}")
    return kinds[name]()
