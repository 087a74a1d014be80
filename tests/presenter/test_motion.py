"""Head, lids and brows move as living ones do."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.presenter.motion import BLINK_LEAST_S, BLINK_MOST_S, Temperament, blink_times, move, phrases_of, stresses_of
from tools.presenter.performance import UNITS
from tools.voices.spoken import Phone

SECONDS = 60


def chatter(seconds: float = SECONDS):
    """Syllables of "ma" in phrases of two seconds, every fifth one loud."""
    phones, samples = [], np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)
    at, count = 0.0, 0
    while at < seconds - 3:
        phones.append(Phone(at, at + 0.5, ""))
        at += 0.5
        for _ in range(8):
            phones += [Phone(at, at + 0.1, "m"), Phone(at + 0.1, at + 0.25, "ɑ")]
            a, b = round((at + 0.1) * SAMPLE_RATE_HZ), round((at + 0.25) * SAMPLE_RATE_HZ)
            samples[a:b] = 0.3 if count % 5 == 0 else 0.1
            count, at = count + 1, at + 0.25
    return [*phones, Phone(at, seconds, "")], samples


@pytest.fixture(scope="module")
def moved():
    phones, samples = chatter()
    return move(phones, samples, SECONDS * FPS, seed=3)


def test_one_seed_one_motion(moved):
    phones, samples = chatter()
    again, other = (move(phones, samples, SECONDS * FPS, seed=seed) for seed in (3, 4))
    assert (again.head_rotation_deg == moved.head_rotation_deg).all()
    assert all((again.units[name] == track).all() for name, track in moved.units.items())
    assert np.abs(other.head_rotation_deg - moved.head_rotation_deg).max() > 1


def test_the_head_turns_slowly_within_its_limits(moved):
    turn = moved.head_rotation_deg
    assert np.abs(turn).max() <= 12 and np.abs(turn[:, 0]).max() > 5
    assert (turn.std(0) > 0.7).all()
    assert np.abs(np.diff(turn, axis=0)).max() * FPS < 45  # degrees a second
    assert np.abs(np.diff(turn, 2, axis=0)).max() < 0.8  # no jerk
    assert np.abs(moved.head_translation_cm).max() < 2.5
    assert np.abs(moved.torso_rotation_deg).max() < 5 and np.abs(moved.torso_translation_cm).max() < 2


def test_the_torso_follows_the_head_late(moved):
    head, torso = (track[:, 0] - track[:, 0].mean() for track in (moved.head_rotation_deg, moved.torso_rotation_deg))
    scores = [np.dot(head[50:-50], np.roll(torso, -lag)[50:-50]) for lag in range(-20, 40)]
    assert 2 <= int(np.argmax(scores)) - 20 <= 35


def test_lids_close_fully_for_six_to_eight_frames_at_a_living_rate(moved):
    blink = moved.units["eyeBlinkLeft"]
    starts = np.flatnonzero((blink[1:] > 0.01) & (blink[:-1] <= 0.01)) + 1
    assert SECONDS / BLINK_MOST_S - 1 <= len(starts) <= SECONDS / BLINK_LEAST_S
    for start in starts:
        length = int((blink[start:] <= 0.01).argmax())
        assert 6 <= length <= 8 and blink[start : start + length].max() > 0.97
    assert (np.diff(starts) >= BLINK_LEAST_S * FPS - 1).all()


def test_blinks_have_a_refractory_time_and_like_the_ends_of_phrases():
    chance = np.random.default_rng(0)
    ends = [float(end) for end in range(5, 1000, 5)]
    times = np.array(blink_times(1000.0, ends, chance))
    gaps = np.diff(times)
    assert gaps.min() >= BLINK_LEAST_S and gaps.max() <= BLINK_MOST_S and 2.5 < gaps.mean() < 4.5
    at_an_end = np.abs(times[:, None] - ends).min(1) < 1e-9
    assert 0.1 < at_an_end.mean() < 0.7
    assert blink_times(0.1, [], chance) == []


def test_eyes_keep_to_the_camera_while_the_head_turns(moved):
    still = moved.gaze_deg[:, 0] + moved.head_rotation_deg[:, 0]
    assert still.std() < moved.head_rotation_deg[:, 0].std()
    assert np.corrcoef(moved.gaze_deg[:, 0], moved.head_rotation_deg[:, 0])[0, 1] < -0.6


def test_stress_falls_on_the_loud_syllables_and_moves_brows():
    phones, samples = chatter(20)
    stresses = stresses_of(phones, samples)
    loud = [i / SAMPLE_RATE_HZ for i in np.flatnonzero(samples > 0.2)]
    strongest = [stress for stress in stresses if stress.strength > 0.5]
    assert strongest and all(min(abs(stress.at_s - at) for at in loud) < 0.1 for stress in strongest)
    still, lively = (
        move(phones, samples, 500, seed=1, temperament=Temperament(brows=brows)).units["browInnerUp"]
        for brows in (0.0, 1.0)
    )
    assert still.max() == 0 and 0.15 < lively.max() < 0.7


def test_units_are_arkits_and_within_range(moved):
    assert set(moved.units) <= set(UNITS)
    assert not {name for name in moved.units if name.startswith(("jaw", "mouth"))} - {
        "mouthSmileLeft",
        "mouthSmileRight",
    }
    for track in moved.units.values():
        assert track.dtype == np.float32 and track.shape == (SECONDS * FPS,) and 0 <= track.min() <= track.max() <= 1


def test_silence_has_no_phrases_and_still_a_living_face():
    silence = [Phone(0, 5, "")]
    assert phrases_of(silence) == [] == stresses_of(silence, np.zeros(80_000))
    quiet = move(silence, np.zeros(80_000, np.float32), 125, seed=0)
    assert quiet.head_rotation_deg.std() > 0.2 and np.isfinite(quiet.torso_translation_cm).all()
