"""Phonemes to what the mouth does: weights of ARKit's facial units, coarticulated.

    phones ─► visemes ─► targets ─► dominance blend at 200 Hz ─► lips sealed (p b m), lip to teeth (f v) ─► units at fps

Jaw, lips and tongue are blended by dominance functions (Cohen and Massaro 1993, Modeling coarticulation in synthetic
visual speech): each sound pulls towards its target with a strength that falls off before and after it; rounding reaches
further than the jaw. Blending alone leaves p, b and m parted, so closures are imposed on top. A loud syllable opens
more. Nothing is random: what the lips do follows from what can be heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pgstalker.audio.visemes import viseme_spans
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.voices.spoken import Phone

TICKS_HZ = 200
REACH_S = 0.6
SHORTEST_REST_S = 0.09
"""A shorter silence inside speech is a gap in the sound, not a rest of the mouth."""
PLATEAU_S = 0.048
"""A closure lasts longer than a frame, so that some frame shows it."""
CLOSING_S, OPENING_S = 0.06, 0.055
SMOOTH_S = 0.014
GAIN_DB, LEAST_GAIN, MOST_GAIN = 40.0, 0.65, 1.2

#            jaw   funnel pucker spread upper  lower  tongue
TARGETS = {
    "SIL": (0.000, 0.00, 0.00, 0.00, 0.00, 0.00, 0.0),
    "PP": (0.060, 0.00, 0.05, 0.05, 0.00, 0.00, 0.0),
    "FF": (0.060, 0.00, 0.00, 0.10, 0.05, 0.00, 0.0),
    "TH": (0.100, 0.00, 0.00, 0.12, 0.08, 0.20, 1.0),
    "DD": (0.115, 0.00, 0.00, 0.15, 0.08, 0.18, 0.7),
    "KK": (0.160, 0.00, 0.00, 0.10, 0.05, 0.10, 0.0),
    "CH": (0.060, 0.34, 0.40, 0.00, 0.15, 0.15, 0.3),
    "SS": (0.040, 0.00, 0.00, 0.45, 0.20, 0.45, 0.35),
    "RR": (0.110, 0.16, 0.40, 0.00, 0.00, 0.05, 0.2),
    "AA": (0.400, 0.00, 0.00, 0.15, 0.18, 0.28, 0.0),
    "E": (0.265, 0.00, 0.00, 0.45, 0.18, 0.30, 0.0),
    "I": (0.135, 0.00, 0.00, 0.70, 0.15, 0.32, 0.1),
    "O": (0.200, 0.26, 0.50, 0.00, 0.00, 0.05, 0.0),
    "U": (0.055, 0.12, 0.90, 0.00, 0.00, 0.00, 0.0),
    "AH": (0.205, 0.00, 0.00, 0.12, 0.10, 0.18, 0.0),
}
VOWELS = ("AA", "E", "I", "O", "U", "AH")
#            jaw   round spread raise tongue: how strongly the class insists on its target
STRENGTHS = {
    "SIL": (1.0, 0.6, 0.8, 1.0, 0.6),
    "PP": (1.0, 0.15, 0.2, 0.5, 0.2),
    "FF": (1.2, 0.3, 0.2, 0.5, 0.3),
    "TH": (0.8, 0.2, 0.3, 0.5, 2.0),
    "DD": (0.7, 0.15, 0.2, 0.4, 1.6),
    "KK": (0.3, 0.1, 0.1, 0.2, 0.5),
    "CH": (1.6, 1.6, 0.8, 0.9, 0.8),
    "SS": (1.6, 0.5, 0.6, 1.0, 0.8),
    "RR": (0.6, 0.9, 0.6, 0.4, 0.8),
    "AA": (1.2, 0.7, 0.5, 0.8, 0.7),
    "E": (1.1, 0.9, 0.9, 0.8, 0.7),
    "I": (1.0, 1.1, 1.1, 0.8, 0.7),
    "O": (1.1, 1.4, 1.0, 0.8, 0.7),
    "U": (1.1, 1.6, 1.2, 0.8, 0.7),
    "AH": (0.7, 0.4, 0.4, 0.5, 0.6),
}
GROUPS = (0, 1, 1, 2, 3, 3, 4)  # the column of STRENGTHS that governs each column of TARGETS
#         jaw    round  spread raise  tongue: seconds in which the pull falls by e, before and after the sound
AHEAD_S = (0.042, 0.085, 0.055, 0.045, 0.035)
BEHIND_S = (0.042, 0.050, 0.045, 0.045, 0.035)
CLOSED_SHARE = {"p": 0.65, "b": 0.8, "m": 1.0}
"""Of a bilabial's time: after the burst of p and b the lips are open."""
GAP_CM = {  # how far 1.0 of a unit parts the inner lips, measured on the presenters' base mesh
    "jawOpen": 3.45,
    "mouthClose": -3.45,
    "mouthFunnel": 1.4,
    "mouthUpperUp": 0.48,
    "mouthLowerDown": 0.38,
    "mouthShrugLower": -0.49,
    "mouthRollLower": -0.38,
    "mouthRollUpper": -0.28,
    "mouthPress": -0.28,
    "mouthSmile": -0.3,
}


