"""Create: choose who speaks, give a voice, watch while it is made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from hub import messages
from hub.components import gallery_style
from hub.jobs import Gallery, Sitter, SpeakingJob, Studio, Wishes, check_speech
from hub.live import Live, is_ready
from hub.spaces import is_public, on_gpu
from hub.tabs import new_avatar
from hub.tabs.board import DOWNLOAD
from pgstalker.avatar import RenderCancelled
from pgstalker.errors import PgsError

PLAY = """() => {
  const video = document.querySelector("#video video");
  if (video) video.paused ? video.play() : video.pause();
}"""
LEAVE_LIVE = """() => {
  const live = document.querySelector("#live video");
  window.pgsAt = live ? {time: live.currentTime, plays: !live.paused && !live.ended} : null;
}"""
GO_ON = """() => {
  const at = window.pgsAt;
  if (!at) return;
  let tries = 0;
  const go = () => {
    const video = document.querySelector("#video video");
    if (!video || video.readyState < 1) return tries++ < 50 ? setTimeout(go, 100) : null;
    video.currentTime = Math.min(at.time, video.duration);
    if (at.plays) video.play().catch(() => {});
  };
  go();
}"""
HIDDEN: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
HEAD_UNIT_CM = 16.0
"""Of the 3D view, whose camera stands a few units away."""
SIZES = (256, 384, 512, 768)


@dataclass(frozen=True)
class News:
    """What the stage becomes; what is not given stays as it is. The order is that of the outputs."""

    video: Any = field(default_factory=gr.skip)
    live: Any = field(default_factory=gr.skip)
    status: Any = field(default_factory=gr.skip)
    table: Any = field(default_factory=gr.skip)
    receipt: Any = field(default_factory=gr.skip)
    stop: Any = field(default_factory=gr.skip)
    after: Any = field(default_factory=gr.skip)

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, each.name) for each in fields(self))


class Speaker:
    """The tab's handlers: one job per visitor, found again by the visitor's session when it is to stop."""

    def __init__(self, gallery: Gallery, max_seconds: float, live: Live):
        self.gallery, self.max_seconds, self.live = gallery, max_seconds, live
        self._jobs: dict[str, SpeakingJob] = {}
        self._heads = tempfile.TemporaryDirectory(prefix="pgstalker-heads-")

    @messages.handler
    def validate(self, sitter_id: str | None, audio: str | None, consent: bool, *rest) -> list[dict]:
        """Runs before the queue, so that what cannot work takes nobody's turn."""
        return [
            gr.validate(self.gallery.knows(sitter_id), messages.NO_AVATAR),
            self._validate_audio(audio),
            gr.validate(bool(consent), messages.NEEDS_CONSENT),
            *[gr.validate(True, "")] * len(rest),
        ]

    def _validate_audio(self, audio: str | None) -> dict:
        if not audio:
            return gr.validate(False, messages.NEEDS_AUDIO)
        try:
            check_speech(audio, self.max_seconds)
        except PgsError as problem:
            return gr.validate(False, messages.sentence(problem))
        return gr.validate(True, "")

    def generate(self, sitter_id, audio, consent, pose, seed, size, label, request: gr.Request) -> Iterator[tuple]:
        """Yields News as the job goes on."""
        session, job, address = request.session_hash or request.client.host, None, ""
        try:
            job = self._jobs[session] = self.start(sitter_id, audio, consent, wishes(pose, seed, size, label))
            yield tuple(News(stop=gr.update(visible=True), after=gr.update(visible=False), live=""))
            for update in job.updates():
                news = News(status=messages.progress(update))
                if not address and is_ready(job, update.pace):
                    address = self.live.open(job)
                    news = News(gr.update(visible=False), messages.live_video(address), messages.progress(update))
                yield tuple(news)
            table = messages.receipt_table(job.receipt)
            done = News(gr.update(value=str(job.video)), status=messages.done(job.receipt), table=table)
            yield tuple(
                replace(done, receipt=job.receipt, stop=gr.update(visible=False), after=gr.update(visible=True))
            )
        except RenderCancelled:
            yield tuple(self._back(messages.STOPPED))
        except Exception as problem:  # noqa: BLE001 - a visitor gets a line and the log gets the rest
            trouble = messages.error(problem)
            yield tuple(self._back("That did not work"))
            raise trouble from None
        finally:
            if address:
                self.live.close(address)
            if job is not None:
                self._jobs.pop(session, None)
                job.close()

    def start(self, sitter_id: str, audio: str | None, consent: bool, choice: Wishes) -> SpeakingJob:
        """The server checks for itself what the page has asked. Raises PgsError with the remedy."""
        if not consent:
            raise PgsError(messages.NEEDS_CONSENT)
        if not audio:
            raise PgsError(messages.NEEDS_AUDIO)
        check_speech(audio, self.max_seconds)
        return SpeakingJob(self.gallery, sitter_id, audio, choice)

    def _back(self, text: str) -> News:
        return News(gr.update(visible=True), "", messages.status(text), stop=gr.update(visible=False))

    @messages.handler
    def leave(self, request: gr.Request) -> None:
        """The visitor has gone: nobody waits for the job any more."""
        job = self._jobs.get(request.session_hash or "")
        if job is not None:
            job.stop()

    @messages.handler
    def stop(self, request: gr.Request) -> tuple:
        """The visitor changed their mind."""
        self.leave(request)
        return tuple(self._back(messages.STOPPED))

    @messages.handler
    def choose(self, sitter_id: str) -> tuple:
        """Another avatar: its card, its sample, a word, its own voice, no head yet."""
        sitter = self.gallery.sitter(sitter_id)
        sample = gr.update(value=str(sitter.sample) if sitter.sample else None, visible=True)
        voice = gr.update(visible=sitter.voice is not None)
        return messages.card(sitter), sample, "", opening(sitter), voice, gr.update(value=None, visible=False)

    @messages.handler
    def shelf(self) -> tuple:
        """(list of who speaks, its pictures) as they are when the page is loaded: avatars may have been put there."""
        choices = [(sitter.title, sitter.id) for sitter in self.gallery.sitters.values()]
        return gr.update(choices=choices, visible=bool(choices)), gallery_style(self.gallery)

    @messages.handler
    def sample_voice(self, sitter_id: str) -> str | None:
        voice = self.gallery.sitter(sitter_id).voice
        return str(voice) if voice else None

    @messages.handler
    def head(self, sitter_id: str):
        """The head at rest as 3D Gaussians, exported once per avatar."""
        from pgstalker.avatar import export_ply

        path = Path(self._heads.name) / f"{self.gallery.sitter(sitter_id).id}.ply"
        if not path.is_file():
            export_ply(self.gallery.load(sitter_id), path, HEAD_UNIT_CM)
        return gr.update(value=str(path), visible=True)

    @messages.handler
    def receipt_text(self, receipt: dict | None) -> tuple[str, str]:
        import json

        return "receipt.json", json.dumps(receipt, indent=1) + "\n"


