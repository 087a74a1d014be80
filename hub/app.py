"""The page as a whole: build() lays it out, launch() puts it on a port, serve() keeps it there."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr

from hub import api, messages
from hub.components import header
from hub.jobs import Gallery, Studio, StudioSettings, WorkerSettings
from hub.jobs.training import check_installed
from hub.live import Live
from hub.results import Results
from hub.tabs import about, board, compare, create, evaluate
from hub.theme import CSS, theme
from pgstalker import preflight
from pgstalker.devices import choose_device
from pgstalker.errors import EnvironmentMissing, PgsError
from pgstalker.media.limits import MAX_AUDIO_S, MAX_UPLOAD_BYTES

log = logging.getLogger(__name__)
SAMPLE_DATA = Path(__file__).resolve().parents[1] / "sample_data"
DELETE_EVERY_S, DELETE_AFTER_S = 600, 3600
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""Hosts at which the page serves its owner alone, and so may put what is made on the shelf."""
MAX_WAITING = 8
Auth = tuple[str, str]
TABS = {"demo": "Create", "compare": "Compare", "board": "Leaderboard", "submit": "Evaluate & submit", "about": "About"}
"""Id, which stands in the address as ?tab=, to title."""
REMEMBER = """() => {{
  if (!window.pgsOpened) return;
  const address = new URL(window.location);
  const job = address.searchParams.get("job");
  address.search = "";
  if (job) address.searchParams.set("job", job);
  address.searchParams.set("tab", "{tab}");
  history.replaceState(null, "", address);
}}"""


@dataclass(frozen=True)
class Services:
    """What the tabs stand on: avatars, the compiled board, the limits of this server, and where avatars are made."""

    gallery: Gallery
    results: Results = field(default_factory=Results)
    max_seconds: float = MAX_AUDIO_S
    studio: Studio | None = None
    live: Live = field(default_factory=Live)
    contact: str = ""
    """Of whoever runs this page, for people who find themselves in a video."""


def build(services: Services, max_waiting: int = MAX_WAITING) -> gr.Blocks:
    """The page. It asks nothing of the network and keeps no history."""
    gr.set_static_paths([services.results.folder / "media"])
    with gr.Blocks(
        title=f"{messages.TITLE}: {messages.PITCH}", analytics_enabled=False,
        delete_cache=(DELETE_EVERY_S, DELETE_AFTER_S),
    ) as page:  # fmt: skip
        header(device_name(services.gallery.device))
        with gr.Tabs(selected="demo", elem_id="tabs") as tabs:
            places, parts = {}, {}
            for tab, title in TABS.items():
                with gr.Tab(title, id=tab, elem_id=f"tab-{tab}") as places[tab]:
                    parts[tab] = _fill(tab, services, page, places[tab])
        gr.HTML(messages.footer(services.contact), padding=False)
        _connect(page, parts, tabs)
        api.build(parts["demo"].speaker, services.results)
        for tab, place in places.items():
            place.select(None, js=REMEMBER.format(tab=tab))
        opened = page.load(opening_tab, None, tabs, queue=False, api_visibility="private", show_progress="hidden")
        opened.then(None, js="() => { window.pgsOpened = true }")  # what Gradio selects by itself is not remembered
    return page.queue(max_size=max_waiting, default_concurrency_limit=1)


def _fill(tab: str, services: Services, page: gr.Blocks, place: gr.Tab):
    """Lay out one tab; returns what others may reach of it."""
    if tab == "demo":
        made = create.build(services.gallery, services.max_seconds, services.studio, services.live)
        page.unload(made.leave)
        return made
    if tab == "compare":
        return compare.build(services.results)
    if tab == "board":
        return board.build(services.results, place)
    if tab == "submit":
        evaluate.build(services.results)
    elif tab == "about":
        about.build(services.results, services.studio)
    return None


def _connect(page: gr.Blocks, parts: dict[str, Any], tabs: gr.Tabs) -> None:
    """What leads to Compare: a link, a row of the board, and a video that was just made."""
    duel, row, made = parts["compare"], parts["board"], parts["demo"]
    quiet = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    page.load(duel.duel.opened_by_link, None, [*duel.choice, *duel.filled], **quiet)
    button, picked = row
    button.click(duel.duel.asked_by_board, picked, [duel.source, *duel.choice, *duel.filled, tabs], **quiet)
    made.compare.click(
        lambda video: (compare.OWN, video, gr.Tabs(selected="compare")), made.video,
        [duel.source, duel.own_a, tabs], **quiet,
    )  # fmt: skip


@messages.handler
def opening_tab(request: gr.Request):
    """The tab that the address asks for, where there is such a one."""
    wanted = request.query_params.get("tab")
    return gr.Tabs(selected=wanted) if wanted in TABS else gr.skip()


def launch(
    page: gr.Blocks, host: str, port: int, *, live: Live | None = None, block: bool = True, auth: Auth | None = None,
    mcp: bool = False,
):  # fmt: skip
    """Serve a page with this project's look and rules, and the videos of `live` while they are made.

    mcp: let language models call the endpoints too (Model Context Protocol). Raises EnvironmentMissing where the port
    is taken, or where mcp is asked for and not installed."""
    if mcp and find_spec("mcp") is None:
        raise EnvironmentMissing('--mcp needs the package mcp; run: pip install "mcp>=1.21,<2"')
    try:
        return page.launch(
            server_name=host, server_port=port, share=False, theme=theme(), css_paths=CSS, footer_links=["api"],
            run_history=False, enable_monitoring=False, max_file_size=MAX_UPLOAD_BYTES, ssr_mode=False, pwa=False,
            prevent_thread_lock=not block, quiet=True, auth=auth, mcp_server=mcp,
            app_kwargs={"routes": live.routes() if live else []},
        )  # fmt: skip
    except OSError as error:
        raise EnvironmentMissing(
            f"port {port} of {host} cannot be opened ({error}); give another with --port"
        ) from None


def serve(
    host: str, port: int, device: str, avatars: Path, jobs: Path, *, auth: Auth | None = None, mcp: bool = False,
    contact: str = "",
) -> None:  # fmt: skip
    """Open the page and keep it open; the first avatar is made ready while the visitor reads.

    Raises EnvironmentMissing where ffmpeg is not installed or the port is taken."""
    preflight.check(tracking=False)
    worker = WorkerSettings(jobs, device, shelf=avatars if host in THIS_MACHINE else None)
    gallery = Gallery(SAMPLE_DATA, avatars, choose_device(device))
    services = Services(gallery, studio=open_studio(worker), contact=contact)
    threading.Thread(target=warm_up, args=(gallery,), daemon=True).start()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    log.info("open http://%s:%d (stop with Ctrl+C)", host, port)
    launch(build(services), host, port, live=services.live, auth=auth, mcp=mcp)


def open_studio(worker: WorkerSettings) -> Studio | None:
    """Where avatars are made, or None where what trains them is not installed: the page plays them all the same."""
    try:
        check_installed()
    except EnvironmentMissing as missing:
        log.warning("%s", missing)
        return None
    return Studio(StudioSettings(worker))


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
