"""About: the methods, what the figures mean, under which protocol, whose data, what is safe, and how to call it."""

from __future__ import annotations

import html
import json

import gradio as gr

from hub.job_messages import LENGTH
from hub.jobs import Studio
from hub.results import ARROWS, Results
from hub.tabs.board import differences
from leaderboard.metrics import Metric, discover
from pgstalker.method import Method
from pgstalker.method import discover as discover_methods
from pgstalker.provenance import ABOUT

ADDRESS = "http://127.0.0.1:7860/"
HERE = "() => {text}.replaceAll('http://127.0.0.1:7860/', location.origin + location.pathname)"
"""The calls with the address at which the visitor has the page, which only the browser knows."""
PROTOCOL = """
Every figure comes from two video files, the prediction and the truth, decoded to 8-bit RGB and compared frame by frame.
Rate, size and length must agree; nothing is resampled, cut or shifted unless asked for, and then the row says so.

| part of the protocol's id | values | why it is kept apart |
|---|---|---|
| setting | `self` (own test sound), `cross` (another's) | without a truth most figures do not exist |
| composite | `full_frame`, `rendered_torso`, `gt_torso`, `pasteback` | pasting into true frames adds several dB |
| codec | `lossless`, `h264_q8` | papers compare videos after lossy encoding |

The clip is the unit of every statistic: intervals come from blocks of a second drawn anew, differences are paired frame
by frame, and with too few clips a difference is called *not testable* rather than significant. The truth itself,
re-encoded or shifted by one frame, stands on the board as an anchor.
"""
DATA = """
- **Mira and Olu**, the sample people, do not exist: they were modelled, lit and drawn by `tools/presenter` on
  MakeHuman's base mesh (CC0) and speak with flite, Festival and Russian Festival voices. All of `sample_data/` is CC0.
- Rows of real clips carry numbers only; their videos do not ship.
- The code is Apache-2.0. MediaPipe's landmark models are Apache-2.0 and are fetched, not shipped.
"""
SAFETY = """
- A talking head can be misused to put words into somebody's mouth. **Only use faces and voices that you may use.** The
  server itself refuses to render without that confirmation.
- Videos are labelled as generated, in the picture and in their metadata. {about}
- Uploads stay on the machine that serves this page, are never logged, and are deleted after about an hour; what a
  new avatar learns from is deleted when it is done. {kept} Your browser keeps no history of this page.
- Figures are always taken on unlabelled frames, since a label changes them.
"""
SHELF = "The finished avatar is put into the folder `{shelf}` too, and stays there and in the list until it is deleted."
NO_SHELF = "The finished avatar is deleted {hours:g} hours after it was made. No visitor sees another's files."
CALLS = """
```python
from gradio_client import Client, handle_file

client = Client("{address}")  # auth=("NAME", "PASSWORD") where the page asks for them
video, receipt = client.predict("mira", handle_file("speech.wav"), True, api_name="/generate")
record = client.predict(
    prediction=handle_file("mine.mp4"), truth=handle_file("truth.mp4"), audio=None, api_name="/score"
)
board = client.predict(api_name="/leaderboard")
```
"""
CALLS_OF_MAKING = """
A new avatar is checked, put in the queue, and asked after:

```python
import time
from gradio_client import Client, handle_file

client = Client("{address}")
video = {{"video": handle_file("portrait.mp4")}}
print(client.predict(video, api_name="/prepare"))
job = client.predict(video, "My name", "quick", True, api_name="/train")["job"]
while (status := client.predict(job, api_name="/status"))["state"] in ("waiting", "running"):
    print(status["stage"], f"{{status['share']:.0%}}")
    time.sleep(10)
video, receipt = client.predict(job, handle_file("speech.wav"), True, api_name="/generate")
```
"""
COMMANDS = """
The same on the command line, with the same results:

```bash
python -m pgstalker render sample_data/avatars/mira --audio speech.wav --out speech.mp4
python -m leaderboard score --pred mine.mp4 --gt truth.mp4 --out scores.json
```
"""
MODEL_CARD = """\
| | |
|---|---|
| What it is | 3D Gaussians of one person's face, mouth and torso, moved by a network that hears speech |
| Made for | avatars of people who agreed, dubbing of one's own videos, research on talking heads |
| Not for | impersonation, identification of people, sign languages, faces turned by more than 45 degrees |
| Learns from | one portrait video, one person, fixed camera. {length} |
| Known faults | sounds that the training video lacks; very wide vowels open too little; hands before the face |
| Judged by | the leaderboard of this page; its numbers, its intervals and the figures it lacks |
"""


