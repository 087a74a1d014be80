"""Create: choose who speaks, give a voice, get a video."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr

from hub import messages
from hub.jobs import Gallery, Sitter, SpeakingJob, Studio, check_speech
from hub.tabs import new_avatar
from pgstalker.avatar import RenderCancelled
from pgstalker.errors import PgsError

PLAY = """() => {
  const video = document.querySelector("#video video");
  if (video) video.paused ? video.play() : video.pause();
}"""


class Speaker:
    """The tab's handlers: one job per visitor, found again by the visitor's session when it is to stop."""

    def __init__(self, gallery: Gallery, max_seconds: float):
        self.gallery = gallery
        self.max_seconds = max_seconds
        self._jobs: dict[str, SpeakingJob] = {}

    def validate(self, sitter_id: str | None, audio: str | None, consent: bool) -> list[dict]:
        """Runs before the queue, so that what cannot work takes nobody's turn."""
        return [
            gr.validate(self.gallery.knows(sitter_id), messages.NO_AVATAR),
            self._validate_audio(audio),
            gr.validate(bool(consent), messages.NEEDS_CONSENT),
        ]

    def _validate_audio(self, audio: str | None) -> dict:
        if not audio:
            return gr.validate(False, messages.NEEDS_AUDIO)
        try:
            check_speech(audio, self.max_seconds)
        except PgsError as problem:
            return gr.validate(False, messages.sentence(problem))
        return gr.validate(True, "")

    def generate(self, sitter_id: str, audio: str, consent: bool, request: gr.Request) -> Iterator[tuple]:
        """Yields (video, status, receipt table, receipt, Stop button) as the job goes on."""
        session = request.session_hash or request.client.host
        job = None
        try:
            if not consent:
                raise PgsError(messages.NEEDS_CONSENT)
            if not audio:
                raise PgsError(messages.NEEDS_AUDIO)
            check_speech(audio, self.max_seconds)
            job = self._jobs[session] = SpeakingJob(self.gallery, sitter_id, audio)
            for update in job.updates():
                yield gr.skip(), messages.progress(update), gr.skip(), gr.skip(), gr.update(visible=True)
            table = messages.receipt_table(job.receipt)
            yield str(job.video), messages.done(job.receipt), table, job.receipt, gr.update(visible=False)
        except RenderCancelled:
            yield gr.skip(), messages.status(messages.STOPPED), gr.skip(), gr.skip(), gr.update(visible=False)
        except Exception as problem:  # noqa: BLE001 - a visitor gets a line and the log gets the rest
            trouble = messages.error(problem)
            yield gr.skip(), messages.status("That did not work"), gr.skip(), gr.skip(), gr.update(visible=False)
            raise trouble from None
        finally:
            if job is not None:
                self._jobs.pop(session, None)
                job.close()

    def leave(self, request: gr.Request) -> None:
        """The visitor has gone: nobody waits for the job any more."""
        job = self._jobs.get(request.session_hash or "")
        if job is not None:
            job.stop()

    def stop(self, request: gr.Request) -> tuple:
        """The visitor changed their mind."""
        self.leave(request)
        return messages.status(messages.STOPPED), gr.update(visible=False)

    def choose(self, sitter_id: str) -> tuple:
        """Another avatar: its card, its sample, a word."""
        sitter = self.gallery.sitter(sitter_id)
        sample = str(sitter.sample) if sitter.sample else None
        return card(sitter), sample, opening(sitter), gr.update(visible=sitter.voice is not None)

    def sample_voice(self, sitter_id: str) -> str | None:
        voice = self.gallery.sitter(sitter_id).voice
        return str(voice) if voice else None


def build(gallery: Gallery, max_seconds: float, studio: Studio | None = None) -> Callable:
    """Lay out the tab inside a Blocks; returns what to call when a visitor leaves."""
    speaker, first = Speaker(gallery, max_seconds), gallery.first
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            gr.Markdown(f"## 1. {messages.WHO}", elem_classes="pgs-step")
            choices = [(sitter.title, sitter.id) for sitter in gallery.sitters.values()]
            sitter_id = gr.Radio(
                choices, value=first and first.id, label=messages.WHO, show_label=False, container=False,
                visible=len(choices) > 1, elem_id="who",
            )  # fmt: skip
            about = gr.HTML(card(first) if first else messages.status(messages.NO_AVATAR), padding=False)
            gr.Markdown(f"## 2. {messages.SAY}", elem_classes="pgs-step")
            audio = gr.Audio(
                sources=["upload", "microphone"], type="filepath", label="Voice", elem_id="voice",
                editable=False, buttons=[],
                waveform_options=gr.WaveformOptions(waveform_color="#a49c90", waveform_progress_color="#26948b"),
            )  # fmt: skip
            try_voice = gr.Button(
                "Take the sample voice", size="sm", variant="secondary", visible=bool(first and first.voice)
            )
            gr.Markdown(messages.limits(max_seconds), elem_classes="pgs-faint")
            consent = gr.Checkbox(label=messages.CONSENT, value=False, elem_id="consent")
            generate = gr.Button("Generate", variant="primary", size="lg", interactive=False, elem_id="generate")
        with gr.Column(scale=6, min_width=320, elem_classes="pgs-stage"):
            gr.Markdown(f"## {messages.SEE}", elem_classes="pgs-step")
            video = gr.Video(
                value=str(first.sample) if first and first.sample else None, label="Video", show_label=False,
                interactive=False, buttons=["download"], elem_id="video",
            )  # fmt: skip
            status = gr.HTML(opening(first), elem_id="status", padding=False)
            with gr.Row():
                play = gr.Button("▶ Play", elem_id="play", size="sm", visible=bool(first and first.sample))
                stop = gr.Button("Stop", variant="stop", size="sm", visible=False, elem_id="stop")
            with gr.Accordion("Receipt", open=False):
                table = gr.HTML("Nothing was generated yet.", elem_id="receipt", padding=False)
                receipt = gr.JSON(visible=False)
    new_avatar.build(gallery, studio, sitter_id)
    gr.Markdown(messages.PRIVACY, elem_classes="pgs-faint")

    job = generate.click(
        speaker.generate, [sitter_id, audio, consent], [video, status, table, receipt, stop],
        validator=speaker.validate, api_name="generate", concurrency_limit=1, concurrency_id="render",
        show_progress="full", show_progress_on=status, scroll_to_output=True,
    )  # fmt: skip
    hidden = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    stop.click(speaker.stop, None, [status, stop], cancels=[job], **hidden)
    play.click(None, js=PLAY)
    consent.change(lambda ticked: gr.update(interactive=bool(ticked) and bool(choices)), consent, generate, **hidden)
    sitter_id.change(speaker.choose, sitter_id, [about, video, status, try_voice], **hidden)
    try_voice.click(speaker.sample_voice, sitter_id, audio, **hidden)
    return speaker.leave


def card(sitter: Sitter) -> str:
    """The avatar's card with its poster inside the page, so that no file has to be served."""
    content = base64.b64encode(Path(sitter.poster).read_bytes()).decode()
    return messages.card(sitter, f"data:image/jpeg;base64,{content}")


def opening(sitter: Sitter | None) -> str:
    if sitter is None:
        return messages.status(messages.NO_AVATAR)
    return messages.status(messages.READY if sitter.sample else messages.READY_WITHOUT_SAMPLE)
