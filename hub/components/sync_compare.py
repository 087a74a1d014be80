"""Two videos, and the truth, on one clock: one scrubber, a wipe between them, and their figures per frame under it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent


def sync_compare(**options) -> gr.HTML:
    """Its value is what `Comparison.players` makes, or None. The event `input` bears the frame at which it rests."""
    return gr.HTML(
        None,
        html_template=(HERE / "sync_compare.html").read_text("utf-8"),
        css_template=(HERE / "sync_compare.css").read_text("utf-8"),
        js_on_load=(HERE / "sync_compare.js").read_text("utf-8"),
        padding=False,
        **options,
    )
