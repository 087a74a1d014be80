"""Landmarks of a face that talks, and a talker small enough to draw in a blink."""

from __future__ import annotations

import numpy as np
import torch

from pgstalker.models.config import TalkerConfig
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.models.talker import Talker
from pgstalker.synthetic.face import Face

SIDE = 64


def talking(frames: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [T, 478, 3] px of a still head and the opening of its mouth [T] cm."""
    rng = np.random.default_rng(seed)
    face = Face()
    opening = rng.uniform(0, 1.7, frames)
    points = np.stack([face.points(o, rng.uniform(-1, 1), rng.uniform(0, 1)) for o in opening])
    return (points * 25 + 256).astype(np.float32), opening


def small_talker(seed: int = 0, **options) -> Talker:
    """A skin-coloured ball with a mouth and shoulders, 92 cm away, that moves visibly when it talks."""
    torch.manual_seed(seed)
    counts = {"face": 120, "mouth": 20, "torso": 40}
    talker = Talker(TalkerConfig(size=SIDE, focal_px=2.34375 * SIDE, resolution=8, counts=counts, **options))
    talker.mouth_basis = MouthBasis.fit(talking(40)[0], talker.config.code_size)
    with torch.no_grad():
        talker.plate.copy_(torch.rand(3, SIDE, SIDE))
        talker.audio_statistics[1] = 1.0
        talker.torso.centre.copy_(torch.tensor([0.0, 16.0, 98.0]))
        talker.torso.from_pose.normal_(std=0.3)
        talker.torso.motion_scale.fill_(0.01)
        talker.pose_mean[5] = talker.pose_mean[11] = 92.0
        for name, cloud in talker.clouds.items():
            centre = {"face": (0.0, 0.0, 0.0), "mouth": (0.0, 3.0, -1.0), "torso": (0.0, 16.0, 98.0)}[name]
            cloud.means.copy_(torch.randn(len(cloud), 3) * (1 if name == "mouth" else 3) + torch.tensor(centre))
            cloud.log_scales.fill_(0.2)
            cloud.colors.uniform_()
            cloud.shading.normal_(std=0.1)
        for branch in (talker.face, talker.mouth):
            branch.triplane.planes.normal_()
            branch.head.straight.weight.normal_(std=0.2)
    return talker.eval()


def poses(frames: int) -> np.ndarray:
    """A head that turns and drifts: [T, 4, 4] float64."""
    from scipy.spatial.transform import Rotation

    t = np.arange(frames) / 25
    result = np.tile(np.eye(4), (frames, 1, 1))
    result[:, :3, :3] = Rotation.from_euler("yx", np.stack([0.2 * np.sin(3 * t), 0.1 * np.cos(2 * t)], 1)).as_matrix()
    result[:, :3, 3] = np.stack([np.sin(t), -2 + 0 * t, 92 + np.cos(t)], 1)
    return result
