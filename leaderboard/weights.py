"""Weights that only the judge needs: looked for, never fetched, since their licences are for the user to accept."""

from __future__ import annotations

import os
from pathlib import Path

from pgstalker import weights
from pgstalker.errors import WeightsError


def find(name: str, folder: Path | None = None) -> Path | None:
    """Path of a file in `folder`, in $PGSTALKER_MODELS or in the cache, or None."""
    if folder is not None and (folder / name).is_file():
        return folder / name
    return weights.find(name)


def missing(name: str, source: str, also: Path | None = None) -> WeightsError:
    """The error that says where to put a file that is not at hand; `source` is where one gets it."""
    own = weights.cache_folder() / "models"
    places = ["the folder that $PGSTALKER_MODELS names" if os.environ.get("PGSTALKER_MODELS") else _from_home(own)]
    places += [_from_home(also)] if also is not None else []
    return WeightsError(f"{name} is not at hand; fetch it {source} and put it into {' or '.join(places)}")


def _from_home(path: Path) -> str:
    """For records that others read: without the name of whoever made them."""
    torch_home = os.environ.get("TORCH_HOME")
    if torch_home and path.is_relative_to(torch_home):
        return f"$TORCH_HOME/{path.relative_to(torch_home).as_posix()}"
    return f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else str(path)
