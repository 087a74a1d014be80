"""Two results on the same clips: a paired table, and a video of both beside the truth, with sound.

Differences are of the same frames of the same clips; p-values are over clips, Holm-corrected over the figures.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from leaderboard.board.series import Entry, Paired, measured_by, paired, read_entry
from leaderboard.inspection.shelf import Evidence, Shelf, is_lossy
from leaderboard.inspection.side_by_side import side_by_side
from leaderboard.metrics import cells
from leaderboard.statistics import counted
from pgstalker.errors import ConfigError


@dataclass(frozen=True)
class Pair:
    """One clip's record with its per-frame values, of each side."""

    clip: str
    a: Entry
    b: Entry


def pairs_of(shelf: Shelf, first: str, second: str, clip: str | None) -> dict[str, list[Pair]]:
    """The clips that two methods of the board share, by dataset, protocol and size: a clip under two protocols is one
    clip in each of two tables; lossless ones first. Raises ConfigError where they share none."""
    found: dict[str, list[Pair]] = {}
    sides = [_by_clip(shelf.records(what, clip), what) for what in (first, second)]
    common = set(sides[0]) & set(sides[1])
    for place in sorted(common, key=lambda place: (is_lossy(sides[0][place]), place)):
        dataset, name, protocol = place
        pair = Pair(name, *(read_entry(side[place], shelf.results) for side in sides))
        size = pair.a.record["clip"]["size"][0]
        found.setdefault(f"{dataset}, {protocol}, {size} px", []).append(pair)
    if not found:
        raise ConfigError(f"{first} and {second} share no clip under one protocol; measure them on the same")
    return found


def _by_clip(paths: list[Path], what: str) -> dict[tuple[str, str, str], Path]:
    """(dataset, clip, protocol) to its record."""
    found: dict[tuple[str, str, str], Path] = {}
    for path in paths:
        dataset, clip = path.parts[-3:-1]
        place = dataset, clip, path.stem
        if place in found:
            revisions = " and ".join(sorted({other.parts[-4] for other in (path, found[place])}))
            raise ConfigError(f"{what} has several revisions on {dataset}/{clip} ({revisions}); name METHOD/REVISION")
        found[place] = path
    return found


def table(pairs: list[Pair], seed: int = 0) -> list[Paired]:
    """A line for each figure that both sides have on a common clip, of pairs of one dataset, protocol and size. Raises
    ConfigError where the two were not judged alike: another truth, or another implementation of a figure."""
    for pair in pairs:
        _check_alike(pair)
    return paired({pair.clip: pair.a for pair in pairs}, {pair.clip: pair.b for pair in pairs}, seed=seed)


def _check_alike(pair: Pair) -> None:
    first, second = pair.a.record, pair.b.record
    if first["clip"]["size"] != second["clip"]["size"]:
        sizes = " px against ".join("x".join(map(str, record["clip"]["size"])) for record in (first, second))
        raise ConfigError(f"{pair.clip}: {sizes} px; compare pictures of one size")
    truths = [record["inputs"]["truth"] and record["inputs"]["truth"]["frame_md5"] for record in (first, second)]
    if pair.a.stride == pair.b.stride and truths[0] != truths[1]:
        raise ConfigError(f"{pair.clip}: the two were scored against different truths; score them against one")
    for key in first["metrics"].keys() & second["metrics"].keys():
        both = [record["metrics"][key] for record in (first, second)]
        ways = [measured_by(cell) for cell in both]
        if ways[0] != ways[1] and all(cell["status"] == "ok" for cell in both):
            raise ConfigError(f"{pair.clip}: {key} was computed by {ways[0]} and by {ways[1]}; score them anew")
    counts = [entry.record["counts"]["n_used"] for entry in (pair.a, pair.b)]
    if pair.a.stride == pair.b.stride and counts[0] != counts[1]:
        raise ConfigError(f"{pair.clip}: {counts[0]} frames against {counts[1]}; score the same frames")


def lines(found: list[Paired], names: tuple[str, str]) -> list[str]:
    """For people."""
    most = counted(max((line.comparison.clips for line in found), default=0))
    told = [f"A = {names[0]}, B = {names[1]}; A - B with its 95 % interval over {most}"]
    told.append(f"  {'':<22} {'A':>10} {'B':>10} {'A - B':>10}  interval")
    for line in found:
        outcome = line.comparison
        span = "one number each" if outcome.ci95 is None else f"[{outcome.ci95[0]:+.4g}, {outcome.ci95[1]:+.4g}]"
        told.append(
            f"  {line.key:<22} {line.first:>10.4f} {line.second:>10.4f} {outcome.difference:>+10.4f}  {span:<24} "
            + _claim(line)
        )
    return told


def _claim(line: Paired) -> str:
    outcome = line.comparison
    who = f"{'A' if line.better == 'first' else 'B'} is better" if line.better else "tie"
    if outcome.scope == "clips":
        return f"{who}; p {outcome.p_holm:.3f} (Holm)"
    return f"{who}{' on these frames' if line.better else ''}; {outcome.shortage}"


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
