"""New avatar, a part of Create: a portrait video is looked at, put in the queue, and watched as it learns.

    video -> check (report) -> consent -> train (job) -> view, once a second -> the avatar joins "Who speaks"

A visitor is known by the job's id alone: in the address (?job=), in a field, nowhere else.
"""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
import zipfile
from collections import OrderedDict
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import gradio as gr

from hub import job_messages, messages
from hub.components import portraits_style
from hub.jobs import Gallery, JobView, Order, Studio
from hub.jobs.folder import MAX_TITLE
from hub.jobs.training import check_installed, shelf_name
from pgstalker.errors import PgsError
from pgstalker.files import replacing

CLIP = Path(__file__).resolve().parents[2] / "sample_data" / "presenters" / "mira" / "clip.mp4"
LOOK_EVERY_S = 1.0
REMEMBERED = 64
REMEMBER = """(job) => {
  const address = new URL(window.location);
  job ? address.searchParams.set("job", job) : address.searchParams.delete("job");
  history.replaceState(null, "", address);
}"""
HIDDEN: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class Shown:
    """What the section's parts become, one entry per output, in their order; what is not given stays as it is."""

    form: Any = field(default_factory=gr.skip)
    job: Any = field(default_factory=gr.skip)
    headline: Any = field(default_factory=gr.skip)
    picture: Any = field(default_factory=gr.skip)
    course: Any = field(default_factory=gr.skip)
    sample: Any = field(default_factory=gr.skip)
    download: Any = field(default_factory=gr.skip)
    stop: Any = field(default_factory=gr.skip)
    resume: Any = field(default_factory=gr.skip)
    watched: Any = field(default_factory=gr.skip)
    seen: Any = field(default_factory=gr.skip)
    timer: Any = field(default_factory=gr.skip)
    who: Any = field(default_factory=gr.skip)
    portrait: Any = field(default_factory=gr.skip)
    trouble: Any = field(default_factory=gr.skip)

    def __iter__(self):
        return (getattr(self, each.name) for each in fields(self))


