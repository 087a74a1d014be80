"""The board as one HTML file that asks for nothing from elsewhere: tables, and plots that plotly draws."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.board.rows import AS_IT_IS
from leaderboard.records import read_record
from leaderboard.report.escapes import plain
from leaderboard.report.tables import DRAWN, composite_of, groups, is_usual, markdown_of, name_of, notes_of, sides

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

QUALITY, CURVE = "psnr", "psnr"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 74rem; padding: 0 1rem; color: #1b2420; }
table { border-collapse: collapse; font-size: 0.86rem; margin: 1rem 0; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid #d5ddd8; padding: 0.25rem 0.6rem; text-align: left; white-space: nowrap; }
h2, h3 { margin-top: 2rem; } .note { color: #55635c; }
"""


def page_of(board: dict[str, Any], results: Path) -> str:
    """The page of a compiled board; per-frame values are read from the records that it names."""
    from plotly.offline import get_plotlyjs

    parts, number = [], 0
    for (dataset, size), rows in groups(board):
        parts.append(f"<h2>{html.escape(dataset)}, {size} px</h2>")
        for title, figure in _figures(board, rows, results):
            if figure.data:
                parts += [f"<h3>{html.escape(title)}</h3>", _drawn(figure.to_json(), f"plot-{number}")]
                number += 1
    for experiment in board["experiments"]:
        if experiment["plot"] is not None:
            drawn = _drawn((results / experiment["plot"]).read_text("utf-8"), f"experiment-{experiment['id']}")
            notes = " ".join([experiment["question"], *notes_of(experiment)])
            parts += [f"<h2>{html.escape(experiment['title'])}</h2>", f"<p class=note>{html.escape(notes)}</p>", drawn]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>PGSTalker: the board</title>'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head><body>\n"
        "<h1>The board</h1>\n"
        + "\n".join(parts)
        + "\n"
        + _from_markdown(markdown_of(board).partition("\n\n")[2])
        + "\n</body></html>\n"
    )


def _figures(board: dict[str, Any], rows: list[dict[str, Any]], results: Path) -> list[tuple[str, Figure]]:
    unit = board["metrics"][QUALITY]["title"]
    return [
        ("Quality against speed", against_speed(board, rows)),
        (f"{unit} of the frames of each clip", distributions(board, rows, results)),
        (f"{unit} frame by frame", curves(board, rows, results)),
        ("What each switch changes", ablations(board, rows)),
    ]


def _drawn(figure: str, name: str) -> str:
    """A plot, given as plotly's JSON, without plotly's own template, whose default would be half of the page."""
    content = json.loads(figure)
    layout = content["layout"] | {"template": {}, "margin": {"t": 30, "r": 20}, "height": 440}
    data, shape = (json.dumps(part, sort_keys=True).replace("</", "<\\/") for part in (content["data"], layout))
    return f'<div id="{name}"></div><script>Plotly.newPlot("{name}",{data},{shape},{{responsive:true}})</script>'


