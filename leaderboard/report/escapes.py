"""Text that others may have written, a submission's title say, made to stand as it is in Markdown and in LaTeX."""

from __future__ import annotations

import re

MARKDOWN = str.maketrans({letter: rf"\{letter}" for letter in "\\|[*`"} | {"<": "&lt;"})
TEX = str.maketrans(
    {letter: rf"\{letter}" for letter in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}", "²": r"$^2$"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$", "·": r"$\cdot$", "–": "--"}
)


def md(text: str) -> str:
    """For one cell or one line of Markdown: nothing of it a link, a tag or bold."""
    return " ".join(text.split()).translate(MARKDOWN)


def plain(text: str) -> str:
    """What `md` made Markdown of."""
    return re.sub(r"\\([\\|\[*`])", r"\1", text).replace("&lt;", "<")


def tex(text: str) -> str:
    """For one cell of a LaTeX table: nothing of it a command."""
    return " ".join(text.split()).translate(TEX)