class Maker:
    """The section's handlers."""

    def __init__(self, gallery: Gallery, studio: Studio):
        self.gallery, self.studio = gallery, studio
        gallery.lender = studio.sitter
        self._reports: OrderedDict[str, dict] = OrderedDict()
        self._shown = tempfile.TemporaryDirectory(prefix="pgstalker-shown-")

    # ---- the video

    @messages.handler
    def check(self, video: str | None) -> dict | None:
        """The report of a video: is_fit, seconds, problem, findings, preview (a data URI)."""
        if not video:
            return None
        if video not in self._reports:
            self._reports[video] = self._look(video)
            while len(self._reports) > REMEMBERED:
                self._reports.popitem(last=False)
        return self._reports[video]

    def _look(self, video: str) -> dict:
        from PIL import Image

        from pgstalker.tracking.check import check_video

        try:
            check_installed()
            found = check_video(video)
        except PgsError as problem:
            sentence = messages.sentence(problem)
            return {"is_fit": False, "seconds": None, "problem": sentence, "findings": [], "preview": None}
        preview = None
        if found.preview is not None:
            buffer = io.BytesIO()
            Image.fromarray(found.preview).save(buffer, "JPEG", quality=85)
            preview = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        findings = [asdict(finding) for finding in found.findings]
        return {
            "is_fit": found.is_fit, "seconds": round(found.seconds, 2), "problem": found.problem,
            "findings": findings, "preview": preview,
        }  # fmt: skip

    @messages.handler
    def show_report(self, report: dict | None, consent: bool, preset: str) -> tuple:
        """(report, Start button, how long it will take)"""
        if report is None:
            return "", gr.update(interactive=False), ""
        shown = job_messages.report(report) if report["findings"] else job_messages.refusal(report["problem"])
        if not report["is_fit"]:
            return shown, gr.update(interactive=False), ""
        expected = job_messages.expectation(self.studio.expected(preset, report["seconds"]))
        return shown, gr.update(interactive=bool(consent)), expected

    # ---- the job

    @messages.handler
    def validate(self, video: str | None, title: str, preset: str, consent: bool) -> list[dict]:
        """Runs before the queue, so that what cannot work takes nobody's turn."""
        report = self.check(video)
        problem = report["problem"] if report else job_messages.NEEDS_VIDEO
        if not problem:
            try:
                self.studio.queue.check_room()
            except PgsError as full:
                problem = messages.sentence(full)
        return [
            gr.validate(not problem, problem),
            gr.validate(True, ""),
            gr.validate(preset in job_messages.PRESETS, "Choose one of the two qualities."),
            gr.validate(bool(consent), job_messages.NEEDS_CONSENT),
        ]

    @messages.handler
    def train(self, video: str | None, title: str, preset: str, consent: bool) -> dict:
        """Put the video in the queue: {"job": id, "state": ...}."""
        if not consent:
            raise PgsError(job_messages.NEEDS_CONSENT)
        report = self.check(video)
        if video is None or report is None or not Path(video).is_file():  # uploads are kept for an hour
            raise PgsError(job_messages.NEEDS_VIDEO)
        if not report["is_fit"]:
            raise PgsError(report["problem"])
        job_id = self.studio.submit(Path(video), Order(" ".join(title.split())[:MAX_TITLE], preset))
        return {"job": job_id, "state": "waiting"}

    @messages.handler
    def status(self, job: str) -> dict[str, Any]:
        """How a job stands: state, stage, share, seconds_left, step, steps, loss, problem."""
        view = self.studio.view(job)
        progress, loss = view.progress, view.progress.curve[-1][1] if view.progress.curve else None
        return {
            "job": view.id, "state": view.state.name, "ahead": view.state.ahead, "stage": progress.stage,
            "detail": progress.detail, "share": round(progress.share, 4), "seconds_left": progress.seconds_left,
            "step": progress.step, "steps": progress.steps, "loss": loss, "problem": view.state.problem,
        }  # fmt: skip

    @messages.handler
    def open(self, job_id: str) -> tuple:
        """Whatever stands in the id field becomes what is watched; an empty field is the form again."""
        return self.show((job_id or "").strip(), None)

    @messages.handler
    def show(self, job_id: str, seen: str | None) -> tuple:
        """What is new of a job since `seen`, as Shown."""
        if not job_id:
            return tuple(_form_again())
        try:
            view = self.studio.view(job_id)
        except PgsError as problem:
            return tuple(_form_again(job_messages.refusal(messages.sentence(problem))))
        look, name = _fingerprint(view), view.state.name
        if look == seen:
            return tuple(Shown())
        news = Shown(
            form=gr.update(visible=False), job=gr.update(visible=True), headline=job_messages.headline(view),
            picture=job_messages.picture(view), course=job_messages.course(view),
            sample=gr.update(visible=False), download=gr.update(visible=False),
            stop=gr.update(visible=name in ("waiting", "running")), resume=gr.update(visible=name == "stopped"),
            watched=view.id, seen=look, timer=gr.Timer(active=not view.state.is_over), trouble="",
        )  # fmt: skip
        if view.sample is not None:
            (video, avatar), (who, portrait) = self._servable(view), self.join(view)
            news = replace(
                news, sample=gr.update(value=video, visible=True), download=gr.update(value=avatar, visible=True),
                who=who, portrait=portrait,
            )  # fmt: skip
        return tuple(news)

    def join(self, view: JobView) -> tuple[Any, str]:
        """The list of who speaks with this visitor's avatar in it, chosen, and the style that gives it its picture."""
        shelf = self.gallery.sitters
        sitter = shelf.get(shelf_name(view.id)) or self.gallery.sitter(view.id)
        everybody = {**shelf, sitter.id: sitter}
        choices = [(each.title, each.id) for each in everybody.values()]
        return gr.update(choices=choices, value=sitter.id, visible=True), portraits_style([sitter])

    @messages.handler
    def stop(self, job_id: str) -> tuple:
        self.studio.stop(job_id)
        return self.show(job_id, None)

    @messages.handler
    def resume(self, job_id: str) -> tuple:
        self.studio.resume(job_id)
        return self.show(job_id, None)

    @messages.handler
    def arrive(self, request: gr.Request) -> tuple:
        """(id field, accordion) of a visitor who comes with ?job= in the address."""
        wanted = request.query_params.get("job") or ""
        return wanted[:64], gr.Accordion(open=True) if wanted else gr.skip()

    def _servable(self, view: JobView) -> tuple[str, str]:
        """Copies that Gradio may hand out, the first words and the avatar as a zip: the jobs' folder itself is served
        to nobody."""
        folder = Path(self._shown.name) / view.id
        video, avatar = folder / "first words.mp4", folder / "avatar.zip"
        if not avatar.exists():
            folder.mkdir(exist_ok=True)
            shutil.copyfile(view.sample, video)
            with replacing(avatar) as temporary, zipfile.ZipFile(temporary, "w") as archive:
                for path in sorted(view.avatar.iterdir()):
                    archive.write(path, f"avatar/{path.name}")
        return str(video), str(avatar)


def _form_again(trouble: str = "") -> Shown:
    return Shown(
        form=gr.update(visible=True), job=gr.update(visible=False), watched="", seen=None, timer=gr.Timer(active=False),
        trouble=trouble,
    )  # fmt: skip


def _fingerprint(view: JobView) -> str:
    """Changes when there is something new to show."""
    shown = view.preview.stat().st_mtime_ns if view.preview else 0
    return f"{view.state.name} {view.state.ahead} {view.progress} {shown}"


def build(gallery: Gallery, studio: Studio | None, who: gr.Radio) -> None:
    """Lay the section out. studio: None where this server makes no avatars; who: the list that a new avatar joins."""
    with gr.Accordion(job_messages.TITLE, open=False, elem_id="new-avatar") as section:
        if studio is None:
            gr.Markdown(job_messages.UNEQUIPPED)
            return
        maker = Maker(gallery, studio)
        form = _form(maker)
        _job(maker, form, who, section)


