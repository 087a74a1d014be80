"""Pretrained ears: every model on the video's clock, no seam in long sound, and one clear word where there is none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pgstalker.audio import create_features
from pgstalker.audio.speech_encoder import COMPONENTS, ENCODERS, LIMIT, MARGIN_FRAMES, _fade
from pgstalker.errors import ConfigError, WeightsError
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tests.audio.speech_models import save_model

pytest.importorskip("transformers")
KINDS = tuple(ENCODERS)
FRAME = SAMPLE_RATE_HZ // FPS
SECONDS = 2
FRAMES = SECONDS * FPS


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {(kind, layers): save_model(kind, root / f"{kind}-{layers}", layers) for kind in KINDS for layers in (0, 1)}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def noise(seconds: float = SECONDS, seed: int = 0) -> np.ndarray:
    """A loud room, so that nothing that is added changes the level of the whole."""
    count = int(seconds * SAMPLE_RATE_HZ)
    return (0.1 * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def change(encoder, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far the hidden states of two recordings lie apart: [frames, steps]."""
    frames = len(first) // FRAME
    steps = encoder.steps_per_frame
    states = [encoder.hidden(s, frames)[MARGIN_FRAMES * steps : -MARGIN_FRAMES * steps] for s in (first, second)]
    return np.linalg.norm(states[0] - states[1], axis=1).reshape(frames, steps)


@pytest.mark.parametrize("frame", [0, 21, FRAMES - 1])
def test_a_burst_lands_in_its_video_frame(folders, kind, frame):
    encoder = create_features(f"{kind}:{folders[kind, 1]}")
    room, burst = noise(), noise()
    time_s = np.arange(FRAME) / SAMPLE_RATE_HZ
    tone = np.hanning(FRAME) * np.sin(2 * np.pi * 700 * time_s)
    burst[frame * FRAME : (frame + 1) * FRAME] += (0.5 * tone).astype(np.float32)
    heard = change(encoder, room, burst)
    assert heard.sum(1).argmax() == frame
    assert set(np.argsort(heard.ravel())[-2:]) == {2 * frame, 2 * frame + 1}  # and fills both of its steps


@pytest.mark.parametrize("step", [0, 1])
def test_a_step_listens_evenly_to_either_side_of_its_middle(folders, kind, step):
    """Without a transformer a step hears its receptive field alone: its ends show where its middle lies."""
    encoder = create_features(f"{kind}:{folders[kind, 0]}")
    # whisper: three columns of 400 samples, twice 160 apart on either side; a window's outermost samples count little
    inside, outside = (195, 205) if kind != "whisper" else (440, 525)
    frame = 20
    middle = frame * FRAME + (2 * step + 1) * FRAME // 4
    for side in (-1, 1):
        heard = []
        for distance in (inside, outside):
            click = noise()
            click[middle + side * distance] += 0.3
            heard.append(change(encoder, noise(), click)[frame, step])
        assert heard[0] > 10 * heard[1], side


def test_features_are_whitened_where_they_were_measured(folders, kind):
    encoder = create_features(f"{kind}:{folders[kind, 1]}")
    sound = noise(3.0) * np.linspace(0.2, 1, 3 * SAMPLE_RATE_HZ, dtype=np.float32)
    statistics = encoder.measure(sound)
    assert statistics.shape == encoder.statistics_shape == (1 + COMPONENTS, 24) and statistics.dtype == np.float32
    features = encoder.extract(sound, 75, statistics)
    assert features.shape == (75, encoder.window, encoder.channels) == (75, 10, COMPONENTS)
    own = features[:, 4:6].reshape(150, COMPONENTS)
    hidden = encoder.hidden(sound, 75)[2 * MARGIN_FRAMES : -2 * MARGIN_FRAMES]
    white = (hidden - statistics[0]) @ statistics[1:].T
    np.testing.assert_allclose(own, np.clip(white, -LIMIT, LIMIT), atol=1e-4)
    np.testing.assert_allclose((white.T @ white)[:5, :5] / 150, np.eye(5), atol=0.02)
    assert (own[:, 24:] == 0).all()  # of 24 hidden numbers there are no more axes


def test_windows_hold_the_neighbours(folders, kind):
    encoder = create_features(f"{kind}:{folders[kind, 1]}")
    sound = noise()
    statistics = encoder.measure(sound)
    here = encoder.extract(sound, FRAMES, statistics)
    np.testing.assert_array_equal(here[1:, :-2], here[:-1, 2:])
    for shift in (-1, 1, 2):
        moved = encoder.extract(sound, FRAMES, statistics, shift)
        a, b = (moved[:, :-shift], here[:, shift:]) if shift > 0 else (moved[:, -shift:], here[:, :shift])
        np.testing.assert_array_equal(a, b)


def test_long_sound_in_chunks_has_no_seam(folders, kind):
    """Whole against chunks of 8 s: what differs is what a model hears of the distant past, random weights' noise."""
    encoder = create_features(f"{kind}:{folders[kind, 1]}")
    sound = noise(19.0)
    prepared = encoder._prepared(sound)
    whole, parts = (encoder._in_chunks(prepared, 19 * FPS, seconds) for seconds in (60.0, 8.0))
    assert whole.shape == parts.shape
    inner = slice(4, -4)  # the outermost steps of a recording miss what hidden() lays round it
    spread = whole.std(0).mean()
    assert np.abs(whole - parts)[inner].max() < 0.25 * spread
    assert np.sqrt(np.mean((whole - parts)[inner] ** 2)) < 0.05 * spread


