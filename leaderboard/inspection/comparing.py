"""Two results on the same clips: a paired table, and a video of both beside the truth, with sound.

Differences are of the same frames of the same clips; p-values are over clips, Holm-corrected over the figures.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.board.series import Entry, aligned, read_entry
from leaderboard.inspection.shelf import Evidence, Shelf
from leaderboard.inspection.side_by_side import side_by_side
from leaderboard.metrics import cells
from leaderboard.statistics import Comparison, compare, holm
from pgstalker.errors import ConfigError


@dataclass(frozen=True)
class Line:
    """One figure: values of A and B, their paired comparison (A less B; of a figure with a target, of
    the distances from it), p after Holm, and who is better beyond doubt: "A", "B" or "" for a tie."""

    key: str
    unit: str
    a: float
    b: float
    outcome: Comparison
    p_holm: float | None
    better: str


@dataclass(frozen=True)
class Pair:
    """One clip's record with its per-frame values, of each side."""

    clip: str
    a: Entry
    b: Entry


def pairs_of(shelf: Shelf, first: str, second: str, clip: str | None) -> list[Pair]:
    """The clips that two methods of the board share. Raises ConfigError where they share none."""
    found = []
    sides = [_by_clip(shelf.records(what, clip), what) for what in (first, second)]
    for name in sorted(set(sides[0]) & set(sides[1])):
        found.append(Pair(name, *(read_entry(side[name], shelf.results) for side in sides)))
    if not found:
        raise ConfigError(f"{first} and {second} share no clip under one protocol; measure them on the same")
    return found


def _by_clip(paths: list[Path], what: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        clip = "/".join([*path.parts[-3:-1], path.stem])
        if clip in found:
            revisions = " and ".join(sorted({other.parts[-4] for other in (path, found[clip])}))
            raise ConfigError(f"{what} has several revisions on {clip} ({revisions}); name METHOD/REVISION")
        found[clip] = path
    return found


def table(pairs: list[Pair], seed: int = 0) -> list[Line]:
    """A line for each figure that both sides have on a common clip. Raises ConfigError where the two were not judged
    alike: another truth, or another implementation of a figure."""
    for pair in pairs:
        _check_alike(pair)
    outcomes: dict[str, tuple[list[float], Comparison]] = {}
    for key in cells():
        held: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = {}, {}
        for pair in pairs:
            values = aligned({"a": pair.a, "b": pair.b}, key)
            if len(values) == 2:
                held[0][pair.clip], held[1][pair.clip] = values["a"], values["b"]
        if not held[0]:
            continue
        means = [float(np.mean([np.nanmean(side[clip]) for clip in side])) for side in held]
        own, other = (_directed(key, side) for side in held)
        stride = max(1, max(pair.a.step(key) for pair in pairs if pair.clip in held[0]))
        outcomes[key] = means, compare(own, other, stride, seed)
    adjusted = holm({key: outcome.p for key, (_, outcome) in outcomes.items()})
    found = []
    for key, ((a, b), outcome) in outcomes.items():
        found.append(Line(key, cells()[key][1].unit, a, b, outcome, adjusted[key], _better(key, outcome)))
    return found


def _check_alike(pair: Pair) -> None:
    first, second = pair.a.record, pair.b.record
    truths = [record["inputs"]["truth"] and record["inputs"]["truth"]["frame_md5"] for record in (first, second)]
    if pair.a.stride == pair.b.stride and truths[0] != truths[1]:
        raise ConfigError(f"{pair.clip}: the two were scored against different truths; score them against one")
    for key in first["metrics"].keys() & second["metrics"].keys():
        ways = [record["metrics"][key]["impl"] for record in (first, second)]
        if ways[0] != ways[1]:
            raise ConfigError(f"{pair.clip}: {key} was computed by {ways[0]} and by {ways[1]}; score them anew")
    counts = [entry.record["counts"]["n_used"] for entry in (pair.a, pair.b)]
    if pair.a.stride == pair.b.stride and counts[0] != counts[1]:
        raise ConfigError(f"{pair.clip}: {counts[0]} frames against {counts[1]}; score the same frames")


def _directed(key: str, side: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of a figure with a target the distance from it, clip by clip; others as they are."""
    figure = cells()[key][1]
    if figure.direction != "target":
        return side
    target = figure.target or 0.0
    return {clip: np.array([abs(np.nanmean(values) - target)]) for clip, values in side.items()}


def _better(key: str, outcome: Comparison) -> str:
    if outcome.is_tie:
        return ""
    is_higher_better = cells()[key][1].direction == "higher"
    return "A" if (outcome.difference > 0) == is_higher_better else "B"


def lines(found: list[Line], names: tuple[str, str]) -> list[str]:
    """For people."""
    told = [f"A = {names[0]}, B = {names[1]}; A - B with its 95 % interval over {found[0].outcome.clips} clip(s)"]
    told.append(f"  {'':<22} {'A':>10} {'B':>10} {'A - B':>10}  interval")
    for line in found:
        ci95 = line.outcome.ci95
        span = "one number each" if ci95 is None else f"[{ci95[0]:+.4g}, {ci95[1]:+.4g}]"
        p = line.outcome.verdict if line.p_holm is None else f"p {line.p_holm:.3f} (Holm)"
        who = f"{line.better} is better" if line.better else "tie"
        told.append(
            f"  {line.key:<22} {line.a:>10.4f} {line.b:>10.4f} {line.outcome.difference:>+10.4f}  {span:<24} {who}; {p}"
        )
    return told


def blank(pairs: list[Pair]) -> list[str]:
    """Why figures are not in the table: one line for each reason."""
    found: dict[str, list[str]] = {}
    for key in cells():
        for side in ("a", "b"):
            told = [getattr(pair, side).record["metrics"].get(key) for pair in pairs]
            if all(cell is None or cell["status"] != "ok" for cell in told):
                reason = next((cell["reason"] for cell in told if cell is not None), "not scored")
                found.setdefault(f"{side.upper()}: {reason}", []).append(key)
    return [f"  no {', '.join(keys)}: {reason}" for reason, keys in found.items()]


# ---- the video


def video_of(out: Path, first: Evidence, second: Evidence) -> Path:
    """Truth (where there is one), A and B in one row under their names, with the first sound there is. Raises
    MediaError where they differ in size or rate."""
    shown = {"truth": first.truth or second.truth, f"A: {first.name}": first.prediction}
    shown[f"B: {second.name}"] = second.prediction
    side_by_side({name: path for name, path in shown.items() if path is not None}, out, _sound(first, second))
    return out


def _sound(first: Evidence, second: Evidence) -> Path | None:
    from pgstalker.media import probe

    for path in (first.audio, second.audio, first.truth, first.prediction, second.prediction):
        if path is not None and probe(path).audio is not None:
            return path
    return None


def entries_of(first: Evidence, second: Evidence) -> tuple[Entry, Entry]:
    """Record and per-frame values of both; plain videos are scored now."""
    with tempfile.TemporaryDirectory(prefix="pgstalker-compare-") as scratch:
        one, other = (
            Entry(evidence.record, evidence.series, evidence.name)
            if evidence.record
            else _scored(evidence, Path(scratch) / f"{number}.json")
            for number, evidence in enumerate((first, second))
        )
    return one, other


def _scored(evidence: Evidence, path: Path) -> Entry:
    from leaderboard.protocol import Protocol
    from leaderboard.scoring import ScoreRequest, score

    protocol = Protocol("cross" if evidence.truth is None else "self")
    score(ScoreRequest(evidence.prediction, evidence.truth, evidence.audio, protocol), path)
    return read_entry(path, path.parent)
