"""The PGSTalker model, from sound and pose to Gaussians. Talker is looked up when it is used: it needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgstalker.models.config import SWITCHES, TalkerConfig
from pgstalker.models.mouth_code import MouthBasis

if TYPE_CHECKING:
    from pgstalker.models.talker import Talker

__all__ = ["SWITCHES", "MouthBasis", "Talker", "TalkerConfig"]


def __getattr__(name: str):
    if name != "Talker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pgstalker.models.talker import Talker

    return Talker
