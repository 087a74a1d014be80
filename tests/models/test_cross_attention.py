"""GaussianTalker's fusion: the folded products are those of plain attention, forward and backward."""

import pytest
import torch

from pgstalker.models.attention_cpu import attention_cpu
from pgstalker.models.cross_attention import CAMERA, CrossAttentionFusion
from pgstalker.models.layout import HIDDEN
from pgstalker.rendering.numba_runtime import set_thread_count, thread_count


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


def layers():
    return torch.nn.Sequential(torch.nn.Linear(HIDDEN, 20), torch.nn.ReLU(), torch.nn.Linear(20, 14)).double()


@pytest.mark.parametrize("count", [0, 1, 700, 1100])
def test_chunks_on_the_cpu_are_the_plain_layers(fusion, count):
    """Forward and backward; float64 with sums in another order. In float32 a ReLU that is all but zero may flip."""
    deform = layers()
    x = torch.randn(count, HIDDEN, dtype=torch.float64, requires_grad=True)
    audio, eyes = controls()
    wanted = torch.randn(count, 14, dtype=torch.float64)
    results = []
    for delta in (deform(fusion.join((x,), audio, eyes)), attention_cpu(fusion, deform, x, audio, eyes)):
        learning = [p for n, p in [*fusion.named_parameters(), *deform.named_parameters()] if "norm" not in n]
        results.append((delta, *torch.autograd.grad((delta * wanted).sum(), [x, *learning])))
    for plain, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_chunks_do_not_hang_on_the_number_of_threads(fusion):
    deform, x = layers().float(), torch.randn(1500, HIDDEN, requires_grad=True)
    fusion, (audio, eyes) = fusion.float(), (values.float() for values in controls())
    before, found = thread_count(), []
    try:
        for threads in (1, 2):
            set_thread_count(threads)
            delta = attention_cpu(fusion, deform, x, audio, eyes)
            found.append((delta, *torch.autograd.grad((delta**2).sum(), [x, fusion.key.weight, deform[0].weight])))
    finally:
        set_thread_count(before)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))
