"""Hearing while somebody speaks: sound in chunks of any size in, features and mouth codes out.

    chunk ─► FrameBlocks ─► mel energies ─┐
                                          ├─► level and statistics so far ─► features, gate ─► CodeStream ─► mouth code
    chunk ─► VoiceGate ───────────────────┘        (mel columns, what the ear hears in them, or both)

A whole file is normalised by all of itself; a stream cannot be, so it is normalised by the speech heard so far, with
the training recording's statistics as a start. stream_whole sends a whole file through the same stream: the same
numbers go through the same operations, however the sound was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pgstalker.audio.blocks import COLUMNS_PER_FRAME, HOP, FrameBlocks, columns_of
from pgstalker.audio.features import create_features
from pgstalker.audio.gate import STREAM_LOOK_AHEAD, VoiceGate
from pgstalker.audio.mel import (
    ACTIVE_RANGE_DB,
    CHANNELS,
    FLOOR,
    LOUD_PERCENTILE,
    MOST_GAIN,
    PRIOR_COLUMNS,
    SPEECH_LEVEL,
    WINDOW_SAMPLES,
    MelFeatures,
    mel_energies,
    normalised,
)
from pgstalker.errors import ConfigError
from pgstalker.types import FPS

MEMORY_COLUMNS = 3000
"""Half a minute of speech: what was said longer ago fades."""
QUIETEST_DB = -120


@runtime_checkable
class StreamingFeatures(Protocol):
    """Features of mel columns in bounded time: frames of mel wanted before and after each video frame, and the features
    [n, window, channels] of such normalised columns [n, 4 (before + 1 + after), CHANNELS]."""

    frames_before: int
    frames_after: int

    def of_mel(self, mel: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Heard:
    """Frames that are ready: features [k, window, channels] and gate [k], float32."""

    features: np.ndarray
    gate: np.ndarray

    def __len__(self) -> int:
        return len(self.gate)


class SpeechSoFar:
    """Level and mel statistics of the speech heard so far, fading over MEMORY_COLUMNS.

    Statistics are kept for a gain of 1, so that they hold while the estimate of the level settles.
    """

    def __init__(self, trained: np.ndarray, is_own: bool):
        self._trained, self._is_own = trained.astype(np.float64), is_own
        self._levels = np.zeros(1 - QUIETEST_DB)  # how many columns of each dB
        self._count, self._sum, self._squares = 0.0, np.zeros(CHANNELS), np.zeros(CHANNELS)

    def add(self, energies: np.ndarray, powers: np.ndarray) -> None:
        """Columns of speech: mel energies [n, CHANNELS] and mean squares [n]."""
        for energy, power in zip(energies.astype(np.float64), powers, strict=True):
            keep = 1 - 1 / MEMORY_COLUMNS
            self._levels *= keep
            self._levels[int(np.clip(np.rint(10 * np.log10(power + 1e-12)) - QUIETEST_DB, 0, -QUIETEST_DB))] += 1
            if power < self._loud_power() * 10 ** (-ACTIVE_RANGE_DB / 10):
                continue
            value = np.log(energy + FLOOR / self.gain**2)
            self._count = keep * self._count + 1
            self._sum = keep * self._sum + value
            self._squares = keep * self._squares + value**2

    def _loud_power(self) -> float:
        """Mean square of the loud columns so far."""
        reached = np.cumsum(self._levels) >= LOUD_PERCENTILE / 100 * self._levels.sum()
        return 10 ** ((QUIETEST_DB + int(np.argmax(reached))) / 10)

    @property
    def gain(self) -> float:
        if not self._levels.any():
            return 1.0
        return min(SPEECH_LEVEL / np.sqrt(self._loud_power()), MOST_GAIN)

    def normalise(self, energies: np.ndarray) -> np.ndarray:
        """Mel energies [n, CHANNELS] -> normalised columns, as MelFeatures.adapt and extract would."""
        mean, deviation = self._trained
        if self._count and not self._is_own:
            own = self._sum / self._count
            spread = np.sqrt(np.maximum(self._squares / self._count - own**2, 0)) + 0.1
            weight = self._count / (self._count + PRIOR_COLUMNS)
            mean = weight * (own + 2 * np.log(self.gain)) + (1 - weight) * mean
            deviation = weight * spread + (1 - weight) * deviation
        return normalised(np.log(FLOOR + self.gain**2 * energies), np.stack([mean, deviation]))


class MelStream:
    """Sound to features and gate with a bounded look-ahead.

    trained [2, CHANNELS]: the avatar's statistics. is_own: the training recording itself, normalised by them alone.
    look_ahead_ms counts from the middle of a video frame to the last sample that its features and gate depend on.
    """

    def __init__(self, trained: np.ndarray, is_own: bool = False, features: StreamingFeatures | None = None):
        self._features = features or MelFeatures()
        self._blocks = FrameBlocks((WINDOW_SAMPLES - HOP) // 2)
        self._gate = VoiceGate(STREAM_LOOK_AHEAD)
        self._speech = SpeechSoFar(trained, is_own)
        silence = np.zeros((COLUMNS_PER_FRAME, CHANNELS), np.float32)
        self._energies = [silence] * self._features.frames_before
        self._powers: list[np.ndarray] = []
        span = (self._features.frames_before + 1 + self._features.frames_after) * COLUMNS_PER_FRAME
        self._none = self._features.of_mel(np.zeros((1, span, CHANNELS), np.float32))[:0]
        self._open: list[float] = []
        mel_ms = (self._features.frames_after + 0.5) * 1000 / FPS + (WINDOW_SAMPLES - HOP) / 2 / 16
        self.look_ahead_ms = max(mel_ms, self._gate.look_ahead_ms)

    def push(self, samples: np.ndarray) -> Heard:
        """samples [S] float32, 16 kHz mono, the next of the stream -> the frames that these make ready."""
        self._listen(self._blocks.push(samples))
        self._open += list(self._gate.push(samples))
        return self._ready()

    def finish(self, frames: int | None = None) -> Heard:
        """The rest, `frames` in all (default: as many as the samples fill), with silence after the end."""
        self._open += list(self._gate.finish(frames))
        self._listen(self._blocks.finish(frames))
        piece = np.zeros(WINDOW_SAMPLES + HOP * (COLUMNS_PER_FRAME - 1), np.float32)
        self._listen([piece] * self._features.frames_after)
        return self._ready()

    def _listen(self, pieces: list[np.ndarray]) -> None:
        for piece in pieces:
            columns = columns_of(piece, WINDOW_SAMPLES)
            self._energies.append(mel_energies(columns))
            self._powers.append((columns**2).mean(1))

    def _ready(self) -> Heard:
        after = self._features.frames_after
        span = self._features.frames_before + 1 + after
        features, gate = [], []
        while self._open and len(self._energies) >= span:
            if self._open[0] >= 0.5:  # the newest columns: where a voice begins, the voice itself
                self._speech.add(self._energies[span - 1], self._powers[after])
            columns = self._speech.normalise(np.concatenate(self._energies[:span]))
            features.append(self._features.of_mel(columns[None])[0])
            gate.append(self._open.pop(0))
            self._energies.pop(0)
            self._powers.pop(0)
        stacked = np.stack(features) if features else self._none
        return Heard(stacked.astype(np.float32), np.asarray(gate, np.float32))


class CodeStream:
    """Sound in chunks to mouth codes.

    code(features [k, window, channels], gate [k]) -> codes [k, C] is a talker's; attention_frames how many neighbouring
    frames it looks at, half of them ahead. The numbers are the whole file's but for the rounding of other batch sizes.
    """

    def __init__(
        self, stream: MelStream, code: Callable[[np.ndarray, np.ndarray], np.ndarray], attention_frames: int = 1
    ):
        self._stream, self._code = stream, code
        self._before = attention_frames // 2
        self._after = attention_frames - 1 - self._before
        self._waiting: Heard | None = None
        self._done = 0
        self.look_ahead_ms = stream.look_ahead_ms + self._after * 1000 / FPS

    def push(self, samples: np.ndarray) -> np.ndarray:
        """samples [S] float32, 16 kHz mono -> codes [k, C] of the frames that these make ready."""
        return self._emit(self._stream.push(samples), self._after)

    def finish(self, frames: int | None = None) -> np.ndarray:
        """Codes of the frames that are left, `frames` in all."""
        return self._emit(self._stream.finish(frames), 0)

    def _emit(self, heard: Heard, kept: int) -> np.ndarray:
        if self._waiting is not None:
            pairs = ((self._waiting.features, heard.features), (self._waiting.gate, heard.gate))
            heard = Heard(*(np.concatenate(pair) for pair in pairs))
        ready = max(len(heard) - kept, self._done)
        codes = self._code(heard.features, heard.gate)[self._done : ready]
        first = max(ready - self._before, 0)
        self._waiting = Heard(heard.features[first:], heard.gate[first:])
        self._done = ready - first
        return codes


def code_stream(
    audio: str, trained: np.ndarray, code: Callable[..., np.ndarray], attention_frames: int, own_recording: bool
) -> CodeStream:
    """A talker's stream: audio names its features. Raises ConfigError where these need the whole recording."""
    features = create_features(audio)
    if not isinstance(features, StreamingFeatures):
        raise ConfigError(f"an avatar that hears with audio={audio} cannot stream; train it with mel or viseme")
    return CodeStream(MelStream(trained, own_recording, features), code, attention_frames)


def stream_whole(
    samples: np.ndarray,
    frames: int,
    trained: np.ndarray,
    is_own: bool = False,
    features: StreamingFeatures | None = None,
) -> Heard:
    """A whole recording, heard as a stream hears it: samples [S] float32 -> `frames` frames."""
    stream = MelStream(trained, is_own, features)
    first, last = stream.push(samples), stream.finish(frames)
    found = np.concatenate([first.features, last.features])[:frames]
    return Heard(found, np.concatenate([first.gate, last.gate])[:frames])
