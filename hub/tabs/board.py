"""Leaderboard: the compiled board, filtered and sorted; behind each row its clips, where it comes from, a video."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial

import gradio as gr

from hub import messages
from hub.components import Column, sortable, table_html
from hub.exports import FORMATS, export, short, show
from hub.plots import experiment, quality_against_speed
from hub.results import BESIDE, COLUMN_SETS, COST, FACETS, Results, is_subdued, label, number
from leaderboard.board.compiled import title_of
from leaderboard.metrics import cells
from pgstalker.errors import PgsError
from pgstalker.method import discover

ANY = "All"
HEADINGS = COST | {
    "null": "By chance (95 %)", "r": "Correlation", "ms_p95": "95 % within, ms", "frames_per_second": "Frames/s",
}  # fmt: skip
"""Of experiments' tables, where the key says too little."""
RANKED = {"fidelity": "fidelity", "lip": "lips", "sync": "sync", "speed": "speed"}
"""Groups of figures in words."""
TITLES = {
    "dataset": "Dataset", "setting": "Driving", "composite": "Composite", "protocol": "Protocol", "source": "Source",
    "device": "Device",
}  # fmt: skip
SHOWN = ["Fidelity", "Lips", "Sync", "Speed"]
DOWNLOAD = """(name, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/plain"}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""
SHOW_ROW = """() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector("#row")?.scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
}"""
QUIET = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


@dataclass
class View:
    """The tab's handlers on one compiled board."""

    results: Results

    def rows(self, *choice: object) -> tuple[list[dict], list[str]]:
        """Rows and column sets of what the filters say: the facets in order, the search, the column sets."""
        *facets, search, sets = choice
        wanted = {name: None if value == ANY else value for name, value in zip(FACETS, facets)}
        return self.results.choose(wanted, search or ""), list(sets or [])

    @messages.handler
    def show(self, *choice: object) -> tuple[str, str]:
        rows, sets = self.rows(*choice)
        return table(self.results, rows, sets), self.count(rows)

    def count(self, rows: list[dict]) -> str:
        if not self.results.is_compiled:
            return messages.status(messages.NO_RESULTS)
        if not rows:
            return messages.status(messages.NO_MATCH)
        return f'<p class="pgs-faint" role="status">{len(rows)} of {len(self.results.rows)} rows</p>'

    @messages.handler
    def plot(self, metric: str, *choice: object):
        return quality_against_speed(self.results, self.rows(*choice)[0], metric)

    @messages.handler
    def text(self, form: str, *choice: object) -> tuple[str, str]:
        """A file's name and its text, for the browser to save."""
        rows, sets = self.rows(*choice)
        return f"leaderboard.{form}", export(self.results, rows, self.results.table(rows, sets), form)

    @messages.handler
    def open(self, event: gr.SelectData, *choice: object) -> tuple:
        """What lies behind the row that was chosen."""
        row = self.rows(*choice)[0][event.index]
        shown = next(filter(None, map(self.results.shown, row["clips"])), None)
        sample, picked = gr.Video(value=None, visible=False), None
        if shown is not None:
            clip, name = shown
            sample = gr.Video(value=str(clip.videos[name]), label=f"{label(row)}, {clip.clip}", visible=True)
            picked = [clip.id, name] if clip.truth else None
        return (
            gr.Column(visible=True),
            provenance(self.results, row),
            per_clip(self.results, row),
            sample,
            picked,
            gr.Button(visible=picked is not None),
        )

    @messages.handler
    def experiment(self, chosen: str | None) -> tuple:
        entry = next((entry for entry in self.results.experiments if entry["id"] == chosen), None)
        if entry is None:
            return "", None, ""
        about = "\n".join([entry["question"], "", *(f"- {note}" for note in entry.get("notes", []))])
        return about, experiment(self.results, entry), experiment_table(entry["table"])