def build(results: Results, studio: Studio | None) -> None:
    """Lay out the tab inside a gr.Tab. studio: where avatars are made, if they are."""
    gr.Markdown("## Methods", elem_classes="pgs-step")
    gr.HTML(method_cards(), padding=False, elem_id="methods")
    gr.Markdown("## Figures", elem_classes="pgs-step")
    gr.HTML(metric_cards(), padding=False, elem_id="metrics")
    safety = SAFETY.format(about=ABOUT, kept=kept(studio))
    for title, text in (("Protocol", PROTOCOL), ("Data and licences", DATA), ("Safety", safety)):
        gr.Markdown(f"## {title}\n{text}", elem_classes="pgs-prose")
    told = f"## Calling it from a program\n{CALLS}{CALLS_OF_MAKING if studio is not None else ''}{COMMANDS}"
    calls = gr.Markdown(told.format(address=ADDRESS), elem_id="calls")
    gr.context.Context.root_block.load(None, None, calls, js=HERE.format(text=json.dumps(told.format(address=ADDRESS))))
    gr.Markdown(f"## Model card\n{MODEL_CARD.format(length=LENGTH)}", elem_classes="pgs-prose")


def kept(studio: Studio | None) -> str:
    """How long a finished avatar stays; nothing where none are made."""
    if studio is None:
        return ""
    shelf = studio.settings.worker.shelf
    return SHELF.format(shelf=shelf) if shelf is not None else NO_SHELF.format(hours=studio.settings.keep_s / 3600)


def method_cards() -> str:
    """A card per compared method: its paper, its switches, and what this version does differently."""
    return f'<div class="pgs-cards">{"".join(method_card(method) for method in discover_methods().values())}</div>'


def method_card(method: Method) -> str:
    switches = "; ".join(f"{name}: {', '.join(values)}" for name, values in method.switches.items())
    choices = f"<p>switches {html.escape(switches)}</p>" if switches else ""
    return (
        f'<article class="pgs-metric"><h3>{html.escape(method.title)} '
        f'<span class="pgs-quality">{html.escape(method.kind)}</span></h3>'
        f"<p>{html.escape(method.paper) or 'no paper: what any method has to beat'}</p>{choices}"
        f"{differences(method.differences)}</article>"
    )


def metric_cards() -> str:
    """A card per metric: every figure with its direction, unit and meaning; definition and program in small print."""
    return f'<div class="pgs-cards">{"".join(card(metric) for metric in discover().values())}</div>'


def card(metric: Metric) -> str:
    figures = "".join(
        f"<li><b>{html.escape(figure.id)}</b> {ARROWS[figure.direction]}"
        f"{f' {figure.target:g}' if figure.target is not None else ''} <i>{html.escape(figure.unit)}</i>"
        f"<br>{html.escape(figure.meaning)}</li>"
        for figure in metric.figures
    )
    needs = ", ".join(sorted(metric.needs))
    papers = any(figure.compares_with_papers for figure in metric.figures)
    every = f"every {metric.stride}th frame; " if metric.stride > 1 else ""
    return (
        f'<article class="pgs-metric"><h3>{html.escape(metric.id)}</h3><ul>{figures}</ul>'
        f"<p><b>Beware:</b> {html.escape(metric.pitfalls)}</p>"
        f"<p>{html.escape(metric.reference)}</p><p><code>{html.escape(metric.implementation())}</code></p>"
        f"<p>needs {needs}; {every}regions {', '.join(metric.regions)}; "
        f"{'compares with papers of the same protocol' if papers else 'does not compare with printed figures'}</p>"
        "</article>"
    )
