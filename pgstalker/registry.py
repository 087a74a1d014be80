"""A file is a registration: what the modules of a package name is found by looking there."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def registered(package: str, name: str) -> dict[str, Any]:
    """What the modules of `package` (dotted) call `name`, by its id, in the order of the files; a module that has none
    is a part of the others. An id is its file's name, or that with - as _."""
    found: dict[str, Any] = {}
    for entry in sorted(pkgutil.iter_modules(importlib.import_module(package).__path__), key=lambda entry: entry.name):
        one = getattr(importlib.import_module(f"{package}.{entry.name}"), name, None)
        if one is not None:
            assert one.id.replace("-", "_") == entry.name, f"{entry.name}.py names its {name} {one.id}"
            found[one.id] = one
    return found
