"""Faces that are drawn by arithmetic, and the shared clips where they are present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture
def clips(monkeypatch):
    """The folder of shared clips, with the shared models in use."""
    if not (SHARED / "clips").is_dir() or not (SHARED / "models").is_dir():
        pytest.skip("../shared with real clips and models is not here")
    monkeypatch.setenv("PGSTALKER_MODELS", str(SHARED / "models"))
    return SHARED / "clips"


@pytest.fixture
def camera():
    from pgstalker.tracking.pose import portrait_camera

    return portrait_camera(512)


@pytest.fixture
def head():
    """[34, 3] cm: points spread over the front of a ball, as the rigid landmarks are over a face."""
    angles = np.random.default_rng(3).uniform([-1.2, -1.0], [1.2, 1.0], (34, 2))
    x, y = 8 * np.sin(angles[:, 0]), 9 * np.sin(angles[:, 1])
    return np.stack([x, y, -8 * np.cos(angles[:, 0]) * np.cos(angles[:, 1])], axis=1)


@pytest.fixture
def poses():
    """[60, 4, 4]: a head that looks about, 75 cm away."""
    from scipy.spatial.transform import Rotation

    t = np.arange(60) / 25
    path = np.tile(np.eye(4), (60, 1, 1))
    angles = np.stack([0.3 * np.sin(2 * t), 0.15 * np.cos(3 * t), 0.1 * np.sin(t)], axis=1)
    path[:, :3, :3] = Rotation.from_euler("yxz", angles).as_matrix()
    path[:, :3, 3] = np.stack([np.sin(t), 0.5 * np.cos(t), 75 + np.sin(1.5 * t)], axis=1)
    return path