def build(results: Results, place: gr.Tab) -> tuple[gr.Button, gr.JSON]:
    """Lay out the tab inside `place`; returns the button that asks to compare, and [clip id, name in it]."""
    view = View(results)
    gr.HTML(messages.HOW_TO_READ, padding=False)
    with gr.Row(elem_classes="pgs-filters"):
        facets = [
            gr.Dropdown(
                [ANY, *results.values(name)], value=ANY, label=TITLES[name], min_width=120, elem_id=f"by-{name}"
            )
            for name in FACETS
        ]
    with gr.Row(elem_classes="pgs-filters", equal_height=True):
        search = gr.Textbox(label="Search", placeholder="method, dataset, device …", min_width=200, elem_id="search")
        sets = gr.CheckboxGroup(COLUMN_SETS, value=SHOWN, label="Columns", scale=2, min_width=300, elem_id="columns")
        clear = gr.Button("Clear filters", size="sm", elem_id="clear", scale=0, min_width=120)
    choice = [*facets, search, sets]
    count = gr.HTML(view.count(results.rows), elem_id="count", padding=False)
    lines = sortable(table(results, results.rows, SHOWN), elem_id="board", visible=results.is_compiled)
    picked = gr.JSON(visible=False)
    with gr.Column(visible=False, elem_id="row") as detail, gr.Row():
        with gr.Column(scale=3):
            facts = gr.HTML(padding=False)
            clips = gr.HTML(padding=False)
        with gr.Column(scale=2, min_width=280):
            sample = gr.Video(interactive=False, visible=False, elem_id="row-video", buttons=["download"])
            compare = gr.Button("Compare this with the truth", size="sm", elem_id="row-compare")
    exports(view, choice)
    pictures(view, choice, place)
    reported_table(results)
    for component in choice:
        component.change(view.show, choice, [lines, count], **QUIET)
    clear.click(lambda: [ANY] * len(facets) + ["", SHOWN], None, choice, **QUIET)
    opened = lines.select(view.open, choice, [detail, facts, clips, sample, picked, compare], **QUIET)
    opened.success(None, js=SHOW_ROW)
    return compare, picked


def exports(view: View, choice: list) -> None:
    """Buttons that save the table as it stands."""
    name, text = gr.Textbox(visible=False), gr.Textbox(visible=False)
    with gr.Row(elem_classes="pgs-buttons"):
        for form, title in zip(FORMATS, ("CSV", "Markdown", "LaTeX")):
            button = gr.Button(title, size="sm", elem_id=f"export-{form}", min_width=100, scale=0)
            made = button.click(partial(view.text, form), choice, [name, text], **QUIET)
            made.then(None, [name, text], js=DOWNLOAD)


def pictures(view: View, choice: list, place: gr.Tab) -> None:
    """The plots, drawn when the tab is opened and not before."""
    results = view.results
    metrics = [(about["title"], key) for key, about in results.metrics.items()]
    first = next((key for _, key in metrics if key == "psnr"), metrics[0][1] if metrics else None)
    chosen = results.experiments[0]["id"] if results.experiments else None
    gr.Markdown("## Quality against speed", elem_classes="pgs-step", visible=results.is_compiled)
    metric = gr.Dropdown(
        metrics, value=first, label="Figure", elem_id="plot-metric", visible=results.is_compiled, scale=0, min_width=200
    )
    gr.Markdown(messages.FRONT, elem_classes="pgs-faint", visible=results.is_compiled)
    plot = gr.Plot(show_label=False, container=False, elem_id="plot", visible=results.is_compiled)
    shown = bool(results.experiments)
    gr.Markdown("## Experiments", elem_classes="pgs-step", visible=shown)
    choices = [(entry["title"], entry["id"]) for entry in results.experiments]
    which = gr.Radio(choices, value=chosen, show_label=False, container=False, visible=shown, elem_id="experiment")
    question = gr.Markdown(visible=shown)
    drawing = gr.Plot(show_label=False, container=False, visible=shown, elem_id="experiment-plot")
    rows = sortable(visible=shown)
    for component in (metric, *choice[:-1]):  # which columns are shown is nothing to the plot
        component.change(view.plot, [metric, *choice], plot, **QUIET)
    which.change(view.experiment, which, [question, drawing, rows], **QUIET)

    @messages.handler
    def opened(metric: str, which: str | None, *choice: object) -> tuple:
        return (view.plot(metric, *choice), *view.experiment(which))

    place.select(opened, [metric, which, *choice], [plot, question, drawing, rows], **QUIET)


