"""Several frames in a step: their mean error's gradient, their own density statistics, and a run that repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pgstalker.errors import ConfigError
from pgstalker.training import TrainingRequest, train
from pgstalker.training import data as data_module
from pgstalker.training.data import TrainingData
from pgstalker.training.trainer import Trainer
from tests.models.faces import small_talker

SEED = 5


def trainer(data: TrainingData, frames: int, step: int, **options) -> Trainer:
    made = Trainer(small_talker(seed=1, **options).train(), data, 100, 400, SEED, None, frames)
    made.step_number = step
    return made


def gradients(made: Trainer, monkeypatch) -> dict[str, torch.Tensor]:
    """What one step would move the weights by, the weights left alone."""
    monkeypatch.setattr(made.optimizer, "step", lambda: None)
    monkeypatch.setattr(made.optimizer, "zero_grad", lambda **_: None)
    made.step()
    return {name: p.grad.clone() for name, p in made.talker.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("options", [{}, {"torso": "gt"}], ids=str)
def test_the_gradient_is_the_mean_over_the_frames(subject_data, monkeypatch, options):
    monkeypatch.setattr("pgstalker.training.trainer.CODE_NOISE", 0.0)
    together = trainer(subject_data, 2, 20, **options)
    both = gradients(together, monkeypatch)
    alone = []
    for number in (40, 41):  # the frames of step 20, two to a step
        single = trainer(subject_data, 1, 20, **options)
        monkeypatch.setattr(
            single.data.__class__, "frame_at", lambda self, step, seed, n=number: FRAME_AT(self, n, seed)
        )
        alone.append(gradients(single, monkeypatch))
        monkeypatch.setattr(single.data.__class__, "frame_at", FRAME_AT)
    assert both.keys() == alone[0].keys()
    for name, got in both.items():
        wanted = (alone[0][name] + alone[1][name]) / 2
        assert (got - wanted).abs().max() <= 1e-3 * wanted.abs().max() + 1e-9, name


@pytest.mark.parametrize("frames", [1, 2])
def test_pictures_may_lie_in_memory_as_those_of_cuda_do(subject_data, monkeypatch, frames):
    """gsplat's have their channels last, as the oracle's have."""
    monkeypatch.setattr("pgstalker.rendering.rasterizer.choose_backend", lambda *_: "reference")
    assert np.isfinite(trainer(subject_data, frames, 20).step().loss)


FRAME_AT = TrainingData.frame_at


def test_density_statistics_are_those_of_each_frame(subject_data, monkeypatch):
    monkeypatch.setattr("pgstalker.training.trainer.CODE_NOISE", 0.0)
    seen = {}
    for frames, steps in ((2, [21]), (1, [42, 43])):
        total = 0.0
        for step in steps:
            made = trainer(subject_data, frames, step if frames == 2 else 21)
            if frames == 1:
                monkeypatch.setattr(TrainingData, "frame_at", lambda self, _, seed, n=step: FRAME_AT(self, n, seed))
            gradients(made, monkeypatch)
            monkeypatch.setattr(TrainingData, "frame_at", FRAME_AT)
            total = total + torch.stack([made.density.gradient, made.density.weight, made.density.mass])
        seen[frames] = total
    assert seen[1].abs().max() > 0
    assert (seen[2] - seen[1]).abs().max() <= 2e-3 * seen[1].abs().max()


@pytest.mark.usefixtures("small_presets")
def test_a_run_of_several_frames_learns_and_is_written_down(subject_folder, tmp_path):
    avatar = train(subject_folder, tmp_path / "anna", TrainingRequest(seed=1, steps=6, frames_per_step=3))
    assert avatar.provenance["frames_per_step"] == 3
    assert all(np.isfinite(value.numpy()).all() for value in avatar.talker.state_dict().values())


@pytest.mark.usefixtures("small_presets")
@pytest.mark.parametrize("frames", [0, -1, 65])
def test_an_impossible_number_of_frames_is_refused(subject_folder, tmp_path, frames):
    with pytest.raises(ConfigError, match=f"frames_per_step {frames} is not possible; give a number from 1 to 64"):
        train(subject_folder, tmp_path / "anna", TrainingRequest(frames_per_step=frames))


def test_a_long_clip_is_mapped_from_a_file_that_leaves_nothing(subject_folder, subject_data, monkeypatch):
    monkeypatch.setattr(data_module, "HELD_BYTES", 1000)
    before = sorted(path.name for path in subject_folder.iterdir())
    mapped = TrainingData.load(subject_folder, subject_data.pictures.shape[1])
    assert isinstance(mapped.pictures, np.memmap) and isinstance(mapped.labels, np.memmap)
    assert not isinstance(subject_data.pictures, np.memmap) and subject_data.pictures.dtype == np.uint8
    np.testing.assert_array_equal(mapped.pictures, subject_data.pictures)
    np.testing.assert_array_equal(mapped.labels, subject_data.labels)
    assert sorted(path.name for path in subject_folder.iterdir()) == before
    np.testing.assert_array_equal(mapped.picture(3, torch.device("cpu")), subject_data.picture(3, torch.device("cpu")))
    assert replace(mapped).plate.shape == subject_data.plate.shape
