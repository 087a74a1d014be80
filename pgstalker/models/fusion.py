"""Ways to fuse what is said with where a Gaussian sits: [N, D] spatial and [A] control in, [N, HIDDEN] out.

All three end in the same deformation head, so that a comparison of fusions compares nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pgstalker.models.layout import ATTEND_AUDIO, ATTEND_EYES, HIDDEN


class GatedFusion(nn.Module):
    """Multimodal Gated Fusion, our reading of PGSTalker (arXiv 2509.16922; the exact equation is not public).

        g = sigmoid(G_s x + G_a a + G_e e + b)          one gate per Gaussian and channel
        f = g * (W_a a + W_e e) + (1 - g) * W_s x

    Terms in x alone do not change from frame to frame, so a player may compute them once per avatar.
    """

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        self.spatial = nn.Linear(spatial, HIDDEN)
        self.audio = nn.Linear(audio, HIDDEN)
        self.eyes = nn.Linear(eyes, HIDDEN, bias=False)
        self.gate_spatial = nn.Linear(spatial, HIDDEN)
        self.gate_control = nn.Linear(audio + eyes, HIDDEN, bias=False)

    def forward(self, x: Tensor, audio: Tensor, eyes: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate_spatial(x) + self.gate_control(torch.cat([audio, eyes])))
        heard = self.audio(audio) + self.eyes(eyes)
        static = self.spatial(x)
        return torch.lerp(static, heard.expand_as(static), gate)


class ConcatFusion(nn.Module):
    """Concatenation and one layer, the plain baseline."""

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        self.spatial = nn.Linear(spatial, HIDDEN)
        self.control = nn.Linear(audio + eyes, HIDDEN, bias=False)

    def forward(self, x: Tensor, audio: Tensor, eyes: Tensor) -> Tensor:
        return F.relu(self.spatial(x) + self.control(torch.cat([audio, eyes])))


class RegionAttentionFusion(nn.Module):
    """TalkingGaussian's region attention (ECCV 2024): each Gaussian weighs every channel of audio and eyes."""

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        self.attend_audio = nn.Sequential(nn.Linear(spatial, ATTEND_AUDIO), nn.ReLU(), nn.Linear(ATTEND_AUDIO, audio))
        self.attend_eyes = nn.Sequential(
            nn.Linear(spatial, ATTEND_EYES), nn.ReLU(), nn.Linear(ATTEND_EYES, eyes), nn.ReLU()
        )
        self.fuse = nn.Linear(spatial + audio + eyes, HIDDEN)

    def forward(self, x: Tensor, audio: Tensor, eyes: Tensor) -> Tensor:
        attended = torch.cat([x, audio * self.attend_audio(x), eyes * self.attend_eyes(x)], 1)
        return F.relu(self.fuse(attended))


FUSIONS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "gated": GatedFusion,
    "concat": ConcatFusion,
    "region-attention": RegionAttentionFusion,
}
