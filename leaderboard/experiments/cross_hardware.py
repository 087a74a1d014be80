"""Speed by device: what `bench` measured on each machine, and what the board's records say. Nothing is trained."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from leaderboard.experiments.experiment import Context, Experiment, Finding
from leaderboard.places import ROOT
from leaderboard.records import find_records, read_record
from pgstalker.errors import ConfigError

log = logging.getLogger(__name__)
BENCHES = ROOT / "benchmarks" / "results"
STAGES = ("render", "frame", "end_to_end", "train_step")


def run(context: Context) -> Finding:
    import plotly.graph_objects as go

    rows = [*benched(BENCHES), *recorded(context.board)]
    if not rows:
        raise ConfigError(
            "nothing was timed yet; run: python -m pgstalker bench --out benchmarks/results/NAME/bench.jsonl"
        )
    figure = go.Figure()
    for stage in STAGES:
        there = [row for row in rows if row["stage"] == stage]
        names = [f"{row['device']}: {row['what']}, {row['size']} px" for row in there]
        figure.add_bar(name=stage, y=names, x=[row["frames_per_second"] for row in there], orientation="h")
    figure.update_layout(title="Speed by device", xaxis_title="frames (or steps) a second", xaxis_type="log")
    note = "render draws alone; frame adds networks and the copy to the host; end_to_end is sound to a finished video"
    return Finding(rows, figure, (note,))


def benched(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of every bench*.jsonl; the folder's name is the machine's."""
    for path in sorted(folder.glob("*/bench*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            still = ", head still" if row.get("still_pose") else ""
            yield {
                "device": row.get("gpu") or f"{row['processor']}, {row['threads']} threads",
                "what": f"{row['gaussians']} Gaussians{still}",
                "stage": row["stage"],
                "size": row["size"],
                "frames_per_second": row["fps_median"],
                "ms_p95": row["ms_p95"],
                "clips": None,
                "source": f"{path.parent.name}/{path.name}",
            }


def recorded(folder: Path) -> Iterator[dict[str, Any]]:
    """Medians over the clips of what the records say: one row for each device, method, size and stage. Floors and
    oracles, which draw nothing, are left out; a damaged record is told and passed over."""
    found: dict[tuple[str, str, int, str], list[float]] = {}
    for path in find_records(folder, kinds=("measured",)):
        try:
            record, _ = read_record(path)
        except ConfigError as error:
            log.warning("%s", error)
            continue
        told, method = record["env"], record["method"]
        if method.get("kind") in ("floor", "oracle", "reference"):
            continue
        device = told["gpu"] if method.get("device") == "cuda" else f"{told['cpu']}, {told['threads']} threads"
        what = " ".join(filter(None, [method.get("title", method["id"]), method.get("variant")]))
        for stage, facts in ((record["speed"] or {}).get("stages") or {}).items():
            key = device, what, record["clip"]["size"][0], stage
            found.setdefault(key, []).append(facts["fps_median"])
    for (device, what, size, stage), values in sorted(found.items()):
        row = {
            "device": device,
            "what": what,
            "stage": stage,
            "size": size,
            "frames_per_second": round(median(values), 3),
        }
        yield row | {"ms_p95": None, "clips": len(values), "source": "records of the board"}


EXPERIMENT = Experiment(
    id="cross_hardware",
    title="Speed by device",
    question="How fast is each stage on each machine that was measured?",
    run=run,
)
