"""The experiments, one recipe per file: a file that names EXPERIMENT is registered by being here."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from leaderboard.experiments.experiment import Context, Experiment, Finding, Settings, conduct
from pgstalker.errors import ConfigError

__all__ = ["Context", "Experiment", "Finding", "Settings", "conduct", "discover", "experiment"]


@functools.cache
def discover() -> Mapping[str, Experiment]:
    """Every experiment by id, in the order of their names. Loads none of the libraries that train."""
    found: dict[str, Experiment] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        if hasattr(module, "EXPERIMENT"):
            assert module.EXPERIMENT.id == entry.name, f"{entry.name}.py names its experiment {module.EXPERIMENT.id}"
            found[entry.name] = module.EXPERIMENT
    return MappingProxyType(found)


def experiment(name: str) -> Experiment:
    """The experiment of that id. Raises ConfigError for an unknown one."""
    if name not in discover():
        raise ConfigError(f"experiment '{name}' is unknown; use one of: {', '.join(discover())}")
    return discover()[name]
