"""What every audio front end offers: audio in, [T, window, channels] at 25 fps out.

mel                                log-mel energies: nothing to fetch, any voice, streams
viseme | mel+viseme                what our own ear hears in them (audio/viseme.py), alone or beside them; streams
hubert | wav2vec2 | whisper        a pretrained speech model; hubert:FOLDER or hubert:OWNER/NAME for another one
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pgstalker.errors import ConfigError
from pgstalker.types import SAMPLE_RATE_HZ


class AudioFeatures(Protocol):
    """A front end. `channels` and `window` are the sizes of one frame's features; `look_ahead_ms` says how much sound
    after the middle of a video frame that frame's features depend on (infinite: on all of it).

    statistics [statistics_shape] float32: what normalises features, measured on the training recording and stored with
    the avatar; for mel [2, channels], mean and standard deviation.
    """

    id: str
    channels: int
    look_ahead_ms: float

    @property
    def window(self) -> int: ...

    @property
    def statistics_shape(self) -> tuple[int, int]: ...

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Statistics of a recording: samples [S] float32, 16 kHz mono."""
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
    """The front end of that name; hubert:REFERENCE names the model too. Raises ConfigError for an unknown one."""
    kind, _, reference = name.partition(":")
    if kind == "mel" and not reference:
        from pgstalker.audio.mel import MelFeatures

        return MelFeatures()
    if kind in ("viseme", "mel+viseme") and not reference:
        from pgstalker.audio.viseme import MelAndVisemeFeatures, VisemeFeatures

        return VisemeFeatures() if kind == "viseme" else MelAndVisemeFeatures()
    from pgstalker.audio.speech_encoder import ENCODERS

    if kind not in ENCODERS:
        raise ConfigError(
            f"audio={name} is unknown; use mel, viseme, mel+viseme, or one of {', '.join(ENCODERS)} (or hubert:FOLDER)"
        )
    return ENCODERS[kind](reference)


def quiet_features(features: AudioFeatures, statistics: np.ndarray) -> np.ndarray:
    """What digital silence sounds like: [1, window, channels]."""
    return features.extract(np.zeros(SAMPLE_RATE_HZ, np.float32), 1, statistics)


def windows_of(states: np.ndarray, frames: int, window: int, steps_per_frame: int) -> np.ndarray:
    """States [K, channels] -> [frames, window, channels]: frame i has states i * steps_per_frame and on."""
    windows = np.lib.stride_tricks.sliding_window_view(states, window, axis=0)[::steps_per_frame]
    return np.array(windows[:frames].transpose(0, 2, 1), order="C")
