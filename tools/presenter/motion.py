"""Everything of a presenter that moves besides the mouth: head, gaze, lids, brows, a smile, torso and breath.

Slow chance (smoothed noise, a new posture for each phrase) carries a quicker part that follows the voice: nods and
brows on stressed syllables, blinks at the ends of phrases. One seed, one motion. Axes are right-handed: x to the
figure's left (the picture's right), y up, z towards the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pgstalker.audio.visemes import viseme_spans
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.presenter.articulation import VOWELS
from tools.voices.spoken import Phone

TICKS_HZ = 200
MOST_DEG = 12.0
PHRASE_PAUSE_S = 0.25
BLINK_LEAST_S, BLINK_MEAN_S, BLINK_MOST_S = 2.0, 1.7, 6.0
"""Between blinks: at least the first, an exponential time of the second beyond it, at most the third."""
LID_CLOSING_S, LID_SHUT_S, LID_OPENING_S = 0.10, 0.045, 0.17
GAZE_HOLDS_S = (0.6, 2.4)
SACCADE_S = 0.04
LID_FOLLOWS = 1 / 35  # of a unit per degree of gaze


@dataclass(frozen=True)
class Temperament:
    """How much a person moves: factors on head motion, nods, brows and gaze; smile is the unit at rest."""

    head: float = 1.0
    nods: float = 1.0
    brows: float = 1.0
    gaze: float = 1.0
    smile: float = 0.1


@dataclass(frozen=True)
class Motion:
    """Per frame, float32. head_rotation_deg [T, 3]: yaw (to the figure's left), pitch (down), roll (to its right
    shoulder), each within 12; head_translation_cm [T, 3]; torso_translation_cm and torso_rotation_deg [T, 3] alike;
    gaze_deg [T, 2] against the head: to its left, up; units: {ARKit name: [T] in 0..1}, of the mouth only a smile."""

    head_rotation_deg: np.ndarray
    head_translation_cm: np.ndarray
    torso_rotation_deg: np.ndarray
    torso_translation_cm: np.ndarray
    gaze_deg: np.ndarray
    units: dict[str, np.ndarray]


@dataclass(frozen=True)
class Stress:
    """A stressed syllable: its middle in seconds and its strength above the other vowels, 0..1."""

    at_s: float
    strength: float


def move(
    phones: Sequence[Phone],
    samples: np.ndarray,
    frames: int,
    *,
    seed: int,
    temperament: Temperament | None = None,
    fps: float = FPS,
) -> Motion:
    """How the presenter moves while saying the phones; frame i is the instant (i + 0.5) / fps."""
    temperament = temperament or Temperament()
    chance = np.random.default_rng(seed)
    ticks = np.arange(int(np.ceil(frames / fps * TICKS_HZ)) + 2) / TICKS_HZ
    phrases, stresses = phrases_of(phones), stresses_of(phones, samples)
    head, shift = _head(ticks, phrases, stresses, temperament, chance)
    blinks = blink_times(float(ticks[-1]), [end for _, end in phrases], chance)
    gaze = _gaze(ticks, head, blinks, temperament.gaze, chance)
    torso_turn, torso_shift = _torso(ticks, head, phrases, chance)
    units = _lids(ticks, blinks, gaze) | _brows(ticks, stresses, temperament.brows, chance)
    units |= _smile(ticks, phrases, temperament.smile, chance)

    def sampled(track: np.ndarray) -> np.ndarray:
        times = (np.arange(frames) + 0.5) / fps
        columns = [np.interp(times, ticks, column) for column in np.atleast_2d(track.T)]
        return np.stack(columns, -1).astype(np.float32).reshape(frames, *track.shape[1:])

    weights = {name: np.clip(sampled(track), 0, 1) for name, track in units.items()}
    return Motion(sampled(head), sampled(shift), sampled(torso_turn), sampled(torso_shift), sampled(gaze), weights)


def phrases_of(phones: Sequence[Phone]) -> list[tuple[float, float]]:
    """(start_s, end_s) of what is said between pauses."""
    phrases: list[tuple[float, float]] = []
    for phone in phones:
        if not phone.ipa:
            continue
        if phrases and phone.start_s - phrases[-1][1] < PHRASE_PAUSE_S:
            phrases[-1] = (phrases[-1][0], phone.end_s)
        else:
            phrases.append((phone.start_s, phone.end_s))
    return phrases


def stresses_of(phones: Sequence[Phone], samples: np.ndarray) -> list[Stress]:
    """Vowels that are louder and longer than the others, at least 0.35 s apart."""
    vowels = [(start, end) for start, end, viseme in viseme_spans(phones) if viseme in VOWELS]
    if not vowels:
        return []
    power = np.concatenate([[0.0], np.cumsum(np.asarray(samples, np.float64) ** 2)])
    edges = np.clip(np.round(np.array(vowels) * SAMPLE_RATE_HZ).astype(int), 0, len(samples))
    energy = np.log(power[edges[:, 1]] - power[edges[:, 0]] + 1e-6)  # a sum: long and loud
    rank = energy.argsort().argsort() / max(1, len(energy) - 1)
    found: list[Stress] = []
    for index in energy.argsort()[::-1]:
        middle = float(np.mean(vowels[index]))
        if rank[index] > 0.7 and all(abs(middle - other.at_s) > 0.35 for other in found):
            found.append(Stress(middle, float((rank[index] - 0.7) / 0.3)))
    return sorted(found, key=lambda stress: stress.at_s)


def blink_times(seconds: float, phrase_ends: list[float], chance: np.random.Generator) -> list[float]:
    """When the lids begin to close: chance with a refractory time, drawn to the end of a phrase that is near."""
    times: list[float] = []
    last = float(chance.uniform(-1.5, 0))
    while True:
        free = min(last + BLINK_LEAST_S + chance.exponential(BLINK_MEAN_S), last + BLINK_MOST_S)
        near = [
            end for end in phrase_ends if abs(end - free) < 0.7 and last + BLINK_LEAST_S <= end <= last + BLINK_MOST_S
        ]
        last = float(min(near, key=lambda end: abs(end - free)) if near and chance.random() < 0.7 else free)
        if last + LID_CLOSING_S + LID_SHUT_S + LID_OPENING_S > seconds:
            return times
        if last > 0:
            times.append(last)


def _drift(ticks: np.ndarray, slowness_s: float, chance: np.random.Generator) -> np.ndarray:
    """Smooth noise of unit deviation that changes over about `slowness_s` [ticks]."""
    knots = np.arange(-6, ticks[-1] / slowness_s + 6)
    values = chance.standard_normal(len(knots))
    # A Gaussian of one knot's width about each: infinitely smooth, no filter's start to settle.
    pull = np.exp(-0.5 * ((ticks[:, None] / slowness_s - knots) / 0.75) ** 2)
    return pull @ values / np.sqrt((pull**2).sum(1).mean())


def _ease(x: np.ndarray) -> np.ndarray:
    """0 to 1 with no speed or acceleration at either end (Flash and Hogan 1985, minimum jerk)."""
    x = np.clip(x, 0, 1)
    return x**3 * (10 - 15 * x + 6 * x**2)


def _bump(ticks: np.ndarray, start: float, rise: float, hold: float, fall: float) -> np.ndarray:
    return _ease((ticks - start) / rise) * (1 - _ease((ticks - start - rise - hold) / fall))


def _head(
    ticks: np.ndarray,
    phrases: list[tuple[float, float]],
    stresses: list[Stress],
    temperament: Temperament,
    chance: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation in degrees and translation in cm, [ticks, 3] each."""
    turn = np.stack([spread * _drift(ticks, slow, chance) for spread, slow in ((2.6, 1.5), (1.3, 1.3), (1.3, 1.7))], 1)
    posture = np.zeros(3)
    for start, end in phrases:
        aim = chance.normal(0, [5.0, 1.8, 1.6])
        turn += np.outer(_ease((ticks - start + 0.25) / float(chance.uniform(0.7, 1.1))), aim - posture)
        posture = aim
        # The head sinks a little as a phrase comes to its close.
        turn[:, 1] += 1.2 * _bump(ticks, end - 0.45, 0.4, 0.1, 0.7)
    turn *= temperament.head
    for stress in stresses:
        size = temperament.nods * stress.strength * float(chance.uniform(1.5, 4.5))
        turn[:, 1] += size * _bump(ticks, stress.at_s - 0.16, 0.2, 0.0, 0.36)
        side = 0.4 * size * float(chance.choice([-1.0, 1.0]))
        turn[:, 2] += side * _bump(ticks, stress.at_s - 0.2, 0.3, 0.0, 0.5)
    limits = np.array([MOST_DEG, 8.0, 6.0])
    turn = limits * np.tanh(turn / limits)
    shift = np.stack([0.35 * _drift(ticks, 1.8, chance) for _ in range(3)], 1) * [1.0, 0.4, 0.8] * temperament.head
    shift[:, 0] += 0.06 * turn[:, 0]
    shift[:, 2] += 0.04 * turn[:, 1]
    return turn, shift


