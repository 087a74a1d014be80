"""An avatar for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstalker.avatar.format import Avatar


def export_ply(avatar: Avatar, path: str | Path) -> None:
    """The head at rest as a standard 3DGS .ply (head frame, cm) for any splat viewer; appears when complete."""
    from pgstalker.gaussians.ply import write_ply

    write_ply(path, **avatar.talker.canonical())
