"""Clips as people have them: every one that is at hand, and those of the board made worse on purpose too.

Each is prepared, learnt and judged against its own held-out part; one that is refused stands in the table with the
reason, since a refusal with a remedy is an answer too. Clips of a folder:PATH are bad enough as they are, unless
conditions are named.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leaderboard.datasets import clips_of
from leaderboard.datasets.folder import MANIFEST
from leaderboard.experiments.degradations import KINDS, degrade
from leaderboard.experiments.experiment import Context, Experiment, Finding, Variant, measured, title_of
from leaderboard.running.stages import Run
from pgstalker.errors import ConfigError, PgsError
from pgstalker.files import replacing
from pgstalker.subject import Subject

CLEAR = "as filmed"
DRAWN = ("aperture_r", "psnr")
"""The plot's figure: lips, which compare between conditions, where any were seen."""
SEEN = ("valid_share", "luma", "sharpness", "torso_confidence")


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    settings = context.settings
    clips = settings.places_of_clips()
    if unknown := [kind for kind in settings.values if kind not in (CLEAR, *KINDS)]:
        raise ConfigError(f"degradation '{unknown[0]}' is unknown; use some of: {CLEAR}, {', '.join(KINDS)}")
    folder = context.places.work / "degraded"
    variants, refused = [], []
    for dataset, clip in clips:
        kinds = settings.values or ((CLEAR,) if dataset.startswith("folder:") else (CLEAR, *KINDS))
        there, broken = _worse(folder, dataset, clip, tuple(kind for kind in kinds if kind != CLEAR), settings.seed)
        refused += [{"clip": clip, "condition": kind, "clips": 0, "failed": why} for kind, why in broken.items()]
        if CLEAR in kinds:
            variants.append(Variant({"clip": clip, "condition": CLEAR}, [settings.task("pgstalker", dataset, clip)]))
        for kind in there:
            task = settings.task("pgstalker", f"folder:{folder / clip}", f"{clip}-{kind}")
            variants.append(Variant({"clip": clip, "condition": kind}, [task]))
    rows = measured(context, variants, baseline=None, is_timed=False)
    rows = [row | _seen(context, variant) for row, variant in zip(rows, variants)] + refused
    figure = go.Figure()
    key = next((key for key in DRAWN if any(row.get(key) is not None for row in rows)), DRAWN[-1])
    for kind in (CLEAR, *KINDS):
        shown = [row for row in rows if row["condition"] == kind and row.get(key) is not None]
        if shown:
            figure.add_bar(name=kind, x=[row["clip"] for row in shown], y=[round(row[key], 4) for row in shown])
    figure.update_layout(title="Clips as filmed, and made worse", yaxis_title=title_of(key), barmode="group")
    notes = (
        "each is judged against its own held-out part, so that decibels of different conditions do not compare: noise "
        "cannot be learnt and caps them, and what is dim errs by fewer grey levels; lips (aperture_r, lmd_mp) do",
        "a clip of 6 to 8 s has 14 to 19 frames to judge, and a correlation of so few can be chance",
    )
    return Finding(rows, figure, notes)


def _worse(
    folder: Path, dataset: str, clip: str, kinds: tuple[str, ...], seed: int
) -> tuple[list[str], dict[str, str]]:
    """Make the clips of one clip, and the manifest that names them: (kinds, refused kind to reason)."""
    source = clips_of(dataset, (clip,))[0]
    entries, refused = [], {}
    for kind in kinds:
        name = f"{clip}-{kind}"
        file = f"{name}.subject" if source.is_prepared else f"{name}.mp4"
        try:
            degrade(source, kind, folder / clip / file, seed)
        except PgsError as error:
            refused[kind] = str(error)
            continue
        entries.append({"id": name, "file": file, "identity": source.identity})
    if entries:
        with replacing(folder / clip / MANIFEST) as temporary:
            temporary.write_text(json.dumps({"name": f"degraded-{clip}", "clips": entries}, indent=1) + "\n", "utf-8")
    return [entry["id"].removeprefix(f"{clip}-") for entry in entries], refused


def _seen(context: Context, variant: Variant) -> dict[str, Any]:
    """What preparation found out, where it came so far."""
    stages = Run(variant.tasks[0], context.places).stages
    if "prepare" not in stages:
        return {}
    manifest = Subject.load(stages["prepare"]["subject"]).manifest
    quality = manifest.get("quality", {})
    found = {name: quality[name] for name in SEEN if quality.get(name) is not None}
    return found | {"warnings": "; ".join(manifest.get("warnings", []))}


EXPERIMENT = Experiment(
    id="real_world",
    title="Clips as people have them",
    question="What becomes of clips that were filmed in bad light, by a shaking hand, or sent through a messenger?",
    run=run,
    values="conditions (as filmed, light, noise, codec, shake)",
)