def wishes(pose: str, seed: float | None, size: int | None, label: bool) -> Wishes:
    """What the fields hold; on a public Space the label stays."""
    seed = int(seed or 0)
    if not 0 <= seed < 2**32:
        raise PgsError(f"seed {seed} is not possible; use a whole number from 0 to {2**32 - 1}")
    return Wishes(seed, "still" if pose == "still" else "own", int(size) if size else None, bool(label) or is_public())


@dataclass(frozen=True)
class Create:
    """What other parts reach: what to call when a visitor leaves, the handlers, and the button that asks to compare."""

    speaker: Speaker
    leave: Callable
    compare: gr.Button
    video: gr.Video


def build(gallery: Gallery, max_seconds: float, studio: Studio | None, live: Live) -> Create:
    """Lay out the tab inside a Blocks."""
    speaker, first = Speaker(gallery, max_seconds, live), gallery.first
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            (who, pictures), about, own_voice, audio, consent, advanced, generate = _wishes_column(speaker, first)
        with gr.Column(scale=6, min_width=300, elem_classes="pgs-stage"):
            stage, play, compare = _stage_column(speaker, first)
            head = _head(speaker, who)
    new_avatar.build(gallery, studio, who)
    gr.Markdown(messages.PRIVACY, elem_classes="pgs-faint")
    video, live_view, status, *_ = stage
    job = generate.click(
        on_gpu(speaker.generate, gallery.device), [who, audio, consent, *advanced], stage, validator=speaker.validate,
        api_name="create", api_visibility="private", concurrency_limit=1, concurrency_id="render", show_progress="full",
        show_progress_on=status, scroll_to_output=True,
    )  # fmt: skip
    shown = job.success(None, js=LEAVE_LIVE).then(
        lambda: (gr.update(visible=True), ""), None, [video, live_view], **HIDDEN
    )
    shown.then(None, js=GO_ON)
    stop = stage[5]
    stop.click(speaker.stop, None, stage, cancels=[job], **HIDDEN)
    play.click(None, js=PLAY)
    consent.change(lambda ticked: gr.update(interactive=bool(ticked)), consent, generate, **HIDDEN)
    who.change(speaker.choose, who, [about, video, live_view, status, own_voice, head], **HIDDEN)
    own_voice.click(speaker.sample_voice, who, audio, **HIDDEN)
    gr.context.Context.root_block.load(speaker.shelf, None, [who, pictures], **HIDDEN)
    return Create(speaker, speaker.leave, compare, video)


