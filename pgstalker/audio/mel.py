"""Log-mel features: no download, any voice, any level.

100 columns a second: column k is centred at (k + 0.5) / 100 s and sees 25 ms, so that video frame i owns columns
4i .. 4i+3 with no half-frame bias. A frame's window adds CONTEXT_FRAMES frames on either side.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from pgstalker.audio.blocks import COLUMNS_PER_FRAME
from pgstalker.audio.features import windows_of
from pgstalker.types import FPS, SAMPLE_RATE_HZ

CONTEXT_FRAMES = 2
CHANNELS = 40
LOWEST_HZ, HIGHEST_HZ = 60.0, 7600.0
WINDOW_SAMPLES = SAMPLE_RATE_HZ * 25 // 1000
FFT_SAMPLES = 512
BLOCK = 4096
"""Columns worked on at a time, so that a long recording takes little memory."""
FLOOR = 1e-6
LOUD_PERCENTILE = 95
SPEECH_LEVEL = 0.1
MOST_GAIN = 30.0
"""What is quieter than -50 dBFS throughout is noise, not speech, and stays quiet."""
ACTIVE_RANGE_DB = 40.0
LIMIT = 4.0
PRIOR_COLUMNS = 100
"""A recording of one second is trusted as much as the training statistics."""

MelStatistics = np.ndarray
"""[2, CHANNELS] float32: mean and standard deviation of log-mel energy where somebody speaks."""


def mel_filters() -> np.ndarray:
    """Triangular filters [CHANNELS, FFT_SAMPLES // 2 + 1] on Slaney's mel scale, as librosa.filters.mel."""
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(LOWEST_HZ), _hz_to_mel(HIGHEST_HZ), CHANNELS + 2))
    bins_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (middle - low)
    falling = (high - bins_hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))


def _hz_to_mel(hz):
    """Slaney: linear to 1 kHz, logarithmic above."""
    return 15 + 27 * np.log(hz / 1000) / np.log(6.4) if hz > 1000 else 3 * hz / 200


def _mel_to_hz(mel):
    return np.where(mel > 15, 1000 * np.exp(np.log(6.4) * (mel - 15) / 27), 200 * mel / 3)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Log-mel energies [columns, CHANNELS] float32 of samples [S] (16 kHz, mono), at a common speech level.

    The level is set by the loud parts (95th percentile of column energy), so that the floor means the same for a quiet
    recording. Silence gives the floor everywhere.
    """
    hop = SAMPLE_RATE_HZ // (FPS * COLUMNS_PER_FRAME)
    columns = -(-len(samples) // hop)
    before = (WINDOW_SAMPLES - hop) // 2
    padded = np.zeros(columns * hop + WINDOW_SAMPLES, np.float32)
    padded[before : before + len(samples)] = samples
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::hop][:columns]
    power = [(pieces[start : start + BLOCK] ** 2).mean(1) for start in range(0, columns, BLOCK)]
    level = np.sqrt(np.percentile(np.concatenate(power), LOUD_PERCENTILE)) if columns else 0.0
    gain = min(SPEECH_LEVEL / level, MOST_GAIN) if level > 0 else 1.0
    energies = np.empty((columns, CHANNELS), np.float32)
    for start in range(0, columns, BLOCK):
        energies[start : start + BLOCK] = mel_energies(pieces[start : start + BLOCK], gain)
    return np.log(FLOOR + energies)


def mel_energies(pieces: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Energies [n, CHANNELS] float32 of n columns' samples [n, WINDOW_SAMPLES]."""
    taper, filters = _tables()
    spectrum = np.fft.rfft(pieces * (taper * np.float32(gain)), FFT_SAMPLES)
    return (np.abs(spectrum) ** 2).astype(np.float32) @ filters


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The window [WINDOW_SAMPLES] and the filters [FFT_SAMPLES // 2 + 1, CHANNELS] in float32."""
    return np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32), mel_filters().astype(np.float32).T


class MelFeatures:
    """Log-mel windows, normalised per band by the recording's own speech, so that voice and channel drop out."""

    id = "mel"
    channels = CHANNELS
    window = COLUMNS_PER_FRAME * (2 * CONTEXT_FRAMES + 1)
    frames_before = frames_after = CONTEXT_FRAMES
    statistics_shape = (2, CHANNELS)
    look_ahead_ms = (CONTEXT_FRAMES + 0.5) * 1000 / FPS + 7.5

    def measure(self, samples: np.ndarray) -> MelStatistics:
        return speech_statistics(log_mel(samples))

    def adapt(self, samples: np.ndarray, trained: MelStatistics) -> MelStatistics:
        mel = log_mel(samples)
        weight = len(mel) / (len(mel) + PRIOR_COLUMNS)
        return (weight * speech_statistics(mel) + (1 - weight) * trained).astype(np.float32)

    def extract(self, samples: np.ndarray, frames: int, statistics: MelStatistics, shift: int = 0) -> np.ndarray:
        around = self.frames_before, self.frames_after
        return windows_of(
            mel_columns(samples, frames, statistics, around, shift), frames, self.window, COLUMNS_PER_FRAME
        )

    def of_mel(self, mel: np.ndarray) -> np.ndarray:
        """Normalised mel columns [n, window, CHANNELS] of a frame and its surroundings: they are the features."""
        return mel


def mel_columns(
    samples: np.ndarray, frames: int, statistics: MelStatistics, around: tuple[int, int], shift: int = 0
) -> np.ndarray:
    """Normalised log-mel columns [4 (before + frames + after), CHANNELS] with `around` = frames (before, after).

    Silence stands beyond both ends of the samples; shift moves the sound by that many columns."""
    mel = normalised(log_mel(samples), statistics)
    silence = normalised(np.full((1, CHANNELS), np.log(FLOOR), np.float32), statistics)
    before, after = (COLUMNS_PER_FRAME * count for count in around)
    needed = frames * COLUMNS_PER_FRAME + after + max(shift, 0)
    start = np.repeat(silence, before + max(-shift, 0), 0)
    end = np.repeat(silence, max(0, needed - len(mel)), 0)
    first = max(-shift, 0) + shift
    return np.concatenate([start, mel[:needed], end])[first : first + before + frames * COLUMNS_PER_FRAME + after]


def speech_statistics(mel: np.ndarray) -> MelStatistics:
    """Mean and deviation per band of log-mel energies [K, CHANNELS] where somebody speaks; usual ones for silence."""
    loudness = np.logaddexp.reduce(mel, axis=1) if len(mel) else np.zeros(0)
    if not len(mel) or loudness.max() < np.log(FLOOR * CHANNELS * 10):
        return np.stack([np.full(CHANNELS, np.log(FLOOR) + 6), np.full(CHANNELS, 2.5)]).astype(np.float32)
    active = mel[loudness > np.percentile(loudness, 95) - ACTIVE_RANGE_DB * np.log(10) / 10]
    return np.stack([active.mean(0), active.std(0) + 0.1]).astype(np.float32)


def normalised(mel: np.ndarray, statistics: MelStatistics) -> np.ndarray:
    """Log-mel energies [..., CHANNELS] in deviations from the mean, within +-LIMIT; float32."""
    return np.clip((mel - statistics[0]) / statistics[1], -LIMIT, LIMIT).astype(np.float32)
