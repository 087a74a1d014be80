"""Gated Fusion and deformation head of one frame on the CPU, forward and backward as one step of autograd.

The plain twin is branches.deformation(GatedFusion, DeformationHead). In torch's own steps each of some twenty maps of
[N, 64] goes through memory and back, on one thread. Here CHUNK Gaussians at a time go through all of it while they lie
in the cache, and the cores share the chunks. Gradients of the weights are summed chunk by chunk in order: the same bits
whatever the number of threads.

    z = [gate | static] = x [G_s | W_s]^T + [b + asked | b]        g = sigmoid(gate)
    f = static + g (heard - static)     h = relu(f H^T + b)        delta = [f | h] [S | O]^T + b
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pgstalker.models.fusion import GatedFusion
from pgstalker.rendering.numba_runtime import share

CHUNK = 512
Tensors = tuple[Tensor, ...]


def fits(fusion: nn.Module, x: Tensor, audio: Tensor) -> bool:
    """Whether deformation_cpu() can take this: gated, one frame, float32 on the CPU."""
    is_plain = x.device.type == "cpu" and x.dtype == audio.dtype == torch.float32
    return isinstance(fusion, GatedFusion) and is_plain and audio.ndim == 1


def deformation_cpu(fusion: GatedFusion, head: nn.Module, x: Tensor, audio: Tensor, eyes: Tensor) -> Tensor:
    """[N, outputs] of tri-plane features x [N, D] and one frame's audio [A] and eyes [E]."""
    asked, heard = fusion.control(audio, eyes)
    first = torch.cat([fusion.gate_spatial.weight, fusion.spatial.weight])
    shift = torch.cat([fusion.gate_spatial.bias + asked, fusion.spatial.bias])
    last = torch.cat([head.straight.weight, head.out.weight], 1)
    return _Deformation.apply(x, heard, first, shift, head.hidden.weight, head.hidden.bias, last, head.out.bias)


class _Deformation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, heard, *weights):
        inputs = tuple(tensor.detach().contiguous() for tensor in (x, heard, *weights))
        count, width = len(x), len(heard)
        kept = torch.empty(count, 2 * width), torch.empty(count, 2 * width)
        delta = torch.empty(count, len(weights[-1]))
        share(_forward, -(-count // CHUNK), inputs, kept, delta)
        ctx.save_for_backward(*inputs, *kept)
        return delta

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        *inputs, z, fh = ctx.saved_tensors
        by_x = torch.empty_like(inputs[0])
        chunks = -(-len(by_x) // CHUNK)
        sums = tuple(torch.empty(chunks, *tensor.shape) for tensor in inputs[1:])
        share(_backward, chunks, tuple(inputs), (z, fh), gradient.contiguous(), by_x, sums)
        return by_x, *(part.sum(0) for part in sums)


def _forward(begin: int, end: int, inputs: Tensors, kept: Tensors, delta: Tensor) -> None:
    """Chunks begin .. end: writes kept = [g | static], [f | h], and delta."""
    x, heard, first, shift, hidden, hidden_shift, last, last_shift = inputs
    width = len(heard)
    with torch.no_grad():
        for chunk in range(begin, end):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            z, fh = kept[0][rows], kept[1][rows]
            torch.addmm(shift, x[rows], first.T, out=z)
            gate, f, h = z[:, :width].sigmoid_(), fh[:, :width], fh[:, width:]
            torch.lerp(z[:, width:], heard, gate, out=f)
            torch.addmm(hidden_shift, f, hidden.T, out=h).relu_()
            torch.addmm(last_shift, fh, last.T, out=delta[rows])


def _backward(
    begin: int, end: int, inputs: Tensors, kept: Tensors, gradient: Tensor, by_x: Tensor, sums: Tensors
) -> None:
    """Chunks begin .. end: writes by_x, and each chunk's share of every other input's gradient to sums."""
    x, heard, first, _, hidden, _, last, _ = inputs
    by_heard, by_first, by_shift, by_hidden, by_hidden_shift, by_last, by_last_shift = sums
    width = len(heard)
    with torch.no_grad():
        for chunk in range(begin, end):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            z, fh, by_delta = kept[0][rows], kept[1][rows], gradient[rows]
            gate, static, f, h = z[:, :width], z[:, width:], fh[:, :width], fh[:, width:]
            by_fh = by_delta @ last
            by_h = by_fh[:, width:].mul_(h > 0)
            by_f = torch.addmm(by_fh[:, :width], by_h, hidden)
            by_z = torch.empty_like(z)
            through_gate = by_f * gate
            torch.sub(by_f, through_gate, out=by_z[:, width:])
            torch.sum(through_gate, 0, out=by_heard[chunk])
            torch.sub(heard, static, out=by_z[:, :width]).mul_(through_gate).mul_(1 - gate)
            torch.mm(by_z, first, out=by_x[rows])
            torch.mm(by_z.T, x[rows], out=by_first[chunk])
            torch.sum(by_z, 0, out=by_shift[chunk])
            torch.mm(by_h.T, f, out=by_hidden[chunk])
            torch.sum(by_h, 0, out=by_hidden_shift[chunk])
            torch.mm(by_delta.T, fh, out=by_last[chunk])
            torch.sum(by_delta, 0, out=by_last_shift[chunk])
