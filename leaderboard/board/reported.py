"""Figures as papers print them: kept apart from what was measured here, never in one column with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leaderboard.places import RESULTS
from leaderboard.schema import validate
from pgstalker.errors import ConfigError

FOLDER = RESULTS / "reported"


def reported(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """All rows, in the order of their files: method, table (self or cross), metrics, source, verified.

    Raises ConfigError for a file that does not fit the schema pgstalker-reported/1.
    """
    rows = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path.name} is no JSON: {error}") from error
        validate(content)
        rows += content["rows"]
    return rows
