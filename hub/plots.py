"""Pictures of the board for gr.Plot: quality against speed, and what the experiments left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hub.results import ANCHORS, Results, is_compared, label
from leaderboard.report.tables import sides

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK, GRID = "#8a857d", "rgba(138,133,125,.25)"
SYMBOLS = {"gaussians": "circle", "nerf": "square"}
COLOURS = ["#26948b", "#c2703d", "#7460a8", "#c4a13a", "#4f7fb0", "#b0576b", "#6f8f4e"]
HEIGHT = 420


def quality_against_speed(results: Results, rows: list[dict], metric: str) -> go.Figure | None:
    """Frames per second drawn (logarithmic) against one figure, with a line along the best of both through each set of
    rows that compare; None without points. What only copies true frames (floors, oracles, the truth) has no speed, and
    a row that lacks some of the clips is hollow, on no line and named under the pointer alone. Only the usual
    protocols: the codec that a comparison goes through changes no speed."""
    import plotly.graph_objects as go

    about = results.metrics.get(metric)
    sets: dict[tuple, list[tuple[dict, float, float]]] = {}
    for row in rows:
        fps, value = (row.get("speed") or {}).get("render_fps"), row["values"].get(metric)
        if row["kind"] not in ANCHORS and results.is_usual(row) and fps and value is not None:
            key = row["dataset"], results.beside(row), row["size"], row["device"]
            sets.setdefault(key, []).append((row, fps, value))
    if about is None or not sets:
        return None
    figure = go.Figure()
    for number, (key, points) in enumerate(sorted(sets.items(), key=lambda each: str(each[0]))):
        points.sort(key=lambda point: point[1])
        name, colour = f"{key[0]}, {key[1]}, {key[2]} px", COLOURS[number % len(COLOURS)]
        figure.add_scatter(
            x=[fps for _, fps, _ in points], y=[value for *_, value in points],
            text=[in_lines(row) if is_compared(row) else "" for row, *_ in points],
            mode="markers+text", textposition=sides(len(points)),
            cliponaxis=False, name=name, legendgroup=name,
            marker={"size": 11, "color": colour, "symbol": [symbol(row) for row, *_ in points]},
            customdata=[[label(row), f"{key[0]}, {row['kind']}, {key[3]}"] for row, *_ in points],
            hovertemplate="<b>%{customdata[0]}</b><br>%{x:.3g} frames/s<br>%{y:.4g}<br>%{customdata[1]}<extra></extra>",
        )  # fmt: skip
        front = frontier([(fps, value) for row, fps, value in points if is_compared(row)], about)
        figure.add_scatter(
            x=[fps for fps, _ in front], y=[value for _, value in front], mode="lines", legendgroup=name,
            name="nobody there better in both", showlegend=False,
            line={"color": colour, "dash": "dot", "width": 1.5}, hoverinfo="skip",
        )  # fmt: skip
    figure.update_xaxes(type="log", title="frames/s drawn")
    figure.update_yaxes(title=f"{about['title']} {about['unit']}".strip())
    return quiet(figure)


def in_lines(row: dict) -> str:
    """A label that is narrow: title and switches below each other."""
    return "<br>".join([row["title"], *filter(None, (row.get("variant") or "").split("+"))])


def symbol(row: dict) -> str:
    shape = SYMBOLS.get(row["kind"], "diamond")
    return shape if is_compared(row) else f"{shape}-open"


def frontier(points: list[tuple[float, float]], about: dict) -> list[tuple[float, float]]:
    """The (speed, value) pairs that no other pair beats in both, from fast to slow."""
    bad = {"higher": lambda value: -value, "lower": lambda value: value}.get(
        about["direction"], lambda value: abs(value - (about.get("target") or 0.0))
    )
    best, found = float("inf"), []
    for fps, value in sorted(points, key=lambda point: (-point[0], bad(point[1]))):
        if bad(value) < best:
            best = bad(value)
            found.append((fps, value))
    return found


def experiment(results: Results, entry: dict) -> go.Figure | None:
    """The plot that an experiment left as plotly's JSON. None where it left none."""
    import plotly.graph_objects as go

    if not entry.get("plot") or not (path := results.inside(entry["plot"])).is_file():
        return None
    content = json.loads(path.read_text("utf-8"))
    figure = quiet(go.Figure(data=content.get("data"), layout=content.get("layout")))
    return figure.update_layout(title=None)  # it stands above the plot already


def quiet(figure: go.Figure) -> go.Figure:
    """Readable on light and on dark: nothing is filled, ink and grid are of a middle grey."""
    figure.update_layout(
        template="none", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=HEIGHT,
        font={"color": INK, "family": "system-ui, sans-serif", "size": 13}, autosize=True, colorway=COLOURS,
        margin={"l": 60, "r": 60, "t": 40, "b": 50}, legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, linecolor=GRID, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=GRID, linecolor=GRID, zeroline=False, automargin=True)
    return figure
