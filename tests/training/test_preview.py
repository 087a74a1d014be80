"""A look at what is being learned changes nothing of it."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.training import TrainingRequest, loop, preview, train
from tests.training.conftest import SIZE

pytestmark = pytest.mark.usefixtures("small_presets")


@pytest.mark.parametrize("switches", [{}, {"torso": "gt"}, {"audio_training": "end-to-end"}])
def test_the_avatar_is_shown_as_it_learns(subject_folder, tmp_path, monkeypatch, switches):
    monkeypatch.setattr(preview, "PREVIEW_SECONDS", 0.1)
    monkeypatch.setattr(loop, "TELL_SECONDS", -1)
    pictures, request = [], TrainingRequest(seed=1, device="cpu", switches=switches)
    train(subject_folder, tmp_path / "watched", request, preview=pictures.append)
    assert len(pictures) >= 2 and all(p.shape == (SIZE, SIZE, 3) and p.dtype == np.uint8 for p in pictures)
    avatar = train(subject_folder, tmp_path / "alone", request)
    model = "model.safetensors"
    assert (tmp_path / "watched" / model).read_bytes() == (tmp_path / "alone" / model).read_bytes()
    errors = [np.abs(p.astype(int) - avatar.poster.astype(int)).mean() for p in (pictures[0], pictures[-1])]
    assert errors[1] < errors[0] and errors[1] < 25