@dataclass(frozen=True)
class Style:
    """A person's way of speaking: factors on opening, rounding and spreading; asymmetry > 0 favours the left side."""

    opening: float = 1.0
    rounding: float = 1.0
    spreading: float = 1.0
    asymmetry: float = 0.0


@dataclass(frozen=True)
class Articulation:
    """units: {ARKit name: float32 [T] in 0..1}, the mouth's only; tongue [T]: 0 at rest, 1 tip behind the teeth."""

    units: dict[str, np.ndarray]
    tongue: np.ndarray


@dataclass(frozen=True)
class _Sound:
    start_s: float
    end_s: float
    viseme: str
    gain: float


def articulate(
    phones: Sequence[Phone], samples: np.ndarray, frames: int, *, fps: float = FPS, style: Style | None = None
) -> Articulation:
    """What the mouth does in each frame; frame i is the instant (i + 0.5) / fps.

    phones cover the samples (16 kHz mono) without gaps. Before, after and in pauses the mouth rests closed.
    """
    style = style or Style()
    seconds = frames / fps + 2 / TICKS_HZ
    ticks = np.arange(int(np.ceil(seconds * TICKS_HZ)) + 1) / TICKS_HZ
    shape = _blend(_sounds(_bridged(phones), samples), ticks)
    seal, teeth = _smooth(_closures(phones, ticks)), _smooth(_lip_to_teeth(phones, ticks))
    tracks = _units(shape, seal, teeth, style)
    times = (np.arange(frames) + 0.5) / fps
    sampled = {name: np.interp(times, ticks, np.clip(track, 0, 1)).astype(np.float32) for name, track in tracks.items()}
    tongue = sampled.pop("tongue")
    return Articulation(sampled, tongue)


def lip_gap_cm(units: dict[str, np.ndarray]) -> np.ndarray:
    """The gap between the inner lips [T] cm that the units make on the presenters' base mesh: linear, 0 at rest."""
    total: np.ndarray | float = 0.0
    for name, gap in GAP_CM.items():
        both = units[name] if name in units else 0.5 * (units[f"{name}Left"] + units[f"{name}Right"])
        total = total + gap * both
    return np.maximum(0, np.asarray(total))


def _bridged(phones: Sequence[Phone]) -> list[Phone]:
    """Short silences inside speech given to the phoneme before."""
    kept: list[Phone] = []
    for phone in phones:
        if not phone.ipa and phone.seconds < SHORTEST_REST_S and kept:
            kept[-1] = replace(kept[-1], end_s=phone.end_s)
        else:
            kept.append(phone)
    return kept


def _sounds(phones: Sequence[Phone], samples: np.ndarray) -> list[_Sound]:
    """Visemes with the gain that their loudness gives: a vowel louder than the median vowel opens more."""
    spans = viseme_spans(phones)
    power = np.concatenate([[0.0], np.cumsum(np.asarray(samples, np.float64) ** 2)])
    level = np.full(len(spans), np.nan)
    for index, (start, end, viseme) in enumerate(spans):
        a, b = (min(round(t * SAMPLE_RATE_HZ), len(samples)) for t in (start, end))
        if viseme in VOWELS and b > a:
            level[index] = 10 * np.log10((power[b] - power[a]) / (b - a) + 1e-8)
    heard = level[~np.isnan(level)]
    median = float(np.median(heard)) if len(heard) else 0.0
    gains = np.clip(10 ** ((np.nan_to_num(level, nan=median) - median) / GAIN_DB), LEAST_GAIN, MOST_GAIN)
    return [_Sound(*span, float(gain)) for span, gain in zip(spans, gains)]


