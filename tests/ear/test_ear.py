"""The program that trains the ear: texts, weather, rooms, labels; and a training that is killed and taken up."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pgstalker.audio.mel import CHANNELS
from pgstalker.audio.visemes import VISEMES
from pgstalker.errors import ConfigError, EnvironmentMissing
from tools.ear import rooms, weather
from tools.ear.corpus import COLUMNS_HZ, HELD_OUT, TRACKS, is_held_out, labels, read_part, voice_of
from tools.ear.texts import compose, lines
from tools.ear.voices import write_terms
from tools.voices import VOICES, Phone


@pytest.mark.parametrize("language", sorted({voice.language for voice in VOICES.values()}))
def test_every_voice_has_words(language):
    texts = {compose(language, np.random.default_rng(seed)) for seed in range(6)}
    assert len(texts) >= 5 and len(lines(language)) >= 7
    assert all(len(text.split()) >= 8 for text in texts)


def test_a_language_without_texts_is_named():
    with pytest.raises(ConfigError, match=r"xx\.txt"):
        compose("xx", np.random.default_rng(0))


def test_voices_are_many_and_some_are_held_out():
    voices = [voice_of(number) for number in range(400)]
    assert voices == [voice_of(number) for number in range(400)]
    assert len({voice.partition("+")[0] for voice in voices}) == len(VOICES)
    assert {voice.partition("+")[0] for voice in voices if is_held_out(voice)} == set(HELD_OUT)


def test_labels_are_on_the_mel_grid():
    phones = [Phone(0, 0.5, ""), Phone(0.5, 0.62, "m"), Phone(0.62, 0.9, "a"), Phone(0.9, 1.5, "")]
    samples = np.zeros(24000, np.float32)
    samples[8000:14400] = 0.1
    tracks, visemes = labels(phones, samples)
    assert tracks.shape == (150, len(TRACKS)) and visemes.shape == (150,)
    assert visemes[49] == VISEMES.index("SIL") and visemes[50] == visemes[61] == VISEMES.index("PP")
    seal, gap = tracks[:, TRACKS.index("seal")], tracks[:, TRACKS.index("gap")]
    assert seal[56] > 0.95 > 0.05 > seal[80] and gap[56] < 0.1 < 0.5 < gap[76]
    assert tracks.min() > -1e-6 and tracks.max() < 3


def test_the_first_part_can_be_made_and_read(tmp_path, monkeypatch):
    from tools.ear import corpus

    monkeypatch.setattr(corpus, "PART", 1)
    try:
        path = corpus.make_part(tmp_path, 1)
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    before = path.read_bytes()
    assert corpus.make_part(tmp_path, 1) == path and path.read_bytes() == before
    (said,) = read_part(path)
    columns = -(-len(said.samples) * COLUMNS_HZ // 16000)
    assert said.voice == voice_of(1) and len(said.tracks) == len(said.visemes) == columns
    assert np.abs(said.samples).max() > 0.1


@pytest.mark.parametrize("damage", ["in_room", "through_line"])
def test_damage_is_not_late(damage):
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(8000) * np.repeat(rng.uniform(0, 1, 80), 100)
    for seed in range(5):
        other = getattr(rooms, damage)(sound, np.random.default_rng(seed))
        lags = np.correlate(np.abs(other), np.abs(sound) - np.abs(sound).mean(), "full")
        assert len(other) == len(sound) and abs(int(np.argmax(lags)) - (len(sound) - 1)) <= 16


def test_noise_has_the_level_that_was_asked_for():
    rng = np.random.default_rng(0)
    sound = 0.1 * rng.standard_normal(16000)
    noisy = rooms.with_noise(sound, rooms.coloured(9000, rng), 10.0)
    assert np.mean((noisy - sound) ** 2) / np.mean(sound**2) == pytest.approx(0.1, rel=1e-3)
    assert np.abs(rooms.companded(sound) - sound).max() < 0.05 * np.abs(sound).max()


def test_damaged_speech_is_finite_and_as_long():
    rng = np.random.default_rng(1)
    sound = (0.1 * rng.standard_normal(20001)).astype(np.float32)
    for _ in range(20):
        other = rooms.damaged(sound, sound[:7000], rng)
        assert other.shape == sound.shape and other.dtype == np.float32 and np.isfinite(other).all()


def test_weather_keeps_sound_and_mouth_together():
    """Energy is put where a track is; after any weather they still go together."""
    rng = np.random.default_rng(0)
    tracks = np.repeat(rng.uniform(0, 1, (60, 7)), 10, 0)
    energies = 1e-4 + tracks[:, :1] * np.ones(CHANNELS)
    visemes = (tracks[:, 0] > 0.5).astype(np.int64)
    lengths = set()
    for seed in range(8):
        sound, moved, classes = weather.weathered(energies, tracks, visemes, np.random.default_rng(seed))
        lengths.add(len(sound))
        assert sound.shape == (len(moved), CHANNELS) and len(classes) == len(moved) and (sound >= 0).all()
        assert np.corrcoef(np.log(sound.sum(1)), np.log(moved[:, 0] + 0.01))[0, 1] > 0.5
        assert np.mean((moved[:, 0] > 0.5) == classes) > 0.95
    assert len(lengths) > 4


def test_a_longer_throat_lowers_the_spectrum():
    peak = np.exp(-0.5 * ((np.arange(CHANNELS) - 20) / 2) ** 2)[None]
    assert weather.throat(peak, 1.0) == pytest.approx(peak)
    assert weather.throat(peak, 0.85).argmax() < 20 < weather.throat(peak, 1.15).argmax()


def test_an_echo_comes_after_and_decays():
    energies = np.zeros((50, CHANNELS))
    energies[10] = 1
    heard = weather.echo(energies, 0.2, 0.5)[:, 0]
    assert not heard[:10].any() and heard[10] > heard[11] > heard[20] > 0


def toy_corpus(folder) -> None:
    """Two parts whose mouth is the sound's loudness."""
    for part in range(2):
        arrays = {}
        for number in range(3 * part, 3 * part + 3):
            rng = np.random.default_rng(number)
            loud = np.repeat(rng.uniform(0, 1, 12), 25)
            sound = np.repeat(loud, 160) * rng.standard_normal(160 * len(loud)) * 0.1
            arrays |= {
                f"{number}.voice": np.array("awb" if number == 5 else "slt"),
                f"{number}.samples": (sound * 32767).astype(np.int16),
                f"{number}.tracks": np.outer(loud, np.ones(7)).astype(np.float16),
                f"{number}.visemes": (loud > 0.5).astype(np.uint8),
            }
        np.savez(folder / f"speech_{part:04}.npz", **arrays)


