"""What happens to speech between a mouth and a file: rooms, microphones, lines, company.

One damaged copy of every utterance is heard in training beside the clean one. What can be done to mel energies, and so
anew each time, is in tools/ear/weather.py.
"""

from __future__ import annotations

import numpy as np

from pgstalker.types import SAMPLE_RATE_HZ

REVERBERATION_S, DIRECT_DB = (0.12, 0.8), (-3.0, 12.0)
LOW_HZ, HIGH_HZ = (40.0, 350.0), (3200.0, 7600.0)
SIGNAL_TO_NOISE_DB = (3.0, 30.0)
MU = 255.0
SEMITONE = 2 ** (1 / 12)


def damaged(samples: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """samples [S] as a poor recording has them, of the same length and timing. other: somebody else's speech."""
    if rng.random() < 0.6:
        samples = in_room(samples, rng)
    if rng.random() < 0.6:
        company = rng.choice(["noise", "music", "babble"])
        noise = {"noise": coloured, "music": chords}[company](len(samples), rng) if company != "babble" else other
        samples = with_noise(samples, noise, float(rng.uniform(*SIGNAL_TO_NOISE_DB)))
    if rng.random() < 0.5:
        samples = through_line(samples, rng)
    if rng.random() < 0.25:
        peak = np.abs(samples).max() * rng.uniform(0.2, 0.7) + 1e-6
        samples = peak * np.tanh(samples / peak)
    if rng.random() < 0.2:
        samples = companded(samples)
    return samples.astype(np.float32)


def in_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A room's echo: noise that decays by 60 dB in its reverberation time, after the direct sound."""
    from scipy.signal import fftconvolve

    seconds = float(rng.uniform(*REVERBERATION_S))
    times = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    echo = rng.standard_normal(len(times)) * 10 ** (-3 * times / seconds)
    echo[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE_HZ)] = 0
    echo *= 10 ** (-rng.uniform(*DIRECT_DB) / 20) / (np.sqrt((echo**2).sum()) + 1e-9)
    return samples + fftconvolve(samples, echo)[: len(samples)]


def through_line(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A band pass as of a telephone or a cheap microphone; zero phase, so that nothing is late."""
    from scipy.signal import butter, sosfiltfilt

    band = float(rng.uniform(*LOW_HZ)), float(rng.uniform(*HIGH_HZ))
    return sosfiltfilt(butter(int(rng.integers(1, 4)), band, "bandpass", fs=SAMPLE_RATE_HZ, output="sos"), samples)


def companded(samples: np.ndarray) -> np.ndarray:
    """Eight bits a sample (mu-law, ITU-T G.711)."""
    peak = np.abs(samples).max() + 1e-9
    code = np.sign(samples) * np.log1p(MU * np.abs(samples) / peak) / np.log1p(MU)
    code = np.round(code * 127) / 127
    return peak * np.sign(code) * np.expm1(np.abs(code) * np.log1p(MU)) / MU


def with_noise(samples: np.ndarray, noise: np.ndarray, ratio_db: float) -> np.ndarray:
    """noise of any length and level, mixed in so many dB below the speech."""
    noise = np.resize(noise, len(samples))
    level = np.sqrt((samples**2).mean() / ((noise**2).mean() + 1e-12)) * 10 ** (-ratio_db / 20)
    return samples + level * noise


def coloured(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose spectrum falls by 0 to 9 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return np.fft.irfft(spectrum * np.maximum(np.arange(len(spectrum)), 20.0) ** -rng.uniform(0, 1.5), count)


def chords(count: int, rng: np.random.Generator) -> np.ndarray:
    """Music of a sort: a triad every half second, each tone with a few harmonics that decay."""
    sound, length = np.zeros(count), SAMPLE_RATE_HZ // 2
    times = np.arange(length) / SAMPLE_RATE_HZ
    for first in range(0, count, length):
        root = 110 * SEMITONE ** rng.integers(0, 24)
        for step in (0, rng.integers(3, 5), 7):
            tones = [np.sin(2 * np.pi * root * SEMITONE**step * k * times) / k for k in range(1, 6)]
            sound[first : first + length] += (np.sum(tones, 0) * np.exp(-3 * times))[: count - first]
    return sound
