"""A table of numbers in which a press on a head sorts, and a press on a line chooses it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

SCRIPT = Path(__file__).with_name("sortable.js").read_text("utf-8")


@dataclass(frozen=True)
class Column:
    """best: "desc" where the largest number comes first when the head is pressed. tip: what the column means."""

    title: str
    best: str = "asc"
    tip: str = ""


def sortable(value: str = "", **options) -> gr.HTML:
    """Its value is what `table_html` makes. Its event `select` bears the number of the line, as that was given it."""
    return gr.HTML(value, js_on_load=SCRIPT, padding=False, **options)


def table_html(
    columns: Sequence[Column],
    lines: Iterable[Sequence],
    *,
    show: Callable[[int, object], str] = lambda column, value: str(value),
    look: Callable[[int, int], str] = lambda line, column: "",
    opens: bool = False,
) -> str:
    """The table as HTML. lines hold numbers and texts, None where there is nothing; show(column, value) is a number's
    text, look(line, column) a cell's class. opens: lines can be chosen."""
    heads = "".join(
        f'<th data-first="{column.best}" aria-sort="none" title="{html.escape(column.tip, quote=True)}">'
        f'<button type="button">{html.escape(column.title)}</button></th>'
        for column in columns
    )
    rows = "".join(
        f"<tr{f' data-line={number} tabindex=0' if opens else ''}>"
        + "".join(_cell(place, value, show, look(number, place)) for place, value in enumerate(line))
        + "</tr>"
        for number, line in enumerate(lines)
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="pgs-table" tabindex="-1">{table}</div>'


def _cell(place: int, value: object, show: Callable[[int, object], str], look: str) -> str:
    kind = f' class="{look}"' if look else ""
    if value is None or value != value:
        return f'<td data-v=""{kind}>–</td>'
    if isinstance(value, str):
        return f"<td{kind}>{html.escape(value)}</td>"
    return f'<td data-v="{value!r}"{kind}>{html.escape(show(place, value))}</td>'
