"""An avatar for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstalker.avatar.format import Avatar


def export_ply(avatar: Avatar, path: str | Path, unit_cm: float = 1.0) -> None:
    """The head at rest as a standard 3DGS .ply (head frame, in units of unit_cm) for any splat viewer; appears when
    complete."""
    from pgstalker.gaussians.ply import write_ply

    head = avatar.talker.canonical()
    scaled = {name: head[name] / unit_cm for name in ("means", "scales")}
    write_ply(path, **head | scaled)
