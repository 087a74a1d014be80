"""The CPU's fused deformation against its plain twin, forward and backward."""

from __future__ import annotations

import pytest
import torch

from pgstalker.models import deformation_cpu
from pgstalker.models.branches import DeformationHead, FaceBranch, deformation
from pgstalker.models.fusion import ConcatFusion, GatedFusion
from pgstalker.models.layout import EYES
from pgstalker.rendering.numba_runtime import set_thread_count, thread_count

AUDIO, SPATIAL = 22, 36


def parts(count: int, outputs: int = 10, seed: int = 0):
    torch.manual_seed(seed)
    fusion, head = GatedFusion(SPATIAL, AUDIO, EYES), DeformationHead(outputs)
    for parameter in [*fusion.parameters(), *head.parameters()]:
        torch.nn.init.normal_(parameter, std=0.3)
    return (
        fusion,
        head,
        (torch.randn(count, SPATIAL), torch.randn(AUDIO), torch.rand(EYES)),
        torch.randn(count, outputs),
    )


def outcome(function, fusion, head, inputs, weight) -> list[torch.Tensor]:
    """The deformation, and the gradients of inputs and parameters."""
    leaves = [tensor.clone().to(weight).requires_grad_() for tensor in inputs]
    delta = function(fusion, head, *leaves)
    wanted = [*leaves, *fusion.parameters(), *head.parameters()]
    return [delta.detach(), *torch.autograd.grad((delta * weight).sum(), wanted)]


def plain(fusion, head, x, audio, eyes):
    return deformation(fusion, head, fusion.still(x), audio, eyes)


@pytest.mark.parametrize(("count", "outputs"), [(1, 10), (511, 3), (1300, 10)])
def test_agrees_with_the_plain_form_in_double(count, outputs):
    fusion, head, inputs, weight = parts(count, outputs)
    got = outcome(deformation_cpu.deformation_cpu, fusion, head, inputs, weight)
    truth = outcome(plain, fusion.double(), head.double(), inputs, weight.double())
    assert len(got) == len(truth) == 1 + 3 + 8 + 5
    for mine, exact in zip(got, truth, strict=True):
        assert (mine - exact).abs().max() <= 2e-5 * exact.abs().max() + 1e-6  # float32 against double


def test_no_gaussians_have_no_deformation():
    fusion, head, inputs, weight = parts(0)
    got = outcome(deformation_cpu.deformation_cpu, fusion, head, inputs, weight)
    assert got[0].shape == (0, 10) and all((gradient == 0).all() for gradient in got[1:])


def test_the_same_bits_with_any_number_of_threads():
    before, results = thread_count(), []
    try:
        for threads in (1, 3):
            set_thread_count(threads)
            results.append(outcome(deformation_cpu.deformation_cpu, *parts(2100)))
    finally:
        set_thread_count(before)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


def test_only_what_it_can_do_is_given_to_it():
    fusion, _, (x, audio, _), _ = parts(4)
    assert deformation_cpu.fits(fusion, x, audio)
    assert not deformation_cpu.fits(fusion, x, audio[None])  # a batch of frames
    assert not deformation_cpu.fits(fusion, x.double(), audio.double())
    assert not deformation_cpu.fits(ConcatFusion(SPATIAL, AUDIO, EYES), x, audio)


def test_a_branch_uses_it(monkeypatch):
    torch.manual_seed(0)
    face, audio, eyes = FaceBranch(50, "gated", AUDIO, EYES, 8), torch.randn(AUDIO), torch.rand(EYES)
    used = []
    real = deformation_cpu.deformation_cpu
    monkeypatch.setattr(deformation_cpu, "deformation_cpu", lambda *a: used.append(1) or real(*a))
    fused = face(audio, eyes)
    monkeypatch.setattr(deformation_cpu, "fits", lambda *_: False)
    for got, twin in zip(fused, face(audio, eyes), strict=True):
        torch.testing.assert_close(got, twin, atol=1e-6, rtol=1e-5)
    assert used == [1]
