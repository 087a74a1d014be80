"""What can be done to mel energies of speech, anew for every batch: other throats, paces, rooms, lines and noises.

Energies [U, K, CHANNELS] are those of pgstalker.audio.mel at speech level, linear. Noise adds as powers do; a longer
or shorter vocal tract moves the spectrum along the frequency axis (Jaitly and Hinton 2013, VTLP); an echo is a decay
along time.
"""

from __future__ import annotations

import numpy as np

from pgstalker.audio.mel import CHANNELS, FLOOR

WARP = (0.84, 1.2)
TEMPO = (0.85, 1.18)
ECHO_S, ECHO_SHARE = (0.05, 0.35), 0.35
NOISE_DB = (6.0, 45.0)
TILT_DB, RIPPLE_DB, LEVEL_DB = 5.0, 3.5, 4.0
BLANK_BANDS = 4
Array = np.ndarray


def weathered(energies: Array, tracks: Array, visemes: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """One utterance: energies [K, CHANNELS], tracks [K, 7], visemes [K], at another pace, elsewhere."""
    columns = np.arange(0, len(energies) - 1, rng.uniform(*TEMPO))
    energies = throat(at(energies, columns), float(rng.uniform(*WARP)))
    tracks, visemes = at(tracks, columns), visemes[np.round(columns).astype(int)]
    if rng.random() < 0.4:
        energies = echo(energies, float(rng.uniform(*ECHO_S)), float(rng.uniform(0.05, ECHO_SHARE)))
    if rng.random() < 0.7:
        energies = energies + noise(energies, rng)
    energies = energies * line(rng)
    if rng.random() < 0.3:
        first = int(rng.integers(0, CHANNELS - BLANK_BANDS))
        energies[:, first : first + int(rng.integers(1, BLANK_BANDS + 1))] = 0
    return energies, tracks, visemes


def at(values: Array, columns: Array) -> Array:
    """values [K, C] between columns, linearly."""
    low = columns.astype(int)
    share = (columns - low)[:, None]
    return (1 - share) * values[low] + share * values[np.minimum(low + 1, len(values) - 1)]


def throat(energies: Array, warp: float) -> Array:
    """The spectrum stretched by `warp` along the mel axis, which above 1 kHz is a shift, below it a factor."""
    bands = np.clip(np.arange(CHANNELS) / warp, 0, CHANNELS - 1)
    low = bands.astype(int)
    share = bands - low
    return (1 - share) * energies[:, low] + share * energies[:, np.minimum(low + 1, CHANNELS - 1)]


def echo(energies: Array, seconds: float, share: float) -> Array:
    """Energies with their own past, decaying by 60 dB in `seconds`."""
    from scipy.signal import lfilter

    decay = 10 ** (-6 / (seconds * 100))
    return energies + share * lfilter([0, 1 - decay], [1, -decay], energies, axis=0)


def noise(energies: Array, rng: np.random.Generator) -> Array:
    """Steady noise, or noise that swells, of a smooth spectrum, so many dB below the speech."""
    shape = np.exp(np.cumsum(rng.normal(0, 0.35, CHANNELS)))
    level = energies.sum(1).mean() / shape.sum() * 10 ** (-rng.uniform(*NOISE_DB) / 10)
    swell = np.exp(1.5 * np.sin(np.arange(len(energies)) / rng.uniform(10, 80) + rng.uniform(0, 6)) * rng.random())
    return level * shape * swell[:, None] * rng.exponential(1, energies.shape)


def line(rng: np.random.Generator) -> Array:
    """A smooth random response of microphone and line, as a factor per band."""
    places = np.linspace(-1, 1, CHANNELS)
    ripple = np.interp(places, np.linspace(-1, 1, 7), rng.normal(0, RIPPLE_DB, 7))
    response_db = rng.normal(0, TILT_DB) * places + ripple + rng.normal(0, LEVEL_DB)
    return 10 ** (response_db / 10)


def to_log(energies: Array) -> Array:
    return np.log(FLOOR + energies)
