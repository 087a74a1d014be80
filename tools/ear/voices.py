"""Whose voices an ear was trained on, and on what terms: a file beside the weights."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from pgstalker.files import replacing
from tools.voices import VOICES

HEAD = """# Voices that viseme.npz and sync_ridge.npz were trained on

Written by `python -m tools.ear train`. All speech was synthesised with the engines below; no recording of a person was
used besides those inside the voices. The weights hold no sound: they are numbers fitted to mel spectra. espeak-ng's
voices were also used in its variants m1..m8 and f1..f5, which are part of it. Terms as in tools/voices/catalogue.py.

| voice | engine | language | package (Debian 12) | terms of the voice | minutes |
|---|---|---|---|---|---|
"""


def write_terms(path: Path, spoken: list[tuple[str, float]]) -> None:
    """spoken: voice id and seconds of every utterance."""
    seconds: dict[str, float] = defaultdict(float)
    for voice, length in spoken:
        seconds[voice.partition("+")[0]] += length
    rows = [
        f"| {v.id} | {v.engine} | {v.language} | {v.package} | {v.licence} | {seconds[v.id] / 60:.1f} |"
        for v in VOICES.values()
        if v.id in seconds
    ]
    total = f"\n{sum(seconds.values()) / 3600:.2f} hours in {len(rows)} voices.\n"
    with replacing(path) as temporary:
        temporary.write_text(HEAD + "\n".join(rows) + "\n" + total, "utf-8")
