"""The head of the page: name, one line, what it runs on, how many wait."""

from __future__ import annotations

import html

import gradio as gr

from hub import messages
from hub.version import describe

QUEUE = """
const place = element.querySelector(".pgs-queue");
const root = (window.gradio_config?.root ?? "").replace(/\\/$/, "");
async function ask() {
  if (document.hidden || !place.isConnected) return;
  try {
    const answer = await fetch(`${root}/gradio_api/queue/status`);
    const waiting = (await answer.json()).queue_size;
    place.textContent = waiting ? `${waiting} waiting` : "queue idle";
  } catch { place.textContent = "server away"; }
}
ask();
setInterval(ask, 5000);
"""


def header(device: str) -> gr.HTML:
    """Badges of device, queue and version; the queue's length is asked of the server every five seconds."""
    badges = [("where frames are drawn", device), ("version and commit", describe())]
    shown = "".join(f'<span class="pgs-badge" title="{title}">{html.escape(text)}</span>' for title, text in badges)
    return gr.HTML(
        f'<header class="pgs-header"><div><h1>{messages.TITLE}</h1><p>{messages.PITCH}</p></div>'
        f'<div class="pgs-badges"><span class="pgs-badge pgs-queue" title="videos that wait to be made">queue idle'
        f"</span>{shown}</div></header>",
        js_on_load=QUEUE, padding=False,
    )  # fmt: skip
