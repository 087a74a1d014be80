"""Compare: two results of one clip on one clock, their figures frame by frame, and where they err."""

from __future__ import annotations

import base64
import html
import io
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import gradio as gr

from hub import messages
from hub.comparison import QUICK, TRUTH, Comparison, Side, built_in, measured, playable
from hub.components import Column, sortable, sync_compare, table_html
from hub.equipment import can_judge
from hub.exports import short
from hub.judging import JudgingStopped, stoppable
from hub.results import ARROWS, Results
from hub.stops import Stops
from leaderboard.board.compiled import title_of
from pgstalker.errors import PgsError
from pgstalker.media import check_video, probe

BOARD, OWN = "From the leaderboard", "Your own videos"
QUIET = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
KEEP_S = 3600
ADDRESS = "“Copy link” puts the address of this comparison here and on the clipboard"
PROGRESS = gr.Progress()  # Gradio looks for one among a handler's defaults
PREFIX = "pgstalker-compare-"
LINK = """([clip, a, b]) => {
  const address = new URL(window.location.origin + window.location.pathname);
  const frame = document.querySelector("#players .pgs-sync-scrub")?.value ?? "0";
  for (const [name, value] of Object.entries({tab: "compare", clip, a, b, frame})) {
    address.searchParams.set(name, value);
  }
  history.replaceState(null, "", address);
  navigator.clipboard?.writeText(address.href).catch(() => {});
  return address.href;
}"""
SAVE = """() => {
  const saved = document.querySelector("#NAME");
  (saved?.querySelector("a, button") ?? saved)?.click();
}"""


@dataclass
class Session:
    """One visitor's comparison, and a folder for what is made of it, which goes when the visitor's state goes."""

    comparison: Comparison
    scratch: tempfile.TemporaryDirectory = field(default_factory=partial(tempfile.TemporaryDirectory, prefix=PREFIX))

    @property
    def folder(self) -> Path:
        return Path(self.scratch.name)