def _form(maker: Maker) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="pgs-plain") as parts["form"]:
        gr.Markdown(job_messages.PITCH)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                video = gr.Video(
                    sources=["upload", "webcam"], label="Portrait video", elem_id="portrait", height=350, buttons=[],
                )  # fmt: skip
                sample = gr.Button("Take the sample clip", size="sm", visible=CLIP.is_file(), elem_id="sample-clip")
                gr.Markdown(job_messages.WANTED, elem_classes="pgs-faint")
            with gr.Column(scale=6, min_width=300):
                report = gr.JSON(visible=False)
                shown = gr.HTML("", padding=False, elem_id="check")
                title = gr.Textbox(label="Name", placeholder="Your avatar", max_length=MAX_TITLE, elem_id="title")
                preset = gr.Radio(
                    [(text, name) for name, text in job_messages.PRESETS.items()], value="quick", label="Quality",
                    elem_id="preset",
                )  # fmt: skip
                consent = gr.Checkbox(label=job_messages.CONSENT, value=False, elem_id="agreed")
                start = gr.Button("Start learning", variant="primary", size="lg", interactive=False, elem_id="start")
                expected = gr.Markdown("", elem_classes="pgs-faint", elem_id="expected")
        settings = maker.studio.settings
        kept = job_messages.privacy(settings.keep_s / 3600, settings.worker.shelf)
        gr.Markdown(kept, elem_classes="pgs-faint")
    sample.click(lambda: str(CLIP), None, video, **HIDDEN)
    looked = video.change(
        maker.check, video, report, api_name="prepare", concurrency_limit=1, concurrency_id="check",
        show_progress="full", show_progress_on=shown,
    )  # fmt: skip
    for event in (looked.then, consent.change, preset.change):
        event(maker.show_report, [report, consent, preset], [shown, start, expected], **HIDDEN)
    parts |= {"order": [video, title, preset, consent], "start": start}
    return parts


def _job(maker: Maker, form: dict[str, Any], who: gr.Radio, section: gr.Accordion) -> None:
    watched, seen, ticket = gr.State(""), gr.State(None), gr.JSON(visible=False)
    with gr.Column(visible=False, elem_classes="pgs-plain") as job:
        headline = gr.HTML("", padding=False, elem_id="job")
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                picture = gr.HTML("", padding=False, elem_id="picture")
                sample = gr.Video(
                    visible=False, interactive=False, label="First words", show_label=False, buttons=["download"],
                    elem_id="first-words",
                )  # fmt: skip
            with gr.Column(scale=6, min_width=280):
                course = gr.HTML("", padding=False, elem_id="course")
        with gr.Row():
            small: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 150}
            stop = gr.Button("Stop", variant="stop", elem_id="stop-job", **small)
            resume = gr.Button("Go on", variant="primary", visible=False, elem_id="resume-job", **small)
            download = gr.DownloadButton("Download the avatar", visible=False, elem_id="take-avatar", **small)
            again = gr.Button("Make another one", elem_id="another", **small)
    trouble = gr.HTML("", padding=False, elem_id="job-trouble")
    portrait = gr.HTML("", padding=False)
    with gr.Row(equal_height=False, elem_classes="pgs-find"):
        number = gr.Textbox(
            label="Job number", placeholder="paste the number of a job to see it again", info=job_messages.KEEP,
            max_length=64, buttons=["copy"], elem_id="job-id", scale=5, min_width=260,
        )  # fmt: skip
        find = gr.Button("Open", size="md", scale=0, elem_id="open-job", min_width=110)
    timer = gr.Timer(LOOK_EVERY_S, active=False)
    outputs = [
        form["form"], job, headline, picture, course, sample, download, stop, resume, watched, seen, timer, who,
        portrait, trouble,
    ]  # fmt: skip
    started = form["start"].click(
        maker.train, form["order"], ticket, validator=maker.validate, api_name="train", show_progress="minimal",
        show_progress_on=form["start"], concurrency_limit=2,
    )  # fmt: skip
    opened = started.success(lambda made: made["job"], ticket, number, **HIDDEN)
    opened.success(maker.open, number, outputs, **HIDDEN).then(None, number, js=REMEMBER)
    for event in (find.click, number.submit):
        event(maker.open, number, outputs, **HIDDEN).then(None, watched, js=REMEMBER)
    again.click(lambda: "", None, number, **HIDDEN).then(maker.open, number, outputs, **HIDDEN).then(
        None, number, js=REMEMBER
    )
    timer.tick(maker.show, [watched, seen], outputs, **HIDDEN)
    stop.click(maker.stop, watched, outputs, **HIDDEN)
    resume.click(maker.resume, watched, outputs, **HIDDEN)
    page = gr.context.Context.root_block
    page.load(maker.arrive, None, [number, section], **HIDDEN).then(maker.open, number, outputs, **HIDDEN)
    gr.api(maker.status, api_name="status", queue=False)
