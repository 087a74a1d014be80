"""Who opens the gate: voices, in any noise that leaves them audible. Who does not: silence, noise, breath, music."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, lfilter, sosfilt

from pgstalker.audio.gate import (
    CLOSING_FRAMES,
    HOLD_FRAMES,
    STREAM_LOOK_AHEAD,
    WHOLE_LOOK_AHEAD,
    VoiceGate,
    rested,
    voice_gate,
)
from pgstalker.types import FPS, SAMPLE_RATE_HZ

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "speech"
FRAME = SAMPLE_RATE_HZ // FPS
SECONDS = 6
TIME_S = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
BOTH = pytest.mark.parametrize("ahead", [STREAM_LOOK_AHEAD, WHOLE_LOOK_AHEAD])


def white(seed: int = 0, count: int = len(TIME_S)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count)


def pink(seed: int = 0, count: int = len(TIME_S)) -> np.ndarray:
    spectrum = np.fft.rfft(white(seed, count))
    sound = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)
    return sound / sound.std()


def chords(partials: int, decay: float, beat_s: float) -> np.ndarray:
    """C, a, F, G: three notes at a time of `partials` harmonics, each dying at `decay` per second."""
    sound = np.zeros(len(TIME_S))
    notes = [(261.6, 329.6, 392.0), (220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7)]
    beat = int(beat_s * SAMPLE_RATE_HZ)
    for number, first in enumerate(range(0, len(sound), beat)):
        time_s = TIME_S[: min(beat, len(sound) - first)]
        envelope = np.minimum(1, time_s / 0.02) * np.exp(-decay * time_s)
        for hz in notes[number % 4]:
            for harmonic in range(1, partials + 1):
                tone = np.sin(2 * np.pi * hz * harmonic * time_s + hz * harmonic) / harmonic
                sound[first : first + len(time_s)] += envelope * tone
    return 0.1 * sound / sound.std()


def breath(level: float) -> np.ndarray:
    """Air through the mouth: filtered noise that swells for 0.8 s of every 1.6."""
    air = sosfilt(butter(2, [300, 5000], "band", fs=SAMPLE_RATE_HZ, output="sos"), white())
    return level * air / np.abs(air).max() * np.clip(np.sin(2 * np.pi * TIME_S / 1.6), 0, 1) ** 1.5


def vowels(seconds: float = 1.5, hz: float = 120.0) -> np.ndarray:
    """A voice that glides: pulses at a moving pitch through two moving formants."""
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch = hz * (1 + 0.15 * np.sin(2 * np.pi * 1.7 * time_s))
    pulses = np.diff(np.floor(np.cumsum(pitch) / SAMPLE_RATE_HZ), prepend=0)
    sound, block = np.zeros_like(pulses), FRAME
    for first in range(0, len(pulses), block):  # formants step from block to block: rough, but a voice
        share = first / len(pulses)
        part = pulses[max(0, first - 400) : first + block]
        for low, high in ((500, 800), (1200, 2200)):
            turn = 2 * np.pi * (low + (high - low) * np.sin(np.pi * 3 * share) ** 2) / SAMPLE_RATE_HZ
            part = lfilter([1], [1, -2 * 0.97 * np.cos(turn), 0.97**2], part)
        sound[first : first + block] = part[-min(block, len(pulses) - first) :]
    return 0.1 * sound / sound.std()


def gate_of(sound: np.ndarray, ahead: int) -> np.ndarray:
    return voice_gate(sound.astype(np.float32), len(sound) // FRAME, ahead)


NO_VOICE = {
    "silence": 0 * TIME_S,
    **{f"white {db} dB": white() * 10 ** (db / 20) for db in (-70, -50, -35, -20)},
    **{f"pink {db} dB": pink() * 10 ** (db / 20) for db in (-70, -50, -35, -20)},
    "sines": chords(1, 0, 0.5),
    "organ": chords(8, 0, 0.5),
    "organ, slow": chords(8, 0, 2.0),
    "piano": chords(8, 4, 0.5),
    "piano, fast": chords(8, 4, 0.25),
    "breath": breath(0.1),
    "loud breath": breath(0.4),
    "hum in noise": 0.05 * np.sin(2 * np.pi * 100 * TIME_S) + 0.01 * white(),
    "clicks": 0.8 * (np.arange(len(TIME_S)) % 8000 == 4000) + 1e-3 * white(),
}


@BOTH
@pytest.mark.parametrize("name", NO_VOICE)
def test_what_is_no_voice_leaves_the_gate_shut(name, ahead):
    assert gate_of(NO_VOICE[name], ahead).mean() < 0.01


@BOTH
@pytest.mark.parametrize("hz", [440.0, 1000.0])
def test_a_still_tone_shuts_the_gate_again(hz, ahead):
    gate = gate_of(0.1 * np.sin(2 * np.pi * hz * TIME_S), ahead)
    assert (gate[FPS:] == 0).all()


@BOTH
@pytest.mark.parametrize("noise", [white, pink], ids=["white", "pink"])
@pytest.mark.parametrize("snr_db", [30, 15, 5])
@pytest.mark.parametrize("hz", [95.0, 210.0])
def test_an_onset_is_never_clipped(hz, snr_db, noise, ahead):
    voice = vowels(hz=hz)
    start, sound = 2 * SAMPLE_RATE_HZ, noise() * voice.std() * 10 ** (-snr_db / 20)
    sound[start : start + len(voice)] += voice
    gate = gate_of(sound, ahead)
    spoken = slice(start // FRAME, (start + len(voice)) // FRAME)
    assert (gate[spoken] == 1).all()
    assert (gate[: spoken.start - ahead - 1] == 0).all()  # and not because it stands open
    assert (gate[spoken.stop + HOLD_FRAMES + CLOSING_FRAMES + 1 :] == 0).all()


def speech_files() -> list[Path]:
    return [ROOT / "sample_data" / "speech" / "english_woman.wav", *sorted(SHARED.glob("*.wav"))]


def loud_frames(sound: np.ndarray) -> np.ndarray:
    """[T] bool: within 30 dB of the loudest frame."""
    power = (sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME) ** 2).mean(1)
    return power > 1e-3 * power.max()


@BOTH
@pytest.mark.parametrize("path", speech_files(), ids=lambda path: path.stem)
def test_speech_passes(path, ahead):
    from pgstalker.media import read_audio

    sound = read_audio(path)[: 15 * SAMPLE_RATE_HZ]
    gate = gate_of(sound, ahead)
    assert (gate[loud_frames(sound)] == 1).mean() > (0.9 if ahead == STREAM_LOOK_AHEAD else 0.95)


@BOTH
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
@pytest.mark.parametrize("voice", ["en-us", "de+f3", "cmn", "ja", "ar"])
def test_synthesised_speech_passes_and_its_pauses_do_not(voice, ahead, tmp_path):
    from pgstalker.media import read_audio

    words = "Maybe tomorrow, papa brings six thousand blue umbrellas."
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(tmp_path / "speech.wav"), words], check=True)
    speech = read_audio(tmp_path / "speech.wav")
    pause = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    sound = np.concatenate([pause, speech, pause])
    sound = sound + speech.std() * 0.1 * white(1, len(sound)).astype(np.float32)
    gate, spoken = gate_of(sound, ahead), loud_frames(np.concatenate([pause, speech, pause]))[: len(sound) // FRAME]
    assert (gate[spoken] == 1).mean() > (0.93 if ahead == STREAM_LOOK_AHEAD else 0.98)
    assert (gate[: 2 * FPS - ahead - 1] == 0).all() and (gate[-FPS:] == 0).all()


def test_no_value_depends_on_what_comes_after_its_look_ahead():
    voice = np.concatenate([0.001 * white(0, SAMPLE_RATE_HZ), vowels(1.0), 0.001 * white(1, SAMPLE_RATE_HZ)])
    whole = gate_of(voice, STREAM_LOOK_AHEAD)
    gate = VoiceGate(STREAM_LOOK_AHEAD)
    assert gate.look_ahead_ms <= 120
    known = 0
    for first in range(0, len(voice), 160):
        decided = gate.push(voice[first : first + 160].astype(np.float32))
        np.testing.assert_array_equal(decided, whole[known : known + len(decided)])
        known += len(decided)
        heard_ms = (min(first + 160, len(voice))) / SAMPLE_RATE_HZ * 1000
        assert (known + 0.5) * 1000 / FPS + gate.look_ahead_ms > heard_ms  # what can be decided has been
    rest = gate.finish(len(whole))
    np.testing.assert_array_equal(rest, whole[known:])


def test_it_closes_gently():
    sound = np.concatenate([vowels(1.0), np.zeros(SAMPLE_RATE_HZ)])
    gate = gate_of(sound, STREAM_LOOK_AHEAD)
    assert np.diff(gate).min() >= -1 / CLOSING_FRAMES - 1e-6
    assert gate[-1] == 0


@pytest.mark.parametrize("samples", [0, 1, FRAME - 1, FRAME, 3 * FRAME + 5])
@pytest.mark.parametrize("frames", [0, 1, 4, 10])
def test_any_length_has_as_many_values_as_frames(samples, frames):
    gate = voice_gate(vowels(1.0)[:samples].astype(np.float32), frames)
    assert gate.shape == (frames,) and gate.dtype == np.float32
    assert ((gate >= 0) & (gate <= 1)).all()


def test_codes_rest_as_far_as_the_gate_is_shut():
    codes, rest = np.full((3, 2), 2.0, np.float32), np.array([-1.0, 0.0], np.float32)
    blended = rested(codes, rest, np.array([0.0, 0.5, 1.0], np.float32))
    assert blended.tolist() == [[-1.0, 0.0], [0.5, 1.0], [2.0, 2.0]] and blended.dtype == np.float32
