"""GaussianTalker (Cho et al., ACM MM 2024): one cloud whose look and motion come from tri-plane features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pgstalker.gaussians import MAX_OPACITY
from pgstalker.gaussians.cloud import GaussianCloud
from pgstalker.models import attention_cpu
from pgstalker.models.branches import TriPlane
from pgstalker.models.cross_attention import CAMERA, CrossAttentionFusion
from pgstalker.models.fusion import FUSIONS
from pgstalker.models.head import HeadShape, Moment, TorsolessHead, view_from
from pgstalker.models.layout import FACE_LOG_SCALE, FACE_POSITION_CM, FACE_ROTATION, HIDDEN, POSE_LIMIT
from pgstalker.rendering.types import Scene

CODE, ATTENTION_FRAMES = 32, 8
CHANNELS, DEFORM_HIDDEN = 32, 128
COARSEST_PX, MOST_CELLS = 8, 64
"""The coarser tri-plane has a cell for every COARSEST_PX px of the picture, at most the paper's MOST_CELLS a side; the
finer one twice as many."""
HALF_BOX_CM = 10.0
OUTPUTS = (3, 4, 3, 1, 3)
"""Position, rotation, scale, opacity, colour."""
COLOUR, OPACITY = 0.3, 1.0


class Canonical(NamedTuple):
    """The cloud before anything is said: fusion's share of place, opacity logits [N], colours [N, 3] from ahead."""

    place: tuple[Tensor, ...]
    opacity_logits: Tensor
    colors: Tensor


class Deformed(NamedTuple):
    """One frame's Gaussians and their motion [N, 3] cm."""

    scene: Scene
    motion: Tensor


class GaussianTalker(TorsolessHead):
    """place -> two tri-planes -> features [N, 64] -> look (coarse stage) -> attention -> deformation (fine stage)."""

    def __init__(self, shape: HeadShape):
        super().__init__(shape, CODE, ATTENTION_FRAMES, ("head",))
        self.cloud = GaussianCloud(shape.counts["head"])
        low, high = torch.full((3,), -HALF_BOX_CM), torch.full((3,), HALF_BOX_CM)
        cells = min(max(shape.size // COARSEST_PX, 4), MOST_CELLS)
        self.planes = nn.ModuleList([TriPlane(low, high, n, CHANNELS) for n in (cells, 2 * cells)])
        for triplane in self.planes:
            nn.init.uniform_(triplane.planes, 0.1, 0.5)  # they are multiplied (K-planes, Fridovich-Keil et al. 2023)
        self.look = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 4))
        fusion = CrossAttentionFusion if shape.fusion == "cross-attention" else FUSIONS[shape.fusion]
        self.fusion = fusion(HIDDEN, self.ears["head"].size, 1 + CAMERA)
        self.deform = nn.Sequential(nn.Linear(HIDDEN, DEFORM_HIDDEN), nn.ReLU(), nn.Linear(DEFORM_HIDDEN, sum(OUTPUTS)))
        for last in (self.look[-1], self.deform[-1]):
            nn.init.normal_(last.weight, std=1e-2)
            nn.init.zeros_(last.bias)
        self.register_buffer("camera_mean", torch.zeros(CAMERA))
        self.register_buffer("camera_scale", torch.ones(CAMERA))

    @property
    def clouds(self) -> dict[str, GaussianCloud]:
        return {"head": self.cloud}

    def features(self) -> Tensor:
        """[N, 64]: the product over three planes, at both resolutions."""
        parts = [triplane(self.cloud.means).unflatten(1, (3, CHANNELS)) for triplane in self.planes]
        return torch.cat([part[:, 0] * part[:, 1] * part[:, 2] for part in parts], 1)

    def canonical(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Opacity logits [N] and colours [N, 3]: those of the cloud, and what the planes add."""
        opacity, colour = self.look(features).split([1, 3], 1)
        return self.cloud.opacity_logits + opacity[:, 0] * OPACITY, self.cloud.colors + colour * COLOUR

    def still(self) -> Canonical:
        features = self.features()
        return Canonical(self.fusion.still(features), *self.canonical(features))

    def coarse(self, camera_from_head: Tensor) -> Scene:
        """The head at rest in a pose [4, 4], as the coarse stage learns it."""
        logits, colors = self.canonical(self.features())
        cloud = self.cloud
        colors = colors + cloud.shade(view_from(camera_from_head))
        return Scene(cloud.means, cloud.quats, cloud.scales, torch.sigmoid(logits) * MAX_OPACITY, colors)

    def view(self, camera_from_head: Tensor) -> Tensor:
        """The camera token's numbers [..., 12] of poses [..., 4, 4]."""
        away = (camera_from_head[..., :3, :].flatten(-2) - self.camera_mean) / self.camera_scale
        return away.clamp(-POSE_LIMIT, POSE_LIMIT)

    def deformation(self, place: tuple[Tensor, ...], audio: Tensor, eyes: Tensor) -> Tensor:
        """[N, outputs] of the fusion's share of place, audio [A] and eyes [1 + CAMERA]."""
        if attention_cpu.fits(self.fusion, place[0], audio):
            return attention_cpu.attention_cpu(self.fusion, self.deform, place[0], audio, eyes)
        return self.deform(self.fusion.join(place, audio, eyes))

    def deformed(self, moment: Moment, still: Canonical) -> Deformed:
        """The head of one frame."""
        eyes = torch.cat([moment.eyes, self.view(moment.camera_from_head)])
        delta = self.deformation(still.place, moment.codes["head"], eyes)
        shift, turn, stretch, opacity, colour = delta.split(OUTPUTS, -1)
        cloud, motion = self.cloud, shift * FACE_POSITION_CM
        scene = Scene(
            cloud.means + motion,
            cloud.quats + turn * FACE_ROTATION,
            torch.exp(cloud.log_scales + (stretch * FACE_LOG_SCALE).clamp(-1, 1)),
            torch.sigmoid(still.opacity_logits + opacity[:, 0] * OPACITY) * MAX_OPACITY,
            still.colors + colour * COLOUR + cloud.shade(view_from(moment.camera_from_head)),
        )
        return Deformed(scene, motion)

    def layers(self, moment: Moment, still: Canonical) -> list[Scene]:
        return [self.deformed(moment, still).scene]
