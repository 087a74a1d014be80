"""A performance is whole, is the same again, and survives the disk."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.errors import ConfigError, EnvironmentMissing, MediaError
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.presenter.cast import CAST, DRIVES, perform_role, script
from tools.presenter.performance import LEAD_S, UNITS, Performance, enact, perform
from tools.voices import VOICES, Phone, require, sentences

PHONES = [Phone(0, 0.1, ""), Phone(0.1, 0.2, "m"), Phone(0.2, 0.5, "aʊ"), Phone(0.5, 0.6, "θ"), Phone(0.6, 0.73, "")]


@pytest.fixture(scope="module")
def performance():
    t = np.arange(round(0.73 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return enact((0.2 * np.sin(2 * np.pi * 200 * t)).astype(np.float32), PHONES, seed=5)


def test_all_tracks_have_every_frame_and_the_sound_is_as_long(performance):
    frames = performance.frames
    assert len(performance.samples) == frames * SAMPLE_RATE_HZ // FPS
    assert tuple(performance.units) == UNITS and len(UNITS) == 52
    assert {track.shape for track in performance.units.values()} == {(frames,)}
    assert performance.head_rotation_deg.shape == performance.torso_translation_cm.shape == (frames, 3)
    assert performance.gaze_deg.shape == (frames, 2)
    assert performance.phones[0].start_s == 0 and performance.phones[-1].end_s == frames / FPS
    assert all(a.end_s == b.start_s for a, b in zip(performance.phones, performance.phones[1:]))
    spoken = next(phone for phone in performance.phones if phone.ipa == "m")
    assert spoken.start_s == pytest.approx(0.1 + LEAD_S)
    assert performance.lip_gap_cm()[int((LEAD_S + 0.3) * FPS)] > 0.5


def test_a_frame_holds_what_a_pose_takes(performance):
    frame = performance.frame(20)
    assert set(frame["units"]) <= set(UNITS) and all(value > 0 for value in frame["units"].values())
    assert len(frame["head_rotation_deg"]) == 3 == len(frame["torso_translation_cm"])
    assert len(frame["gaze_deg"]) == 2 and isinstance(frame["tongue"], float)


def test_save_and_load_give_the_same(performance, tmp_path):
    performance.save(tmp_path / "one.npz")
    again = Performance.load(tmp_path / "one.npz")
    assert again.phones == performance.phones and again.fps == performance.fps
    assert (again.samples == performance.samples).all()
    assert all((again.units[name] == performance.units[name]).all() for name in UNITS)
    assert (again.gaze_deg == performance.gaze_deg).all()
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_a_bad_file_is_refused(performance, tmp_path):
    path = tmp_path / "bad.npz"
    performance.save(path)
    whole = path.read_bytes()
    stored = dict(np.load(path))
    cases = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"hello",
    }
    for content in cases.values():
        path.write_bytes(content)
        with pytest.raises(MediaError, match=r"bad\.npz is not a performance"):
            Performance.load(path)
    changes = {
        "damaged .tongue": {"tongue": stored["tongue"][:-1]},
        "damaged .units": {"units": stored["units"] * np.nan},
        "not a performance": {"header": np.array("{}")},
        "has performance format 9": {"header": np.array(str(stored["header"]).replace('"format": 1', '"format": 9'))},
    }
    for told, change in changes.items():
        with path.open("wb") as file:
            np.savez(file, **{**stored, **change})
        with pytest.raises(MediaError, match=told.replace(" .", r" \(")):
            Performance.load(path)
    with pytest.raises(MediaError, match="not a performance"):
        Performance.load(tmp_path / "absent.npz")


def test_silence_alone_can_be_performed():
    quiet = enact(np.zeros(SAMPLE_RATE_HZ, np.float32), [Phone(0, 1, "")], seed=0)
    assert quiet.phones == [Phone(0, 2.0, "")] and quiet.lip_gap_cm().max() == 0


def test_a_sentence_is_performed_the_same_twice_and_opens_with_the_voice():
    try:
        first, second = (perform("My mother bought a big boat.", "rms", seed=1) for _ in range(2))
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    assert (first.samples == second.samples).all()
    assert all((first.units[name] == second.units[name]).all() for name in UNITS)
    loud = (first.samples.reshape(first.frames, -1) ** 2).mean(1) > 1e-4
    gap = first.lip_gap_cm()
    assert gap[loud].mean() > 5 * gap[~loud].mean()


def test_six_roles_have_words_and_voices_that_may_be_given_away():
    assert len(CAST) == 6 and len({script(name) for name in CAST}) == 6
    for name, role in CAST.items():
        assert VOICES[role.voice].cc0
        assert 100 < len(script(name).split()) < 170 and len(sentences(script(name))) > 5
    assert len({(role.voice, role.delivery.pitch) for role in CAST.values()}) == 6
    assert len({VOICES[drive.voice].language for drive in DRIVES.values()}) >= 3
    assert all(script(f"drive_{name}") for name in DRIVES)


def test_scripts_sound_every_viseme():
    from pgstalker.audio.visemes import VISEMES, visemes_of
    from tools.voices import speak

    try:
        require("rms")
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    for name in CAST:
        heard = {viseme for phone in speak(script(name), "rms").phones for viseme in visemes_of(phone.ipa)}
        assert heard == set(VISEMES)


def test_unknown_names_are_told():
    with pytest.raises(ConfigError, match="no presenter 'nobody'"):
        perform_role("nobody")
    with pytest.raises(ConfigError, match="no script 'nobody'"):
        script("nobody")