@dataclass
class Duel:
    """The tab's handlers."""

    results: Results
    stops: Stops = field(default_factory=Stops)

    @messages.handler
    def validate(self, source, clip, a, b, own_a, own_b, own_truth) -> list[dict]:
        """Before the queue: what is missing or cannot be read is said beside the input."""
        fine = gr.validate(True, "")
        if source == BOARD:
            is_known = clip in self.results.clips
            return [fine, gr.validate(is_known, messages.NO_CLIP), fine, fine, fine, fine, fine]
        checks = [_readable(own_a, True), _readable(own_b, True), _readable(own_truth, False)]
        if all(check["is_valid"] for check in checks):
            checks[1] = self._belong(own_a, own_b, own_truth)
        return [fine, fine, fine, fine, *checks]

    def _belong(self, own_a, own_b, own_truth) -> dict:
        try:
            _own(own_a, own_b, own_truth)
        except PgsError as problem:
            return gr.validate(False, messages.sentence(problem))
        return gr.validate(True, "")

    @messages.handler
    def start(self, source, clip, a, b, own_a, own_b, own_truth) -> tuple:
        """Session, players, table, status, frame, tools."""
        if source == BOARD:
            session = Session(built_in(self.results, clip, a, b))
        else:
            session = _playable(Session(_own(own_a, own_b, own_truth)))
        return (session, *self._shown(session), "", gr.Column(visible=True))

    @messages.handler
    def opened_by_link(self, request: gr.Request) -> tuple:
        """A comparison of built-in results that the address names; anything else in it is ignored."""
        asked = request.query_params
        clip = self.results.clips.get(asked.get("clip", ""))
        if asked.get("tab") != "compare" or clip is None:
            return (gr.skip(),) * 9
        names = self.names(clip.id)
        a, b = asked.get("a"), asked.get("b")
        if a not in names or b not in names:
            return (gr.skip(),) * 9
        frame = asked.get("frame", "0")
        session = Session(built_in(self.results, clip.id, a, b))
        start = int(frame) if frame.isdigit() and int(frame) < session.comparison.frames else 0
        return (
            clip.id,
            *self.methods(clip.id, a, b),
            session,
            *self._shown(session, start),
            "",
            gr.Column(visible=True),
        )

    @messages.handler
    def asked_by_board(self, picked: list | None) -> tuple:
        """A row of the leaderboard against the truth."""
        if not picked:
            raise PgsError(messages.NO_VIDEO_OF_ROW)
        clip_id, a = picked
        session = Session(built_in(self.results, clip_id, a, TRUTH))
        methods = self.methods(clip_id, a, TRUTH)
        return (
            BOARD,
            clip_id,
            *methods,
            session,
            *self._shown(session),
            "",
            gr.Column(visible=True),
            gr.Tabs(selected="compare"),
        )

    @messages.handler
    def methods(self, clip_id: str | None, a: str | None = None, b: str | None = None) -> tuple:
        """The two lists for a clip, and what stands in them."""
        names = self.names(clip_id)
        a = a if a in names else next(iter(names), None)
        b = b if b in names else next((name for name in names if name != a), a)
        return gr.update(choices=names, value=a), gr.update(choices=names, value=b)

    def names(self, clip_id: str | None) -> list[str]:
        clip = self.results.clips.get(clip_id or "")
        return [] if clip is None else [*clip.videos, *([TRUTH] if clip.truth else [])]

    @messages.handler
    def look(self, session: Session | None, event: gr.EventData) -> str:
        """The frame at which the players rest: pictures, errors, mouths."""
        from leaderboard.inspection.evidence import look_at

        if session is None:
            return ""
        comparison, index = session.comparison, int(event.frame)
        try:
            sides = {"A": comparison.a, "B": comparison.b, TRUTH: comparison.truth}
            videos = {name: side.path for name, side in sides.items() if side is not None}
            if TRUTH in videos:
                videos = {name: path for name, path in videos.items() if name == TRUTH or path != videos[TRUTH]}
            found = look_at(videos, TRUTH if comparison.truth else None, min(max(index, 0), comparison.frames - 1))
        except PgsError as problem:
            return messages.status(messages.sentence(problem))
        return frame_html(found, index)

    @messages.handler
    def expect(self, session: Session | None, everything: bool, options: list[str], request: gr.Request) -> list[dict]:
        """Before the queue: from now on it can be stopped."""
        self.stops.expect(request)
        return [gr.validate(True, "")] * 3

    @messages.handler
    def measure(
        self, session: Session | None, everything: bool, options: list[str], request: gr.Request, progress=PROGRESS
    ) -> tuple:
        """Scores both of one's own videos against the truth: session, players, table, status."""
        with self.stops.running(request) as stopped:
            if session is None or session.comparison.clip is not None:
                raise PgsError(messages.NEEDS_OWN)
            if session.comparison.truth is None:
                raise PgsError(messages.NEEDS_TRUTH)
            chosen = () if everything else QUICK
            switches = {name: name in options for name in ("resample", "cut", "align")}
            tell = stoppable(lambda stage, share: progress(share, desc=stage), stopped)
            try:
                made = measured(session.comparison, chosen, switches, session.folder, tell)
            except JudgingStopped:
                return gr.skip(), gr.skip(), gr.skip(), messages.status(messages.STOPPED)
        session = Session(made, session.scratch)
        return (session, *self._shown(session))

    @messages.handler
    def stop(self, request: gr.Request) -> None:
        self.stops.stop(request)

    def _shown(self, session: Session, start: int = 0) -> tuple:
        comparison = session.comparison
        return comparison.players(start), differences_html(comparison), facts(comparison)

    @messages.handler
    def named(self, session: Session | None) -> list[str]:
        """Clip, A and B of what is shown, for its address."""
        shown = _made(session).comparison
        if shown.clip is None:
            raise PgsError(messages.OWN_NO_ADDRESS)
        return [shown.clip, shown.a.title, shown.b.title]

    @messages.handler
    def zipped(self, session: Session | None) -> str:
        return str(_made(session).comparison.archive(session.folder / "comparison.zip"))

    @messages.handler
    def filmed(self, session: Session | None) -> str:
        return str(_made(session).comparison.video(session.folder / "side_by_side.mp4"))