def _blend(sounds: list[_Sound], ticks: np.ndarray) -> np.ndarray:
    """Targets blended by dominance: [ticks, 7], smooth."""
    weighted = np.zeros((len(ticks), len(GROUPS)))
    weights = np.full((len(ticks), len(AHEAD_S)), 1e-12)
    opening = np.isin(np.arange(len(GROUPS)), (0, 4, 5))
    for sound in sounds:
        first, last = np.searchsorted(ticks, (sound.start_s - REACH_S, sound.end_s + REACH_S))
        strength = _dominance(sound, ticks[first:last]) * np.array(STRENGTHS[sound.viseme])
        weights[first:last] += strength
        target = np.array(TARGETS[sound.viseme]) * np.where(opening, sound.gain, 1.0)
        weighted[first:last] += strength[:, GROUPS] * target
    return _smooth(weighted / weights[:, GROUPS])


def _dominance(sound: _Sound, times: np.ndarray) -> np.ndarray:
    """[times, 5]: 1 within the sound's core, falling exponentially outside it, without a corner."""
    margin = min(0.3 * (sound.end_s - sound.start_s), 0.035)
    before = np.maximum(0, sound.start_s + margin - times)[:, None]
    after = np.maximum(0, times - (sound.end_s - margin))[:, None]
    fall = before / np.array(AHEAD_S) + after / np.array(BEHIND_S)
    return np.exp(-(np.sqrt(fall**2 + 0.09) - 0.3))


def _closures(phones: Sequence[Phone], ticks: np.ndarray) -> np.ndarray:
    """1 while the lips are shut for p, b and m [ticks]."""
    spans = []
    for index, phone in enumerate(phones):
        share = CLOSED_SHARE.get(phone.ipa[:1])
        if share is None:
            continue
        start, end = phone.start_s, phone.start_s + share * phone.seconds
        if index and not phones[index - 1].ipa:
            start -= CLOSING_S  # after a pause the lips are together before anything is heard
        spans.append((start, end))
    return _bumps(spans, ticks)


def _lip_to_teeth(phones: Sequence[Phone], ticks: np.ndarray) -> np.ndarray:
    return _bumps([(p.start_s, p.end_s) for p in phones if p.ipa[:1] in tuple("fvɱʋ")], ticks)


def _bumps(spans: list[tuple[float, float]], ticks: np.ndarray) -> np.ndarray:
    """1 within the spans, eased in before and out after them; a short span is lengthened at its start."""
    open_share = np.ones(len(ticks))
    for start, end in spans:
        start = min(start, end - PLATEAU_S)
        rise = np.clip((ticks - start + CLOSING_S) / CLOSING_S, 0, 1)
        fall = np.clip((end + OPENING_S - ticks) / OPENING_S, 0, 1)
        edge = np.minimum(rise, fall)
        open_share *= 1 - edge * edge * (3 - 2 * edge)
    return 1 - open_share


def _smooth(track: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(track, SMOOTH_S * TICKS_HZ, axis=0, mode="nearest")


def _units(shape: np.ndarray, seal: np.ndarray, teeth: np.ndarray, style: Style) -> dict[str, np.ndarray]:
    """The blended shape and the two closures as facial units."""
    jaw, funnel, pucker, spread, upper, lower, tongue = shape.T
    free = (1 - seal) * (1 - 0.8 * teeth)
    jaw = style.opening * jaw * (1 - 0.35 * seal) * (1 - 0.55 * teeth)
    funnel = style.rounding * funnel * free
    pucker = style.rounding * pucker * (1 - 0.5 * teeth)
    spread = style.spreading * spread * (1 - 0.5 * seal)
    upper, lower = style.opening * upper * free, style.opening * lower * free
    tracks = {
        "jawOpen": jaw,
        "mouthClose": jaw * seal,
        "mouthFunnel": funnel,
        "mouthPucker": pucker,
        "mouthRollLower": 0.22 * seal + 0.5 * teeth * (1 - seal),
        "mouthRollUpper": 0.12 * seal,
        "mouthShrugLower": 0.22 * teeth * (1 - seal),
        "jawForward": 0.25 * funnel,
        "tongue": tongue,
    }
    pairs = {
        "mouthStretch": 0.45 * spread,
        "mouthSmile": 0.18 * spread,
        "mouthDimple": 0.15 * spread,
        "mouthPress": 0.25 * seal,
        "mouthUpperUp": upper + 0.3 * teeth * (1 - seal),
        "mouthLowerDown": lower,
    }
    for name, track in pairs.items():
        tracks[f"{name}Left"] = track * (1 + style.asymmetry)
        tracks[f"{name}Right"] = track * (1 - style.asymmetry)
    return tracks
