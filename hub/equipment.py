"""What this server has beyond what plays avatars."""

from __future__ import annotations

from leaderboard.scoring import check_installed
from pgstalker.errors import EnvironmentMissing


def can_judge() -> bool:
    """Whether videos can be measured here."""
    try:
        check_installed()
    except EnvironmentMissing:
        return False
    return True
