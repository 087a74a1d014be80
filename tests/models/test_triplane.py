"""Reading the planes: the kernels against grid_sample, in and outside the box."""

import pytest
import torch

from pgstalker.models.triplane import lookup, lookup_reference


def points(count: int) -> torch.Tensor:
    """Points in and around the box, its corners, edges just passed, and numbers that are not finite."""
    x = torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * 2.6 - 1.3
    x[0], x[1], x[2] = 1.0, -1.0, torch.tensor([-1.0, 1.0, 0.0])
    x[3], x[4], x[5] = 1.0001, -1.0001, 50.0
    return x


@pytest.mark.parametrize(("resolution", "channels"), [(40, 12), (7, 5), (2, 1)])
def test_agrees_with_grid_sample(resolution, channels):
    x = points(700)
    planes = torch.randn(3, resolution, resolution, channels, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(700, 3 * channels, generator=torch.Generator().manual_seed(2))
    fast, plain = planes.clone().requires_grad_(), planes.double().requires_grad_()
    got, truth = lookup(fast, x), lookup_reference(plain, x.double())
    (got * weights).sum().backward()
    (truth * weights).sum().backward()
    # positions are rounded to 1e-7 of the box, times the resolution and a texel-to-texel step of a few
    assert (got - truth).abs().max() < 5e-5
    assert (fast.grad - plain.grad).abs().max() < 1e-4 * plain.grad.abs().max()


def test_what_is_not_finite_reads_zero():
    x = torch.zeros(3, 3)
    x[0], x[1], x[2] = float("nan"), float("inf"), -float("inf")
    planes = torch.ones(3, 4, 4, 2, requires_grad=True)
    features = lookup(planes, x)
    features.sum().backward()
    assert not features.any()
    assert not planes.grad.any()


def test_no_points():
    planes = torch.ones(3, 4, 4, 2, requires_grad=True)
    features = lookup(planes, torch.zeros(0, 3))
    features.sum().backward()
    assert features.shape == (0, 6)
    assert not planes.grad.any()


def test_the_gradient_has_the_same_bits_on_any_number_of_threads():
    from pgstalker.rendering.numba_runtime import set_thread_count, thread_count

    x, threads, gradients = points(5000), thread_count(), []
    for count in (threads, 1):
        set_thread_count(count)
        planes = torch.ones(3, 16, 16, 8, requires_grad=True)
        (lookup(planes, x) * torch.rand(5000, 24, generator=torch.Generator().manual_seed(3))).sum().backward()
        gradients.append(planes.grad)
    set_thread_count(threads)
    assert torch.equal(*gradients)
