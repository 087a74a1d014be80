"""Speech whose mouth is known: synthesised in many voices, with what lips do a hundred times a second.

    voice, words, pace, pitch ─► tools.voices.speak ─► sound + phonemes ─► presenter.articulation ─► tracks, visemes

Utterances are made in parts, each one file under build/ear; a part that is there is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pgstalker.audio.visemes import visemes_at
from pgstalker.errors import MediaError
from pgstalker.files import replacing
from pgstalker.types import SAMPLE_RATE_HZ
from tools.ear.texts import compose
from tools.presenter.articulation import articulate, lip_gap_cm
from tools.voices import VOICES, Phone, find, speak
from tools.voices.espeak import VARIANTS

COLUMNS_HZ = 100
TRACKS = ("gap", "jaw", "round", "spread", "raise", "seal", "teeth")
"""Inner lips' gap (cm), jaw, rounding, spreading, upper and lower lip drawn apart, lips sealed, lip to teeth."""
PART = 25
SHARES = {"flite": 0.28, "festival": 0.36, "espeak": 0.36}
"""Of the utterances: recorded voices are nearer to people than formants are."""
HELD_OUT = ("awb", "machac", "espeak-hu", "espeak-sv")
"""Voices that training never hears: its hyperparameters are judged with them."""
RATES, PITCHES, PAUSES_S, EDGES_S = (0.78, 1.3), (0.8, 1.25), (0.1, 0.6), (0.15, 0.6)


@dataclass(frozen=True)
class Utterance:
    """samples [S] float32, 16 kHz; tracks [K, 7] and visemes [K] at 100 columns a second, column k at (k + 0.5) / 100
    s, as mel columns are."""

    voice: str
    samples: np.ndarray
    tracks: np.ndarray
    visemes: np.ndarray


def voice_of(number: int) -> str:
    """The voice of utterance `number`: engines by SHARES, their voices in turn, espeak's with a variant."""
    rng = np.random.default_rng((number, 1))
    engine = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    voices = [voice.id for voice in VOICES.values() if voice.engine == engine]
    chosen = voices[int(rng.integers(len(voices)))]
    return f"{chosen}+{rng.choice(VARIANTS)}" if engine == "espeak" and rng.random() < 0.9 else chosen


def is_held_out(voice: str) -> bool:
    return voice.partition("+")[0] in HELD_OUT


def utter(number: int) -> Utterance:
    """Utterance `number`, always the same. Raises what `speak` does."""
    rng = np.random.default_rng((number, 2))
    voice = voice_of(number)
    text = compose(find(voice).language, rng)
    rate, pitch, pause_s = (float(rng.uniform(*span)) for span in (RATES, PITCHES, PAUSES_S))
    said = speak(text, voice, rate=rate, pitch=pitch, pause_s=pause_s)
    before, after = (float(rng.uniform(*EDGES_S)) for _ in "12")
    lead = round(before * SAMPLE_RATE_HZ)
    samples = np.pad(said.samples, (lead, round(after * SAMPLE_RATE_HZ)))
    start = lead / SAMPLE_RATE_HZ
    phones = [Phone(p.start_s + start, p.end_s + start, p.ipa) for p in said.phones]
    phones = [Phone(0.0, start, ""), *phones, Phone(phones[-1].end_s, len(samples) / SAMPLE_RATE_HZ, "")]
    tracks, visemes = labels(phones, samples)
    return Utterance(voice, samples, tracks, visemes)


def labels(phones: list[Phone], samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tracks [K, 7] float32 and visemes [K] of a sound whose phonemes are known."""
    columns = -(-len(samples) * COLUMNS_HZ // SAMPLE_RATE_HZ)
    units = articulate(phones, samples, columns, fps=COLUMNS_HZ).units
    seal = units["mouthRollUpper"] / 0.12
    tracks = {
        "gap": lip_gap_cm(units),
        "jaw": units["jawOpen"],
        "round": units["mouthPucker"] + units["mouthFunnel"],
        "spread": units["mouthStretchLeft"],
        "raise": units["mouthUpperUpLeft"] + units["mouthLowerDownLeft"],
        "seal": seal,
        "teeth": (units["mouthRollLower"] - 0.22 * seal) / 0.5,
    }
    times = (np.arange(columns) + 0.5) / COLUMNS_HZ
    return np.stack([tracks[name] for name in TRACKS], 1).astype(np.float32), visemes_at(phones, times)


def make_part(folder: Path, part: int) -> Path:
    """Utterances part * PART and on as one file. What an engine cannot say is left out, and said so."""
    path = folder / f"speech_{part:04}.npz"
    if path.is_file():
        return path
    arrays: dict[str, np.ndarray] = {}
    for number in range(part * PART, (part + 1) * PART):
        try:
            said = utter(number)
        except MediaError as error:
            print(f"utterance {number} is left out: {error}")
            continue
        arrays |= {
            f"{number}.voice": np.array(said.voice),
            f"{number}.samples": np.round(said.samples * 32767).astype(np.int16),
            f"{number}.tracks": said.tracks.astype(np.float16),
            f"{number}.visemes": said.visemes.astype(np.uint8),
        }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return path


def read_part(path: Path) -> Iterator[Utterance]:
    with np.load(path, allow_pickle=False) as file:
        for number in sorted({int(name.partition(".")[0]) for name in file.files}):
            voice, samples, tracks, visemes = (
                file[f"{number}.{name}"] for name in ("voice", "samples", "tracks", "visemes")
            )
            yield Utterance(
                str(voice), samples.astype(np.float32) / 32767, tracks.astype(np.float32), visemes.astype(np.int64)
            )
