"""GaussianTalker's fusion: the folded products are those of plain attention, forward and backward."""

import pytest
import torch

from pgstalker.models.cross_attention import CAMERA, CrossAttentionFusion
from pgstalker.models.layout import HIDDEN


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return CrossAttentionFusion(HIDDEN, 6, 1 + CAMERA).double()


def controls(*frames):
    return torch.randn(*frames, 6, dtype=torch.float64), torch.randn(*frames, 1 + CAMERA, dtype=torch.float64)


def test_folded_products_are_plain_attention(fusion):
    x = torch.randn(50, HIDDEN, dtype=torch.float64, requires_grad=True)
    audio, eyes = controls()
    gradients = []
    for join in (fusion.join, fusion.join_reference):
        result = join(fusion.still(x), audio, eyes)
        wanted = torch.sin(torch.arange(result.numel(), dtype=torch.float64)).view_as(result)
        gradients.append((result, *torch.autograd.grad((result * wanted).sum(), [x, *fusion.parameters()])))
    for ours, plain in zip(*gradients, strict=True):
        # float64 sums in another order; the key's bias moves all scores alike, so its gradient is rounding alone
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_a_batch_is_its_frames(fusion):
    x = torch.randn(7, HIDDEN, dtype=torch.float64)
    audio, eyes = controls(3)
    whole = fusion(x, audio, eyes)
    assert whole.shape == (3, 7, HIDDEN)
    for frame in range(3):
        torch.testing.assert_close(whole[frame], fusion(x, audio[frame], eyes[frame]))


@pytest.mark.parametrize("changed", ["audio", "blink", "camera"])
def test_every_token_is_heard(fusion, changed):
    x = torch.randn(5, HIDDEN, dtype=torch.float64)
    audio, eyes = controls()
    before = fusion(x, audio, eyes)
    if changed == "audio":
        audio = audio + 1
    else:
        eyes = eyes.clone()
        eyes[0 if changed == "blink" else 5] += 1
    assert (fusion(x, audio, eyes) - before).abs().amax() > 1e-3
