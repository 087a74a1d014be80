"""A presenter drawn by code, prepared once, and presets small enough to train in seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

SIZE, SECONDS = 64, 3.0


@pytest.fixture(scope="session")
def subject_folder(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return make_subject(tmp_path_factory.mktemp("subjects") / "toon", seconds=SECONDS, size=SIZE, seed=3)


@pytest.fixture(scope="session")
def subject_data(subject_folder):
    """TrainingData of the presenter; not to be changed."""
    from pgstalker.training.data import TrainingData

    return TrainingData.load(subject_folder, SIZE)


def shrink_presets(monkeypatch, nowhere):
    """quick becomes a matter of seconds; LPIPS weights that a machine may have are looked for in `nowhere`."""
    from pgstalker import presets
    from pgstalker.training import trainer

    quick = presets.Preset(size=SIZE, steps=40, initial=250, cap=300, resolution=8, hearing_epochs=2)
    monkeypatch.setitem(presets.PRESETS, "quick", quick)
    monkeypatch.setenv("TORCH_HOME", str(nowhere))
    density = trainer.DensityControl
    monkeypatch.setattr(trainer, "DensityControl", lambda rule, cap: replace(density(rule, cap), every=6, grow=0.1))
    return quick


@pytest.fixture
def small_presets(monkeypatch, tmp_path_factory):
    return shrink_presets(monkeypatch, tmp_path_factory.mktemp("no-weights"))
