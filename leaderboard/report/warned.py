"""What was said while clips were scored: shifts, missing frames, short sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leaderboard.report.escapes import md


def warning_lines(rows: list[dict[str, Any]], name_of: Callable[[dict[str, Any]], str]) -> list[str]:
    """A list in Markdown, a line for each row's clip and warning; [] where nothing was said."""
    said = [
        md(f"- {name_of(row)}, {clip['clip']}: {warning}")
        for row in rows
        for clip in row["clips"]
        for warning in clip["warnings"]
    ]
    return ["Said while scoring:", "", *said] if said else []
