"""The metrics, one file each: a file that names METRIC is registered by being here."""

from __future__ import annotations

import functools

from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, Region, Status
from pgstalker.registry import registered

__all__ = ["Figure", "Meter", "Metric", "Reading", "Region", "Status", "cells", "discover"]


@functools.cache
def discover() -> dict[str, Metric]:
    """Every metric by id, in the order of their names. Loads none of the libraries that compute them."""
    return registered(__name__, "METRIC")


@functools.cache
def cells() -> dict[str, tuple[Metric, Figure, Region]]:
    """Every cell that a record may hold: its key to metric, figure and region."""
    return {
        key: (metric, figure, region)
        for metric in discover().values()
        for key, (figure, region) in metric.cells().items()
    }
