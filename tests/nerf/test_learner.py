"""How the radiance fields learn: resumed as if never stopped, alike on any number of cores, one switch at a time."""

import numpy as np
import pytest
import torch

from pgstalker.method import Performance, TrainingRequest, method
from pgstalker.nerf.batches import Batches
from pgstalker.rendering.numba_runtime import set_thread_count, thread_count
from pgstalker.subject import Subject
from pgstalker.training import checkpoint, loop
from pgstalker.training.data import TrainingData
from pgstalker.training.session import Options, Session
from pgstalker.types import Label

SIZE = 64


@pytest.fixture(scope="module")
def subject_folder(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return make_subject(tmp_path_factory.mktemp("nerf") / "toon", seconds=2.0, size=SIZE, seed=3)


def session(folder, name, steps=6, **switches):
    chosen = method(name)
    values = {switch: choices[0] for switch, choices in chosen.switches.items()} | switches
    options = Options(name, "quick", SIZE, steps, 0, switches, "")
    return Session(
        TrainingData.load(folder, SIZE), Subject.load(folder), options, values, torch.device("cpu"), lambda *_: None
    )


def learner(folder, name, kept=None, **options):
    import importlib

    torch.manual_seed(0)
    module = importlib.import_module(f"pgstalker.baselines.{name.replace('-', '_')}")
    return module.build(session(folder, name, **options), kept)


@pytest.mark.parametrize(("name", "torso"), [("er-nerf", "gt"), ("ad-nerf", "rendered")])
def test_a_stopped_run_goes_on_as_if_it_had_not(subject_folder, tmp_path, name, torso):
    whole = learner(subject_folder, name, torso=torso)
    for _ in range(3):
        whole.step()
    loop.save(whole, tmp_path / "kept.safetensors", {}, 0.0)
    tensors, header = checkpoint.load(tmp_path / "kept.safetensors")
    again = learner(subject_folder, name, kept=header["model"], torso=torso)
    again.restore(tensors, header["step"])
    reports = [(whole.step(), again.step()) for _ in range(3)]
    assert all(one == other for one, other in reports)
    kept = again.state()
    assert whole.state().keys() == kept.keys()
    for key, one in whole.state().items():
        torch.testing.assert_close(one, kept[key], rtol=0, atol=0, msg=key)
    if torso == "rendered":
        pose, code = again.session.data.drive.camera_from_head[0], torch.zeros(again.talker.ear.size)
        frame = again.finish().draw(pose, code, 0.0, None)
        assert frame.shape == (SIZE, SIZE, 3) and frame.dtype == torch.uint8


@pytest.mark.parametrize("name", ["er-nerf", "rad-nerf"])
def test_any_number_of_cores_learns_the_same(subject_folder, name):
    threads, found = thread_count(), []
    try:
        for count in (1, 3):
            set_thread_count(count)
            one = learner(subject_folder, name, torso="rendered")
            for _ in range(2):
                one.step()
            found.append(one.state())
    finally:
        set_thread_count(threads)
    for key, value in found[0].items():
        torch.testing.assert_close(value, found[1][key], rtol=0, atol=0, msg=key)


def test_it_learns_and_the_ear_learns_with_it(subject_folder, monkeypatch):
    monkeypatch.setattr("pgstalker.nerf.learner.WARM_STEPS", 1)  # of the few steps none is spent on slow rates
    one = learner(subject_folder, "er-nerf", steps=36)
    before = [p.clone() for p in one.talker.ear.encoder.parameters()]
    errors = [one.step().psnr for _ in range(36)]
    assert np.mean(errors[-6:]) > np.mean(errors[:6]) + 0.4
    moved = [not torch.equal(a, b) for a, b in zip(before, one.talker.ear.encoder.parameters(), strict=True)]
    assert any(moved), "end-to-end: the picture's error reaches the ear"


def test_rays_are_cast_where_the_head_is(subject_folder):
    data = TrainingData.load(subject_folder, SIZE)
    batches = Batches(data, torch.device("cpu"))
    batch = batches.scattered(5, 400, np.random.default_rng(0))
    column, row = (batch.pixels - 0.5).long().T
    labels = torch.from_numpy(data.labels[5])[row, column]
    assert batch.is_head.float().mean() > 0.6 and ((labels > 1) == batch.is_head).all()
    shown = torch.from_numpy(data.pictures[5])[row, column].float() / 255
    torch.testing.assert_close(batch.target, shown)
    torch.testing.assert_close(batch.background[~batch.is_head], shown[~batch.is_head])
    behind = torch.from_numpy(data.torso_background(5))[row, column].float() / 255
    torch.testing.assert_close(batch.background, behind)
    mouth = batches.mouth(5, 60, np.random.default_rng(0))
    assert mouth.patch[0] * mouth.patch[1] == len(mouth.pixels) <= 120
    below = batches.below(5, 100, np.random.default_rng(0))
    column, row = (below.pixels - 0.5).long().T
    assert np.isin(data.labels[5][row, column], (Label.TORSO, Label.BACKGROUND)).all()


FIELDS = {"torso": "torso_field"}
"""A switch's field of the configuration, where it has another name."""


@pytest.mark.parametrize("name_of_method", ["er-nerf", "rad-nerf"])
def test_each_switch_changes_what_it_says(name_of_method, subject_folder, tmp_path):
    held_out = Performance.of(Subject.load(subject_folder))[:2]
    chosen, pictures, configs = method(name_of_method), {}, {}
    for switches in ({}, {"torso": "rendered"}, {"audio_training": "two-stage"}, {"audio": "viseme"}):
        name = "-".join(switches.values()) or "own"
        request = TrainingRequest(steps=3, size=SIZE, switches=switches)
        learnt = chosen.train(subject_folder, tmp_path / name, request, lambda *_: None)
        configs[name] = learnt.talker.config
        changed = {key for key, value in configs[name].items() if value != configs["own"].get(key)}
        assert changed == {FIELDS.get(switch, switch) for switch in switches}, "nothing else of its configuration"
        assert learnt.composite == ("rendered_torso" if "torso" in switches else "gt_torso")
        pictures[name] = np.stack(list(learnt.render(held_out)))
    for name, picture in pictures.items():
        if name != "own":
            assert (picture != pictures["own"]).any(), name
