"""The ear: numpy as torch, no further ahead than it says, and shapes of the mouth where sounds are."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.audio import MelStream, create_features, viseme
from pgstalker.audio.blocks import COLUMNS_PER_FRAME, FRAME_SAMPLES
from pgstalker.audio.mel import CHANNELS, mel_columns
from pgstalker.audio.streaming import stream_whole
from pgstalker.audio.viseme import AHEAD, BEFORE, OUTPUTS, listen
from pgstalker.audio.visemes import VISEMES
from pgstalker.errors import ConfigError, EnvironmentMissing, WeightsError
from pgstalker.measures import pearson
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tests.audio.test_gate import vowels
from tests.audio.test_streaming import cuts, in_chunks, joined, speech

KINDS = ("viseme", "mel+viseme")


def random_weights(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        for name, shape in viseme.shapes().items()
    }


def columns(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, count, CHANNELS)).astype(np.float32)


def test_numpy_hears_as_torch_does():
    torch = pytest.importorskip("torch")
    from tools.ear.network import EarNetwork

    torch.manual_seed(0)
    network = EarNetwork().eval()
    weights = network.to_arrays()
    assert {name: array.shape for name, array in weights.items()} == viseme.shapes()
    mel = columns(90)
    with torch.no_grad():
        expected = network(torch.from_numpy(mel)).numpy()
    assert expected.shape == (2, 90 - BEFORE - AHEAD, OUTPUTS)
    np.testing.assert_allclose(listen(mel, weights), expected, atol=2e-5)  # other orders of summing


@pytest.mark.parametrize(("moved", "is_heard"), [(-BEFORE, True), (-BEFORE - 1, False), (AHEAD, True)])
def test_how_far_it_hears(moved, is_heard):
    weights, mel = random_weights(), columns(120)
    at = 60
    other = mel.copy()
    other[:, at + moved] += 1
    changed = np.abs(listen(other, weights) - listen(mel, weights))[:, at - BEFORE].max()
    assert (changed > 1e-6) == is_heard


def test_one_column_later_it_has_not_heard_it():
    weights, mel = random_weights(), columns(120)
    other = mel.copy()
    other[:, 60 + AHEAD + 1] += 1
    np.testing.assert_array_equal(listen(other, weights)[:, 60 - BEFORE], listen(mel, weights)[:, 60 - BEFORE])


@pytest.mark.parametrize("kind", KINDS)
def test_the_look_ahead_is_what_it_says(kind):
    features, sound = create_features(kind), speech(3.0)
    statistics = features.measure(sound)
    frame = 30
    last = int(((frame + 0.5) / FPS + features.look_ahead_ms / 1000) * SAMPLE_RATE_HZ)
    assert features.look_ahead_ms <= 120
    before = features.extract(sound, 75, statistics)
    assert before.shape == (75, features.window, features.channels) and before.dtype == np.float32
    quiet = sound.copy()
    quiet[last:] *= 0.999
    after = features.extract(quiet, 75, statistics)
    # the level of the whole moves by less than this; later frames by more
    assert np.abs(after - before)[: frame + 1].max() < 0.02
    loud = sound.copy()
    loud[last + 1 :] = 0
    assert np.abs(features.extract(loud, 75, statistics) - before)[frame + 1 :].max() > 0.1


@pytest.mark.parametrize("frame", [3, 30, 47])
@pytest.mark.parametrize("kind", KINDS)
def test_an_impulse_lands_in_its_video_frame(kind, frame):
    """Loudness in the frame's own four columns: of the ear the last four, of mel those in the middle."""
    features, sound = create_features(kind), np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    sound[frame * FRAME_SAMPLES + FRAME_SAMPLES // 2] = 1.0
    heard = features.extract(sound, 50, features.measure(speech(2.0)))
    loud = heard[:, -4:, -1] if kind == "viseme" else heard[:, 8:12, :CHANNELS].mean(2)
    excess = (loud - loud.min()).sum(1)
    assert excess.argmax() == frame and excess[frame] > 0.9 * excess.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_is_its_frames(kind):
    """extract listens once to all; a stream to each frame's surroundings."""
    features, sound = create_features(kind), speech(2.0)
    statistics = features.measure(sound)
    around = features.frames_before, features.frames_after
    spans = mel_columns(sound, 50, statistics, around)
    length = COLUMNS_PER_FRAME * (sum(around) + 1)
    one_by_one = np.concatenate([features.of_mel(spans[None, 4 * i : 4 * i + length]) for i in range(50)])
    np.testing.assert_allclose(features.extract(sound, 50, statistics), one_by_one, atol=1e-4)


@pytest.mark.parametrize("shift", [-2, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_shift_moves_the_window(kind, shift):
    features, sound = create_features(kind), speech(2.0)
    statistics = features.measure(sound)
    plain, moved = features.extract(sound, 50, statistics), features.extract(sound, 50, statistics, shift)
    inner = slice(max(0, -shift), features.window + min(0, -shift))
    from_there = slice(max(0, shift), features.window + min(0, shift))
    np.testing.assert_allclose(moved[5:45, inner], plain[5:45, from_there], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", ["crumbs", "any"])
def test_chunks_equal_the_whole_to_the_bit(kind, cut):
    features, sound = create_features(kind), speech(2.0)[: 2 * SAMPLE_RATE_HZ - 77]
    trained = features.measure(speech(4.0, seed=5))
    frames = -(-len(sound) // FRAME_SAMPLES)
    whole = stream_whole(sound, frames, trained, features=features)
    parts = joined(in_chunks(MelStream(trained, features=features), sound, cuts(cut, len(sound))))
    assert whole.features.shape == (frames, features.window, features.channels)
    np.testing.assert_array_equal(parts.features, whole.features)
    np.testing.assert_array_equal(parts.gate, whole.gate)


@pytest.mark.parametrize("kind", KINDS)
def test_an_own_stream_is_in_step_with_the_file(kind):
    features, sound = create_features(kind), speech(4.0)
    trained = features.measure(sound)
    streamed = stream_whole(sound, 100, trained, is_own=True, features=features).features[50:]
    whole = features.extract(sound, 100, trained)[50:]
    scores = [pearson(np.roll(streamed, lag, 0).ravel(), whole.ravel()) for lag in (-1, 0, 1)]
    assert scores[1] == max(scores) and scores[1] > 0.95


def test_silence_is_silent_and_a_vowel_is_open():
    features = create_features("viseme")
    sound = np.concatenate([np.zeros(16000, np.float32), vowels(1.0, 120).astype(np.float32), np.zeros(16000, "f4")])
    heard = features.extract(sound, 75, features.measure(sound))[:, -1]
    silence, gap = heard[:, VISEMES.index("SIL")], heard[:, len(VISEMES)]
    assert silence[5:20].mean() > 0.7 * viseme.POSTERIOR_SCALE > 3 * silence[32:45].mean()
    assert gap[32:45].mean() > gap[5:20].mean() + 0.5


def test_a_voice_never_heard_in_training():
    from tools.ear.corpus import TRACKS, is_held_out, labels
    from tools.voices import speak

    assert TRACKS == viseme.TRACKS and is_held_out("awb")
    try:
        said = speak("My mother may buy a big purple umbrella. Five foxes were away when we arrived.", "awb")
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    tracks, visemes = labels(said.phones, said.samples)
    features = create_features("viseme")
    frames = len(tracks) // COLUMNS_PER_FRAME
    heard = features.extract(said.samples, frames, features.measure(said.samples))[:, -4:].reshape(4 * frames, -1)
    for name in ("gap", "round", "seal"):
        index = TRACKS.index(name)
        assert pearson(heard[:, len(VISEMES) + index], tracks[: 4 * frames, index]) > 0.7, name
    right = heard[:, : len(VISEMES)].argmax(1) == visemes[: 4 * frames]
    assert right.mean() > 0.55


@pytest.mark.parametrize("kind", KINDS)
def test_an_avatar_hears_with_it_with_torch_and_without(kind):
    pytest.importorskip("torch")
    from pgstalker.player import Player
    from tests.models.faces import small_talker

    talker = small_talker(seed=3, audio=kind)
    player = Player(talker.config, {name: tensor.numpy() for name, tensor in talker.state_dict().items()})
    sound = speech(2.0)
    features = player.hear(sound, 50)
    np.testing.assert_array_equal(features, talker.hear(sound, 50))
    np.testing.assert_allclose(player.code(features), talker.code(features), atol=2e-5)
    streams = [who.listen() for who in (player, talker)]
    codes = [
        np.concatenate([*(stream.push(part) for part in np.split(sound, 8)), stream.finish(50)]) for stream in streams
    ]
    assert codes[0].shape == (50, talker.config.code_size) and streams[0].look_ahead_ms <= 120
    np.testing.assert_allclose(*codes, atol=2e-5)


@pytest.mark.parametrize("damage", ["missing", "cut", "shape", "lacking", "nan", "pickle"])
def test_damaged_weights_are_refused(tmp_path, damage):
    path, weights = tmp_path / "viseme.npz", random_weights()
    if damage == "shape":
        weights["head.bias"] = weights["head.bias"][:-1]
    if damage == "lacking":
        del weights["conv1.weight"]
    if damage == "nan":
        weights["conv0.bias"][0] = np.nan
    if damage == "pickle":
        weights["head.bias"] = np.array([{}], object)
    if damage != "missing":
        np.savez(path, **weights)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"viseme\.npz"):
        viseme.load_weights(path)


def test_the_shipped_weights_are_small_and_their_voices_named():
    assert viseme.WEIGHTS.stat().st_size < 500_000
    terms = viseme.WEIGHTS.with_name("viseme_voices.md").read_text("utf-8")
    assert "flite" in terms and "GPL-3.0" in terms


def test_no_model_may_be_named():
    with pytest.raises(ConfigError, match="viseme:other"):
        create_features("viseme:other")
