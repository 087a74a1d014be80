"""A babbling voice by formula, and the mouth that would say it.

Syllables are a consonant and a vowel. The vowel's first formant rises with the opening of the mouth and its second
with the spread of the lips (Peterson and Barney 1952, rounded figures), so what is heard really tells what is seen.
Sound is a sum of harmonics under the formants' envelope, plus hiss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgstalker.types import FPS, SAMPLE_RATE_HZ

CONTROL_HZ = 200
#          opening cm, spread, F1, F2, F3 in Hz
VOWELS = {
    "a": (1.75, 0.1, 800, 1250, 2600),
    "e": (0.95, 0.7, 500, 1900, 2550),
    "i": (0.50, 1.0, 300, 2300, 3000),
    "o": (1.05, -0.7, 500, 850, 2500),
    "u": (0.55, -1.0, 320, 750, 2300),
}
#              opening cm, voiced gain, hiss gain
CONSONANTS = {"m": (0.0, 0.22, 0.0), "p": (0.0, 0.0, 0.0), "s": (0.18, 0.0, 0.35), "l": (0.45, 0.45, 0.0)}


@dataclass(frozen=True)
class Speech:
    """samples [S] float32 at 16 kHz; opening [T] cm and spread [T] in [-1, 1] at 25 fps."""

    samples: np.ndarray
    opening: np.ndarray
    spread: np.ndarray


def babble(seconds: float, seed: int = 0, pitch_hz: float = 190.0) -> Speech:
    """Speak nonsense for a number of seconds: phrases of four to nine syllables with pauses between."""
    rng = np.random.default_rng(seed)
    steps = int(np.ceil(seconds * CONTROL_HZ))
    # opening, spread, F1, F2, F3, voiced, hiss, pitch
    score = np.tile(np.array([0, 0, 400, 1400, 2500, 0, 0, pitch_hz], float), (steps, 1))
    at = int(0.5 * CONTROL_HZ)
    while at < steps - 0.6 * CONTROL_HZ:
        syllables = rng.integers(4, 10)
        for index in range(syllables):
            at = _write_syllable(score, at, rng, pitch_hz * (1.12 - 0.22 * index / syllables))
        at += int(rng.uniform(0.35, 0.9) * CONTROL_HZ)
    score[-int(0.4 * CONTROL_HZ) :, [0, 1, 5, 6]] = 0
    score[:, :2] = _smooth(score[:, :2], 0.035)
    score[:, 2:5] = _smooth(score[:, 2:5], 0.02)
    score[:, 5:] = _smooth(score[:, 5:], 0.012)
    frames = int(np.ceil(seconds * FPS))
    centres = (np.arange(frames) + 0.5) / FPS * CONTROL_HZ
    opening, spread = (np.interp(centres, np.arange(steps), score[:, k]).astype(np.float32) for k in (0, 1))
    return Speech(_sound(score, round(seconds * SAMPLE_RATE_HZ), rng), opening, spread)


def _write_syllable(score: np.ndarray, at: int, rng: np.random.Generator, pitch_hz: float) -> int:
    """Write one syllable into the score [steps, 8] from step `at`; the step after it."""
    consonant = CONSONANTS[rng.choice(list(CONSONANTS))]
    opening, spread, *formants = VOWELS[rng.choice(list(VOWELS))]
    stress = rng.uniform(0.75, 1.1)
    middle = at + int(rng.uniform(0.06, 0.10) * CONTROL_HZ)
    end = middle + int(rng.uniform(0.12, 0.27) * CONTROL_HZ)
    score[at:middle] = [consonant[0], 0.5 * spread, 300, formants[1], formants[2], *consonant[1:], pitch_hz]
    score[middle:end] = [opening * stress, spread, *formants, 0.6 + 0.4 * stress * opening / 1.75, 0.01, pitch_hz]
    return min(end, len(score))


def _smooth(tracks: np.ndarray, sigma_s: float) -> np.ndarray:
    """tracks [steps, K] through a Gaussian of sigma_s seconds, edges repeated."""
    radius = int(4 * sigma_s * CONTROL_HZ) + 1
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (sigma_s * CONTROL_HZ)) ** 2)
    padded = np.pad(tracks, ((radius, radius), (0, 0)), "edge")
    return np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], 1)


def _sound(score: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """The score [steps, 8] made audible: [samples] float32, peak 0.6."""
    steps = np.arange(len(score))
    at = np.arange(samples) * (CONTROL_HZ / SAMPLE_RATE_HZ)
    pitch = np.interp(at, steps, score[:, 7]) * (1 + 0.012 * np.sin(2 * np.pi * 5.1 * at / CONTROL_HZ))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ
    voice = np.zeros(samples)
    for harmonic in range(1, int(7000 / score[:, 7].max())):
        frequency = harmonic * score[:, 7]
        strength = sum(
            level / (1 + ((frequency - score[:, 2 + k]) / width) ** 2)
            for k, (level, width) in enumerate(((1.0, 90), (0.5, 120), (0.25, 180)))
        )
        voice += np.interp(at, steps, strength * score[:, 5]) * np.sin(harmonic * phase)
    hiss = np.diff(rng.standard_normal(samples + 1)) * np.interp(at, steps, score[:, 6])
    sound = voice + 0.5 * hiss + 2e-4 * rng.standard_normal(samples)
    return (0.6 * sound / np.abs(sound).max()).astype(np.float32)
