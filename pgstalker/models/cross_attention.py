"""GaussianTalker's fusion (Cho et al., ACM MM 2024): Gaussians ask, and what a frame is made from answers.

Each Gaussian's feature is a query; keys and values are four tokens: audio, eyes, camera, and a learned null for those
that nothing of it concerns. The tokens are the same for all Gaussians, so the queries' and the output's matrices are
multiplied into them once a frame, and a Gaussian costs 2 D 2 T products instead of 2 D^2 + 2 D T (D channels, T tokens
of each of 2 heads).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pgstalker.models.fusion import Fusion
from pgstalker.models.layout import HIDDEN

HEADS, FEED, WAVES = 2, 128, 4
CAMERA = 12


class CrossAttentionFusion(Fusion):
    """One layer of attention and its feed-forward, with residuals. eyes [..., 1 + CAMERA]: eye closure and camera."""

    def __init__(self, spatial: int, audio: int, eyes: int):
        super().__init__()
        assert spatial == HIDDEN and eyes == 1 + CAMERA, (spatial, eyes)
        self.norm = nn.LayerNorm(HIDDEN)
        self.audio, self.camera = nn.Linear(audio, HIDDEN), nn.Linear(CAMERA, HIDDEN)
        self.blink = nn.Linear(2 * WAVES, HIDDEN)
        self.null = nn.Parameter(torch.randn(HIDDEN) * 0.1)
        self.query = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.key, self.value = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.feed = nn.Sequential(nn.Linear(HIDDEN, FEED), nn.ReLU(), nn.Linear(FEED, HIDDEN))

    def tokens(self, audio: Tensor, eyes: Tensor) -> Tensor:
        """[..., 4, HIDDEN]."""
        rates = 2.0 ** torch.arange(WAVES, device=eyes.device)
        waves = eyes[..., :1] * rates
        blink = self.blink(torch.cat([waves.sin(), waves.cos()], -1))
        heard = self.audio(audio)
        return torch.stack([heard, blink, self.camera(eyes[..., 1:]), self.null.expand_as(heard)], -2)

    def still(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.norm(x),)

    def folded(self, audio: Tensor, eyes: Tensor) -> tuple[Tensor, Tensor]:
        """The frame's part: [..., HIDDEN, 2 T] from features to scores, head by head, and [..., 2 T, HIDDEN] from
        weights to what is answered."""
        tokens, by_head = self.tokens(audio, eyes), (HEADS, HIDDEN // HEADS)
        keys, values = self.key(tokens).unflatten(-1, by_head), self.value(tokens).unflatten(-1, by_head)
        asked = torch.einsum("...thc,hcd->...dht", keys, self.query.weight.unflatten(0, by_head))
        answers = torch.einsum("...thc,dhc->...htd", values, self.out.weight.unflatten(1, by_head))
        return asked.flatten(-2) * by_head[1] ** -0.5, answers.flatten(-3, -2)

    def join(self, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        (x,), (asked, answers) = still, self.folded(audio, eyes)
        weights = (x @ asked).unflatten(-1, (HEADS, -1)).softmax(-1).flatten(-2)
        attended = x + weights @ answers + self.out.bias
        return attended + self.feed(attended)

    def join_reference(self, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        """join() of one frame as the formula has it."""
        (x,), tokens = still, self.tokens(audio, eyes)

        def heads(rows: Tensor) -> Tensor:
            return rows.unflatten(-1, (HEADS, HIDDEN // HEADS)).transpose(0, 1)

        queries, keys, values = heads(self.query(x)), heads(self.key(tokens)), heads(self.value(tokens))
        answers = F.scaled_dot_product_attention(queries, keys, values).transpose(0, 1).flatten(1)
        attended = x + self.out(answers)
        return attended + self.feed(attended)
