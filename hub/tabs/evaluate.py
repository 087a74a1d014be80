"""Evaluate & submit: a video's figures and where it would stand; a submission checked rule by rule and previewed."""

from __future__ import annotations

import html
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from hub import messages
from hub.components import Column, sortable, table_html
from hub.equipment import can_judge
from hub.exports import short, show
from hub.judging import SWITCHES, Judged, JudgingStopped, check_files, clip_ids, judge, pack_record, place_among
from hub.results import ARROWS, Results
from hub.stops import Stops
from leaderboard.board.compiled import title_of
from leaderboard.metrics import cells
from leaderboard.protocol import Codec, Composite
from leaderboard.submission import STEPS

QUIET = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
PROGRESS = gr.Progress()  # Gradio looks for one among a handler's defaults
NO_CLIP = "none of these"
FETCH = '() => document.querySelector("#{name} a, #{name} button, #{name}")?.click()'
"""Presses a hidden download button."""
NOT_SCORED = {"weights_missing": "needs a file", "not_applicable": "does not apply", "failed": "failed"}
SUBMIT = f"""
```bash
{STEPS}
```

Then open a pull request that says where the zip lies: the same rules are checked again, by the same program.
`docs/submitting.md` says what is what."""


@dataclass
class Judge:
    """The tab's handlers."""

    results: Results
    stops: Stops = field(default_factory=Stops)

    @messages.handler
    def validate(self, prediction, truth, audio, composite, codec, allow, request: gr.Request) -> list[dict]:
        """Before the queue: what is missing or cannot be read is said beside the input."""
        wrong = check_files(prediction, truth, audio)
        if not prediction:
            wrong["prediction"] = messages.NEEDS_PREDICTION
        names = ("prediction", "truth", "audio")
        checks = [gr.validate(name not in wrong, messages.sentence(wrong.get(name, ""))) for name in names]
        if not wrong:
            self.stops.expect(request)
        return checks + [gr.validate(True, "")] * 3

    @messages.handler
    def measure(
        self, prediction, truth, audio, composite, codec, allow, request: gr.Request, progress=PROGRESS
    ) -> tuple:
        """Judged, table, status, outcome."""
        files = {"prediction": prediction, "truth": truth, "audio": audio}
        try:
            with self.stops.running(request) as stopped:
                judged = judge(
                    files, {"composite": composite, "codec": codec}, dict.fromkeys(allow, True),
                    progress=lambda stage, share: progress(share, desc=messages.STAGES.get(stage, stage)),
                    stopped=stopped,
                )  # fmt: skip
        except JudgingStopped:
            return gr.skip(), gr.skip(), messages.status(messages.STOPPED), gr.skip()
        return judged, record_table(judged.record), summary(judged.record), gr.Column(visible=True)

    @messages.handler
    def stop(self, request: gr.Request) -> None:
        self.stops.stop(request)

    @messages.handler
    def place(self, judged: Judged | None, clip_id: str) -> str:
        """The table of where it would stand."""
        if judged is None or clip_id == NO_CLIP:
            return ""
        return standing_table(place_among(self.results, judged, clip_id))

    @messages.handler
    def save_record(self, judged: Judged | None, clip_id: str, method: str) -> str:
        """A zip of the record and its per-frame values, labelled as submitting needs it."""
        if judged is None:
            raise gr.Error(messages.NEEDS_MEASURING, title="That did not work", print_exception=False)
        return str(pack_record(judged, "" if clip_id == NO_CLIP else clip_id, method, self._room() / "scores.zip"))

    @messages.handler
    def lint(self, path: str | None) -> tuple[str, str]:
        """The rules of a submission, each kept or not, and where it would stand if all are."""
        from leaderboard.submission.submit import lint, preview

        if not path:
            raise gr.Error(messages.NEEDS_ZIP, title="That did not work", print_exception=False)
        try:
            checks = lint(path, self.results.folder)
            rows = preview(path, self.results.folder) if all(check.is_met for check in checks) else []
        except Exception as problem:  # noqa: BLE001 - a visitor gets a line and the log gets the rest
            raise messages.error(problem) from None
        lines = "".join(
            f'<li class="{"met" if check.is_met else "broken"}"><b>{html.escape(check.rule)}</b> '
            f"{html.escape(check.reason)}{f' <code>{check.error}</code>' if check.error else ''}</li>"
            for check in checks
        )
        return f'<ul class="pgs-lint">{lines}</ul>', standing_table(rows) if rows else ""

    @messages.handler
    def example(self) -> str:
        """A small submission that passes, made once per server."""
        from leaderboard.submission.pack import example

        if self._example is None:
            self._example = str(example(self._room() / "example.zip"))
        return self._example

    def _room(self) -> Path:
        """A new folder, which goes when the server ends."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="pgstalker-evaluate-")
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    _example: str | None = None
    _folder: tempfile.TemporaryDirectory | None = None


def build(results: Results) -> Judge:
    """Lay out the tab inside a gr.Tab."""
    judge_ = Judge(results)
    gr.Markdown("## Judge a video", elem_classes="pgs-step")
    gr.Markdown(messages.JUDGE, elem_classes="pgs-faint")
    with gr.Row():
        prediction, truth = (
            gr.Video(label=label, sources=["upload"], height=220, elem_id=name, min_width=220, buttons=[])
            for name, label in (("prediction", "The video to judge"), ("truth", "The real video of the same words"))
        )
        audio = gr.Audio(
            label="Its sound, if not in the videos", sources=["upload"], type="filepath", elem_id="its-sound"
        )
    with gr.Accordion("Protocol", open=False):
        with gr.Row():
            composite = gr.Dropdown(
                list(get_args(Composite)), value="full_frame", label="It shows", elem_id="composite"
            )
            codec = gr.Dropdown(list(get_args(Codec)), value="lossless", label="Both go through", elem_id="codec")
        allow = gr.CheckboxGroup(list(SWITCHES), label="Allow", elem_id="judge-allow", info=messages.SWITCHES)
    with gr.Row(elem_classes="pgs-buttons"):
        go = gr.Button("Measure", variant="primary", elem_id="judge", min_width=160, scale=0, interactive=can_judge())
        stop = gr.Button("Stop", variant="stop", elem_id="judge-stop", min_width=90, scale=0)
    ready = messages.READY_TO_JUDGE if can_judge() else messages.NO_JUDGE
    status = gr.HTML(messages.status(ready), padding=False, elem_id="judge-status")
    judged = gr.State(None, time_to_live=3600)
    with gr.Column(visible=False, elem_id="judged") as outcome:
        table = sortable(elem_id="scores")
        gr.Markdown("### Where it would stand", visible=bool(results.rows))
        with gr.Row():
            clip = gr.Dropdown(
                [NO_CLIP, *clip_ids(results)], value=NO_CLIP, label="It is a result on this clip of the board",
                elem_id="its-clip", visible=bool(results.rows), min_width=220,
            )  # fmt: skip
            method = gr.Textbox(
                label="Made by the method", info="its id in method.json", placeholder="my-method", max_lines=1,
                elem_id="its-method", min_width=220,
            )  # fmt: skip
        standing = sortable(elem_id="standing")
        with gr.Row(elem_classes="pgs-buttons"):
            save = gr.Button("Record (zip)", size="sm", elem_id="save-record", scale=0, min_width=140)
            saved = gr.DownloadButton(visible="hidden", elem_id="record-file")
    _submission(judge_)
    inputs = [prediction, truth, audio, composite, codec, allow]
    go.click(
        judge_.measure, inputs, [judged, table, status, outcome], validator=judge_.validate,
        api_visibility="private", concurrency_id="score", show_progress_on=status,
    ).then(judge_.place, [judged, clip], standing, **QUIET)  # fmt: skip
    stop.click(judge_.stop, None, None, **QUIET)
    clip.change(judge_.place, [judged, clip], standing, **QUIET)
    made = save.click(judge_.save_record, [judged, clip, method], saved, **QUIET)
    made.success(None, js=FETCH.format(name="record-file"))
    return judge_


def _submission(judge_: Judge) -> None:
    gr.Markdown("## Submit", elem_classes="pgs-step")
    gr.Markdown(messages.SUBMIT, elem_classes="pgs-faint")
    with gr.Row():
        archive = gr.File(label="Submission (zip)", file_types=[".zip"], elem_id="submission", height=140)
        with gr.Column(min_width=220):
            check = gr.Button("Check and preview", variant="primary", elem_id="lint")
            start = gr.Button("Example zip", elem_id="example", interactive=can_judge())
            saved = gr.DownloadButton(visible="hidden", elem_id="example-file")
    rules = gr.HTML(padding=False, elem_id="rules")
    preview = sortable(elem_id="preview")
    gr.Markdown(f"### Packing and handing in\n{SUBMIT}")
    check.click(
        judge_.lint, archive, [rules, preview], api_visibility="private", concurrency_id="score", show_progress_on=rules
    )
    made = start.click(judge_.example, None, saved, api_visibility="private", concurrency_id="score")
    made.then(None, js=FETCH.format(name="example-file"))


def record_table(record: dict[str, Any]) -> str:
    """Every figure: value and interval, frames, and why a cell is blank."""
    lines = []
    for key, cell in record["metrics"].items():
        low, high = cell["ci95"] or (None, None)
        told = "" if cell["status"] == "ok" else f"{NOT_SCORED[cell['status']]}: {cell['reason']}"
        notes = [f"every {cell['stride']}th frame"] if cell["stride"] > 1 else []
        notes += [f"{cell['n_missing']} frames missing"] if cell["n_missing"] else []
        name = f"{title_of(key)} {ARROWS[cell['direction']]} {cell['unit']}".strip()
        lines.append([name, cell["value"], low, high, cell["n"] or None, told or ", ".join(notes)])
    lines.sort(key=lambda line: line[1] is None)
    titles = ("Figure", "Value", "95 % from", "to", "Frames", "Note")
    return table_html(
        [Column(title) for title in titles], lines,
        show=lambda place, value: f"{value:d}" if place == 4 else short(value),
        look=lambda line, place: "pgs-wide" if place == 5 else "",
    )  # fmt: skip


def summary(record: dict[str, Any]) -> str:
    counts, blank = record["counts"], [cell for cell in record["metrics"].values() if cell["status"] != "ok"]
    text = f"{counts['n_used']} frames judged in {record['seconds']:g} s"
    detail = f"{record['protocol']['id']} · {len(record['metrics']) - len(blank)} figures, {len(blank)} blank"
    warnings = "".join(f'<p class="pgs-faint">{html.escape(line)}</p>' for line in record["warnings"])
    return messages.status(text, detail, tone="good") + warnings


def standing_table(rows: list[dict[str, Any]]) -> str:
    """The board with the visitor's result among it, best first; and what of it does not rank, and why."""
    reasons = dict.fromkeys(reason for row in rows for reason in row.get("left_out", []))
    listed = "".join(f"<li>{html.escape(reason)}</li>" for reason in reasons)
    told = f'<div class="pgs-faint">{messages.NOT_RANKED}<ul>{listed}</ul></div>' if listed else ""
    if all(row["is_own"] for row in rows):
        return messages.status(messages.STANDS_ALONE) + told
    known = cells()
    keys = list(dict.fromkeys(key for row in rows for key in row["ranks"] if key in known))
    columns = [Column("Method"), Column("Rank")]
    columns += [Column(f"{title_of(key)} {ARROWS[known[key][1].direction]}", tip=known[key][1].meaning) for key in keys]
    lines = [[row["title"], row["overall"], *(row["values"].get(key) for key in keys)] for row in rows]
    table = table_html(
        columns, lines, show=lambda place, value: show(value, 2 if place == 1 else 3),
        look=lambda line, place: "pgs-best" if rows[line]["is_own"] else "",
    )  # fmt: skip
    return table + told
