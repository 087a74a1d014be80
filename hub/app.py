"""The page as a whole: build() lays it out, serve() puts it on a port."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import gradio as gr

from hub import messages
from hub.jobs import Gallery
from hub.tabs import create
from hub.theme import CSS, theme
from pgstalker import preflight
from pgstalker.devices import choose_device
from pgstalker.errors import EnvironmentMissing, PgsError
from pgstalker.media.limits import MAX_AUDIO_S

log = logging.getLogger(__name__)
SAMPLE_DATA = Path(__file__).resolve().parents[1] / "sample_data"
DELETE_EVERY_S, DELETE_AFTER_S = 600, 3600
MAX_UPLOAD = "100mb"
MAX_WAITING = 8


def build(gallery: Gallery, max_seconds: float = MAX_AUDIO_S) -> gr.Blocks:
    """The page for these avatars. It asks nothing of the network and keeps no history."""
    with gr.Blocks(
        title=f"{messages.TITLE}: {messages.PITCH}", analytics_enabled=False,
        delete_cache=(DELETE_EVERY_S, DELETE_AFTER_S),
    ) as page:  # fmt: skip
        gr.HTML(messages.header(device_name(gallery.device)), padding=False)
        leave = create.build(gallery, max_seconds)
        page.unload(leave)
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=1)


def launch(page: gr.Blocks, host: str, port: int, *, block: bool = True):
    """Serve a page with this project's look and rules. Raises EnvironmentMissing where the port is taken."""
    try:
        return page.launch(
            server_name=host, server_port=port, share=False, theme=theme(), css_paths=CSS, footer_links=["api"],
            run_history=False, enable_monitoring=False, max_file_size=MAX_UPLOAD, ssr_mode=False, pwa=False,
            prevent_thread_lock=not block, quiet=True,
        )  # fmt: skip
    except OSError as error:
        raise EnvironmentMissing(
            f"port {port} of {host} cannot be opened ({error}); give another with --port"
        ) from None


def serve(host: str, port: int, device: str, avatars: Path) -> None:
    """Open the page and keep it open; the first avatar is made ready while the visitor reads.

    Raises EnvironmentMissing where ffmpeg is not installed or the port is taken."""
    preflight.check(tracking=False)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    gallery = Gallery(SAMPLE_DATA, avatars, choose_device(device))
    threading.Thread(target=warm_up, args=(gallery,), daemon=True).start()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    log.info("open http://%s:%d (stop with Ctrl+C)", host, port)
    launch(build(gallery), host, port)


def warm_up(gallery: Gallery) -> None:
    """Load the first avatar and draw one frame, so that compiling is over before anybody waits for it."""
    import numpy as np

    from pgstalker.avatar import drive_from_audio

    if gallery.first is None:
        return
    try:
        avatar = gallery.load(gallery.first.id)
        next(avatar.talker.render(drive_from_audio(avatar, np.zeros(640, np.float32))))
    except PgsError as error:
        log.warning("%s", error)
        return
    log.info("avatar %s is ready", gallery.first.id)


def device_name(device: str) -> str:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return f"CPU, {os.cpu_count()} cores"
