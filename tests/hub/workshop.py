"""A page that makes avatars, for tests: small presets, a queue with room for two."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.app import Services, build, launch
from hub.jobs import Gallery, Studio, StudioSettings, WorkerSettings
from tests.hub.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"
CLIP = ROOT / "sample_data" / "presenters" / "mira" / "clip.mp4"
SECONDS = 6.2
WAITING = 2


@dataclass
class Workshop:
    address: str
    studio: Studio
    root: Path


@contextmanager
def open_workshop(gallery: Gallery, folder: Path, entry: Callable) -> Iterator[Workshop]:
    """The page on a port. Skips where the landmark model is not at hand."""
    if not MODELS.is_dir():
        pytest.skip("../shared with the landmark model is not here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSTALKER_MODELS", str(MODELS))
        own = Gallery(gallery.sample_data, folder / "own")
        worker = WorkerSettings(folder / "jobs", "cpu", lease_s=3.0)
        studio = Studio(StudioSettings(worker, max_waiting=WAITING, entry=entry))
        page, port = build(Services(own, studio=studio)), free_port()
        launch(page, "127.0.0.1", port, block=False)
        try:
            yield Workshop(f"http://127.0.0.1:{port}/", studio, worker.root)
        finally:
            page.close()
            studio.close()


def cut_clip(folder: Path) -> Path:
    """A few seconds of a presenter who does not exist."""
    if not CLIP.is_file():
        pytest.skip("sample_data/ is not there; run: make sample-data")
    path = folder / "portrait of <i>me.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-t", str(SECONDS), "-i", CLIP, path], check=True)
    return path