@pytest.mark.parametrize("ends", [(False, False), (True, False), (False, True), (True, True)])
def test_chunks_fade_into_each_other(ends):
    weights = _fade(60, 20, *ends)
    assert (weights[20:40] == 1).all() and weights.min() >= 0
    assert (weights[:20] == 1).all() != ends[0] and (weights[-20:] == 1).all() != ends[1]
    np.testing.assert_allclose(_fade(60, 20, False, True)[-20:] + _fade(60, 20, True, False)[:20], 1, atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 700, 5 * FRAME])
def test_short_and_silent_recordings(folders, kind, samples):
    encoder = create_features(f"{kind}:{folders[kind, 1]}")
    trained = encoder.measure(noise())
    for sound in (noise()[:samples], np.zeros(samples, np.float32)):
        statistics = encoder.adapt(sound, trained)
        features = encoder.extract(sound, 6, statistics)
        assert features.shape == (6, 10, COMPONENTS) and np.isfinite(features).all()
        assert np.isfinite(encoder.measure(sound)).all()
    assert np.array_equal(encoder.adapt(np.zeros(0, np.float32), trained), trained)


def test_level_does_not_matter_to_models_of_the_wave(folders):
    for kind in ("hubert", "wav2vec2"):
        encoder = create_features(f"{kind}:{folders[kind, 1]}")
        assert change(encoder, noise(), 0.1 * noise()).max() < 1e-3


def test_a_frame_that_no_step_divides_is_refused(folders, tmp_path):
    settings = json.loads((folders["hubert", 0] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "conv_stride": [5, 2, 2, 2, 2, 2, 3]}))
    with pytest.raises(WeightsError, match=r"480 samples does not divide"):
        _ = create_features(f"hubert:{tmp_path}").window


def test_a_model_of_another_kind_is_named(folders):
    with pytest.raises(WeightsError, match="holds a wav2vec2 model, not hubert; use audio=wav2vec2:"):
        create_features(f"hubert:{folders['wav2vec2', 0]}").measure(noise(0.1))


@pytest.mark.parametrize(("text", "message"), [("", "cannot be read"), ("[]", "None model"), ("{}", "None model")])
def test_a_damaged_configuration_is_named(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=message):
        create_features(f"whisper:{tmp_path}").measure(noise(0.1))


@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_damaged_weights_are_named(folders, tmp_path, damage):
    (tmp_path / "config.json").write_bytes((folders["hubert", 0] / "config.json").read_bytes())
    if damage == "cut":
        (tmp_path / "model.safetensors").write_bytes((folders["hubert", 0] / "model.safetensors").read_bytes()[:999])
    with pytest.raises(WeightsError, match=f"{tmp_path.name} is not a hubert model that can be loaded"):
        create_features(f"hubert:{tmp_path}").measure(noise(0.1))


def test_weights_of_another_size_or_a_part_of_them_are_named(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(folders["hubert", 0] / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folders["hubert", 0] / "config.json").read_bytes())
    name = "feature_extractor.conv_layers.3.conv.weight"
    save_file({k: v for k, v in weights.items() if k != name}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=f"lacks {name}"):
        create_features(f"hubert:{tmp_path}").measure(noise(0.1))
    save_file({**weights, name: weights[name][:, :5].contiguous()}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=f"{tmp_path.name} is not a hubert model that can be loaded"):
        create_features(f"hubert:{tmp_path}").measure(noise(0.1))


def test_the_older_format_of_the_hub_is_read(folders, tmp_path):
    """pytorch_model.bin of a model with a head, and the former names of normalised weights, as facebook's are."""
    import torch
    from safetensors.torch import load_file

    former = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for name, value in load_file(folders["hubert", 1] / "model.safetensors").items():
        place, _, last = name.partition("parametrizations")
        renamed[f"hubert.{place}{former[f'parametrizations{last}']}" if last else f"hubert.{name}"] = value
    (tmp_path / "config.json").write_bytes((folders["hubert", 1] / "config.json").read_bytes())
    torch.save(renamed | {"lm_head.weight": torch.zeros(3, 24)}, tmp_path / "pytorch_model.bin")
    old, new = (create_features(f"hubert:{folder}") for folder in (tmp_path, folders["hubert", 1]))
    np.testing.assert_array_equal(old.hidden(noise(), FRAMES), new.hidden(noise(), FRAMES))


def test_nothing_is_loaded_before_the_first_sound():
    for kind in KINDS:
        encoder = create_features(kind)
        assert encoder.channels == COMPONENTS and "/" in encoder.reference and encoder.look_ahead_ms == float("inf")


def test_unknown_ears_are_refused():
    for name in ("ear", "mel:here", "", "HUBERT"):
        with pytest.raises(ConfigError, match=r"hubert, wav2vec2, whisper"):
            create_features(name)
