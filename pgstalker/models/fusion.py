"""Ways to fuse what is said with where a Gaussian sits: [N, D] spatial and [..., A] control in, [..., N, HIDDEN] out.

    still(x)                    what place alone decides, once per avatar while it is played, each step in training
    join(still, audio, eyes)    what changes with every frame; audio [..., A] and eyes [..., E] of one frame or a batch

All three end in the same deformation head, so that a comparison of fusions compares nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pgstalker.models.layout import ATTEND_AUDIO, ATTEND_EYES, HIDDEN


class Fusion(nn.Module, ABC):
    """The common form: still and join, one after the other."""

    @abstractmethod
    def still(self, x: Tensor) -> tuple[Tensor, ...]:
        """What no frame changes of the spatial features x."""

    @abstractmethod
    def join(self, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        """The fused features of one frame or of several."""

    def forward(self, x: Tensor, audio: Tensor, eyes: Tensor) -> Tensor:
        return self.join(self.still(x), audio, eyes)


class GatedFusion(Fusion):
    """Multimodal Gated Fusion, our reading of PGSTalker (arXiv 2509.16922; the exact equation is not public).

    g = sigmoid(G_s x + G_a a + G_e e + b)          one gate per Gaussian and channel
    f = g * (W_a a + W_e e) + (1 - g) * W_s x
    """

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        self.spatial = nn.Linear(spatial, HIDDEN)
        self.audio = nn.Linear(audio, HIDDEN)
        self.eyes = nn.Linear(eyes, HIDDEN, bias=False)
        self.gate_spatial = nn.Linear(spatial, HIDDEN)
        self.gate_control = nn.Linear(audio + eyes, HIDDEN, bias=False)

    def still(self, x: Tensor) -> tuple[Tensor, ...]:
        """The gate's and the features' share of place, [N, HIDDEN] each."""
        return self.gate_spatial(x), self.spatial(x)

    def control(self, audio: Tensor, eyes: Tensor) -> tuple[Tensor, Tensor]:
        """The gate's share of what is said, and what is heard, [..., HIDDEN] each."""
        return self.gate_control(torch.cat([audio, eyes], -1)), self.audio(audio) + self.eyes(eyes)

    def join(self, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        asked, heard = (part.unsqueeze(-2) for part in self.control(audio, eyes))
        gate = torch.sigmoid(still[0] + asked)
        return still[1] + gate * (heard - still[1])


class ConcatFusion(Fusion):
    """Concatenation and one layer, the plain baseline."""

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        self.spatial = nn.Linear(spatial, HIDDEN)
        self.control = nn.Linear(audio + eyes, HIDDEN, bias=False)

    def still(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.spatial(x),)

    def join(self, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        return F.relu(still[0] + self.control(torch.cat([audio, eyes], -1)).unsqueeze(-2))


class RegionAttentionFusion(Fusion):
    """TalkingGaussian's region attention (ECCV 2024): each Gaussian weighs every channel of audio and eyes."""

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        self.attend_audio = nn.Sequential(nn.Linear(spatial, ATTEND_AUDIO), nn.ReLU(), nn.Linear(ATTEND_AUDIO, audio))
        self.attend_eyes = nn.Sequential(
            nn.Linear(spatial, ATTEND_EYES), nn.ReLU(), nn.Linear(ATTEND_EYES, eyes), nn.ReLU()
        )
        self.fuse = nn.Linear(spatial + audio + eyes, HIDDEN)

    def still(self, x: Tensor) -> tuple[Tensor, ...]:
        """The fusing layer's share of place [N, HIDDEN], and how each Gaussian weighs audio and eyes [N, A + E]."""
        layer = self.fuse
        attention = torch.cat([self.attend_audio(x), self.attend_eyes(x)], 1)
        return F.linear(x, layer.weight[:, : x.shape[1]], layer.bias), attention

    def join(self, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        attended = still[1] * torch.cat([audio, eyes], -1).unsqueeze(-2)
        return F.relu(still[0] + F.linear(attended, self.fuse.weight[:, -attended.shape[-1] :]))


FUSIONS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "gated": GatedFusion,
    "concat": ConcatFusion,
    "region-attention": RegionAttentionFusion,
}
