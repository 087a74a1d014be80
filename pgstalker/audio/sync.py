"""Do these lips say this sound, and how many frames off? A linear measure that was fitted once, to our own speech.

    log-mel, 11 columns a frame ─► ridge ─► opening, width, jaw ─► correlation with the tracked ones at every lag

The ridge (tools/ear/sync.py) is pooled over many synthesised voices, not fitted to the clip, so it works on seconds
where a clip's own fit needs half a minute. A lag is positive where the mouth comes after the sound. What chance reaches
is taken from the clip itself: the same curve where sound and mouth are shifted far apart, round the end.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pgstalker.audio.blocks import COLUMNS_PER_FRAME
from pgstalker.audio.mel import CHANNELS, log_mel
from pgstalker.errors import WeightsError

WEIGHTS = Path(__file__).with_name("sync_ridge.npz")
CONTEXT = 5
"""Mel columns on either side of the column that follows the frame's middle."""
INPUTS, TRACKS = CHANNELS * (2 * CONTEXT + 1), 3
MAX_LAG = 15
SLOW_FRAMES = 15.0
"""Sigma: posture and mood, slower than speech, are taken off the tracks."""
LEAST_FRAMES = 50
NULL_PERCENTILE = 95


@dataclass(frozen=True)
class Sync:
    """lag_frames > 0: the mouth comes after the sound. correlation: mean r of the three tracks at that lag, at_zero at
    none. confidence: how far the peak stands above the median lag, null what 95 of 100 wrong places reach at most,
    null_at_zero the same of the correlation at one lag."""

    lag_frames: int
    correlation: float
    confidence: float
    null: float
    at_zero: float
    null_at_zero: float

    @property
    def is_believed(self) -> bool:
        return self.confidence > self.null


NOTHING = Sync(0, 0.0, 0.0, 0.0, 0.0, 0.0)


def sync_ridge(samples: np.ndarray, mouth: np.ndarray) -> Sync:
    """samples [S] float32, 16 kHz mono, beginning with frame 0; mouth [T, 3]: opening, width and jaw at 25 fps.

    Tracks in any unit. Lips that do not move, silence, and less than two seconds belong to nothing: all zeros."""
    if len(mouth) < LEAST_FRAMES or not np.isfinite(mouth).all():
        return NOTHING
    said, moved = predicted_mouth(samples, len(mouth)), quick(mouth)
    if not said.std(0).all() or not moved.std(0).all():
        return NOTHING
    lags = np.arange(-MAX_LAG, MAX_LAG + 1)
    scores = np.array([_correlation(said, moved, int(lag)) for lag in lags])
    confidences, singles = _chance(said, moved)
    best = int(np.argmax(scores))
    return Sync(
        lag_frames=int(lags[best]),
        correlation=float(scores[best]),
        confidence=float(scores[best] - np.median(scores)),
        null=float(np.percentile(confidences, NULL_PERCENTILE)),
        at_zero=float(scores[MAX_LAG]),
        null_at_zero=float(np.percentile(singles, NULL_PERCENTILE)),
    )


def predicted_mouth(samples: np.ndarray, frames: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Opening, width and jaw that the ridge hears [frames, 3], in arbitrary units, without what is slow."""
    return quick(windows(samples, frames) @ (_own_weights() if weights is None else weights))


def windows(samples: np.ndarray, frames: int) -> np.ndarray:
    """[frames, INPUTS]: log-mel columns around each frame's middle, each band standardised over the recording."""
    mel = log_mel(samples)[: frames * COLUMNS_PER_FRAME]
    mel = (mel - mel.mean(0)) / (mel.std(0) + 1e-3)
    missing = frames * COLUMNS_PER_FRAME - len(mel)
    padded = np.pad(mel, ((CONTEXT, CONTEXT + 1 + missing), (0, 0)), mode="edge")
    middles = CONTEXT + COLUMNS_PER_FRAME // 2 + COLUMNS_PER_FRAME * np.arange(frames)
    both = np.lib.stride_tricks.sliding_window_view(padded, 2 * CONTEXT + 1, axis=0)
    return both[middles - CONTEXT].reshape(frames, INPUTS).astype(np.float64)


def quick(tracks: np.ndarray) -> np.ndarray:
    """Tracks [T, 3] without what is slower than speech, each with unit deviation (0 where nothing moves)."""
    from scipy.ndimage import gaussian_filter1d

    moved = tracks - gaussian_filter1d(np.asarray(tracks, np.float64), SLOW_FRAMES, axis=0)
    spread = moved.std(0)
    return np.where(spread > 1e-9, moved / np.maximum(spread, 1e-9), 0.0)


def _correlation(said: np.ndarray, moved: np.ndarray, lag: int) -> float:
    """Mean r of the tracks with those heard `lag` frames before."""
    frames = len(moved) - abs(lag)
    first, second = said[max(-lag, 0) :][:frames], moved[max(lag, 0) :][:frames]
    first, second = first - first.mean(0), second - second.mean(0)
    return float(np.mean((first * second).sum(0) / np.sqrt((first**2).sum(0) * (second**2).sum(0) + 1e-12)))


def _chance(said: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of curves around shifts at which sound and mouth cannot belong, and correlations at such shifts."""
    frames = len(moved)
    spectra = np.conj(np.fft.rfft(said - said.mean(0), axis=0)) * np.fft.rfft(moved - moved.mean(0), axis=0)
    scale = frames * said.std(0) * moved.std(0)
    round_the_end = (np.fft.irfft(spectra, frames, axis=0) / scale).mean(1)  # at shift k, the mouth k frames later
    far = np.arange(MAX_LAG + 1, frames - MAX_LAG)
    reach = min(MAX_LAG, (len(far) - 1) // 2)
    curves = np.lib.stride_tricks.sliding_window_view(round_the_end[far], 2 * reach + 1)
    return curves.max(1) - np.median(curves, axis=1), round_the_end[far]


@cache
def _own_weights() -> np.ndarray:
    """[INPUTS, 3]. Raises WeightsError where the file is missing or damaged."""
    try:
        with np.load(WEIGHTS, allow_pickle=False) as file:
            weights = file["weights"].astype(np.float64)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{WEIGHTS} cannot be read ({error}): take the project's own again") from error
    if weights.shape != (INPUTS, TRACKS) or not np.isfinite(weights).all():
        raise WeightsError(f"{WEIGHTS} is not this ridge ({weights.shape}): take the project's own again")
    return weights
