"""Log-mel features: the right filters, the right frame, any level, and nothing from the future."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.audio import create_features
from pgstalker.audio.mel import (
    CHANNELS,
    COLUMNS_PER_FRAME,
    CONTEXT_FRAMES,
    FFT_SAMPLES,
    FLOOR,
    HIGHEST_HZ,
    LIMIT,
    LOWEST_HZ,
    log_mel,
    mel_filters,
)
from pgstalker.errors import ConfigError
from pgstalker.types import FPS, SAMPLE_RATE_HZ

PER_FRAME = SAMPLE_RATE_HZ // FPS
MIDDLE = slice(CONTEXT_FRAMES * COLUMNS_PER_FRAME, (CONTEXT_FRAMES + 1) * COLUMNS_PER_FRAME)
WIDE = np.stack([np.zeros(CHANNELS), np.full(CHANNELS, 5.0)]).astype(np.float32)  # so that nothing is clipped
mel = create_features("mel")


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """Coloured noise in bursts."""
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE_HZ)
    noise = np.convolve(rng.standard_normal(count), np.hanning(9), "same")
    return (0.05 * noise * (1.1 + np.sin(np.arange(count) * 2 * np.pi * 3 / SAMPLE_RATE_HZ))).astype(np.float32)


def burst(seconds: float, start: float, stop: float, hz: float = 440.0) -> np.ndarray:
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * time_s) * ((time_s >= start) & (time_s < stop))).astype(np.float32)


def heard_energy(sound: np.ndarray, frames: int) -> np.ndarray:
    """[frames, window]: the energy in each frame's columns, above the floor."""
    return np.exp(5 * mel.extract(sound, frames, WIDE)).sum(2) - FLOOR * CHANNELS


def test_filters_are_librosas():
    librosa = pytest.importorskip("librosa")
    truth = librosa.filters.mel(
        sr=SAMPLE_RATE_HZ, n_fft=FFT_SAMPLES, n_mels=CHANNELS, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, htk=False, norm="slaney"
    )
    np.testing.assert_allclose(mel_filters(), truth, atol=1e-7)  # librosa rounds to float32, values to 0.03


def test_an_unknown_front_end_is_refused():
    with pytest.raises(ConfigError, match=r"audio=ears.*mel"):
        create_features("ears")


@pytest.mark.parametrize("frame", [0, 7, 24])
def test_a_burst_lands_in_its_video_frame(frame):
    """Sound during one video frame: that frame's own four columns hold most of it, symmetrically."""
    sound = burst(1.0, frame / FPS, (frame + 1) / FPS)
    energy = heard_energy(sound, 25)
    own = energy[:, MIDDLE].sum(1)
    assert own.argmax() == frame
    assert own[frame] > 0.9 * own.sum()
    np.testing.assert_allclose(energy[frame, MIDDLE], energy[frame, MIDDLE][::-1], rtol=0.15)


