"""Stage A: the ear learns what can be learnt, and the cross-fitted members never saw what they predict."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgstalker.audio import create_features
from pgstalker.measures import pearson
from pgstalker.models.audio_encoder import neighbours
from pgstalker.models.config import TalkerConfig
from pgstalker.training.hearing import FOLDS, GAP_FRAMES, MEMBERS_PER_FOLD, _pools, folds, train_hearing
from pgstalker.types import FPS, SAMPLE_RATE_HZ

FRAMES = 160
CONFIG = TalkerConfig(64, 150.0, code_size=3, members=2, attention_frames=1)
features = create_features("mel")


def loud_and_bright(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sound whose loudness and colour tell the code: samples [S], codes [T, 3] (the third is chance)."""
    rng = np.random.default_rng(seed)
    control = rng.normal(size=(FRAMES // 6 + 2, 3))
    at = np.arange(FRAMES) / 6
    codes = np.stack([np.interp(at, np.arange(len(control)), column) for column in control.T], 1)
    codes = ((codes - codes.mean(0)) / codes.std(0)).astype(np.float32)
    per_sample = np.interp(np.arange(FRAMES * 640) / 640 - 0.5, np.arange(FRAMES), np.arange(FRAMES))
    loud, bright = (np.interp(per_sample, np.arange(FRAMES), codes[:, k]) for k in (0, 1))
    time_s = np.arange(FRAMES * 640) / SAMPLE_RATE_HZ
    level = 0.05 * np.clip(1.2 + loud, 0, None)
    tones = np.sin(2 * np.pi * 300 * time_s) + np.exp(bright) * 0.5 * np.sin(2 * np.pi * 2500 * time_s)
    return (level * tones + 1e-4 * rng.standard_normal(len(level))).astype(np.float32), codes


def heard(encoder, samples: np.ndarray, frames: int, statistics: np.ndarray) -> np.ndarray:
    windows = neighbours(torch.from_numpy(features.extract(samples, frames, statistics)), CONFIG.attention_frames)
    with torch.no_grad():
        return encoder.eval()(windows).mean(0).numpy()


@pytest.fixture(scope="module")
def learnt():
    samples, codes = loud_and_bright()
    reports = []
    hearing = train_hearing(features, samples, codes, CONFIG, 30, 0, lambda share, loss: reports.append((share, loss)))
    return samples, codes, hearing, reports


def test_it_learns_what_the_sound_tells(learnt):
    samples, codes, hearing, reports = learnt
    assert hearing.encoder.members == CONFIG.members
    own = heard(hearing.encoder, samples, FRAMES, features.measure(samples))
    assert min(pearson(own[:, k], codes[:, k]) for k in (0, 1)) > 0.85
    assert min(pearson(hearing.unseen_codes[:, k], codes[:, k]) for k in (0, 1)) > 0.75
    shares, losses = zip(*reports, strict=True)
    assert list(shares) == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert losses[-1] < 0.7 * losses[0]


def test_another_recording_of_the_same_voice_is_understood(learnt):
    samples, _, hearing, _ = learnt
    other, codes = loud_and_bright(seed=7)
    predicted = heard(hearing.encoder, other, FRAMES, features.measure(samples))
    assert min(pearson(predicted[:, k], codes[:, k]) for k in (0, 1)) > 0.7
    assert abs(pearson(predicted[:, 2], codes[:, 2])) < 0.4


def test_silence_closes_the_mouth(learnt):
    samples, codes, hearing, _ = learnt
    statistics = features.measure(samples)
    silent = heard(hearing.encoder, np.zeros(2 * SAMPLE_RATE_HZ, np.float32), 2 * FPS, statistics)
    assert (silent[:, 0] < np.quantile(codes[:, 0], 0.2)).all()


def test_the_same_seed_hears_the_same(learnt):
    samples, codes = loud_and_bright()
    first, same, other = (train_hearing(features, samples, codes, CONFIG, 2, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.unseen_codes, same.unseen_codes)
    assert torch.equal(first.encoder.code.weight, same.encoder.code.weight)
    assert not np.array_equal(first.unseen_codes, other.unseen_codes)


def test_cross_fitted_members_never_saw_what_they_predict():
    """Codes that are pure chance can only be remembered: who saw them does better than chance, who did not does not."""
    rng = np.random.default_rng(3)
    samples = (0.1 * rng.standard_normal(FRAMES * 640) * np.repeat(rng.uniform(0.1, 1, FRAMES), 640)).astype(np.float32)
    codes = rng.normal(size=(FRAMES, 3)).astype(np.float32)
    hearing = train_hearing(features, samples, codes, CONFIG, 40, 0)
    seen = heard(hearing.encoder, samples, FRAMES, features.measure(samples))
    remembered = np.mean([pearson(seen[:, k], codes[:, k]) for k in range(3)])
    unseen = np.mean([pearson(hearing.unseen_codes[:, k], codes[:, k]) for k in range(3)])
    assert remembered > 0.3
    assert abs(unseen) < 0.15


def test_interpolated_codes_teach_nothing():
    samples, codes = loud_and_bright()
    valid = np.arange(FRAMES) % 10 != 3
    spoilt = np.where(valid[:, None], codes, 50).astype(np.float32)
    first, second = (train_hearing(features, samples, c, CONFIG, 2, 0, valid=valid) for c in (codes, spoilt))
    np.testing.assert_array_equal(first.unseen_codes, second.unseen_codes)


@pytest.mark.parametrize("frames", [45, 46, 181, 455])
def test_pools_leave_out_their_fold_and_its_margins(frames):
    pools = _pools(frames, 3)
    assert len(pools) == 3 + FOLDS * MEMBERS_PER_FOLD
    assert all(np.array_equal(pool, np.arange(frames)) for pool in pools[:3])
    covered = []
    for fold, (low, high) in enumerate(folds(frames)):
        covered += range(low, high)
        for pool in pools[3 + fold * MEMBERS_PER_FOLD : 3 + (fold + 1) * MEMBERS_PER_FOLD]:
            assert len(pool) and pool.min() >= 0 and pool.max() < frames
            assert not np.any((pool >= low - GAP_FRAMES) & (pool < high + GAP_FRAMES))
            assert len(pool) >= frames - (high - low) - 2 * GAP_FRAMES
    assert covered == list(range(frames))


def test_the_margin_is_wider_than_what_neighbouring_windows_share():
    columns = 4 * GAP_FRAMES
    reach = features.window + 4 * (CONFIG.attention_frames - 1) + 2  # and a shift of one either way
    assert columns > reach / 2 + 4
