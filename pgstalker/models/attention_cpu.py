"""Cross-attention and deformation of one frame on the CPU, forward and backward as one step of autograd.

The plain twin is deform(CrossAttentionFusion.join(...)). As in deformation_cpu.py CHUNK Gaussians at a time go through
all of it while they lie in the cache, the cores share the chunks, and gradients of the weights are summed chunk by
chunk in order: the same bits whatever the number of threads.

    p = softmax(x A) by head     a = x + p B + b     h = a + relu(a F^T + f) G^T + g     delta = relu(h D^T + d) E^T + e
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pgstalker.models.cross_attention import HEADS, CrossAttentionFusion
from pgstalker.models.deformation_cpu import CHUNK
from pgstalker.rendering.numba_runtime import share

Tensors = tuple[Tensor, ...]


def fits(fusion: nn.Module, x: Tensor, audio: Tensor) -> bool:
    """Whether attention_cpu() can take this: cross-attention, one frame, float32 on the CPU."""
    is_plain = x.device.type == "cpu" and x.dtype == audio.dtype == torch.float32
    return isinstance(fusion, CrossAttentionFusion) and is_plain and audio.ndim == 1


def attention_cpu(
    fusion: CrossAttentionFusion, deform: nn.Sequential, x: Tensor, audio: Tensor, eyes: Tensor
) -> Tensor:
    """[N, outputs] of normalised features x [N, HIDDEN] and one frame's audio [A] and eyes [E]."""
    layers = (fusion.feed[0], fusion.feed[2], deform[0], deform[2])
    weights = [tensor for layer in layers for tensor in (layer.weight, layer.bias)]
    return _Attention.apply(x, *fusion.folded(audio, eyes), fusion.out.bias, *weights)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *tensors):
        inputs = tuple(tensor.detach().contiguous() for tensor in tensors)
        count = len(inputs[0])
        # weights, attended, feed's hidden, fused, deformation's hidden
        widths = inputs[1].shape[1], inputs[3].shape[0], inputs[4].shape[0], inputs[6].shape[0], inputs[8].shape[0]
        kept = tuple(inputs[0].new_empty(count, width) for width in widths)
        delta = inputs[0].new_empty(count, inputs[10].shape[0])
        share(_forward, -(-count // CHUNK), inputs, kept, delta)
        ctx.save_for_backward(*inputs, *kept)
        return delta

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        inputs, kept = ctx.saved_tensors[:12], ctx.saved_tensors[12:]
        by_x = torch.empty_like(inputs[0])
        chunks = -(-len(by_x) // CHUNK)
        sums = tuple(tensor.new_empty(chunks, *tensor.shape) for tensor in inputs[1:])
        share(_backward, chunks, inputs, kept, gradient.contiguous(), by_x, sums)
        return by_x, *(part.sum(0) for part in sums)


def _forward(begin: int, end: int, inputs: Tensors, kept: Tensors, delta: Tensor) -> None:
    """Chunks begin .. end: writes kept and delta."""
    x, asked, answers, shift, f, f_shift, g, g_shift, d, d_shift, e, e_shift = inputs
    with torch.no_grad():
        for chunk in range(begin, end):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            p, a, fed, h, hidden = (tensor[rows] for tensor in kept)
            p.copy_((x[rows] @ asked).unflatten(1, (HEADS, -1)).softmax(-1).flatten(1))
            torch.addmm(shift, p, answers, out=a).add_(x[rows])
            torch.addmm(f_shift, a, f.T, out=fed).relu_()
            torch.addmm(g_shift, fed, g.T, out=h).add_(a)
            torch.addmm(d_shift, h, d.T, out=hidden).relu_()
            torch.addmm(e_shift, hidden, e.T, out=delta[rows])


def _backward(
    begin: int, end: int, inputs: Tensors, kept: Tensors, gradient: Tensor, by_x: Tensor, sums: Tensors
) -> None:
    """Chunks begin .. end: writes by_x, and each chunk's share of every other input's gradient to sums."""
    x, asked, answers, _, f, _, g, _, d, _, e, _ = inputs
    by_asked, by_answers, by_shift, *by_layers = sums
    with torch.no_grad():
        for chunk in range(begin, end):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            p, a, fed, h, hidden = (tensor[rows] for tensor in kept)
            by_h = _through(gradient[rows], hidden, e, by_layers[6:], chunk)
            by_h = _through(by_h.mul_(hidden > 0), h, d, by_layers[4:6], chunk)
            by_fed = _through(by_h, fed, g, by_layers[2:4], chunk)
            by_a = by_h.add_(_through(by_fed.mul_(fed > 0), a, f, by_layers[:2], chunk))
            torch.sum(by_a, 0, out=by_shift[chunk])
            torch.mm(p.T, by_a, out=by_answers[chunk])
            by_p = (by_a @ answers.T).mul_(p).unflatten(1, (HEADS, -1))
            by_scores = by_p - p.unflatten(1, (HEADS, -1)) * by_p.sum(-1, keepdim=True)
            torch.mm(x[rows].T, by_scores.flatten(1), out=by_asked[chunk])
            torch.addmm(by_a, by_scores.flatten(1), asked.T, out=by_x[rows])


def _through(by_output: Tensor, source: Tensor, weight: Tensor, sums: Tensors | list[Tensor], chunk: int) -> Tensor:
    """Back through a linear layer: writes its weight's and bias's share, returns the gradient of its input."""
    torch.mm(by_output.T, source, out=sums[0][chunk])
    torch.sum(by_output, 0, out=sums[1][chunk])
    return by_output @ weight
