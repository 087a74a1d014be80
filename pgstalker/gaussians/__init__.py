"""Gaussians: the cloud, how it starts, how its density is controlled, and its exchange format.

The cloud is looked up when it is used: it needs torch, and writing a .ply does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstalker.gaussians.cloud import PARAMETERS, GaussianCloud

__all__ = ["MAX_OPACITY", "PARAMETERS", "GaussianCloud"]

MAX_OPACITY = 0.99
VIEW_UNIT, VIEW_LIMIT = 0.2, 2.0
"""Shading is the change of colour for so much of the unit vector towards the camera; further away than the limit it
changes no more: a talking head is not seen from there while it is learnt."""


def __getattr__(name: str):
    if name not in ("PARAMETERS", "GaussianCloud"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pgstalker.gaussians import cloud

    return getattr(cloud, name)
