"""The clips that methods are compared on, one file per dataset: a file that names DATASET is registered by being here.

Nothing is fetched: a clip that is not at hand says where people get it and where it belongs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from leaderboard.datasets.dataset import Clip, Dataset, Expected
from pgstalker.errors import ConfigError
from pgstalker.registry import registered

__all__ = ["Clip", "Dataset", "Expected", "clips_of", "dataset", "discover"]


@functools.cache
def discover() -> Mapping[str, Dataset]:
    """Every dataset by id, in the order of their names."""
    return MappingProxyType(registered(__name__, "DATASET"))


def dataset(name: str) -> Dataset:
    """The dataset called `name`, or folder:PATH for a folder of one's own. Raises ConfigError for an unknown one."""
    kind, _, place = name.partition(":")
    if kind == "folder" and place:
        from leaderboard.datasets.folder import in_folder

        return in_folder(place)
    if name not in discover():
        raise ConfigError(f"dataset '{name}' is unknown; use one of: {', '.join(discover())}, or folder:PATH")
    return discover()[name]


def clips_of(name: str, wanted: tuple[str, ...] = ()) -> list[Clip]:
    """Clips of a dataset, all where none are named. Raises ConfigError for one that it does not have."""
    there_are = {clip.id: clip for clip in dataset(name).clips()}
    unknown = [clip for clip in wanted if clip not in there_are]
    if unknown:
        raise ConfigError(f"{name} has no clip '{unknown[0]}'; there are: {', '.join(there_are) or 'none'}")
    return [clip for clip in there_are.values() if not wanted or clip.id in wanted]
