"""Quantile matching: an identity at first, then monotone, from the heard distribution to the true one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgstalker.models.calibration import Calibration

CODE = 3


@pytest.fixture
def tracks():
    """A regression that hears a third of the amplitude: heard, true [T, C]."""
    rng = np.random.default_rng(0)
    true = np.column_stack([rng.exponential(1.0, 800), rng.normal(size=800), rng.uniform(-2, 2, 800)])
    heard = 0.3 * true + 0.1 + 0.05 * rng.normal(size=true.shape)
    return heard.astype(np.float32), true.astype(np.float32)


def fitted(heard, true, strength: float = 1.0) -> Calibration:
    calibration = Calibration(heard.shape[1])
    calibration.fit(heard, true, strength)
    return calibration


def test_a_fresh_one_changes_nothing():
    code = torch.linspace(-9, 9, 40)[:, None].repeat(1, CODE)
    torch.testing.assert_close(Calibration(CODE)(code), code)


def test_the_distribution_becomes_the_true_one(tracks):
    heard, true = tracks
    mapped = fitted(heard, true)(torch.from_numpy(heard)).numpy()
    levels = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(mapped, levels, axis=0), np.quantile(true, levels, axis=0), atol=0.12)
    assert mapped.std(0) == pytest.approx(true.std(0), rel=0.1)


def test_strength_goes_from_nothing_to_all(tracks):
    heard, true = tracks
    code = torch.from_numpy(heard)
    none, half, full = (fitted(heard, true, strength)(code) for strength in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none, code, rtol=0, atol=1e-4)
    torch.testing.assert_close(half, (none + full) / 2, rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_order_is_kept_whatever_the_data(seed):
    rng = np.random.default_rng(seed)
    calibration = fitted(rng.normal(size=(50, CODE)), rng.standard_cauchy(size=(50, CODE)))
    code = torch.linspace(-6, 6, 1001)[:, None].repeat(1, CODE)
    assert (calibration(code).diff(dim=0) >= -1e-4).all()


def test_beyond_the_knots_the_slope_is_one(tracks):
    heard, true = tracks
    calibration = fitted(heard, true)
    for edge, step in ((heard.min(0) - 1, -1.0), (heard.max(0) + 1, 1.0)):
        here, there = (calibration(torch.from_numpy(edge + k * step)[None]) for k in (0, 2))
        torch.testing.assert_close(there - here, torch.full((1, CODE), 2 * step), rtol=0, atol=1e-4)


def test_it_is_continuous_at_the_knots(tracks):
    calibration = fitted(*tracks)
    for side in (-1e-4, 1e-4):
        torch.testing.assert_close(calibration(calibration.heard.T + side), calibration.true.T, rtol=0, atol=5e-3)


def test_elements_do_not_mix(tracks):
    calibration = fitted(*tracks)
    code = torch.zeros(2, CODE)
    code[1, 1] = 1.0
    before, after = calibration(code)
    assert (before != after).tolist() == [False, True, False]


def test_a_mouth_that_was_never_heard_to_move_stays_finite():
    calibration = fitted(np.zeros((30, CODE)), np.random.default_rng(0).normal(size=(30, CODE)))
    assert calibration(torch.linspace(-5, 5, 100)[:, None].repeat(1, CODE)).isfinite().all()


def test_gradient_passes_to_the_code(tracks):
    code = torch.from_numpy(tracks[0][:50]).requires_grad_()
    fitted(*tracks)(code).sum().backward()
    assert (code.grad > 0).all()


def test_closing_lowers_small_apertures_alone(tracks):
    heard, true = tracks
    plain, closing = fitted(heard, true), Calibration(CODE)
    closing.fit(heard, true, closing=0.9)
    code = torch.from_numpy(np.sort(heard, axis=0))
    before, after = plain(code), closing(code)
    assert torch.equal(before[:, 1:], after[:, 1:])  # only the aperture
    assert (after.diff(dim=0)[:, 0] >= -1e-4).all()
    threshold = float(np.quantile(true[:, 0], 0.2))
    assert (before[:, 0] <= threshold).float().mean() == pytest.approx(0.2, abs=0.02)
    assert 0.24 < (after[:, 0] <= threshold).float().mean() < 0.32
    torch.testing.assert_close(after[-80:], before[-80:], rtol=0, atol=0.05)  # the widest tenth


def test_closing_waits_for_skill(tracks):
    heard, true = tracks
    calibration = Calibration(CODE)
    calibration.fit(heard, true, 0.0, closing=0.9)
    code = torch.from_numpy(heard)
    torch.testing.assert_close(calibration(code), code, rtol=0, atol=1e-4)
