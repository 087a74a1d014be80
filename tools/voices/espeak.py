"""espeak-ng: a hundred languages by formant synthesis. Robotic, and every phoneme's time is exact."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from pgstalker.errors import EnvironmentMissing, MediaError
from tools.voices import espeak_library
from tools.voices.spoken import Phone, Spoken

VARIANTS = (*(f"m{i}" for i in range(1, 9)), *(f"f{i}" for i in range(1, 6)))
WORDS_PER_MINUTE = 160
SLOWEST, FASTEST = 80, 450
PLOSIVES = tuple("pbtdkɡcɟqʈɖʔ")
QUIET, QUIET_HOP_S = 0.12, 0.004
"""Of the sentence's root mean square."""


def require(name: str, package: str) -> None:
    """Raises EnvironmentMissing where the library is not installed."""
    try:
        espeak_library.load()
    except OSError:
        raise EnvironmentMissing(
            f"{espeak_library.LIBRARY}, which speaks {name}, is missing: sudo apt-get install {package}"
        ) from None


def say(text: str, name: str, rate: float) -> Spoken:
    """A sentence in a process of its own, so that the same text gives the same sound."""
    pace = int(np.clip(round(WORDS_PER_MINUTE * rate), SLOWEST, FASTEST))
    request = json.dumps({"text": text, "voice": name, "words_per_minute": pace})
    command = [sys.executable, "-S", str(Path(espeak_library.__file__))]
    result = subprocess.run(command, input=request.encode(), capture_output=True, check=False)
    if result.returncode:
        raise MediaError(f"espeak-ng's {name} could not say '{text[:40]}': {result.stderr.decode()[-200:].strip()}")
    header, _, sound = result.stdout.partition(b"\n")
    told = json.loads(header)
    samples = np.frombuffer(sound, "<i2").astype(np.float32) / 32768
    phones = phones_between(told["phonemes"], told["hz"], len(samples))
    return Spoken(samples, told["hz"], with_closures(phones, samples, told["hz"]))


def phones_between(phonemes: list, hz: int, length: int) -> list[Phone]:
    """(first sample, IPA) of each phoneme as phones that end where the next begins, the last with the sound.

    What comes before the first is silence. Raises MediaError for phonemes out of order."""
    phonemes = [(0, ""), *phonemes]
    starts = [min(start, length) for start, _ in phonemes] + [length]
    if any(b < a for a, b in zip(starts, starts[1:])):
        raise MediaError("espeak-ng told phonemes out of order: its library was changed")
    spans = zip(starts, starts[1:], phonemes)
    return [Phone(start / hz, end / hz, clean(ipa)) for start, end, (_, ipa) in spans if end > start]


def with_closures(phones: list[Phone], samples: np.ndarray, hz: int) -> list[Phone]:
    """The silent closure before a plosive's burst given to the plosive.

    espeak-ng counts it to the phoneme before and tells of the plosive only at its burst, by when real lips have long
    been shut (measured: its sound ran 38 ms ahead of its English phonemes, and see tests/voices). The closure is taken
    from the sound: what is quiet before the burst, at most half of the phoneme before.
    """
    hop = max(1, round(QUIET_HOP_S * hz))
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    quiet = np.sqrt((blocks**2).mean(1)) < QUIET * np.sqrt((samples**2).mean())
    moved = list(phones)
    for index in range(1, len(moved)):
        before, stop = moved[index - 1], moved[index]
        if not stop.ipa.startswith(PLOSIVES) or not before.ipa:
            continue
        earliest = int(np.ceil((before.start_s + before.end_s) / 2 * hz / hop))
        block = burst = int(stop.start_s * hz / hop)
        while block > earliest and quiet[block - 1]:
            block -= 1
        if block < burst:
            start = block * hop / hz
            moved[index - 1], moved[index] = replace(before, end_s=start), replace(stop, start_s=start)
    return moved


def clean(ipa: str) -> str:
    """espeak's pauses, and its marks of a change of language such as "(en)", as silence."""
    return "" if ipa.startswith("(") or ipa.strip("_:;,.'|# ") == "" else ipa
