"""Is somebody speaking? A gate that leaves the mouth at rest in silence, music, breath and noise.

What opens it is a voice: sound that repeats at one pitch (Boersma's normalised autocorrelation, 1993), between 70 and
500 Hz, for some columns on end. Noise and breath do not repeat, chords repeat at no single pitch, and a tone that
stands as still as an instrument's (its spectrum is that of 60 ms ago) is none. Consonants without voice stand beside a
voice: the gate opens look_ahead_frames early and holds, so that they are not clipped. Opening takes a clear voice,
staying open a trace of one (hysteresis). No weights; constants were set on speech in nine languages, real and
synthesised, and on the sounds named above. A melody of single clean notes is taken for a voice, as singing is.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from pgstalker.audio.blocks import COLUMNS_PER_FRAME, HOP, FrameBlocks, columns_of
from pgstalker.types import FPS, SAMPLE_RATE_HZ

WINDOW = 640
FFT = 1024
BAND_HZ = (150.0, 2500.0)
"""Where voices have harmonics, hum has few and fricatives little."""
PITCH_HZ = (70.0, 500.0)
STILL_BAND_HZ = (300.0, 3000.0)
STILL_COLUMNS, STILL_FOR = 6, 6
STILL = 0.96
CLEAR, TRACE = 0.68, 0.5
"""Of the autocorrelation's peak: 0.5 is as much voice as noise."""
CLEAR_COLUMNS, TRACE_COLUMNS = 3, 2
QUIETEST_DB, RANGE_DB, FORGET_DB_PER_S = -60.0, 35.0, 1.0
"""A voice is louder than that against full scale, and not that far below the loudest voice of late."""
HOLD_FRAMES, CLOSING_FRAMES, RAMP_FRAMES = 6, 4, 2
STREAM_LOOK_AHEAD, WHOLE_LOOK_AHEAD = 2, 5
"""Frames: what a stream can afford, and what covers a long fricative before the first vowel."""