def test_training_taken_up_is_as_if_it_never_stopped(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from tools.ear import training

    monkeypatch.setattr(training, "BATCH", 2)
    monkeypatch.setattr(training, "COLUMNS", 60)
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    found = {}
    for kind in ("whole", "killed"):
        folder = tmp_path / kind
        folder.mkdir()
        toy_corpus(folder)
        report: list[dict] = []
        if kind == "killed":

            def dies(line: dict) -> None:
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                training.train(folder, 4, dies)
        network, batches = training.train(folder, 4, report.append)
        found[kind] = network.to_arrays()
    assert {one.voice for one in batches.said} == {"slt"}
    assert report[-1]["step"] == 4 and set(report[-1]["clean"]) == {"visemes", *TRACKS}
    for name, array in found["whole"].items():
        np.testing.assert_array_equal(array, found["killed"][name])
    assert torch.load(tmp_path / "whole" / "training.pt", weights_only=True)["step"] == 4


def test_no_corpus_is_said_so(tmp_path):
    from tools.ear.training import load

    with pytest.raises(FileNotFoundError, match="speak first"):
        load(tmp_path)


def test_terms_name_every_voice(tmp_path):
    write_terms(tmp_path / "voices.md", [("slt", 60.0), ("espeak-de+f3", 30.0), ("espeak-de", 30.0)])
    text = (tmp_path / "voices.md").read_text("utf-8")
    assert (
        "| slt | flite | en-US |" in text and "| espeak-de | espeak | de | espeak-ng | GPL-3.0-or-later | 1.0 |" in text
    )
    assert "2 voices" in text


def test_log_lines_are_kept(tmp_path):
    from tools.ear.training import log_line

    report = log_line(tmp_path / "log.jsonl")
    report({"step": 1})
    report({"step": 2})
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2]