def test_an_impulse_lands_between_the_two_columns_nearest_to_it():
    sound = np.zeros(SAMPLE_RATE_HZ, np.float32)
    sound[10 * PER_FRAME + PER_FRAME // 2] = 1.0  # the middle of frame 10: between its second and third column
    columns = heard_energy(sound, 25)[10]
    middle = MIDDLE.start + COLUMNS_PER_FRAME // 2
    assert set(np.argsort(columns)[-2:]) == {middle - 1, middle}
    assert columns[middle - 1] == pytest.approx(columns[middle], rel=0.05)


def test_a_tone_lands_in_its_band():
    bands = mel_filters()
    for hz in (200.0, 1000.0, 4000.0):
        column = log_mel(burst(1.0, 0, 1, hz))[50]
        assert column.argmax() == bands[:, round(hz * FFT_SAMPLES / SAMPLE_RATE_HZ)].argmax()


@pytest.mark.parametrize("gain", [0.1, 0.3, 3.0])
def test_level_does_not_matter(gain):
    sound = babble(2.0)
    np.testing.assert_allclose(log_mel(gain * sound), log_mel(sound), atol=2e-3)
    np.testing.assert_allclose(mel.measure(gain * sound), mel.measure(sound), atol=2e-3)
    own, other = (mel.extract(s, 50, mel.measure(s)) for s in (sound, gain * sound))
    np.testing.assert_allclose(own, other, atol=5e-3)


def test_the_noise_of_an_empty_room_is_not_made_speech():
    sound = babble(1.0)
    level = np.sqrt((sound**2).mean())
    for decibels in (-62, -80):
        room = sound * np.float32(10 ** (decibels / 20) / level)
        assert log_mel(room).mean() < log_mel(sound).mean() - 0.5
    assert log_mel(room).mean() < log_mel(sound).mean() - 4


def test_features_are_standardised_where_somebody_speaks():
    sound = babble(4.0)
    features = mel.extract(sound, 100, mel.measure(sound))[:, MIDDLE].reshape(-1, CHANNELS)
    assert np.abs(features.mean(0)).max() < 0.1
    assert (features.std(0) > 0.5).all() and (features.std(0) < 1.1).all()
    assert np.abs(features).max() <= LIMIT


@pytest.mark.parametrize("samples", [0, 1, 100, PER_FRAME - 1, 5 * PER_FRAME])
@pytest.mark.parametrize("frames", [1, 6])
def test_short_recordings_are_filled_with_silence(samples, frames):
    sound = babble(1.0)[:samples]
    statistics = mel.adapt(sound, mel.measure(babble(2.0)))
    assert statistics.shape == (2, CHANNELS) and statistics.dtype == np.float32 and (statistics[1] > 0).all()
    features = mel.extract(sound, frames, statistics)
    assert features.shape == (frames, mel.window, mel.channels) and features.dtype == np.float32
    assert np.isfinite(features).all()
    silence = np.clip((np.log(FLOOR) - statistics[0]) / statistics[1], -LIMIT, LIMIT)
    np.testing.assert_allclose(features[0, 0], silence, atol=1e-5)  # before the recording
    if samples < PER_FRAME:
        np.testing.assert_allclose(features[-1, -1], silence, atol=1e-5)  # after it


def test_silence_is_the_floor_and_alike_everywhere():
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    assert (log_mel(silence) == np.log(np.float32(FLOOR))).all()
    statistics = mel.measure(silence)
    assert np.isfinite(statistics).all() and (statistics[1] > 0).all()
    features = mel.extract(silence, 25, statistics)
    assert np.ptp(features, axis=(0, 1)).max() == 0


def test_no_frame_hears_beyond_its_look_ahead():
    """The tails differ, but both are quieter than the loud part that sets the level."""
    sound = babble(2.0)
    other = sound.copy()
    change = SAMPLE_RATE_HZ
    sound[change:] *= 0.01
    other[change:] = 0.01 * babble(2.0, seed=5)[change:]
    statistics = mel.measure(sound)
    first, second = (mel.extract(s, 50, statistics) for s in (sound, other))
    middles_s = (np.arange(50) + 0.5) / FPS
    is_deaf = middles_s + mel.look_ahead_ms / 1000 <= change / SAMPLE_RATE_HZ
    assert np.array_equal(first[is_deaf], second[is_deaf])
    next_frame = int(is_deaf.sum())
    assert not np.array_equal(first[next_frame], second[next_frame])  # and the figure is not a lazy bound


def test_shift_moves_the_window_by_columns():
    sound = babble(1.0)
    statistics = mel.measure(sound)
    here = mel.extract(sound, 20, statistics)
    for shift in (-3, -1, 1, 2):
        moved = mel.extract(sound, 20, statistics, shift)
        assert moved.shape == here.shape
        if shift > 0:
            np.testing.assert_array_equal(moved[:, :-shift], here[:, shift:])
        else:
            np.testing.assert_array_equal(moved[:, -shift:], here[:, :shift])
    whole_frame = mel.extract(sound, 20, statistics, COLUMNS_PER_FRAME)
    np.testing.assert_array_equal(whole_frame[:-1], here[1:])


def test_a_short_recording_leans_on_the_training_statistics():
    trained = np.stack([np.full(CHANNELS, 5.0), np.full(CHANNELS, 9.0)]).astype(np.float32)
    sound = babble(20.0)
    own = mel.measure(sound)
    distances = []
    for seconds in (0.0, 0.1, 1.0, 20.0):
        part = sound[: int(seconds * SAMPLE_RATE_HZ)]
        adapted = mel.adapt(part, trained)
        distances.append(np.abs(adapted - trained).mean())
    assert distances[0] == 0
    assert distances == sorted(distances)
    np.testing.assert_allclose(
        mel.adapt(sound[:SAMPLE_RATE_HZ], trained), (mel.measure(sound[:SAMPLE_RATE_HZ]) + trained) / 2, atol=1e-5
    )
    assert np.abs(adapted - own).mean() < 0.06 * np.abs(trained - own).mean()


def test_pauses_do_not_count_as_speech():
    speech = babble(2.0)
    with_pauses = np.concatenate([speech, np.zeros(6 * SAMPLE_RATE_HZ, np.float32)])
    np.testing.assert_allclose(mel.measure(with_pauses)[0], mel.measure(speech)[0], atol=0.6)
