"""The torso branch: what the paper leaves to ground-truth frames.

Shoulders and collar do not follow the head. They are Gaussians in camera space that follow a tracked similarity of the
picture (part of the drive, like head pose) and a small residual field of place, pose and that motion. Where a drive has
no torso motion it is predicted from the head pose by ridge regression, and stays near rest.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.gaussians.cloud import GaussianCloud
from pgstalker.models.layout import POSE, TORSO_HIDDEN
from pgstalker.models.layout import POSE_LIMIT as LIMIT
from pgstalker.models.layout import TORSO_REACH_CM as REACH_CM
from pgstalker.types import FPS
from pgstalker.types import TORSO_MOTION as MOTION

RIDGE, FOLDS = 100.0, 4


class TorsoBranch(nn.Module):
    """forward(pose [..., 12], motion [..., MOTION]) -> means [..., N, 3] cm (camera space), quats, scales.

    pose is standardised: 6 numbers of this frame's head pose and 6 of the same smoothed over half a second.
    motion is Drive.torso.
    """

    def __init__(self, count: int):
        super().__init__()
        self.cloud = GaussianCloud(count)
        self.residual = nn.Sequential(
            nn.Linear(6 + POSE + MOTION, TORSO_HIDDEN),
            nn.ReLU(),
            nn.Linear(TORSO_HIDDEN, TORSO_HIDDEN),
            nn.ReLU(),
            nn.Linear(TORSO_HIDDEN, 3),
        )
        nn.init.normal_(self.residual[-1].weight, std=1e-3)
        nn.init.zeros_(self.residual[-1].bias)
        self.register_buffer("centre", torch.tensor([0.0, 0.0, 1.0]))
        self.register_buffer("motion_mean", torch.zeros(MOTION))
        self.register_buffer("motion_scale", torch.ones(MOTION))
        self.register_buffer("from_pose", torch.zeros(POSE, MOTION))

    def forward(self, pose: Tensor, motion: Tensor, focal_over_side: float) -> tuple[Tensor, Tensor, Tensor]:
        """pose [..., 12] and motion [..., MOTION] of one frame or a batch: means, quats and scales [..., N, *]."""
        cloud = self.cloud
        x, frames = cloud.means, pose.shape[:-1]
        offset = (x.detach() - self.centre) / 10
        standard = ((motion - self.motion_mean) / self.motion_scale).clamp(-LIMIT, LIMIT)
        controls = torch.cat([pose, standard], -1).unsqueeze(-2).expand(*frames, len(x), -1)
        place = torch.cat([offset, torch.sin(3 * offset)], 1).expand(*frames, -1, -1)
        residual = self.residual(torch.cat([place, controls], -1)) * REACH_CM
        dx, dy, stretch, turn = (motion - self.motion_mean).unsqueeze(-2).unbind(-1)  # the residual bends the rest
        along, across = (1 + stretch) * torch.cos(turn) - 1, (1 + stretch) * torch.sin(turn)
        # every point keeps its depth and turns about where the line of sight through the centre meets that depth
        from_centre = x[:, :2] - self.centre[:2] * (x[:, 2:] / self.centre[2])
        per_side = x[:, 2] / focal_over_side
        follow = torch.stack(
            [
                along * from_centre[:, 0] - across * from_centre[:, 1] + dx * per_side,
                across * from_centre[:, 0] + along * from_centre[:, 1] + dy * per_side,
                torch.zeros_like(per_side).expand(*frames, -1),
            ],
            -1,
        )
        means = x + follow + residual
        return means, cloud.quats.expand(*frames, -1, -1), cloud.scales.expand(*frames, -1, -1)

    def fit_motion(self, pose: np.ndarray, motion: np.ndarray) -> None:
        """Standardise on training frames and learn motion from pose: pose [T, 12], motion [T, MOTION].

        What the pose does not foretell on frames left out stays at rest: a wrong guess is worse than none.
        """
        mean, scale = motion.mean(0), motion.std(0) + 1e-4
        standard = (motion - mean) / scale
        unseen = np.zeros_like(standard)
        edges = np.linspace(0, len(pose), FOLDS + 1).astype(int)
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            kept = np.r_[0 : max(0, low - FPS), min(len(pose), high + FPS) : len(pose)]  # neighbours are too alike
            unseen[low:high] = pose[low:high] @ _ridge(pose[kept], standard[kept])
        is_foretold = ((standard - unseen) ** 2).mean(0) < (standard**2).mean(0)
        weights = _ridge(pose, standard) * is_foretold
        for buffer, value in ((self.motion_mean, mean), (self.motion_scale, scale), (self.from_pose, weights)):
            buffer.copy_(torch.as_tensor(value, dtype=torch.float32))

    def predict(self, pose: Tensor) -> Tensor:
        """Torso motion [T, MOTION] from standardised head pose [T, 12]."""
        return pose @ self.from_pose * self.motion_scale + self.motion_mean


def _ridge(pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Weights [12, MOTION] of the regression from standardised pose to standardised motion."""
    return np.linalg.solve(pose.T @ pose + RIDGE * np.eye(POSE), pose.T @ motion)
