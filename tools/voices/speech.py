"""speak(): any text in any voice, 16 kHz, with the time of every phoneme."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pgstalker.errors import ConfigError, MediaError
from pgstalker.types import SAMPLE_RATE_HZ
from tools.voices.catalogue import ENGINES, require
from tools.voices.spoken import Phone, Spoken

SLOWEST, FASTEST = 0.6, 1.6
LOWEST, HIGHEST = 0.7, 1.4
PAUSE_S = 0.3
"""Between sentences, besides the silence with which each begins and ends."""
LEVEL, PEAK = 0.08, 0.95
ACTIVE = 0.1
LONGEST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Speech:
    """samples [S] float32 in -1..1, 16 kHz, mono; phones without gaps from 0 to the end, silence as ""."""

    samples: np.ndarray
    phones: list[Phone]

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def speak(text: str, voice: str, *, rate: float = 1.0, pitch: float = 1.0, pause_s: float = PAUSE_S) -> Speech:
    """Say a text.

    rate: pace over the voice's own. pitch: factor on the pitch and the formants together, as of a smaller (above 1) or
    larger person; the pace stays. The same arguments give the same samples. Sounds of all voices are brought to one
    level. Raises ConfigError for an unknown voice, an empty text or a dial out of range, EnvironmentMissing for
    a voice that is not installed.
    """
    found = require(voice)
    for name, value, low, high in (("rate", rate, SLOWEST, FASTEST), ("pitch", pitch, LOWEST, HIGHEST)):
        if not low <= value <= high:
            raise ConfigError(f"{name} {value:g} is out of range: take {low:g} to {high:g}")
    said = sentences(text)
    if not said or len(text) > LONGEST_CHARACTERS:
        raise ConfigError(f"nothing to say: {len(text)} characters (1 to {LONGEST_CHARACTERS} with a letter in them)")
    engine = ENGINES[found.engine]
    pieces = [_at_our_rate(engine.say(sentence, found.name, rate / pitch), pitch) for sentence in said]
    return _levelled(_joined(pieces, pause_s))


def sentences(text: str) -> list[str]:
    """The text cut after . ! ? and at empty lines; white space and control characters become one space."""
    pieces = re.split(r"(?<=[.!?…])\s+|\n\s*\n", text)
    cleaned = (re.sub(r"[\s\x00-\x1f\x7f]+", " ", piece).strip() for piece in pieces)
    return [piece for piece in cleaned if any(character.isalnum() for character in piece)]


def _at_our_rate(spoken: Spoken, pitch: float) -> Speech:
    """Resampled so that all frequencies rise by `pitch` and times shrink by it; phones cover the sound exactly."""
    from scipy.signal import resample_poly

    ratio = Fraction(SAMPLE_RATE_HZ, spoken.hz) / Fraction(pitch).limit_denominator(50)
    ratio = ratio.limit_denominator(2000)
    samples = resample_poly(spoken.samples, ratio.numerator, ratio.denominator).astype(np.float32)
    scale = float(ratio) * spoken.hz / SAMPLE_RATE_HZ
    end = len(samples) / SAMPLE_RATE_HZ
    phones = [Phone(min(p.start_s * scale, end), min(p.end_s * scale, end), p.ipa) for p in spoken.phones]
    phones = [phone for phone in phones if phone.end_s > phone.start_s]
    if not phones:
        raise MediaError("the engine gave a sound without phonemes: write the text in the voice's language")
    if phones[-1].ipa == "" or end - phones[-1].end_s < 0.01:
        phones[-1] = Phone(phones[-1].start_s, end, phones[-1].ipa)
    else:
        phones.append(Phone(phones[-1].end_s, end, ""))
    return Speech(samples, phones)


def _joined(pieces: list[Speech], pause_s: float) -> Speech:
    """One after the other with a pause between; neighbouring silences become one."""
    pause = np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.float32)
    sounds: list[np.ndarray] = []
    phones: list[Phone] = []
    length = 0
    for index, piece in enumerate(pieces):
        sound = [pause, piece.samples] if index else [piece.samples]
        if index and len(pause):
            phones.append(Phone(length / SAMPLE_RATE_HZ, (length + len(pause)) / SAMPLE_RATE_HZ, ""))
            length += len(pause)
        offset = length / SAMPLE_RATE_HZ
        phones += [Phone(p.start_s + offset, p.end_s + offset, p.ipa) for p in piece.phones]
        length += len(piece.samples)
        sounds += sound
    merged: list[Phone] = []
    for phone in phones:
        if merged and phone.ipa == "" == merged[-1].ipa:
            merged[-1] = Phone(merged[-1].start_s, phone.end_s, "")
        else:
            merged.append(phone)
    return Speech(np.concatenate(sounds), merged)


def _levelled(speech: Speech) -> Speech:
    """The loud parts at one level, the highest peak below full scale."""
    loud = np.abs(speech.samples)
    top = float(loud.max())
    if top == 0:
        return speech
    active = speech.samples[loud > ACTIVE * top]
    gain = min(LEVEL / float(np.sqrt(np.mean(active**2))), PEAK / top)
    return Speech((speech.samples * np.float32(gain)).astype(np.float32), speech.phones)