@dataclass(frozen=True)
class Compare:
    """What other tabs reach: the choice, one's own first video, and everything that a comparison fills."""

    duel: Duel
    source: gr.Radio
    choice: list
    own_a: gr.Video
    filled: list


def build(results: Results) -> Compare:
    """Lay out the tab inside a gr.Tab."""
    duel = Duel(results)
    clips = list(results.clips)
    first = clips[0] if clips else None
    source = gr.Radio([BOARD, OWN], value=BOARD if clips else OWN, show_label=False, container=False, elem_id="source")
    with gr.Row(visible=bool(clips), elem_classes="pgs-filters") as from_board:
        clip = gr.Dropdown(clips, value=first, label="Clip", elem_id="clip", min_width=160)
        a, b = (
            gr.Dropdown(
                methods["choices"],
                value=methods["value"],
                label=letter,
                elem_id=f"method-{letter.lower()}",
                min_width=160,
            )
            for letter, methods in zip("AB", duel.methods(first))
        )
    with gr.Column(visible=not clips) as from_own:
        with gr.Row():
            own = [
                gr.Video(label=label, sources=["upload"], height=180, elem_id=f"own-{name}", min_width=220, buttons=[])
                for name, label in (("a", "A: an mp4"), ("b", "B: the same clip"), ("truth", "Truth, if there is one"))
            ]
        gr.Markdown(messages.OWN_VIDEOS, elem_classes="pgs-faint")
    go = gr.Button("Compare", variant="primary", elem_id="compare")
    status = gr.HTML(padding=False, elem_id="compare-status")
    players = sync_compare(elem_id="players")
    session = gr.State(None, time_to_live=KEEP_S)
    with gr.Column(visible=False, elem_id="evidence") as tools:
        frame = gr.HTML(padding=False, elem_id="frame")
        gr.Markdown("## Differences", elem_classes="pgs-step")
        table = sortable(elem_id="differences")
        with gr.Row(visible=not clips) as measuring:
            everything = gr.Checkbox(label="All figures (slower)", elem_id="everything", min_width=160)
            options = gr.CheckboxGroup(["resample", "cut", "align"], label="Allow", elem_id="allow", min_width=220)
            measure = gr.Button("Measure both", elem_id="measure", min_width=140, interactive=can_judge())
            stop = gr.Button("Stop", variant="stop", elem_id="measure-stop", min_width=90, scale=0)
            gr.Markdown(messages.NO_JUDGE, elem_classes="pgs-faint", visible=not can_judge())
        files(duel, session)
    filled = [session, players, table, status, frame, tools]
    inputs = [source, clip, a, b, *own]
    go.click(duel.start, inputs, filled, validator=duel.validate, api_visibility="private", show_progress_on=status)
    measure.click(
        duel.measure, [session, everything, options], [session, players, table, status], validator=duel.expect,
        api_visibility="private", concurrency_id="render", show_progress_on=status,
    )  # fmt: skip
    stop.click(duel.stop, None, None, **QUIET)
    players.input(duel.look, session, frame, trigger_mode="always_last", **QUIET)
    clip.input(duel.methods, clip, [a, b], **QUIET)  # not change: a link and the board set A and B themselves
    source.change(
        lambda chosen: [gr.update(visible=chosen == BOARD), *[gr.update(visible=chosen == OWN)] * 2],
        source, [from_board, from_own, measuring], **QUIET,
    )  # fmt: skip
    return Compare(duel, source, [clip, a, b], own[0], filled)


