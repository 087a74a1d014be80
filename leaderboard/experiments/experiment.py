"""What a recipe declares, what it is given, and how its finding is kept.

    EXPERIMENT.run(context) -> Finding -> results/experiments/<id>.json, <id>/plot.json

Its cells are tasks of the runner, so that a killed experiment goes on where it was; their records lie beside its
table, in results/experiments/<id>/measured, not among those that the board ranks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.board.series import Entry, paired, read_entry
from leaderboard.environment import environment
from leaderboard.metrics import cells
from leaderboard.running.regenerate import BOARD_DATASETS, Engine, one_by_one
from leaderboard.running.runner import Outcome, run
from leaderboard.running.tasks import Places, Task
from leaderboard.statistics import clips_interval
from pgstalker.errors import ConfigError
from pgstalker.files import replacing

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

log = logging.getLogger(__name__)
FIGURES = ("psnr", "psnr_face", "psnr_mouth", "ssim", "lpips", "lmd_mp", "aperture_r", "sync_ridge", "sync_confidence")
"""What a table of a trained variant shows, where it was measured."""
UNTIMED = ("gaussians", "steps")
"""What a variant costs on any machine."""
GAINS = ("psnr", "psnr_mouth")
DIGITS = 4


@dataclass(frozen=True)
class Settings:
    """How much is spent. clips: DATASET/CLIP or CLIP of the board's datasets; empty takes those at hand. values: of the
    recipe's own axis (counts, shares ...), its default where empty. methods: where a recipe compares several."""

    preset: str = "quick"
    clips: tuple[str, ...] = ()
    datasets: tuple[str, ...] = BOARD_DATASETS
    methods: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    sounds: tuple[Path, ...] = ()
    size: int | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "auto"

    def task(self, method: str, dataset: str, clip: str, **more: Any) -> Task:
        """A cell under these settings."""
        known = {
            "preset": self.preset,
            "size": self.size,
            "steps": self.steps,
            "seed": self.seed,
            "device": self.device,
        }
        return Task(method=method, dataset=dataset, clip=clip, **known | more)

    def places_of_clips(self) -> list[tuple[str, str]]:
        """(dataset, clip) of the clips asked for. Raises ConfigError for one that is unknown or not at hand."""
        from leaderboard.datasets import clips_of

        there = [(name, clip) for name in self.datasets for clip in clips_of(name)]
        if not self.clips:
            return [(name, clip.id) for name, clip in there if clip.is_at_hand]
        found = []
        for wanted in self.clips:
            match = next(((n, c) for n, c in there if wanted in (c.id, f"{n}/{c.id}")), None)
            if match is None:
                raise ConfigError(f"no dataset has a clip '{wanted}'; there are: {', '.join(c.id for _, c in there)}")
            if not match[1].is_at_hand:
                raise ConfigError(f"clip '{wanted}' is not at hand: {match[1].where}")
            found.append((match[0], match[1].id))
        return found

    def numbers(self, default: Sequence[float]) -> list[float]:
        """`values` as numbers. Raises ConfigError for another word."""
        try:
            return [float(value) for value in self.values] or list(default)
        except ValueError:
            raise ConfigError(
                f"--values {' '.join(self.values)} are no numbers; give numbers, {default[0]:g} say"
            ) from None


@dataclass(frozen=True)
class Context:
    """What a recipe is given. places.results is the experiment's own folder; board: the board's results."""

    settings: Settings
    places: Places
    board: Path
    isolated: bool = True
    engine: Engine = one_by_one
    say: Callable[[str], None] = print

    def fill(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Fill the cells, those that are there left as they are; outcomes in the order of the tasks."""
        for task in tasks:
            task.check()
        found: dict[str, Outcome] = {}
        for outcome in self.engine(partial(run, places=self.places, isolated=self.isolated), tasks):
            found[outcome.task.label] = outcome
            said = "is there" if outcome.was_there else outcome.reason or f"took {outcome.seconds:.0f} s"
            self.say(f"[{len(found)}/{len(tasks)}] {outcome.task.label}: {said}")
        return [found[task.label] for task in tasks]

    def entry(self, outcome: Outcome) -> Entry | None:
        return None if outcome.record is None else read_entry(outcome.record, self.places.results)


@dataclass(frozen=True)
class Finding:
    """table: flat rows, None for what could not be measured. notes: what a reader must know of it."""

    table: list[dict[str, Any]]
    figure: Figure
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """The declaration of one file. needs_clips: whether Settings.clips mean something to it."""

    id: str
    title: str
    question: str
    run: Callable[[Context], Finding]
    values: str = ""
    """What Settings.values are here, for the help; "" where they are nothing."""


def conduct(experiment: Experiment, context: Context) -> Path:
    """Run it and write its table and plot; returns the table's path. What was measured before is not measured again."""
    folder = context.board / "experiments" / experiment.id
    own = replace(context, places=Places(context.places.work, folder))
    found = experiment.run(own)
    plot = folder / "plot.json"
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(plot) as temporary:
        temporary.write_text(found.figure.to_json() + "\n", "utf-8")
    settings = {name: value for name, value in asdict(context.settings).items() if value not in ((), None)}
    machine = environment("cpu", context.settings.seed)
    content = {
        "id": experiment.id,
        "title": experiment.title,
        "question": experiment.question,
        "notes": list(found.notes),
        "table": [rounded(row) for row in found.table],
        "plot": plot.relative_to(context.board).as_posix(),
        "settings": {name: _plain(value) for name, value in settings.items()},
        "machine": {name: machine[name] for name in ("cpu", "threads", "ram_gb")},
    }
    path = folder.with_suffix(".json")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    return path


def _plain(value: Any) -> Any:
    return [str(one) for one in value] if isinstance(value, tuple | list) else value


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in row.items()}


