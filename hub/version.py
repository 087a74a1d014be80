"""Which state of the program this is."""

from __future__ import annotations

from leaderboard.places import ROOT
from leaderboard.source import commit
from pgstalker import __version__


def describe() -> str:
    """The version, and the commit where the program stands in a git checkout."""
    at = commit(ROOT)
    return f"{__version__} · {at[:7]}" if at else __version__
