"""Drawn faces as arrays, files and cases, people drawn by code, empty results, and a place without weights."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from leaderboard.case import Case
from leaderboard.faces import FaceTrack
from pgstalker.media import VideoWriter
from tests.leaderboard.drawn import Eyes, draw, openings

SHARED = Path(__file__).parents[3] / "shared"
TOON_SIZE = 64


@pytest.fixture
def eyes():
    return Eyes()


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """[60, 176, 176, 3]: a face that talks."""
    return np.stack([draw(opening) for opening in openings(60)])


@pytest.fixture
def write(tmp_path):
    """write(name, frames, **settings of VideoWriter) -> path; lossless where the name ends in .mkv."""

    def write(name: str, frames: np.ndarray, **settings) -> Path:
        codec = "ffv1" if name.endswith(".mkv") else "libx264"
        with VideoWriter(tmp_path / name, frames.shape[2], frames.shape[1], codec=codec, **settings) as writer:
            for frame in frames:
                writer.write(frame)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def toon(tmp_path_factory) -> str:
    """folder:PATH with one person drawn by code, prepared already."""
    from pgstalker.synthetic import make_subject

    folder = tmp_path_factory.mktemp("toon")
    make_subject(folder / "anna.subject", seconds=3.0, size=TOON_SIZE, seed=3)
    (folder / "clips.json").write_text(json.dumps({"name": "toons", "clips": [{"id": "anna", "file": "anna.subject"}]}))
    return f"folder:{folder}"


@pytest.fixture
def case_of(tmp_path):
    """case_of(frames, truths=None, **fields) -> the Case of arrays [T, H, W, 3]."""

    def case_of(frames: np.ndarray, truths: np.ndarray | None = None, **fields) -> Case:
        tracks = [
            None if side is None else FaceTrack.of((Eyes().examine(frame) or [None])[0] for frame in side)
            for side in (frames, truths)
        ]
        size = frames.shape[2], frames.shape[1]
        known = {"fps": 25.0, "faces": tracks[0], "truth_faces": tracks[1], "has_truth": truths is not None}
        return Case(frames=len(frames), size=size, scratch=tmp_path, resources=ExitStack(), **{**known, **fields})

    return case_of


@pytest.fixture(autouse=True)
def no_weights(tmp_path_factory, monkeypatch):
    """Whoever runs the tests may have weights; these look in an empty place."""
    empty = tmp_path_factory.mktemp("models")
    monkeypatch.setenv("PGSTALKER_MODELS", str(empty))
    monkeypatch.setenv("PGSTALKER_CACHE", str(empty / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(empty / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def shared(monkeypatch) -> Path:
    """The folder of shared clips and models, which are then in use."""
    if not (SHARED / "clips").is_dir() or not (SHARED / "models").is_dir():
        pytest.skip("../shared with real clips and models is not here")
    monkeypatch.setenv("PGSTALKER_MODELS", str(SHARED / "models"))
    return SHARED


@pytest.fixture(scope="module")
def toons(tmp_path_factory) -> str:
    """folder:PATH of two people drawn by code, prepared already."""
    from pgstalker.synthetic import make_subject

    folder = tmp_path_factory.mktemp("toons")
    make_subject(folder / "anna.subject", seconds=3.0, size=TOON_SIZE, seed=3)
    make_subject(folder / "bert.subject", seconds=3.0, size=TOON_SIZE, seed=4)
    clips = [
        {"id": "anna", "file": "anna.subject", "redistributable": True},
        {"id": "bert", "file": "bert.subject", "redistributable": False},
    ]
    (folder / "clips.json").write_text(json.dumps({"name": "toons", "clips": clips}))
    return f"folder:{folder}"


@pytest.fixture
def board(tmp_path) -> Path:
    """A results folder without a record."""
    (tmp_path / "results" / "measured").mkdir(parents=True)
    return tmp_path / "results"
