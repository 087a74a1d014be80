"""The presenters: people who do not exist, drawn and voiced by tools/presenter, whose pictures may be shown.

Mira and Olu ship with the repository; the others are here once the user has filmed them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from leaderboard.datasets.dataset import Clip, Dataset, Expected
from leaderboard.places import ROOT

SAMPLE_DATA = ROOT / "sample_data"
PLACE = "PGSTALKER_PRESENTERS"
OTHERS = ("amara", "june", "piet", "tomas")


def clips() -> tuple[Clip, ...]:
    manifest = json.loads((SAMPLE_DATA / "manifest.json").read_text("utf-8"))
    here = tuple(_shipped(name, entry["clip"], manifest["files"]) for name, entry in manifest["presenters"].items())
    return here + tuple(_filmed(name) for name in OTHERS)


def _shipped(name: str, file: str, digests: dict[str, str]) -> Clip:
    where = "it is part of the repository; take it from there or run make sample-data"
    return Clip(name, name, SAMPLE_DATA / file, f"{name}-own", where, digests[file], is_redistributable=True)


def _filmed(name: str) -> Clip:
    folder = Path(os.environ.get(PLACE) or SAMPLE_DATA.parent / "build" / "presenters")
    where = f"python -m tools.presenter film {name} --out {folder} draws it (or name another folder in ${PLACE})"
    return Clip(name, name, folder / f"{name}.mp4", f"{name}-own", where, is_redistributable=True)


DATASET = Dataset(
    id="presenters",
    title="Presenters who do not exist",
    where="python -m tools.presenter film NAME",
    clips=clips,
    expected=Expected(size=(512, 512), fps=25, seconds=(20, 120)),
)
