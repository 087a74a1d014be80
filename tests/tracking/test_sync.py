import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from pgstalker.tracking.sync import measure_lag
from pgstalker.types import FPS, SAMPLE_RATE_HZ


def talk(seconds: float, seed: int = 0):
    """Noise whose loudness is a mouth that opens and closes: samples [S] and mouth [T, 3]."""
    random = np.random.default_rng(seed)
    frames = int(seconds * FPS)
    opening = np.clip(gaussian_filter1d(random.normal(0, 1, frames), 2.0), 0, None)
    opening /= opening.max()
    loudness = np.interp(np.arange(frames * 640) / 640, np.arange(frames) + 0.5, opening)
    samples = 0.2 * loudness * random.normal(0, 1, frames * SAMPLE_RATE_HZ // FPS)
    noise = random.normal(0, 0.05, (frames, 3))
    return samples.astype(np.float32), opening[:, None] * [0.2, -0.1, 0.1] + 0.1 * noise + [0.1, 0.5, 1.4]


@pytest.mark.parametrize("late", [-5, 0, 3])
def test_the_lag_of_the_mouth_is_found_and_applied(late):
    samples, mouth = talk(24)
    lag = measure_lag(samples, np.roll(mouth, late, axis=0))
    assert lag.frames == late
    assert lag.confidence > 0.4
    assert lag.applied_frames == late


def test_a_short_clip_is_measured_but_left_alone():
    samples, mouth = talk(10)
    lag = measure_lag(samples, np.roll(mouth, 4, axis=0))
    assert lag.frames == 4
    assert lag.applied_frames == 0
    assert lag.as_dict() == {"lag_frames": 4, "lag_confidence": round(lag.confidence, 3), "lag_applied": False}


def test_another_voice_is_not_believed():
    samples, _ = talk(24)
    _, mouth = talk(24, seed=9)
    lag = measure_lag(samples, mouth)
    assert lag.confidence < 0.33
    assert lag.applied_frames == 0


def test_a_mouth_that_never_moves_has_no_lag():
    samples, mouth = talk(24)
    assert measure_lag(samples, np.ones_like(mouth)).confidence == 0
