"""Text that others may have written, a submission's title say, in Markdown, where it shows as it is."""

from __future__ import annotations

import re

MARKDOWN = {"|": "\\|", "<": "&lt;", "[": "\\[", "\\": "\\\\"}


def md(text: str) -> str:
    """For one cell or one line."""
    return "".join(MARKDOWN.get(character, character) for character in " ".join(text.split()))


def plain(text: str) -> str:
    """What `md` made Markdown of."""
    return re.sub(r"\\([|\[\\])", r"\1", text).replace("&lt;", "<")