def reported_table(results: Results) -> None:
    """What papers print, in a table of its own: never in one column with what was measured here."""
    gr.Markdown("## Printed in papers", elem_classes="pgs-step")
    gr.Markdown(messages.REPORTED, elem_classes="pgs-faint")
    which = gr.Radio(
        [("Self-driven", "self"), ("Cross-driven", "cross")], value="self", show_label=False, container=False,
        elem_id="reported-setting",
    )  # fmt: skip
    lines = sortable(printed(results, "self"), elem_id="reported")
    which.change(partial(printed, results), which, lines, **QUIET)


@messages.handler
def printed(results: Results, setting: str) -> str:
    rows = [row for row in results.reported if row["table"] == setting]
    keys = list(dict.fromkeys(key for row in rows for key in row["metrics"]))
    titles = ["Method", *(key.replace("_", " ") for key in keys), "Printed in", "Speed measured on", "State"]
    lines = [
        [row["method"], *(row["metrics"].get(key) for key in keys)]
        + [row["source"]["paper"], row.get("fps_device") or "–", row["verified"].replace("_", " ")]
        for row in rows
    ]
    return table_html([Column(title) for title in titles], lines, show=lambda place, value: f"{value:g}")


def table(results: Results, rows: list[dict], sets: list[str]) -> str:
    """The board: numbers with their decimals, best and second marked; see is_subdued."""
    data = results.table(rows, sets)
    marks = results.marks(rows, data)
    titles = list(data.columns)
    tips = {t: results.metrics[key]["meaning"] for t, (place, key) in results.columns().items() if place == "values"}
    tips |= {"Rank": messages.RANK, BESIDE: messages.BESIDE, "Clips": messages.CLIPS}
    columns = [Column(title, results.best_first(title), tips.get(title, "")) for title in titles]

    def look(line: int, place: int) -> str:
        mark = marks.get((line, titles[place]))
        return f"pgs-{mark}" if mark else "pgs-anchor" if is_subdued(rows[line]) else ""

    return table_html(
        columns, data.itertuples(index=False), look=look, opens=True,
        show=lambda place, value: show(value, results.decimals(titles[place])),
    )  # fmt: skip


def experiment_table(table: list[dict]) -> str:
    """What an experiment found; columns without anything are left out."""
    named = dict.fromkeys(key for line in table for key in line)
    keys = [key for key in named if any(line.get(key) is not None for line in table)]
    lines = [[_word(line.get(key)) for key in keys] for line in table]
    return table_html([Column(heading(key)) for key in keys], lines, show=lambda place, value: short(value))


def _word(value: object) -> object:
    return ("no", "yes")[value] if isinstance(value, bool) else value


def heading(key: str) -> str:
    """A key of an experiment's table for people: psnr_low is PSNR low."""
    if key in HEADINGS:
        return HEADINGS[key]
    figure = next((name for name in sorted(cells(), key=len, reverse=True) if f"{key}_".startswith(f"{name}_")), "")
    words = (title_of(figure) if figure else "") + key[len(figure) :].replace("_", " ")
    return words[:1].upper() + words[1:]


