"""How the presenters look: looks.toml read into Looks."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path

from pgstalker.errors import ConfigError
from tools.presenter.clothes import Garment
from tools.presenter.figure import Look
from tools.presenter.hair import HairStyle
from tools.presenter.skin import Complexion
from tools.presenter.stage import Studio

LOOKS = Path(__file__).with_name("looks.toml")


def read_looks(path: Path = LOOKS) -> dict[str, Look]:
    """All looks by presenter. Raises ConfigError naming what is wrong."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path.name}: {error}") from error
    return {name: _look(name, dict(entry)) for name, entry in table.items()}


def find_look(name: str) -> Look:
    """Raises ConfigError for somebody who is not in the cast."""
    looks = read_looks()
    if name not in looks:
        raise ConfigError(f"no presenter '{name}': there are {', '.join(looks)}")
    return looks[name]


def studio_of(look: Look) -> Studio:
    """The studio that a look is filmed in."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in look.studio.items()}
    return replace(Studio(), **values)


def _look(name: str, entry: dict) -> Look:
    for key, kind in {"complexion": Complexion, "hair": HairStyle}.items():
        if key in entry:
            entry[key] = _filled(kind, entry[key], f"{name}.{key}")
    if "garments" in entry:
        entry["garments"] = tuple(_filled(Garment, garment, f"{name}.garments") for garment in entry["garments"])
    return _filled(Look, {"name": name} | entry, name)


def _filled(kind, values: dict, where: str):
    unknown = set(values) - {field.name for field in fields(kind)}
    if unknown:
        raise ConfigError(f"{where}: unknown parameter {', '.join(sorted(unknown))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