def _wishes_column(speaker: Speaker, first: Sitter | None) -> tuple:
    gallery = speaker.gallery
    gr.Markdown(f"## 1. {messages.WHO}", elem_classes="pgs-step")
    pictures = gr.HTML(gallery_style(gallery), padding=False)
    who = gr.Radio(
        [(sitter.title, sitter.id) for sitter in gallery.sitters.values()], value=first and first.id,
        label=messages.WHO, show_label=False, container=False, elem_id="who", visible=first is not None,
    )  # fmt: skip
    about = gr.HTML(messages.card(first) if first else messages.status(messages.NO_AVATAR), padding=False)
    gr.Markdown(f"## 2. {messages.SAY}", elem_classes="pgs-step")
    audio = gr.Audio(
        sources=["upload", "microphone"], type="filepath", label="Voice", elem_id="voice",
        editable=False, buttons=[],
        waveform_options=gr.WaveformOptions(waveform_color="#a49c90", waveform_progress_color="#26948b"),
    )  # fmt: skip
    with gr.Row(elem_classes="pgs-buttons"):
        small: dict[str, Any] = {"size": "sm", "variant": "secondary", "min_width": 88}
        own_voice = gr.Button("Take the sample voice", visible=bool(first and first.voice), **small)
        for path in sorted((gallery.sample_data / "speech").glob("*.wav")):
            button = gr.Button(path.stem.replace("_", ", ").capitalize(), **small)
            button.click(partial(str, path), None, audio, **HIDDEN)
    gr.Markdown(messages.limits(speaker.max_seconds), elem_classes="pgs-faint")
    advanced = _advanced()
    consent = gr.Checkbox(label=messages.CONSENT, value=False, elem_id="consent")
    generate = gr.Button("Generate", variant="primary", size="lg", interactive=False, elem_id="generate")
    return (who, pictures), about, own_voice, audio, consent, advanced, generate


def _advanced() -> list:
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        pose = gr.Radio(
            [("as in its own video", "own"), ("not at all", "still")],
            value="own",
            label="The head moves",
            elem_id="pose",
        )
        with gr.Row():
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="seed", info=messages.SEED, min_width=120)
            size = gr.Dropdown(
                [("the avatar's own", 0), *((f"{size} px", size) for size in SIZES)], value=0, label="Size",
                elem_id="size", info=messages.SIZE, min_width=120,
            )  # fmt: skip
        label = gr.Checkbox(
            label="Label the picture as AI-generated", value=True, interactive=not is_public(), elem_id="label",
            info=messages.LABEL,
        )  # fmt: skip
    return [pose, seed, size, label]


def _stage_column(speaker: Speaker, first: Sitter | None) -> tuple:
    gr.Markdown(f"## {messages.SEE}", elem_classes="pgs-step")
    video = gr.Video(
        value=str(first.sample) if first and first.sample else None, label="Video", show_label=False,
        interactive=False, buttons=["download"], elem_id="video",
    )  # fmt: skip
    live = gr.HTML("", padding=False, elem_id="live")
    status = gr.HTML(opening(first), elem_id="status", padding=False)
    with gr.Row():
        play = gr.Button("▶ Play", elem_id="play", size="sm", visible=bool(first and first.sample))
        stop = gr.Button("Stop", variant="stop", size="sm", visible=False, elem_id="stop")
    with gr.Row(visible=False, elem_id="after") as after:
        compare = gr.Button("Compare this", size="sm", elem_id="compare-this")
        save = gr.Button("Receipt (JSON)", size="sm", elem_id="save-receipt")
    with gr.Accordion("Receipt", open=False):
        table = gr.HTML(messages.NO_RECEIPT, elem_id="receipt", padding=False)
        receipt = gr.JSON(visible=False)
    name, text = gr.Textbox(visible=False), gr.Textbox(visible=False)
    save.click(speaker.receipt_text, receipt, [name, text], **HIDDEN).then(None, [name, text], js=DOWNLOAD)
    return [video, live, status, table, receipt, stop, after], play, compare


def _head(speaker: Speaker, who: gr.Radio) -> gr.Model3D:
    with gr.Accordion("The head in 3D", open=False, elem_id="head"):
        gr.Markdown(messages.HEAD, elem_classes="pgs-faint")
        show = gr.Button("Show the head", size="sm", elem_id="show-head")
        model = gr.Model3D(
            visible=False,
            camera_position=(None, None, 4),
            show_label=False,
            height=380,
            interactive=False,
            elem_id="model",
        )
    show.click(speaker.head, who, model, api_visibility="private", concurrency_id="head")
    return model


def opening(sitter: Sitter | None) -> str:
    if sitter is None:
        return messages.status(messages.NO_AVATAR)
    return messages.status(messages.READY if sitter.sample else messages.READY_WITHOUT_SAMPLE)