# ---- rows of trained variants


@dataclass(frozen=True)
class Variant:
    """One line of a table before it is measured: what tells it from the others, and its task on each clip."""

    told: dict[str, Any]
    tasks: list[Task] = field(default_factory=list)


def measured(
    context: Context,
    variants: Sequence[Variant],
    baseline: Callable[[int], int] | None = lambda number: 0,
    is_timed: bool = True,
) -> list[dict[str, Any]]:
    """A row for each variant: its figures as means over the clips with intervals, its cost, and in psnr_gain and
    psnr_mouth_gain by how much it is better, on the same frames, than the variant whose number `baseline` makes of its
    own (None: no such columns). is_timed: whether time and memory are part of the question."""
    outcomes = context.fill([task for variant in variants for task in variant.tasks])
    left = iter(outcomes)
    found: list[dict[str, Entry]] = []
    reasons = []
    for variant in variants:
        own = [next(left) for _ in variant.tasks]
        entries = {f"{o.task.dataset_id}/{o.task.clip}": e for o in own if (e := context.entry(o)) is not None}
        found.append(entries)
        reasons.append("; ".join(sorted({outcome.reason for outcome in own if outcome.reason})))
    rows = []
    for number, (variant, entries, reason) in enumerate(zip(variants, found, reasons)):
        cost = {name: value for name, value in _cost(entries).items() if is_timed or name in UNTIMED}
        row = variant.told | {"clips": len(entries)} | _figures(entries) | cost
        if baseline is not None:
            row |= _gains(entries, found[baseline(number)])
        rows.append(row | ({"failed": reason} if reason else {}))
    return rows


def _figures(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Means over all of the clips: a figure that one of them lacks is left out."""
    row: dict[str, Any] = {}
    for key in FIGURES:
        series = [values for entry in entries.values() if (values := entry.values(key)) is not None]
        if not series or len(series) < len(entries):
            continue
        steps = filter(None, (entry.step(key) for entry in entries.values()))
        row[key], ci95 = clips_interval(series, min(steps, default=1))
        if ci95 is not None and key in GAINS:
            row[f"{key}_low"], row[f"{key}_high"] = ci95
    return row


def _cost(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Means over the clips of what the records say."""

    def mean(values: Iterable[Any]) -> float | None:
        known = [float(value) for value in values if value is not None]
        return float(np.mean(known)) if known else None

    methods = [entry.record["method"] for entry in entries.values()]
    speeds = [entry.record["speed"] or {} for entry in entries.values()]
    frame = [speed.get("stages", {}).get("frame", {}).get("fps_median") for speed in speeds]
    row = {
        "gaussians": mean(m.get("gaussians") for m in methods),
        "steps": mean(m.get("steps") for m in methods),
        "train_seconds": mean(m.get("train_seconds") for m in methods),
        "train_peak_memory_mb": mean(m.get("train_peak_memory_mb") for m in methods),
        "frames_per_second": mean(frame),
    }
    return {name: value for name, value in row.items() if value is not None}


def _gains(entries: Mapping[str, Entry], base: Mapping[str, Entry]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for line in paired(entries, base, GAINS) if entries is not base else ():
        row[f"{line.key}_gain"] = line.comparison.difference
        if line.comparison.ci95 is not None:
            row[f"{line.key}_gain_low"], row[f"{line.key}_gain_high"] = line.comparison.ci95
    return row


def title_of(key: str) -> str:
    """A column for a plot's axis: PSNR mouth, dB."""
    from leaderboard.board.compiled import title_of as name

    title, unit = name(key), cells()[key][1].unit if key in cells() else ""
    return f"{title}, {unit}" if unit and not title.endswith(f" {unit}") else title


def error_bars(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any] | None:
    """plotly's error_y of a figure with an interval; None where a row has none."""
    if any(f"{key}_low" not in row or row.get(key) is None for row in rows):
        return None
    above = [round(row[f"{key}_high"] - row[key], DIGITS) for row in rows]
    below = [round(row[key] - row[f"{key}_low"], DIGITS) for row in rows]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
