"""Hearing, second half: features of a few frames to the mouth code.

Several small networks (members) run side by side as one grouped network: their mean is better than any of them, and
cross-fitted members cost next to nothing when they are trained together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pgstalker.models.layout import FEATURE, WIDTH

DROPOUT = {"two-stage": 0.3, "end-to-end": 0.0}
"""By audio_training: what landmarks teach would learn twenty seconds by heart; what pictures teach starts out fainter
than the noise that dropping makes."""


class GroupedLinear(nn.Module):
    """One linear layer per member: [M, B, in] -> [M, B, out]."""

    def __init__(self, members: int, inputs: int, outputs: int):
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class AudioEncoder(nn.Module):
    """Convolutions over each frame's window, attention over neighbouring frames, mouth code out.

        windows [B, F, W, C] ──conv──conv──linear──► feature per frame [B, F, 32] ──► attention over F ──► code

    members networks share nothing but their input; forward returns every member's code [M, B, outputs].
    """

    def __init__(self, channels: int, window: int, frames: int, outputs: int, members: int, dropout: float):
        super().__init__()
        self.members, self.frames = members, frames
        self.narrow = nn.Conv1d(members * channels, members * WIDTH, 3, 2, 1, groups=members)
        self.narrower = nn.Conv1d(members * WIDTH, members * WIDTH, 3, 2, 1, groups=members)
        steps = (window + 3) // 4
        self.feature = GroupedLinear(members, WIDTH * steps, FEATURE)
        self.score = GroupedLinear(members, FEATURE, 1)
        self.position = nn.Parameter(torch.zeros(members, 1, frames))
        self.code = GroupedLinear(members, FEATURE, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, windows: Tensor) -> Tensor:
        """windows [B, F, W, C] for all members, or [M, B, F, W, C] for each its own -> codes [M, B, outputs]."""
        if windows.dim() == 4:
            windows = windows.expand(self.members, *windows.shape)
        members, batch, frames, window, channels = windows.shape
        x = windows.permute(1, 2, 0, 4, 3).reshape(batch * frames, members * channels, window)
        x = F.gelu(self.narrower(F.gelu(self.narrow(x))))
        x = x.view(batch * frames, members, -1).transpose(0, 1)
        feature = F.gelu(self.feature(self.dropout(x)))
        attention = self.score(feature).view(members, batch, frames) + self.position
        attention = attention.softmax(-1).unsqueeze(-1)
        pooled = (attention * feature.view(members, batch, frames, FEATURE)).sum(2)
        return self.code(self.dropout(pooled))

    def kept(self, members: list[int]) -> AudioEncoder:
        """A new encoder that holds only those members."""
        state = {}
        for name, value in self.state_dict().items():
            parts = value.chunk(self.members, 0)
            state[name] = torch.cat([parts[m] for m in members])
        channels = self.narrow.in_channels // self.members
        window_steps = self.feature.weight.shape[1] // WIDTH
        small = AudioEncoder(
            channels, window_steps * 4, self.frames, self.code.weight.shape[2], len(members), self.dropout.p
        )
        small.load_state_dict(state)
        return small


def neighbours(features: Tensor, frames: int) -> Tensor:
    """[T, W, C] -> [T, frames, W, C]: each frame with its neighbours, the ends repeated."""
    half = frames // 2
    index = torch.arange(len(features))[:, None] + torch.arange(-half, frames - half)[None]
    return features[index.clamp(0, len(features) - 1).to(features.device)]
