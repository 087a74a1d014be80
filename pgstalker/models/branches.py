"""The two branches of PGSTalker: Gaussians, tri-plane, fusion, deformation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pgstalker.gaussians.cloud import GaussianCloud
from pgstalker.models import deformation_cpu, layout
from pgstalker.models.fusion import FUSIONS, Fusion
from pgstalker.models.layout import HIDDEN
from pgstalker.models.triplane import lookup


class TriPlane(nn.Module):
    """Three feature planes over an axis-aligned box of the head frame: [N, 3] cm -> [N, 3 * channels].

    TalkingGaussian's "hash grid" never fills its table (method facts: 16 .. 39 cells a side), so a dense bilinear grid
    is the same thing without a CUDA extension. A point outside the box has the features of the box's nearest point, so
    that long hair moves on with the head's rim.
    """

    def __init__(self, low: Tensor, high: Tensor, resolution: int, channels: int):
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.planes = nn.Parameter(torch.randn(3, resolution, resolution, channels) * 1e-2)
        self.features = 3 * channels

    def unit(self, means: Tensor) -> Tensor:
        return ((means.detach() - self.low) / (self.high - self.low) * 2 - 1).clamp(-1, 1)

    def forward(self, means: Tensor) -> Tensor:
        """Features [N, 3 * channels]."""
        return lookup(self.planes, self.unit(means))


class DeformationHead(nn.Module):
    """Fused features [N, HIDDEN] to a deformation [N, outputs]; starts at almost no motion.

    The straight path makes the gate's product of place and sound reach the deformation directly; the small network
    adds what is not bilinear.
    """

    def __init__(self, outputs: int):
        super().__init__()
        self.straight = nn.Linear(HIDDEN, outputs, bias=False)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, outputs)
        for layer in (self.straight, self.out):
            nn.init.normal_(layer.weight, std=1e-2)
        nn.init.zeros_(self.out.bias)

    def forward(self, fused: Tensor) -> Tensor:
        return self.straight(fused) + self.out(F.relu(self.hidden(fused)))


def deformation(
    fusion: Fusion, head: DeformationHead, still: tuple[Tensor, ...], audio: Tensor, eyes: Tensor
) -> Tensor:
    """[..., N, outputs] of one frame's control or a batch of them, given what place alone decides."""
    return head(fusion.join(still, audio, eyes))


class Moved(NamedTuple):
    """Gaussians of one branch in one frame or a batch: means [..., N, 3] cm, quats [..., N, 4], scales [..., N, 3] cm,
    and the motion [..., N, 3] cm alone."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    motion: Tensor


class HeadBranch(nn.Module):
    """What face and mouth have in common."""

    cloud: GaussianCloud
    triplane: TriPlane
    fusion: Fusion
    head: DeformationHead

    def still(self) -> tuple[Tensor, ...]:
        """What place alone decides of the deformation: the fusion's still()."""
        return self.fusion.still(self.triplane(self.cloud.means))

    def deform(self, audio: Tensor, eyes: Tensor, still: tuple[Tensor, ...] | None) -> Tensor:
        """[..., N, outputs] of one frame's control or a batch of them; still: still() of before, or None."""
        if still is not None:
            return deformation(self.fusion, self.head, still, audio, eyes)
        x = self.triplane(self.cloud.means)
        if deformation_cpu.fits(self.fusion, x, audio):
            return deformation_cpu.deformation_cpu(self.fusion, self.head, x, audio, eyes)
        return deformation(self.fusion, self.head, self.fusion.still(x), audio, eyes)


class FaceBranch(HeadBranch):
    """Skin, lips, eyes, hair: moves in position, rotation and scale."""

    position_cm, rotation = layout.FACE_POSITION_CM, layout.FACE_ROTATION
    log_scale = layout.FACE_LOG_SCALE

    def __init__(self, count: int, fusion: str, audio: int, eyes: int, resolution: int):
        super().__init__()
        self.cloud = GaussianCloud(count)
        self.triplane = TriPlane(torch.full((3,), -10.0), torch.full((3,), 10.0), resolution, layout.FACE_CHANNELS)
        self.fusion = FUSIONS[fusion](self.triplane.features, audio, eyes)
        self.head = DeformationHead(layout.FACE_OUTPUTS)

    def forward(self, audio: Tensor, eyes: Tensor, still: tuple[Tensor, ...] | None = None) -> Moved:
        """audio [..., A] and eyes [..., E] of one frame or a batch; still: still() of before, where it is kept."""
        cloud = self.cloud
        shift, turn, stretch = self.deform(audio, eyes, still).split([3, 4, 3], -1)
        motion = shift * self.position_cm
        return Moved(
            cloud.means + motion,
            cloud.quats + turn * self.rotation,
            torch.exp(cloud.log_scales + (stretch * self.log_scale).clamp(-1, 1)),
            motion,
        )


class MouthBranch(HeadBranch):
    """Teeth, tongue and the dark behind the lips: moves in position only, mostly up and down."""

    position_cm = layout.MOUTH_POSITION_CM
    margin_cm = 1.5

    def __init__(self, count: int, fusion: str, audio: int, eyes: int):
        super().__init__()
        self.cloud = GaussianCloud(count)
        self.triplane = TriPlane(
            torch.full((3,), -4.0), torch.full((3,), 4.0), layout.MOUTH_RESOLUTION, layout.MOUTH_CHANNELS
        )
        self.fusion = FUSIONS[fusion](self.triplane.features, audio, eyes)
        self.head = DeformationHead(layout.MOUTH_OUTPUTS)
        self.register_buffer("reach", torch.tensor(self.position_cm), persistent=False)

    def place(self, low: Tensor, high: Tensor) -> None:
        """Lay the tri-plane's box round the mouth (cm, head frame)."""
        self.triplane.low.copy_(low - self.margin_cm)
        self.triplane.high.copy_(high + self.margin_cm)

    def forward(self, audio: Tensor, eyes: Tensor, still: tuple[Tensor, ...] | None = None) -> Moved:
        """As FaceBranch.forward."""
        cloud = self.cloud
        motion = self.deform(audio, eyes, still) * self.reach
        frames = motion.shape[:-2]
        return Moved(
            cloud.means + motion,
            cloud.quats.expand(*frames, -1, -1),
            torch.exp(cloud.log_scales).expand(*frames, -1, -1),
            motion,
        )
