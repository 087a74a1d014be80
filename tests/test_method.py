"""The contract that every compared method fulfils, run over all of them with settings that take seconds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pgstalker.errors import AvatarError, ConfigError
from pgstalker.method import Performance, TrainingRequest, discover, method
from pgstalker.subject import Subject
from pgstalker.types import FPS, SAMPLE_RATE_HZ

IDS = sorted(discover())
SIZE = 64
TINY = {"steps": 4, "size": SIZE}
"""So that every method learns a little and nothing takes long."""


@pytest.fixture(scope="module")
def subject_folder(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return make_subject(tmp_path_factory.mktemp("method") / "toon", seconds=2.0, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def performance(subject_folder):
    return Performance.of(Subject.load(subject_folder))


@pytest.fixture(scope="module", params=IDS)
def trained(request, subject_folder, tmp_path_factory):
    """(method, what it learnt, its folder), every method in turn."""
    chosen, out = method(request.param), tmp_path_factory.mktemp(request.param) / "model"
    return chosen, chosen.train(subject_folder, out, TrainingRequest(**TINY), lambda *_: None), out


def test_a_part_stands_alone_with_its_own_sound(performance):
    part = performance[2:5]
    alone = part.alone()
    assert list(alone.frames) == list(part.frames) and list(alone.moments) == [0, 1, 2] and alone.is_own
    first = int(part.moments[0]) * 640
    np.testing.assert_array_equal(alone.samples, performance.samples[first : first + 3 * 640])


def test_it_declares_itself(trained):
    chosen, learnt, _ = trained
    assert chosen.id and chosen.title and chosen.kind in ("gaussians", "nerf", "floor", "oracle", "external")
    assert bool(chosen.paper) == bool(chosen.differences), "who has a paper says how it differs from it"
    assert learnt.composite in ("gt_torso", "rendered_torso", "full_frame")
    assert learnt.provenance["seconds"] >= 0 and learnt.provenance["size"] == learnt.size == SIZE


def test_it_renders_what_is_asked_for(trained, performance):
    chosen, learnt, out = trained
    part = performance[:3]
    frames = list(learnt.render(part))
    assert len(frames) == 3
    assert all(frame.shape == (SIZE, SIZE, 3) and frame.dtype == np.uint8 for frame in frames)
    again = list(chosen.load(out, "cpu").render(part))
    np.testing.assert_array_equal(frames, again, err_msg="what was loaded renders otherwise than what was trained")


def test_a_strided_performance_is_a_part_of_the_whole(trained, performance):
    _, learnt, _ = trained
    whole = np.stack(list(learnt.render(performance[:4]))).astype(int)
    part = np.stack(list(learnt.render(performance[:4:3]))).astype(int)
    assert len(part) == 2
    assert np.abs(part - whole[::3]).max() <= 2, "a frame does not hang on which others are shown"


def test_it_says_anything(trained, subject_folder):
    chosen, learnt, _ = trained
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    foreign = Performance.said_by(Subject.load(subject_folder), np.sin(600 * time_s).astype(np.float32), frames=5)
    if chosen.kind == "oracle":
        with pytest.raises(ConfigError, match="cross-driven"):
            list(learnt.render(foreign))
    else:
        assert len(list(learnt.render(foreign))) == 5


def test_all_methods_were_given_the_same(subject_folder, tmp_path):
    """Byte-identical pictures, masks, poses, sound and features: each method writes down what it saw."""
    from pgstalker.training.data import TrainingData
    from pgstalker.training.session import data_digests

    expected = data_digests(TrainingData.load(subject_folder, SIZE), "mel")
    for name in IDS:
        learnt = method(name).train(subject_folder, tmp_path / name, TrainingRequest(**TINY), lambda *_: None)
        assert learnt.provenance["data"] == expected, name


def test_what_it_does_not_have_is_refused(trained, subject_folder, tmp_path):
    chosen, _, _ = trained
    for request, words in (
        (TrainingRequest(preset="best"), "unknown preset 'best'"),
        (TrainingRequest(switches={"colour": "red"}), "no switch 'colour'"),
        (TrainingRequest(size=7), "size 7 is not possible"),
    ):
        with pytest.raises(ConfigError, match=words):
            chosen.train(subject_folder, tmp_path / "model", request, lambda *_: None)
    with pytest.raises(AvatarError):
        chosen.load(tmp_path / "nothing", "cpu")


def test_an_unknown_method_is_named():
    with pytest.raises(ConfigError, match=r"unknown method 'wav2lip'; use one of: .*pgstalker"):
        method("wav2lip")


def test_listing_loads_nothing_heavy():
    program = "import sys, pgstalker.method as m; m.discover(); print(*{'torch', 'numba', 'gsplat'} & set(sys.modules))"
    root = Path(__file__).parents[1]
    listed = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == ""


def test_a_performance_in_another_voice_runs_there_and_back(subject_folder):
    subject = Subject.load(subject_folder)
    samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
    told = Performance.said_by(subject, samples)
    held_out = range(subject.train_frames, subject.frames_count)
    assert len(told) == FPS and not told.is_own and set(told.frames) <= set(held_out)
    assert np.abs(np.diff(told.frames)).max() == 1, "no jump where the poses turn back"
    pictures = list(told[:7].pictures(SIZE))
    own = list(subject.read_frames())
    np.testing.assert_array_equal(pictures, [own[number] for number in told.frames[:7]])
    with pytest.raises(ConfigError, match="no sound"):
        Performance.said_by(subject, samples[:0])


def test_the_nearest_frame_is_the_nearest():
    from pgstalker.baselines.nearest_frame import nearest

    rng = np.random.default_rng(0)
    known = rng.standard_normal((40, 12)).astype(np.float32)
    queries = rng.standard_normal((150, 12)).astype(np.float32)
    expected = np.linalg.norm(queries[:, None] - known[None], axis=2).argmin(1)
    np.testing.assert_array_equal(nearest(queries, known), expected)
    np.testing.assert_array_equal(nearest(known, known), np.arange(40))


def test_the_nearest_frame_hears_as_it_learnt_to(subject_folder, performance, tmp_path):
    request = TrainingRequest(size=SIZE, switches={"audio": "viseme"})
    method("nearest-frame").train(subject_folder, tmp_path / "nearest", request, lambda *_: None)
    learnt = method("nearest-frame").load(tmp_path / "nearest")
    assert learnt.provenance["switches"] == {"audio": "viseme"} and next(learnt.render(performance)).shape[0] == SIZE


def test_the_oracle_beats_the_floors(subject_folder, performance, tmp_path):
    truth = np.stack(list(performance.pictures(SIZE))).astype(float)

    def error(name):
        learnt = method(name).train(subject_folder, tmp_path / name, TrainingRequest(size=SIZE), lambda *_: None)
        return ((np.stack(list(learnt.render(performance))) - truth) ** 2).mean()

    assert error("oracle-frame") < min(error("still-frame"), error("nearest-frame"))


def test_the_request_is_what_training_takes():
    from pgstalker.training import TrainingRequest as Same

    assert replace(Same(), preset="compare") == TrainingRequest(preset="compare")
