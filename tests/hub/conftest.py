"""The page on a port of 127.0.0.1, with the tiny avatar on its shelf."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from hub.app import Services, build, launch
from hub.jobs import Gallery
from hub.results import Results
from pgstalker.media import write_wav
from pgstalker.types import SAMPLE_RATE_HZ
from tests.hub.boards import free_port, make_board

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
ARGUMENTS = ["--no-sandbox", "--headless=new", "--autoplay-policy=no-user-gesture-required"]
GRADIOS_OWN = (
    "Method not implemented.",  # an upload has ended
    "status of 422 (Unprocessable Entity)",  # a validator said no
    "Waveform load error: MediaError",  # a sound that no browser can decode
    "GPU stall due to ReadPixels",  # the 3D view without a GPU
)
"""What Gradio's own page says to the console when all is as it should be."""
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
def results(tmp_path_factory):
    """A small compiled board of real records."""
    return Results(make_board(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="session")
def services(gallery, results):
    return Services(gallery, results, MAX_SECONDS)


@pytest.fixture(scope="session")
def address(services):
    """The page's address while the tests run."""
    page = build(services)
    port = free_port()
    launch(page, "127.0.0.1", port, live=services.live, block=False)
    yield f"http://127.0.0.1:{port}/"
    page.close()


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Opens the page; afterwards there must have been no console message of weight and no request elsewhere."""
    complaints, elsewhere, contexts = [], [], []

    def opened(query="", width=1280, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type in ("error", "warning") and not said.text.endswith(GRADIOS_OWN)
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                elsewhere.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None
            ),
        )
        page.goto(address + query)
        page.wait_for_function("window.pgsOpened")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints and not elsewhere
