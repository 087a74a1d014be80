"""An ear of our own: what the sound says that lips do, whoever speaks. numpy only; its weights ship with the project.

    log-mel columns, normalised ─► convolutions over 410 ms ─► viseme posteriors, articulation, loudness per column

tools/ear trained it on speech whose phonemes are known because it was synthesised; beside the weights stands whose
voices those were. A column depends on BEFORE columns before it and AHEAD after it, so the ear streams.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from pgstalker.audio.blocks import COLUMNS_PER_FRAME, HOP
from pgstalker.audio.features import windows_of
from pgstalker.audio.mel import CHANNELS, WINDOW_SAMPLES, MelFeatures, mel_columns
from pgstalker.audio.visemes import VISEMES
from pgstalker.errors import WeightsError
from pgstalker.types import FPS, SAMPLE_RATE_HZ

WEIGHTS = Path(__file__).with_name("viseme.npz")
TRACKS = ("gap", "jaw", "round", "spread", "raise", "seal", "teeth")
"""Inner lips' gap, jaw, rounding, spreading, lips drawn apart, lips sealed, lip to teeth; in standard deviations."""
LAYERS = ((5, 1, 2), (3, 1, 1), (3, 2, 2), (3, 3, 3), (3, 4, 0), (3, 8, 0))
"""Convolutions: taps, their distance in columns, and how many columns of their reach lie ahead."""
WIDTH = 96
AHEAD = sum(ahead for _, _, ahead in LAYERS)
BEFORE = sum((taps - 1) * distance for taps, distance, _ in LAYERS) - AHEAD
OUTPUTS = len(VISEMES) + len(TRACKS)
EAR_CHANNELS = OUTPUTS + 1
POSTERIOR_SCALE = 3.0
"""A class that is there a tenth of the time spreads by a third: so its posterior counts as the tracks do."""


def shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight."""
    found: dict[str, tuple[int, ...]] = {}
    for index, (taps, _, _) in enumerate(LAYERS):
        found[f"conv{index}.weight"] = (taps, WIDTH if index else CHANNELS, WIDTH)
        found[f"conv{index}.bias"] = (WIDTH,)
    return found | {"head.weight": (WIDTH, OUTPUTS), "head.bias": (OUTPUTS,)}


def load_weights(path: Path = WEIGHTS) -> dict[str, np.ndarray]:
    """float32 weights. Raises WeightsError for a file that is missing, damaged, or of another ear."""
    try:
        with np.load(path, allow_pickle=False) as file:
            weights = {name: file[name].astype(np.float32) for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read ({error}): take the project's own again") from error
    wrong = [name for name, shape in shapes().items() if name not in weights or weights[name].shape != shape]
    if wrong or not all(np.isfinite(weights[name]).all() for name in shapes()):
        raise WeightsError(f"{path} is not this ear ({', '.join(wrong) or 'numbers'}): take the project's own again")
    return weights


@cache
def _own_weights() -> dict[str, np.ndarray]:
    return load_weights()


def listen(mel: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Normalised mel columns [n, K, CHANNELS] -> logits and tracks [n, K - BEFORE - AHEAD, OUTPUTS] float32.

    Plain twin of tools/ear/network.EarNetwork."""
    x = np.asarray(mel, np.float32)
    for index, (taps, distance, ahead) in enumerate(LAYERS):
        kernel, bias = weights[f"conv{index}.weight"], weights[f"conv{index}.bias"]
        length = x.shape[1] - (taps - 1) * distance
        y = sum(x[:, t * distance : t * distance + length] @ kernel[t] for t in range(taps)) + bias
        np.maximum(y, 0, out=y)
        before = (taps - 1) * distance - ahead
        x = y + x[:, before : before + length] if index else y
    return x @ weights["head.weight"] + weights["head.bias"]


def heard(mel: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Normalised mel columns [n, K, CHANNELS] -> features of the columns between [n, K - BEFORE - AHEAD, EAR_CHANNELS].

    Viseme posteriors, each by its usual spread; tracks; loudness, the mean over bands of the column itself."""
    outputs = listen(mel, weights)
    logits, tracks = np.split(outputs, [len(VISEMES)], axis=-1)
    posteriors = np.exp(logits - logits.max(-1, keepdims=True))
    posteriors *= POSTERIOR_SCALE / posteriors.sum(-1, keepdims=True)
    loudness = mel[:, BEFORE : mel.shape[1] - AHEAD].mean(-1, keepdims=True)
    return np.concatenate([posteriors, tracks, loudness], -1).astype(np.float32)


class VisemeFeatures:
    """What the ear hears, WINDOW columns to a frame: its own four and those just before."""

    id = "viseme"
    channels = EAR_CHANNELS
    window = 12
    statistics_shape = (2, CHANNELS)
    frames_before = (BEFORE + 8) // COLUMNS_PER_FRAME
    frames_after = AHEAD // COLUMNS_PER_FRAME
    look_ahead_ms = (frames_after + 0.5) * 1000 / FPS + (WINDOW_SAMPLES - HOP) / 2 * 1000 / SAMPLE_RATE_HZ

    measure = MelFeatures.measure
    adapt = MelFeatures.adapt

    def extract(self, samples: np.ndarray, frames: int, statistics: np.ndarray, shift: int = 0) -> np.ndarray:
        spans = mel_columns(samples, frames, statistics, (self.frames_before, self.frames_after), shift)
        return windows_of(self._features(spans[None])[0], frames, self.window, COLUMNS_PER_FRAME)

    def of_mel(self, mel: np.ndarray) -> np.ndarray:
        """Normalised mel columns of a frame and its surroundings [n, columns, CHANNELS] -> [n, window, channels]."""
        return self._features(mel)

    def _features(self, mel: np.ndarray) -> np.ndarray:
        return heard(mel, _own_weights())


class MelAndVisemeFeatures(VisemeFeatures):
    """Both: mel columns two frames to either side, and beside each what the ear knows by then (AHEAD earlier)."""

    id = "mel+viseme"
    channels = CHANNELS + EAR_CHANNELS
    window = 20
    frames_before = (BEFORE + AHEAD + 8) // COLUMNS_PER_FRAME

    def _features(self, mel: np.ndarray) -> np.ndarray:
        return np.concatenate([mel[:, BEFORE + AHEAD :], super()._features(mel)], -1)
