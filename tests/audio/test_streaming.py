"""A stream hears what the whole file hears, however it is cut, and not later than it says."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.audio import CodeStream, MelStream, create_features
from pgstalker.audio.blocks import FRAME_SAMPLES, FrameBlocks, columns_of
from pgstalker.audio.mel import LIMIT
from pgstalker.audio.streaming import Heard, stream_whole
from pgstalker.measures import pearson
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tests.audio.test_gate import vowels, white

mel = create_features("mel")


def speech(seconds: float = 4.0, level: float = 1.0, seed: int = 0) -> np.ndarray:
    """Voice and pauses in a quiet room."""
    count = int(seconds * SAMPLE_RATE_HZ)
    sound = 1e-4 * white(seed, count)
    for number, first in enumerate(range(SAMPLE_RATE_HZ // 3, count, int(1.3 * SAMPLE_RATE_HZ))):
        voice = vowels(0.9, 100 + 30 * ((number + seed) % 3))[: count - first]
        sound[first : first + len(voice)] += voice
    return (level * sound).astype(np.float32)


@pytest.fixture(scope="module")
def trained() -> np.ndarray:
    return mel.measure(speech(4.0, seed=5))


def in_chunks(stream, sound: np.ndarray, sizes, frames: int | None = None) -> list:
    parts, first = [], 0
    for size in sizes:
        parts.append(stream.push(sound[first : first + size]))
        first += size
        if first >= len(sound):
            break
    assert first >= len(sound)
    return [*parts, stream.finish(frames)]


def joined(parts: list[Heard]) -> Heard:
    return Heard(np.concatenate([p.features for p in parts]), np.concatenate([p.gate for p in parts]))


def cuts(kind: str, count: int):
    rng = np.random.default_rng(1)
    endless = {
        "one": [count],
        "frames": [FRAME_SAMPLES] * (count // FRAME_SAMPLES + 1),
        "crumbs": [37] * (count // 37 + 1),
        "any": list(rng.integers(0, 3000, count)),
    }
    return endless[kind]


@pytest.mark.parametrize("kind", ["frames", "crumbs", "any"])
@pytest.mark.parametrize("is_own", [False, True])
@pytest.mark.parametrize("samples", [4 * SAMPLE_RATE_HZ, 3 * SAMPLE_RATE_HZ + 123])
def test_chunks_equal_the_whole_to_the_bit(trained, kind, is_own, samples):
    sound = speech()[:samples]
    frames = -(-samples // FRAME_SAMPLES)
    whole = stream_whole(sound, frames, trained, is_own)
    parts = joined(in_chunks(MelStream(trained, is_own), sound, cuts(kind, samples)))
    assert whole.features.shape == (frames, mel.window, mel.channels) and whole.gate.shape == (frames,)
    np.testing.assert_array_equal(parts.features, whole.features)
    np.testing.assert_array_equal(parts.gate, whole.gate)
    assert np.abs(whole.features).max() <= LIMIT and np.ptp(whole.gate) == 1


def test_a_frame_comes_as_soon_as_its_look_ahead_is_there(trained):
    stream, sound, ready = MelStream(trained), speech(2.0), 0
    assert stream.look_ahead_ms <= 120
    for first in range(0, len(sound), 160):
        ready += len(stream.push(sound[first : first + 160]))
        heard_ms = (first + 160) / SAMPLE_RATE_HZ * 1000
        due = int((heard_ms - stream.look_ahead_ms) * FPS / 1000 + 0.5)
        assert ready == max(due, 0)


def test_no_frame_hears_beyond_its_look_ahead(trained):
    stream = MelStream(trained)
    first, second = speech(3.0), speech(3.0)
    change = 2 * SAMPLE_RATE_HZ
    second[change:] = 0.3 * white(3, len(second) - change)
    one, other = (stream_whole(sound, 75, trained) for sound in (first, second))
    is_deaf = (np.arange(75) + 0.5) * 1000 / FPS + stream.look_ahead_ms <= 2000
    np.testing.assert_array_equal(one.features[is_deaf], other.features[is_deaf])
    np.testing.assert_array_equal(one.gate[is_deaf], other.gate[is_deaf])
    assert not np.array_equal(one.features[is_deaf.sum()], other.features[is_deaf.sum()])


@pytest.mark.parametrize("level", [0.05, 1.0, 3.0])
def test_it_comes_to_hear_as_with_the_statistics_of_the_whole(trained, level):
    """After some seconds of speech, whatever the avatar's own voice was like; at first its statistics help out."""
    sound = speech(20.0, level)
    foreign = (trained + np.float32([[2.0], [1.0]])).astype(np.float32)
    whole = mel.extract(sound, 500, mel.adapt(sound, foreign))
    stream = stream_whole(sound, 500, foreign)
    spoken = stream.gate == 1
    early, late = spoken & (np.arange(500) < 50), spoken & (np.arange(500) > 250)
    assert pearson(stream.features[late].ravel(), whole[late].ravel()) > 0.97
    errors = [np.abs(stream.features[part] - whole[part]).mean() for part in (early, late)]
    assert errors[1] < 0.15 and errors[0] > 2 * errors[1]
    assert pearson(stream.features[early].ravel(), whole[early].ravel()) > 0.85


