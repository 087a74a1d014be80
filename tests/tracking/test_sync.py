"""prepare applies a lag that is found and worth it, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.tracking.sync import measure_lag
from tests.audio.test_sync import synthetic


@pytest.mark.parametrize("late", [-5, 2, 3])
@pytest.mark.parametrize("frames", [200, 600])
def test_the_lag_of_the_mouth_is_found_and_applied(late, frames):
    samples, mouth = synthetic(frames)
    lag = measure_lag(samples, np.roll(mouth, late, axis=0))
    assert lag.frames == late and lag.confidence > 0.4
    assert lag.applied_frames == late
    assert lag.as_dict() == {"lag_frames": late, "lag_confidence": round(lag.confidence, 3), "lag_applied": True}


@pytest.mark.parametrize("late", [-1, 0, 1])
def test_one_frame_is_left_alone(late):
    samples, mouth = synthetic()
    lag = measure_lag(samples, np.roll(mouth, late, axis=0))
    assert lag.frames == late and lag.applied_frames == 0


def test_other_lips_are_not_believed():
    samples, _ = synthetic()
    mouth = np.random.default_rng(3).normal(size=(300, 3))
    assert measure_lag(samples, mouth).applied_frames == 0


def test_a_mouth_that_never_moves_has_no_lag():
    samples, mouth = synthetic()
    assert measure_lag(samples, np.ones_like(mouth)).confidence == 0
