"""The fitted sync measure finds offsets that were planted, and does not believe strangers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pgstalker.audio import sync
from pgstalker.audio.sync import sync_ridge
from pgstalker.errors import EnvironmentMissing, WeightsError

PRESENTERS = Path(__file__).parents[2] / "sample_data" / "presenters"
TEXT = (
    "My mother may buy a big purple umbrella for Bob. We were away when the weary workers arrived, "
    "and five young foxes jumped over the old oak table."
)


@pytest.fixture(scope="module")
def spoken():
    """Speech in a voice that the ridge did not learn from, and its exact lips."""
    from tools.ear.corpus import is_held_out, labels
    from tools.ear.sync import mouth_of
    from tools.voices import speak

    assert is_held_out("awb")
    try:
        said = speak(TEXT, "awb")
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    tracks, _ = labels(said.phones, said.samples)
    return said.samples, mouth_of(tracks)


@pytest.mark.parametrize("late", [0, -3, 4])
def test_a_planted_offset_is_found(spoken, late):
    samples, mouth = spoken
    found = sync_ridge(samples, np.roll(mouth, late, axis=0))
    assert abs(found.lag_frames - late) <= (1 if late else 0)
    assert found.is_believed and found.confidence > 0.3
    assert (found.at_zero > found.null_at_zero) == (late == 0)


def presented(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The sound of a presenter's clip and the exact mouth [T, 3] that was drawn to it."""
    from pgstalker.media import read_audio

    folder = PRESENTERS / name
    with np.load(folder / "truth.npz") as truth:
        names, points = list(truth["names"]), truth["landmarks"]
        jaw = np.linalg.norm(points[:, names.index("chin")] - points[:, names.index("nose_tip")], axis=1)
        eyes = points[:, names.index("left_eye_outer")] - points[:, names.index("right_eye_outer")]
        mouth = np.stack([truth["aperture"], truth["mouth_width"], jaw / np.linalg.norm(eyes, axis=1)], 1)
    return read_audio(folder / "clip.mp4", 16000), mouth


@pytest.mark.parametrize("late", [0, -5, 4])
@pytest.mark.parametrize("name", ["mira", "olu"])
def test_an_offset_planted_in_a_presenter_is_found(name, late):
    samples, mouth = presented(name)
    found = sync_ridge(samples, np.roll(mouth, late, axis=0))
    assert abs(found.lag_frames - late) <= 1 and found.is_believed
    assert found.at_zero < 0.3 * found.correlation if late else found.at_zero > found.null_at_zero


def test_one_presenter_does_not_say_what_the_other_does():
    found = sync_ridge(presented("mira")[0], presented("olu")[1][:1000])
    assert not found.is_believed or found.confidence < 0.3


def test_units_and_levels_do_not_matter(spoken):
    samples, mouth = spoken
    one, other = sync_ridge(samples, mouth), sync_ridge(0.1 * samples, mouth * [3.0, 0.2, 40.0] + [1.0, 2.0, 3.0])
    assert other.lag_frames == one.lag_frames and other.correlation == pytest.approx(one.correlation, abs=0.02)


def test_lips_that_say_something_else_are_not_believed(spoken):
    samples, mouth = spoken
    assert sync_ridge(samples, mouth[::-1].copy()).confidence < 0.3


def synthetic(frames: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A sound made for the ridge: no voice needed. Returns samples and what it hears in them."""
    rng = np.random.default_rng(0)
    loud = np.interp(np.arange(640 * frames) / 640, np.arange(frames), rng.uniform(0, 1, frames) ** 2)
    samples = (0.2 * loud * rng.standard_normal(640 * frames)).astype(np.float32)
    return samples, sync.predicted_mouth(samples, frames)


@pytest.mark.parametrize("late", [0, -3, 4])
def test_what_it_hears_itself_is_at_the_right_place(late):
    samples, mouth = synthetic()
    found = sync_ridge(samples, np.roll(mouth, late, axis=0))
    assert found.lag_frames == late and found.correlation > 0.9 and found.is_believed


def test_noise_of_lips_reaches_its_null_seldom():
    samples, _ = synthetic()
    rng = np.random.default_rng(1)
    found = [sync_ridge(samples, np.cumsum(rng.normal(size=(300, 3)), 0)) for _ in range(20)]
    assert np.mean([one.is_believed for one in found]) <= 0.35
    assert np.mean([one.at_zero > one.null_at_zero for one in found]) <= 0.25


@pytest.mark.parametrize("kind", ["still", "silent", "short", "lost"])
def test_nothing_to_compare_is_no_lag(kind):
    samples, mouth = synthetic(100)
    if kind == "still":
        mouth = np.ones_like(mouth)
    if kind == "silent":
        samples = np.zeros_like(samples)
    if kind == "short":
        mouth = mouth[:20]
    if kind == "lost":
        mouth[3] = np.nan
    assert sync_ridge(samples, mouth) == sync.NOTHING


@pytest.mark.parametrize("damage", ["missing", "cut", "shape", "nan"])
def test_damaged_weights_are_refused(tmp_path, monkeypatch, damage):
    path = tmp_path / "sync_ridge.npz"
    if damage == "cut":
        path.write_bytes(sync.WEIGHTS.read_bytes()[:500])
    elif damage != "missing":
        shape = (sync.INPUTS, 2 if damage == "shape" else sync.TRACKS)
        np.savez(path, weights=np.full(shape, np.nan if damage == "nan" else 0.0))
    monkeypatch.setattr(sync, "WEIGHTS", path)
    sync._own_weights.cache_clear()
    with pytest.raises(WeightsError):
        sync_ridge(*synthetic(100)[:1], np.random.default_rng(0).normal(size=(100, 3)))
    sync._own_weights.cache_clear()


def test_it_is_tiny():
    assert sync.WEIGHTS.stat().st_size < 20_000