def test_noise_before_the_first_word_teaches_nothing(trained):
    """A room that is loud for ten seconds leaves level and statistics as they were."""
    voice = speech(3.0)
    noise = (0.05 * white(2, 10 * SAMPLE_RATE_HZ)).astype(np.float32)
    alone = stream_whole(voice, 75, trained)
    after = stream_whole(np.concatenate([noise, voice]), 325, trained)
    assert (after.gate[:240] == 0).all()
    spoken = alone.gate == 1
    np.testing.assert_allclose(after.features[250:][spoken][5:], alone.features[spoken][5:], atol=0.05)


def test_the_own_recording_keeps_its_statistics(trained):
    sound = speech(4.0, seed=5)
    own = stream_whole(sound, 100, trained, is_own=True)
    late = (own.gate == 1) & (np.arange(100) > 50)
    assert np.abs(own.features - mel.extract(sound, 100, trained))[late].mean() < 0.15


@pytest.mark.parametrize("attention_frames", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["frames", "any", "one"])
def test_codes_of_a_stream_are_those_of_the_whole(trained, attention_frames, kind):
    """`code` stands for a talker: a frame's code is the sum over itself and its neighbours, the ends repeated."""
    half = attention_frames // 2

    def code(features, gate):
        if not len(features):
            return np.zeros((0, 1))
        index = np.arange(len(features))[:, None] + np.arange(-half, attention_frames - half)
        return (features.sum((1, 2))[index.clip(0, len(features) - 1)] * 3.0 ** np.arange(attention_frames)).sum(
            1, keepdims=True
        ) * gate[:, None]

    sound = speech(2.0)
    whole = stream_whole(sound, 50, trained)
    stream = CodeStream(MelStream(trained), code, attention_frames)
    codes = np.concatenate(in_chunks(stream, sound, cuts(kind, len(sound))))
    np.testing.assert_allclose(codes, code(whole.features, whole.gate), rtol=1e-5, atol=1e-3)
    ahead = attention_frames - 1 - half
    assert stream.look_ahead_ms == MelStream(trained).look_ahead_ms + ahead * 1000 / FPS


@pytest.mark.parametrize("samples", [0, 1, 100, FRAME_SAMPLES + 1])
@pytest.mark.parametrize("frames", [None, 0, 1, 7])
def test_short_sound_and_any_number_of_frames(trained, samples, frames):
    stream = MelStream(trained)
    heard = joined([stream.push(speech(1.0)[:samples]), stream.finish(frames)])
    assert len(heard) == (-(-samples // FRAME_SAMPLES) if frames is None else max(frames, 0))
    assert np.isfinite(heard.features).all()


@pytest.mark.parametrize("margin", [0, 120, 240])
def test_blocks_lie_on_the_frame_grid(margin):
    sound = np.arange(1, 2001, dtype=np.float32)
    blocks = FrameBlocks(margin)
    pieces = [piece for first in range(0, 2000, 77) for piece in blocks.push(sound[first : first + 77])]
    pieces += blocks.finish()
    assert len(pieces) == 4
    padded = np.pad(sound, (margin, 4 * FRAME_SAMPLES - 2000 + margin))
    for frame, piece in enumerate(pieces):
        first = frame * FRAME_SAMPLES
        np.testing.assert_array_equal(piece, padded[first : first + FRAME_SAMPLES + 2 * margin])


def test_columns_are_centred_in_quarters_of_the_frame():
    piece = np.arange(-120, FRAME_SAMPLES + 120, dtype=np.float32)
    assert (columns_of(piece, 400).mean(1) + 0.5).tolist() == [80, 240, 400, 560]
