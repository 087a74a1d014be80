"""The compiled board for readers: README's table, CSV, Markdown, LaTeX, and a page. Same records, same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leaderboard.board.compiled import FILE, compile_board, text_of
from leaderboard.places import ROOT
from leaderboard.report.tables import csv_of, latex_of, markdown_of, readme_of
from pgstalker.errors import ConfigError
from pgstalker.files import replacing

README = ROOT / "README.md"
START, END = "<!-- board -->", "<!-- /board -->"


def texts(board: dict[str, Any], results: Path, readme: Path | None = README) -> Iterator[tuple[Path, str]]:
    """Every file that is kept under version control, and what the board makes of it; without a README other results
    than those that ours shows. Raises ConfigError."""
    yield results / FILE, text_of(board)
    yield results / "board.csv", csv_of(board)
    yield results / "board.md", markdown_of(board)
    yield results / "board.tex", latex_of(board)
    if readme is not None:
        yield readme, with_block(readme, readme_of(board))


def with_block(readme: Path, block: str) -> str:
    """The README with `block` between its markers. Raises ConfigError where it lacks them."""
    text = readme.read_text("utf-8")
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not start or not end:
        raise ConfigError(f"{readme} lacks the lines {START} and {END}; put them where the table belongs")
    return f"{head}{START}\n{block.rstrip()}\n{END}{tail}"


def write(results: Path, html: Path | None = None, readme: Path | None = README) -> list[Path]:
    """Write all of it, the page where a path is given; returns what was written."""
    board, written = compile_board(results), []
    for path, text in texts(board, results, readme):
        _replace(path, text)
        written.append(path)
    if html is not None:
        from leaderboard.report.page import page_of

        _replace(html, page_of(board, results))
        written.append(html)
    return written


def stale(results: Path, readme: Path | None = README) -> list[str]:
    """A line for each file that is not what the records give."""
    return [
        f"{path.name} is stale"
        for path, text in texts(compile_board(results), results, readme)
        if not path.is_file() or path.read_text("utf-8") != text
    ]


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8", newline="\n")
