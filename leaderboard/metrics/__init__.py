"""The metrics, one file each: a file that names METRIC is registered by being here."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, Region, Status

__all__ = ["Figure", "Meter", "Metric", "Reading", "Region", "Status", "cells", "discover"]


@functools.cache
def discover() -> dict[str, Metric]:
    """Every metric by id, in the order of their names. Loads none of the libraries that compute them."""
    found: dict[str, Metric] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        if hasattr(module, "METRIC"):
            assert module.METRIC.id == entry.name, f"{entry.name}.py names its metric {module.METRIC.id}"
            found[entry.name] = module.METRIC
    return found


@functools.cache
def cells() -> dict[str, tuple[Metric, Figure, Region]]:
    """Every cell that a record may hold: its key to metric, figure and region."""
    return {
        key: (metric, figure, region)
        for metric in discover().values()
        for key, (figure, region) in metric.cells().items()
    }