def against_speed(board: dict[str, Any], rows: list[dict[str, Any]]) -> Figure:
    """Up and to the right is better; a colour for each protocol, since only like compares with like, and hollow who
    lacks some of the clips."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    able = [row for row in rows if row["kind"] in DRAWN and is_usual(board, row)]
    shown = [row for row in able if row["values"][QUALITY] and row["speed"]["render_fps"]]
    for protocol in sorted({row["protocol"] for row in shown}):
        own = sorted((row for row in shown if row["protocol"] == protocol), key=lambda row: row["speed"]["render_fps"])
        figure.add_trace(
            Scatter(
                x=[row["speed"]["render_fps"] for row in own],
                y=[row["values"][QUALITY] for row in own],
                text=[name_of(row).replace(" (", "<br>(") if row["is_compared"] else "" for row in own],
                customdata=[[name_of(row), row["device"]] for row in own],
                hovertemplate="%{customdata[0]}<br>%{y:.2f} dB, %{x:.2f} frames/s<br>%{customdata[1]}<extra></extra>",
                mode="markers+text",
                marker={"size": 11, "symbol": ["circle" if row["is_compared"] else "circle-open" for row in own]},
                showlegend=True,
                textposition=sides(len(own)),
                name=composite_of(board, own[0]),
            )
        )
    figure.update_layout(xaxis_title="frames/s", xaxis_type="log", yaxis_title="PSNR, dB")
    return figure


def _series(row: dict[str, Any], results: Path) -> dict[str, np.ndarray]:
    """Per-frame values of each clip, to two decimals."""
    found = {}
    for clip in row["clips"]:
        if clip["record"] is not None:
            _, series = read_record(results / clip["record"])
            if CURVE in series:
                found[clip["clip"]] = np.round(series[CURVE].astype(np.float64), 2)
    return found


def distributions(board: dict[str, Any], rows: list[dict[str, Any]], results: Path) -> Figure:
    from plotly.graph_objects import Box, Figure

    figure = Figure()
    for row in rows:
        if row["kind"] == "reference":
            continue
        found = _series(row, results)
        figure.add_trace(
            Box(
                x=[clip for clip, values in found.items() for _ in values],
                y=[float(value) for values in found.values() for value in values],
                name=f"{name_of(row)}, {composite_of(board, row)}",
                boxpoints=False,
            )
        )
    figure.update_layout(boxmode="group", yaxis_title="PSNR, dB")
    return figure


def curves(board: dict[str, Any], rows: list[dict[str, Any]], results: Path) -> Figure:
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for row in rows:
        if row["kind"] not in DRAWN:
            continue
        for clip, values in _series(row, results).items():
            step = next(entry["stride"] for entry in row["clips"] if entry["clip"] == clip)
            frames = [index * step for index in range(len(values))]
            name = f"{clip}: {name_of(row)}, {composite_of(board, row)}"
            is_first = clip == rows[0]["clips"][0]["clip"]
            shown = True if is_first else "legendonly"
            figure.add_trace(Scatter(x=frames, y=values.tolist(), name=name, mode="lines", visible=shown))
    figure.update_layout(xaxis_title="frame of the held-out part", yaxis_title="PSNR, dB")
    return figure


def ablations(board: dict[str, Any], rows: list[dict[str, Any]]) -> Figure:
    """PSNR of each variant less that of its method as it is, over the clips that both have under one protocol."""
    from plotly.graph_objects import Bar, Figure

    figure, usual = Figure(), {}
    for row in rows:
        if row["kind"] in DRAWN and row["variant"] in AS_IT_IS:
            usual[_place(row)] = row
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        place = _place(row)
        if row["variant"] in AS_IT_IS or place not in usual:
            continue
        own, its = ({clip["clip"]: clip["values"][QUALITY] for clip in side["clips"]} for side in (row, usual[place]))
        common = [clip for clip, value in own.items() if value is not None and its.get(clip) is not None]
        if common:
            name = f"{row['variant']}, {len(common)} clip{'s' * (len(common) > 1)}"
            found.setdefault(place, {})[name] = float(np.mean([own[clip] - its[clip] for clip in common]))
    for place, values in found.items():
        name = f"{name_of(usual[place] | {'variant': ''})}, {composite_of(board, usual[place])}"
        figure.add_trace(Bar(x=list(values), y=[round(value, 3) for value in values.values()], name=name))
    figure.update_layout(barmode="group", yaxis_title="PSNR less that of the method as it is, dB", showlegend=True)
    return figure


def _place(row: dict[str, Any]) -> tuple[str, str, str]:
    """What a row's variants share with it: method, protocol, and preset, size and seed."""
    return row["method"], row["protocol"], row["revision"].partition("+")[0]


def _table(lines: list[list[str]]) -> str:
    tags = ["th", *["td"] * (len(lines) - 1)]
    cells = ["".join(f"<{tag}>{_bold(cell)}</{tag}>" for cell in line) for tag, line in zip(tags, lines)]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _bold(cell: str) -> str:
    inner = cell.removeprefix("**").removesuffix("**")
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(plain(inner)))
    return f"<b>{text}</b>" if inner != cell else text


def _from_markdown(text: str) -> str:
    """Headings, tables, lists and paragraphs of what `tables` writes."""
    parts = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            level = len(lines[0]) - len(lines[0].lstrip("#"))
            parts.append(f"<h{level}>{html.escape(lines[0].lstrip('# '))}</h{level}>")
        elif lines[0].startswith("|"):
            rows = [
                [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("|---")
            ]
            parts.append(_table(rows))
        elif lines[0].startswith("- "):
            parts.append("<ul>" + "".join(f"<li>{html.escape(plain(line[2:]))}</li>" for line in lines) + "</ul>")
        else:
            parts.append(f"<p class=note>{_bold(' '.join(lines))}</p>")
    return "\n".join(parts)
