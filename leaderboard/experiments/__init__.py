"""The experiments, one recipe per file: a file that names EXPERIMENT is registered by being here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from leaderboard.experiments.experiment import Context, Experiment, Finding, Settings, conduct
from pgstalker.errors import ConfigError
from pgstalker.registry import registered

__all__ = ["Context", "Experiment", "Finding", "Settings", "conduct", "discover", "experiment"]


@functools.cache
def discover() -> Mapping[str, Experiment]:
    """Every experiment by id, in the order of their names. Loads none of the libraries that train."""
    return MappingProxyType(registered(__name__, "EXPERIMENT"))


def experiment(name: str) -> Experiment:
    """The experiment of that id. Raises ConfigError for an unknown one."""
    if name not in discover():
        raise ConfigError(f"experiment '{name}' is unknown; use one of: {', '.join(discover())}")
    return discover()[name]
