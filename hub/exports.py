"""A table of the board as CSV, Markdown and LaTeX text: the numbers that are on the screen, best in bold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaderboard.report.escapes import md
from leaderboard.report.escapes import tex as tex_of

if TYPE_CHECKING:
    import pandas as pd

    from hub.results import Results

TEXTS = {"Method", "Dataset", "Protocol", "Device", "Source", "Preset", "Kind"}
FORMATS = ("csv", "md", "tex")


def export(results: Results, rows: list[dict], table: pd.DataFrame, form: str) -> str:
    """The table's text in one of FORMATS; `rows` are the board's rows that its lines show."""
    if form == "csv":
        return table.to_csv(index=False, lineterminator="\n")
    cells = texts(results, rows, table, bold=("**", "**") if form == "md" else (r"\textbf{", "}"), tex=form == "tex")
    if form == "md":
        rule = ["---" if title in TEXTS else "---:" for title in table.columns]
        return "".join(f"| {' | '.join(line)} |\n" for line in [list(table.columns), rule, *cells])
    kinds = "".join("l" if title in TEXTS else "r" for title in table.columns)
    head = " & ".join(tex_of(title) for title in table.columns)
    body = "\n".join(f"{' & '.join(line)} \\\\" for line in cells)
    lines = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", rf"{head} \\", r"\midrule", body, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}", ""])


def texts(
    results: Results, rows: list[dict], table: pd.DataFrame, bold: tuple[str, str], tex: bool = False
) -> list[list[str]]:
    """The cells as text, numbers with their decimals, a dash where there is none."""
    marks = results.marks(rows, table)
    lines = []
    for i, values in enumerate(table.itertuples(index=False)):
        line = []
        for title, value in zip(table.columns, values):
            text = show(value, results.decimals(title))
            text = tex_of(text) if tex else md(text)
            line.append(f"{bold[0]}{text}{bold[1]}" if marks.get((i, title)) == "best" else text)
        lines.append(line)
    return lines


def show(value: object, decimals: int) -> str:
    """A number as it stands in a cell; an en dash for none."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return "–"
    return f"{value:,.{decimals}f}" if abs(value) >= 10_000 else f"{value:.{decimals}f}"


def short(value: Any) -> str:
    """A number of unknown size with four digits that count, never an exponent for a large one."""
    return show(value, 0) if abs(value) >= 1000 else f"{value:.4g}"
