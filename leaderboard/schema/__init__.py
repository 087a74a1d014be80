"""The form of the files that the leaderboard reads and writes, as JSON Schema (draft 2020-12)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from pgstalker.errors import ConfigError

NAMES = ("board", "description", "eval", "failure", "reported", "submission")
FILES = {f"pgstalker-{name}/1": f"pgstalker-{name}-1.json" for name in NAMES}


@functools.cache
def load(name: str) -> dict[str, Any]:
    """The schema of that id."""
    return json.loads((Path(__file__).parent / FILES[name]).read_text("utf-8"))


def validate(record: Any) -> None:
    """Raise ConfigError, naming the place, where a file's content does not fit the schema that it names."""
    from jsonschema import Draft202012Validator

    name = record.get("schema") if isinstance(record, dict) else None
    if name not in FILES:
        raise ConfigError(f"the schema {name!r} is unknown; this version reads {', '.join(FILES)}")
    errors = sorted(Draft202012Validator(load(name)).iter_errors(record), key=lambda error: list(map(str, error.path)))
    if errors:
        where = "/".join(map(str, errors[0].path)) or "the top level"
        raise ConfigError(f"the record does not fit {name} at {where}: {errors[0].message}")
