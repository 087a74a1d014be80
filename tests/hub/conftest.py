"""The page on a port of 127.0.0.1, with the tiny avatar on its shelf."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest

from hub.jobs import Gallery
from pgstalker.media import write_wav
from pgstalker.types import SAMPLE_RATE_HZ

MAX_SECONDS = 3.0


@pytest.fixture(scope="session")
def gallery(tiny_avatar, tone, tmp_path_factory):
    """A bundled avatar with a sample and a voice, and one of the visitor's own."""
    from pgstalker.avatar import render_audio

    folder = tmp_path_factory.mktemp("shelf")
    tiny_avatar.save(folder / "sample_data" / "avatars" / "tiny")
    tiny_avatar.save(folder / "own" / "mine")
    (folder / "own" / "broken").mkdir()
    (folder / "own" / "broken" / "config.json").write_text("{")
    tiny_avatar.save(folder / "own" / "faceless")
    (folder / "own" / "faceless" / "poster.jpg").unlink()
    tiny_avatar.save(folder / "own" / "odd")
    (folder / "own" / "odd" / "config.json").write_text(
        json.dumps({"schema": "pgstalker-avatar/1", "talker": {}, "provenance": {}, "files": {}})
    )
    write_wav(folder / "sample_data" / "voice.wav", tone, SAMPLE_RATE_HZ)
    render_audio(tiny_avatar, folder / "sample_data" / "voice.wav", folder / "sample_data" / "clip.mp4")
    entry = {"title": "Tiny", "note": "Drawn by code.", "licence": "CC0-1.0"}
    entry |= {"sample": "clip.mp4", "voice": "voice.wav"}
    (folder / "sample_data" / "manifest.json").write_text(json.dumps({"avatars": {"tiny": entry}}))
    return Gallery(folder / "sample_data", folder / "own")


@pytest.fixture(scope="session")
def sounds(tone, tmp_path_factory):
    """Sounds by name: one that is fine, and those that are not."""
    folder = tmp_path_factory.mktemp("sounds")
    write_wav(folder / "tone.wav", tone, SAMPLE_RATE_HZ)
    write_wav(folder / "silent.wav", np.zeros_like(tone), SAMPLE_RATE_HZ)
    write_wav(folder / "short.wav", tone[5000 : 5000 + SAMPLE_RATE_HZ // 10], SAMPLE_RATE_HZ)
    write_wav(folder / "long.wav", np.tile(tone, 3), SAMPLE_RATE_HZ)
    (folder / "text.wav").write_text("these are words, not samples")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def address(gallery):
    """The page's address while the tests run."""
    from hub.app import build, launch

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = build(gallery, max_seconds=MAX_SECONDS)
    launch(page, "127.0.0.1", port, block=False)
    yield f"http://127.0.0.1:{port}/"
    page.close()
