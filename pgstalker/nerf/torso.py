"""The torso under a head: a picture that bends with the head's pose (RAD-NeRF, ER-NeRF).

pixel ──┬─► waves ─┐
pose ───┼──────────┼─► network ──► offset ──► pixel + offset ──► plane ──► network ──► colour and opacity
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pgstalker.nerf.fields import Control, half_precision, layers
from pgstalker.nerf.grids import Grid, GridLayout
from pgstalker.nerf.rays import pose_angles, waves
from pgstalker.types import Camera

if TYPE_CHECKING:
    from pgstalker.nerf.batches import Batch

PLACE_OCTAVES, POSE_OCTAVES, ANCHOR_OCTAVES = 8, 4, 3
REACH = 0.2
"""Of the picture's side: how far a pixel may be moved."""
ANCHORS_CM = ((0.0, 4.0, 0.0), (-6.0, 8.0, 4.0), (6.0, 8.0, 4.0))
"""At first: the chin and two points of the neck."""


class TorsoField(nn.Module):
    """pose: "anchors" (three learnt points of the head's frame, projected: ER-NeRF) or "angles" (RAD-NeRF's rotation
    and translation). The picture's camera gives the projection."""

    mean: Tensor
    spread: Tensor

    def __init__(self, camera: Camera, pose: str, log2_rows: int = 16):
        super().__init__()
        self.camera, self.pose = camera, pose
        if pose == "anchors":
            self.anchors = nn.Parameter(torch.tensor(ANCHORS_CM))
        width = 6 * (1 + 2 * (ANCHOR_OCTAVES if pose == "anchors" else POSE_OCTAVES))
        self.bend = layers(2 * (1 + 2 * PLACE_OCTAVES) + width, 32, 32, 2)
        self.plane = Grid(GridLayout(2, 16, 2, 16, 2048, log2_rows, "tiled"))
        self.paint = layers(self.plane.width + width, 32, 32, 4)
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("spread", torch.ones(6))

    def standardise(self, camera_from_head: Tensor) -> None:
        """Learn what poses [T, 4, 4] are usual."""
        poses = torch.stack([self._numbers(pose) for pose in camera_from_head.float()]).detach()
        self.mean.copy_(poses.mean(0))
        self.spread.copy_(3 * poses.std(0) + 1e-3)

    def _numbers(self, camera_from_head: Tensor) -> Tensor:
        """[6] of a pose [4, 4]: the anchors as shares of the picture, or pose_angles."""
        if self.pose == "angles":
            return pose_angles(camera_from_head)
        points = self.anchors @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
        return (points[:, :2] / points[:, 2:] * self.camera.focal_px / self.camera.width).flatten()

    def forward(self, places: Tensor, camera_from_head: Tensor) -> Tensor:
        """RGB and opacity [P, 4] in [0, 1] at places [P, 2], shares of the picture's sides, under a head's pose."""
        numbers = (self._numbers(camera_from_head.to(places)) - self.mean) / self.spread
        octaves = ANCHOR_OCTAVES if self.pose == "anchors" else POSE_OCTAVES
        pose = waves(numbers.clamp(-2, 2) / 2, octaves).expand(len(places), -1)
        place = torch.cat([waves(places, PLACE_OCTAVES), pose], 1)
        with half_precision(places.device):
            offset = torch.tanh(self.bend(place).float()) * REACH
            seen = self.plane(places + offset)
            return torch.sigmoid(self.paint(torch.cat([seen, pose], 1)).float())

    def over(self, plate: Tensor, places: Tensor, camera_from_head: Tensor, control: Control) -> Tensor:
        """Colours [P, 3] of the torso over the plate's [P, 3]; what is said does not move it."""
        painted = self(places, camera_from_head)
        return plate + painted[:, 3:] * (painted[:, :3] - plate)

    def loss(self, batch: Batch, camera_from_head: Tensor, control: Control, offsets: Tensor) -> Tensor:
        """The mean squared error on pixels that no head hides."""
        image = self.over(batch.background, batch.pixels / self.camera.width, camera_from_head, control)
        return ((image - batch.target) ** 2).mean()