class VoiceGate:
    """A gate for sound in chunks of any size: push(samples) -> gate [k] float32 in [0, 1] of the frames now decided.

    look_ahead_ms counts from the middle of a video frame to the last sample that its value depends on.
    """

    def __init__(self, look_ahead_frames: int = STREAM_LOOK_AHEAD):
        self.look_ahead_frames = look_ahead_frames
        self.look_ahead_ms = (look_ahead_frames + 0.5) * 1000 / FPS + (WINDOW - HOP) / 2 * 1000 / SAMPLE_RATE_HZ
        self._blocks = FrameBlocks((WINDOW - HOP) // 2)
        self._ear = VoiceEar()
        self._hold, self._is_open = 0, False
        self._coming: list[bool] = []
        self._gate = 0.0

    def push(self, samples: np.ndarray) -> np.ndarray:
        return self._decide(self._blocks.push(samples))

    def finish(self, frames: int | None = None) -> np.ndarray:
        """The rest, `frames` in all (default: as many as the samples fill)."""
        decided = self._decide(self._blocks.finish(frames))
        rest = []
        while self._coming:
            rest.append(self._next())
        return np.concatenate([decided, np.asarray(rest, np.float32)])

    def _decide(self, pieces: list[np.ndarray]) -> np.ndarray:
        gate = []
        for piece in pieces:
            self._coming.append(self._judge(*self._ear.listen(piece)))
            if len(self._coming) > self.look_ahead_frames:
                gate.append(self._next())
        return np.asarray(gate, np.float32)

    def _judge(self, is_clear: bool, is_trace: bool) -> bool:
        if is_clear or (self._is_open and is_trace):
            self._is_open, self._hold = True, HOLD_FRAMES
        elif self._is_open:
            self._hold -= 1
            self._is_open = self._hold > 0
        return self._is_open

    def _next(self) -> float:
        """The oldest waiting frame's value: up over RAMP_FRAMES before a voice, down over CLOSING_FRAMES after it."""
        reach = self.look_ahead_frames + 1
        target = max(min(1.0, (reach - k) / RAMP_FRAMES) * is_open for k, is_open in enumerate(self._coming))
        self._gate = max(target, self._gate - 1 / CLOSING_FRAMES, 0.0)
        self._coming.pop(0)
        return self._gate


class VoiceEar:
    """How voiced each column is, with the little memory that takes."""

    def __init__(self):
        self._spectra: list[np.ndarray] = []
        self._still: list[float] = []
        self._loudest_db = -math.inf
        self._clear, self._trace = 0, 0

    def listen(self, piece: np.ndarray) -> tuple[bool, bool]:
        """A frame's piece of sound -> (a clear voice somewhere in it, a trace of one)."""
        taper, own, in_band, in_still = _tables()
        power = np.abs(np.fft.rfft(columns_of(piece, WINDOW) * taper, FFT)) ** 2
        correlation = np.fft.irfft(power * in_band, FFT)[:, : len(own)]
        energy = correlation[:, 0]
        lags = slice(int(SAMPLE_RATE_HZ / PITCH_HZ[1]), int(SAMPLE_RATE_HZ / PITCH_HZ[0]))
        periodic = (correlation[:, lags] / own[lags]).max(1) / (energy + 1e-12)
        level_db = 10 * np.log10(energy * 2 / (taper**2).sum() + 1e-12)
        fine = np.log(power[:, in_still] + 1e-6 * power.max(1, keepdims=True) + 1e-9)
        fine -= fine.mean(1, keepdims=True)
        fine /= np.sqrt((fine**2).sum(1, keepdims=True)) + 1e-9
        found = [self._column(*column) for column in zip(periodic, level_db, fine, strict=True)]
        return any(clear for clear, _ in found), any(trace for _, trace in found)

    def _column(self, periodic: float, level_db: float, spectrum: np.ndarray) -> tuple[bool, bool]:
        self._spectra = [*self._spectra[-STILL_COLUMNS:], spectrum]
        self._still = [*self._still[1 - STILL_FOR :], float(self._spectra[0] @ spectrum)]
        is_moving = sum(self._still) / len(self._still) < STILL
        is_loud = level_db > max(QUIETEST_DB, self._loudest_db - RANGE_DB)
        self._loudest_db -= FORGET_DB_PER_S / (FPS * COLUMNS_PER_FRAME)
        if is_loud and is_moving and periodic > CLEAR:
            self._loudest_db = max(self._loudest_db, level_db)
        self._clear = self._clear + 1 if is_loud and is_moving and periodic > CLEAR else 0
        self._trace = self._trace + 1 if is_loud and is_moving and periodic > TRACE else 0
        return self._clear >= CLEAR_COLUMNS, self._trace >= TRACE_COLUMNS


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Window [WINDOW], its own autocorrelation, and the two bands as masks of FFT bins."""
    taper = np.hanning(WINDOW + 1)[:-1]
    own = np.fft.irfft(np.abs(np.fft.rfft(taper, FFT)) ** 2)[: SAMPLE_RATE_HZ // int(PITCH_HZ[0]) + 1]
    bins_hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE_HZ / FFT
    bands = [(bins_hz >= low) & (bins_hz <= high) for low, high in (BAND_HZ, STILL_BAND_HZ)]
    return taper, own / own[0], bands[0], bands[1]


def rested(codes: np.ndarray, rest: np.ndarray, gate: np.ndarray) -> np.ndarray:
    """Mouth codes [T, C], at `rest` [C] as far as the gate [T] is closed."""
    return (gate[:, None] * codes + (1 - gate[:, None]) * rest).astype(np.float32)


def voice_gate(samples: np.ndarray, frames: int, look_ahead_frames: int = WHOLE_LOOK_AHEAD) -> np.ndarray:
    """Gate [frames] float32 in [0, 1] of a whole recording: samples [S] float32, 16 kHz mono; 0 rest, 1 speech."""
    gate = VoiceGate(look_ahead_frames)
    return np.concatenate([gate.push(samples), gate.finish(frames)])[:frames]