def _torso(
    ticks: np.ndarray, head: np.ndarray, phrases: list[tuple[float, float]], chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The torso follows the head late and little, sways, and rises with the breath drawn before a phrase."""
    from scipy.ndimage import gaussian_filter1d

    late = int(0.3 * TICKS_HZ)
    follower = gaussian_filter1d(head, 0.35 * TICKS_HZ, axis=0, mode="nearest")
    follower = np.concatenate([np.repeat(follower[:1], late, 0), follower[:-late]])
    sway = np.stack([_drift(ticks, 2.5, chance) for _ in range(6)], 1)
    turn = follower * [0.16, 0.08, 0.14] + sway[:, :3] * [0.5, 0.3, 0.35]
    shift = sway[:, 3:] * [0.22, 0.08, 0.18]
    shift[:, 0] += 0.02 * follower[:, 0]
    shift[:, 1] += 0.22 * _breath(ticks, phrases)
    return turn, shift


def _breath(ticks: np.ndarray, phrases: list[tuple[float, float]]) -> np.ndarray:
    """Air in the chest, about 0..1: drawn before each phrase, spent on it [ticks]."""
    from scipy.ndimage import gaussian_filter1d

    level = np.full(len(ticks), 0.4)
    for start, end in phrases:
        spent = 1 - (ticks - start) / max(end - start, 1.0)
        level = np.where((ticks >= start) & (ticks <= end), np.maximum(spent, 0), level)
    return gaussian_filter1d(level, 0.22 * TICKS_HZ, mode="nearest")


def _gaze(
    ticks: np.ndarray, head: np.ndarray, blinks: list[float], amount: float, chance: np.random.Generator
) -> np.ndarray:
    """Degrees to its left and up, against the head: they stay near the camera as the head turns, and jump a little."""
    aim = np.zeros((len(ticks), 2))
    at, place = 0.0, np.zeros(2)
    starts: list[float] = []
    while (at := at + float(chance.uniform(*GAZE_HOLDS_S))) < ticks[-1]:
        starts.append(at)
    for start in sorted([*starts, *(time + LID_CLOSING_S for time in blinks)]):
        # Mostly back to the camera; now and then aside, as one does to think.
        spread = [6.0, 3.0] if chance.random() < 0.12 else [1.6, 1.0]
        target = amount * chance.normal(0, spread)
        aim += np.outer(_ease((ticks - start) / SACCADE_S), target - place)
        place = target
    counter = np.stack([-head[:, 0], head[:, 1]], 1)
    return np.clip(0.85 * counter + aim, -18, 18)


def _lids(ticks: np.ndarray, blinks: list[float], gaze: np.ndarray) -> dict[str, np.ndarray]:
    blink = np.zeros(len(ticks))
    for start in blinks:
        blink = np.maximum(blink, _bump(ticks, start, LID_CLOSING_S, LID_SHUT_S, LID_OPENING_S))
    left, up = gaze.T * LID_FOLLOWS
    units = {"eyeBlinkLeft": blink, "eyeBlinkRight": blink}
    for side, outward in (("Left", left), ("Right", -left)):
        units[f"eyeLookOut{side}"], units[f"eyeLookIn{side}"] = np.maximum(outward, 0), np.maximum(-outward, 0)
        units[f"eyeLookUp{side}"], units[f"eyeLookDown{side}"] = np.maximum(up, 0), np.maximum(-up, 0)
    return {name: track * (1 - blink) if "Look" in name else track for name, track in units.items()}


def _brows(
    ticks: np.ndarray, stresses: list[Stress], amount: float, chance: np.random.Generator
) -> dict[str, np.ndarray]:
    """Brows go up on some of the strongest syllables, and wander a little."""
    lift = 0.05 * np.tanh(_drift(ticks, 1.6, chance)) + 0.05
    for stress in stresses:
        if stress.strength > 0.35 and chance.random() < 0.6:
            size = float(chance.uniform(0.15, 0.4)) * stress.strength
            lift = lift + size * _bump(ticks, stress.at_s - 0.18, 0.18, 0.08, 0.4)
    lift = amount * 0.7 * np.tanh(lift / 0.7)
    tension = amount * 0.12 * np.maximum(0, np.tanh(_drift(ticks, 2.2, chance))) ** 2
    units = {"browInnerUp": lift}
    for side, share in (("Left", 1.0), ("Right", 0.9)):
        units |= {f"browOuterUp{side}": 0.8 * share * lift, f"browDown{side}": share * tension}
    return units


def _smile(
    ticks: np.ndarray, phrases: list[tuple[float, float]], amount: float, chance: np.random.Generator
) -> dict[str, np.ndarray]:
    """A friendly face, friendlier in the pauses; the cheeks and lower lids go along."""
    from scipy.ndimage import gaussian_filter1d

    quiet = np.ones(len(ticks))
    for start, end in phrases:
        quiet[(ticks >= start) & (ticks <= end)] = 0
    quiet = gaussian_filter1d(quiet, 0.3 * TICKS_HZ, mode="constant", cval=1.0)
    smile = amount * (0.7 + 0.5 * quiet + 0.25 * np.tanh(_drift(ticks, 2.0, chance)))
    units: dict[str, np.ndarray] = {}
    for side in ("Left", "Right"):
        units |= {f"mouthSmile{side}": smile, f"cheekSquint{side}": 0.6 * smile, f"eyeSquint{side}": 0.5 * smile}
    return units
