"""What many tests share: an untrained avatar of 64 px that renders in a blink, and a tone to let it say."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.types import FPS, SAMPLE_RATE_HZ, TORSO_MOTION

TINY_SIZE = 64


@pytest.fixture(scope="session", autouse=True)
def config_of_its_own(tmp_path_factory):
    """Keys for content credentials are made in a folder of the tests, not in the person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSTALKER_CONFIG", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def needs_cuda():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def needs_gsplat(needs_cuda):
    from pgstalker.rendering.cuda import why_unusable

    if reason := why_unusable():
        pytest.skip(f"gsplat cannot run: {reason}")


@pytest.fixture(scope="session")
def tiny_avatar():
    """An avatar that never saw a person: a ball of skin-coloured Gaussians over a grey plate, moving as a head does."""
    import torch

    from pgstalker.avatar import Avatar
    from pgstalker.models.config import TalkerConfig
    from pgstalker.models.talker import Talker

    torch.manual_seed(0)
    config = TalkerConfig(
        size=TINY_SIZE, focal_px=2.34375 * TINY_SIZE, resolution=8, counts={"face": 150, "mouth": 20, "torso": 40}
    )
    talker = Talker(config)
    with torch.no_grad():
        talker.plate.fill_(128 / 255)
        talker.audio_statistics[1] = talker.mouth_scale[:] = talker.mouth_aperture[1] = 1.0
        for name, cloud in talker.clouds.items():
            spread = torch.randn(len(cloud), 3)
            cloud.means.copy_(spread * 3 + (torch.tensor([0.0, 16.0, 95.0]) if name == "torso" else 0))
            cloud.log_scales.fill_(0.3)
            cloud.colors.copy_(torch.tensor([0.8, 0.6, 0.5]) + 0.1 * torch.randn(len(cloud), 3))
    return Avatar(talker.eval(), idle_motion(), np.full((TINY_SIZE, TINY_SIZE, 3), 128, np.uint8), {"seed": 0})


def idle_motion(frames: int = 60):
    """A head that looks about, with two blinks."""
    from scipy.spatial.transform import Rotation

    from pgstalker.avatar import IdleMotion

    t = np.arange(frames) / FPS
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("yx", np.stack([0.1 * np.sin(2 * t), 0.05 * np.cos(3 * t)], 1)).as_matrix()
    poses[:, :3, 3] = np.stack([0.5 * np.sin(t), np.full(frames, -3.0), 92 + 0.3 * np.cos(t)], 1)
    blink = np.full(frames, 0.05, np.float32)
    for start in (14, 40):
        blink[start : start + 5] = [0.3, 0.7, 0.85, 0.6, 0.2]
    torso = np.zeros((frames, TORSO_MOTION), np.float32)
    torso[:, 0], torso[:, 3] = 0.01 * np.sin(t), 0.01 * np.cos(t)
    return IdleMotion(poses, torso, blink)


@pytest.fixture(scope="session")
def tone():
    """1.5 s of a swelling tone: float32 [S] at 16 kHz."""
    t = np.arange(int(1.5 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 220 * t) * np.sin(np.pi * t / 1.5)).astype(np.float32)