def provenance(results: Results, row: dict) -> str:
    """Who made the row, with what, on what, and how to check it."""
    protocol = results.protocols.get(row["protocol"], {})
    parts = [str(protocol.get(name, "?")) for name in ("setting", "composite", "codec")]
    facts = {
        "Source": f"{row['source']} · {row['kind']}",
        "Dataset": row["dataset"],
        "Beside the head": results.beside(row),
        "Protocol": f"{row['protocol']} ({', '.join(parts)})",
        "Device": row["device"],
        "Rank": _rank(row),
        "Revision": row.get("revision") or "–",
        "Training": _training(row),
        "Compiled by": _program(results.made_by),
    }  # fmt: skip
    record = _first_record(results, row)
    if record is not None:
        machine = record["env"]
        facts["Measured"] = f"{record['created']} on {machine.get('gpu') or machine.get('cpu')}"
        facts["Measured by"] = _program(record["tool"])
        if row["source"] != "measured":
            facts["Made by"] = record.get("operator", {}).get("generated_by") or "–"
            facts["Measured by"] += ", computed by the submitter"
        facts["Prediction"] = f"sha256 {(record['inputs']['prediction'] or {}).get('sha256', '–')[:16]}…"
    declared = discover().get(row["method"])
    if declared is not None and declared.paper:
        facts["Paper"] = declared.paper
    cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in facts.items())
    shown = f'<h3 class="pgs-row-title">{html.escape(label(row))}</h3><table class="pgs-receipt">{cells}</table>'
    return shown + (differences(declared.differences) if declared is not None else "")


def differences(lines: tuple[str, ...]) -> str:
    """What of a method is not as in its paper, numbered and folded; nothing where all is."""
    if not lines:
        return ""
    told = f"{len(lines)} difference{'s' if len(lines) > 1 else ''} from the paper"
    shown = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<details class="pgs-differences"><summary>{told}</summary><ol>{shown}</ol></details>'


def _program(tool: dict) -> str:
    return " ".join(["pgstalker", tool.get("version", "?"), str(tool.get("commit") or "")[:12]]).strip()


def _rank(row: dict) -> str:
    """With the groups that it is the mean of."""
    if row.get("overall") is None:
        return "–"
    groups = [f"{RANKED.get(group, group)} {rank:.3g}" for group, rank in row["group_ranks"].items()]
    return f"{row['overall']:.3g}: mean of {', '.join(groups)}" if groups else f"{row['overall']:.3g}"


def _training(row: dict) -> str:
    parts = [(row.get("train_seconds"), "s", 0), (row.get("train_peak_memory_mb"), "MB", 0)]
    parts.append((row.get("gaussians"), "Gaussians", 0))
    return " · ".join(f"{show(value, places)} {unit}" for value, unit, places in parts if value is not None) or "–"


def _first_record(results: Results, row: dict) -> dict | None:
    scored = next((clip for clip in row["clips"] if clip["record"]), None)
    try:
        return None if scored is None else results.record(scored)[0]
    except PgsError:
        return None


def per_clip(results: Results, row: dict) -> str:
    """A line per clip, the interval under each number; why a cell is blank stands in its tooltip."""
    places = {title: place for title, place in results.columns().items() if place[0] == "values"}
    columns = {title: place[1] for title, place in places.items() if number(row, place) is not None}
    head = "".join(f"<th>{html.escape(title)}</th>" for title in ["Clip", "Frames", *columns])
    lines = []
    for clip in row["clips"]:
        cells = [f"<th>{html.escape(clip['clip'])}</th><td>{clip['frames']}</td>"]
        for title, key in columns.items():
            bounds = (clip.get("ci95") or {}).get(key)
            places = results.decimals(title)
            spread = f"<small>{show(bounds[0], places)} … {show(bounds[1], places)}</small>" if bounds else ""
            reason = html.escape((clip.get("reasons") or {}).get(key, ""), quote=True)
            cells.append(f'<td title="{reason}">{show(clip["values"].get(key), places)}{spread}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="pgs-scroll"><table class="pgs-clips"><tr>{head}</tr>{"".join(lines)}</table></div>'
