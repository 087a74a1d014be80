"""The mouth does what the sounds ask of it."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.presenter.articulation import Style, articulate, lip_gap_cm
from tools.presenter.performance import UNITS
from tools.voices.spoken import Phone


def spoken(text: str, seconds: float = 0.1, before_s: float = 0.5) -> list[Phone]:
    """Phonemes of equal length between two silences; "." is a silence too."""
    phones, at = [Phone(0.0, before_s, "")], before_s
    for symbol in text.split():
        phones.append(Phone(at, at + seconds, "" if symbol == "." else symbol))
        at += seconds
    return [*phones, Phone(at, at + 0.5, "")]


def mouth(phones, *, fps=FPS, samples=None, style=None):
    seconds = phones[-1].end_s
    if samples is None:
        samples = np.full(round(seconds * SAMPLE_RATE_HZ), 0.1, np.float32)
    return articulate(phones, samples, int(seconds * fps), fps=fps, style=style)


def frame_of(at_s, fps=FPS):
    return int(at_s * fps)


def test_units_are_arkits_and_stay_within_their_range():
    result = mouth(spoken("p ɑ f i θ u ʃ o s aʊ m"))
    assert set(result.units) <= set(UNITS)
    for track in (*result.units.values(), result.tongue):
        assert track.dtype == np.float32 and len(track) == 52 and track.min() >= 0 and track.max() <= 1


@pytest.mark.parametrize("seconds", [0.05, 0.08, 0.15])
@pytest.mark.parametrize("lips", ["p", "b", "m", "pʲ", "m̩"])
@pytest.mark.parametrize("offset_s", [0.0, 0.013, 0.027])
def test_lips_close_for_every_bilabial(lips, seconds, offset_s):
    phones = spoken(f"ɑ {lips} ɑ {lips} i {lips} u", seconds, 0.5 + offset_s)
    gap = lip_gap_cm(mouth(phones).units)
    for phone in phones:
        if phone.ipa == lips:
            near = gap[frame_of(phone.start_s - 0.03) : frame_of(phone.end_s) + 1]
            assert near.min() < 0.02
    if seconds > 0.1:
        assert gap.max() > 0.8


def test_a_lone_sound_lands_in_its_frame():
    # A short p in a long vowel shuts the lips in the middle of its closure; a short vowel between two p opens there.
    phones = [Phone(0, 1, "ɑ"), Phone(1.0, 1.1, "m"), Phone(1.1, 2, "ɑ")]
    gap = lip_gap_cm(mouth(phones, fps=100).units)
    shut = np.flatnonzero(gap < 0.01)
    assert (shut.mean() + 0.5) / 100 == pytest.approx(1.05, abs=0.02)
    phones = [Phone(0, 1, ""), Phone(1.0, 1.16, "ɑ"), Phone(1.16, 2, "")]
    gap = lip_gap_cm(mouth(phones).units)
    assert (gap.argmax() + 0.5) / FPS == pytest.approx(1.08, abs=0.51 / FPS)


def test_vowels_differ_as_they_should():
    shapes = {vowel: mouth(spoken(f"{vowel}", 0.4)) for vowel in ("ɑ", "i", "u", "ɛ", "ə")}
    at = frame_of(0.7)
    gap = {vowel: lip_gap_cm(shape.units)[at] for vowel, shape in shapes.items()}
    unit = {vowel: {name: track[at] for name, track in shape.units.items()} for vowel, shape in shapes.items()}
    assert gap["ɑ"] > 1.2 > gap["ɛ"] > gap["ə"] > gap["i"] > gap["u"] > 0.1
    assert unit["u"]["mouthPucker"] > 0.75 and unit["i"]["mouthPucker"] < 0.05
    assert unit["i"]["mouthStretchLeft"] > 0.25 and unit["u"]["mouthStretchLeft"] < 0.02


def test_rounding_is_anticipated_through_a_consonant():
    at = frame_of(0.56)  # in the t
    before_u, before_i = (mouth(spoken(f"t {vowel}", 0.1)).units["mouthPucker"][at] for vowel in ("u", "i"))
    assert before_u > 0.35 > 0.1 > before_i


def test_lip_meets_teeth_and_tongue_comes_up():
    phones = spoken("ɑ f ɑ", 0.12)
    middle = frame_of(0.5 + 0.18)
    units = mouth(phones).units
    assert units["mouthRollLower"][middle] > 0.4 and lip_gap_cm(units)[middle] < 0.15
    assert mouth(spoken("ɑ θ ɑ", 0.12)).tongue[middle] > 0.8
    assert mouth(spoken("ɑ k ɑ", 0.12)).tongue[middle] < 0.1


def test_silence_is_rest_and_a_gap_in_the_sound_is_not():
    gap = lip_gap_cm(mouth(spoken("ɑ ɑ . . . . ɑ", 0.15)).units)
    assert gap[: frame_of(0.35)].max() < 0.02 and gap[frame_of(1.05) : frame_of(1.15)].max() < 0.05
    bridged = [Phone(0, 0.4, ""), Phone(0.4, 0.7, "ɑ"), Phone(0.7, 0.75, ""), Phone(0.75, 1, "ɑ"), Phone(1, 1.4, "")]
    assert lip_gap_cm(mouth(bridged).units)[frame_of(0.72)] > 1.0
    nothing = mouth([Phone(0, 2, "")], samples=np.zeros(32_000, np.float32))
    assert all(not track.any() for track in nothing.units.values())


def test_a_loud_syllable_opens_more():
    phones = spoken("ɑ . ɑ . ɑ", 0.25)
    samples = np.full(round(phones[-1].end_s * SAMPLE_RATE_HZ), 0.05, np.float32)
    samples[: round(0.8 * SAMPLE_RATE_HZ)] *= 0.5
    samples[round(1.45 * SAMPLE_RATE_HZ) :] *= 2
    gap = lip_gap_cm(mouth(phones, samples=samples).units)
    quiet, middle, loud = (gap[frame_of(at)] for at in (0.62, 1.12, 1.62))
    assert quiet < 0.9 * middle < middle < 0.95 * loud


def test_movement_is_smooth():
    phones = spoken("h ɛ l oʊ m aɪ n eɪ m ɪ z p iː t ə b ʌ t ə k ʌ p s", 0.07)
    track = lip_gap_cm(mouth(phones, fps=200).units)
    jaw = mouth(phones, fps=200).units["jawOpen"].astype(np.float64)
    speed = np.diff(track) * 200
    assert np.abs(speed).max() < 40  # cm/s: real lips reach about 30
    assert np.abs(np.diff(jaw, 2)).max() < 0.004 and np.abs(np.diff(jaw, 3)).max() < 0.0015  # no corner


def test_more_frames_a_second_are_the_same_movement():
    phones = spoken("m ɑ m i", 0.13)
    slow, fast = (lip_gap_cm(mouth(phones, fps=fps).units) for fps in (25, 75))
    assert np.abs(slow - fast[1::3][: len(slow)]).max() < 0.02  # frame i of 25 is frame 3 i + 1 of 75


def test_style_scales_and_leans():
    phones = spoken("ɑ i", 0.3)
    plain, wide = (mouth(phones, style=style).units for style in (Style(), Style(opening=1.1, asymmetry=0.1)))
    assert wide["jawOpen"].max() == pytest.approx(1.1 * plain["jawOpen"].max(), rel=0.01)
    ratio = wide["mouthStretchLeft"].max() / wide["mouthStretchRight"].max()
    assert ratio == pytest.approx(1.1 / 0.9, rel=0.01)
