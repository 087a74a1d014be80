"""Three fusions of one shape; the gate decides between place and sound."""

from __future__ import annotations

import pytest
import torch

from pgstalker.models.config import SWITCHES
from pgstalker.models.fusion import FUSIONS, HIDDEN

N, SPATIAL, AUDIO, EYES = 30, 12, 9, 1


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, generator=generator) for shape in ((N, SPATIAL), (AUDIO,), (EYES,)))


def made(name: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return FUSIONS[name](SPATIAL, AUDIO, EYES)


def test_every_fusion_that_can_be_chosen_exists():
    assert set(FUSIONS) == set(SWITCHES["fusion"])


@pytest.mark.parametrize("name", FUSIONS)
def test_place_sound_and_eyes_all_matter(name, inputs):
    fusion = made(name)
    fused = fusion(*inputs)
    assert fused.shape == (N, HIDDEN) and fused.isfinite().all()
    for index in range(3):
        changed = list(inputs)
        changed[index] = changed[index] + 1
        assert (fusion(*changed) - fused).abs().max() > 1e-3, index


@pytest.mark.parametrize("name", FUSIONS)
def test_each_gaussian_is_fused_alone(name, inputs):
    x, audio, eyes = inputs
    fusion = made(name)
    torch.testing.assert_close(fusion(x[4:7], audio, eyes), fusion(x, audio, eyes)[4:7])


@pytest.mark.parametrize("name", FUSIONS)
def test_no_gaussians_is_no_trouble(name, inputs):
    assert made(name)(inputs[0][:0], *inputs[1:]).shape == (0, HIDDEN)


@pytest.mark.parametrize("name", FUSIONS)
def test_every_parameter_learns(name, inputs):
    fusion = made(name)
    fusion(*inputs).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in fusion.parameters())


def test_an_open_gate_is_what_is_heard_a_closed_one_where_it_is(inputs):
    x, audio, eyes = inputs
    fusion = made("gated")
    with torch.no_grad():
        for bias, expected in (
            (50.0, (fusion.audio(audio) + fusion.eyes(eyes)).expand(N, HIDDEN)),
            (-50.0, fusion.spatial(x)),
        ):
            fusion.gate_spatial.bias.fill_(bias)
            torch.testing.assert_close(fusion(x, audio, eyes), expected, rtol=1e-5, atol=1e-5)


def test_the_gate_is_the_stated_formula(inputs):
    x, audio, eyes = inputs
    fusion = made("gated")
    gate = torch.sigmoid(fusion.gate_spatial(x) + fusion.gate_control(torch.cat([audio, eyes])))
    heard = fusion.audio(audio) + fusion.eyes(eyes)
    torch.testing.assert_close(fusion(x, audio, eyes), gate * heard + (1 - gate) * fusion.spatial(x))