def files(duel: Duel, session: gr.State) -> None:
    """Link, zip and side-by-side video."""
    with gr.Row(elem_classes="pgs-buttons"):
        link = gr.Button("Copy link", size="sm", elem_id="link", scale=0, min_width=110)
        zipped = gr.Button("Zip", size="sm", elem_id="zip", scale=0, min_width=90)
        filmed = gr.Button("Side-by-side video", size="sm", elem_id="film", scale=0, min_width=160)
        address = gr.Textbox(
            show_label=False, container=False, interactive=False, elem_id="address", placeholder=ADDRESS
        )
    names = gr.JSON(visible=False)
    named = link.click(duel.named, session, names, **QUIET)
    named.success(None, names, address, js=LINK)
    for button, make, name in ((zipped, duel.zipped, "zip-file"), (filmed, duel.filmed, "film-file")):
        saved = gr.DownloadButton(visible="hidden", elem_id=name)
        made = button.click(make, session, saved, api_visibility="private", show_progress="minimal")
        made.then(None, js=SAVE.replace("NAME", name))


def _readable(path: str | None, is_needed: bool) -> dict:
    if not path:
        return gr.validate(not is_needed, messages.NEEDS_VIDEO)
    try:
        check_video(probe(path))
    except PgsError as problem:
        return gr.validate(False, messages.sentence(problem))
    return gr.validate(True, "")


def _own(a: str, b: str, truth: str | None) -> Comparison:
    sides = [Side(Path(path).name, Path(path)) for path in (a, b)]
    return Comparison.of(*sides, Side(TRUTH, Path(truth)) if truth else None)


def _playable(session: Session) -> Session:
    made = session.comparison
    sides = {
        name: side and playable(side, session.folder) for name, side in vars(made).items() if isinstance(side, Side)
    }
    return Session(replace(made, **sides), session.scratch)


def _made(session: Session | None) -> Session:
    if session is None:
        raise PgsError(messages.NEEDS_COMPARISON)
    return session


def facts(comparison: Comparison) -> str:
    """What is compared, and by what the sides differ in form."""
    width, height = comparison.size
    lengths = {probe(path).require_video().frames for path in comparison.videos().values()}
    text = f"{comparison.frames} frames · {width} x {height} px · {comparison.fps:g} frames/s"
    detail = "" if len(lengths) == 1 else f"lengths differ: the first {comparison.frames} frames are shown"
    return messages.status(text, detail)


def differences_html(comparison: Comparison) -> str:
    """The paired table: A, B, their difference, its interval, who is better."""
    rows = comparison.differences()
    if not rows:
        return messages.status(messages.NO_FIGURES if comparison.truth else messages.NEEDS_TRUTH)
    titles = ("Figure", "A", "B", "A − B", "95 % from", "to", "Frame by frame")
    lines = []
    for row in rows:
        figure, (low, high) = row["figure"], row["ci95"] or (None, None)
        name = f"{title_of(row['key'])} {ARROWS[figure.direction]} {figure.unit}".strip()
        lines.append([name, row["a"], row["b"], row["difference"], low, high, row["verdict"]])
    looks = {"tie": "pgs-anchor", "A better": "pgs-side-a", "B better": "pgs-side-b"}
    return table_html(
        [Column(title, tip=messages.PAIRED if title == "A − B" else "") for title in titles], lines,
        show=lambda place, value: short(value),
        look=lambda line, place: looks.get(lines[line][-1], "") if place == len(titles) - 1 else "",
    )  # fmt: skip


def frame_html(found, index: int) -> str:
    """Errors against the truth, and mouths from near."""
    rows = [(f"Error in frame {index + 1}", found.errors), (f"Mouth in frame {index + 1}", found.mouths)]
    shown = "".join(
        f'<div class="pgs-look-row"><h4>{title}</h4><div>{"".join(map(_figure, each, each.values()))}</div></div>'
        for title, each in rows
        if each
    )
    note = f'<p class="pgs-faint">{html.escape(found.note)}</p>' if found.note else ""
    return f'<div class="pgs-look">{shown}</div>{note}<p class="pgs-faint">{messages.ERROR_SCALE}</p>'


def _figure(name: str, picture) -> str:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=90)
    source = f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
    return f'<figure><img alt="{name}" src="{source}"><figcaption>{name}</figcaption></figure>'
