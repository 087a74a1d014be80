"""Are the committed figures true? Kept predictions scored again, one row made anew, blank cells filled.

A record is never overwritten, with one exception: `rescore` fills cells that were blank for lack of weights, leaves
every other one untouched, and says so in the record.
"""

from __future__ import annotations

import logging
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.metrics import cells
from leaderboard.protocol import Protocol
from leaderboard.records import find_records, incoherent, read_record, write_record
from leaderboard.running.references import REFERENCES
from leaderboard.running.runner import check_clip, do, in_words, run
from leaderboard.running.stages import Run, score_request
from leaderboard.running.tasks import Places, Task
from leaderboard.scoring import MISHAPS, score
from pgstalker.errors import ConfigError, PgsError

log = logging.getLogger(__name__)
RESCORED = 1e-3
"""Share of a value, or the value itself below 1, by which scoring the same frames again may differ: sums of floats in
another order, another build of a landmarker."""
RETRAINED = {"ssim": 0.01, "ms_ssim": 0.01, "lpips": 0.01, "flip": 0.01}
RETRAINED_UNITS = {"dB": 0.5, "px": 0.25, "r": 0.1, "F1": 0.1, "ratio": 0.1, "frames": 1.0}
"""By figure, else by unit: what training anew may differ by, since on several threads sums come in another order."""
RETRAINED_SHARE, RETRAINED_LEAST = 0.08, 0.05
"""Of any other figure: the share of its value, at least so much."""
Tolerance = Callable[[str, Mapping[str, Any]], float]
Scores = tuple[dict[str, Any], dict[str, np.ndarray]]
"""A record and its per-frame values, as read_record gives them."""
DECLARED = {
    "protocol": ("id", "version", "setting", "composite", "codec"),
    "method": ("title", "kind", "variant", "preset", "size", "seed", "switches"),
    "clip": ("frames", "stride", "fps", "size", "starts", "sha256"),
    "counts": ("n_pred", "n_gt", "n_used"),
}
"""What a record says beside its figures that follows from the task and its frames, whoever makes them."""
CELL = ("unit", "direction", "region", "stride")
"""What a cell says beside its value. Not agg and comparable_to_papers: what they mean changed after the first records,
and no table reads them."""


@dataclass(frozen=True)
class Verdict:
    """What became of one record; faults are empty where it holds. checked is False where nothing could be compared."""

    path: Path
    faults: tuple[str, ...] = ()
    checked: bool = True
    note: str = ""

    def line(self) -> str:
        state = "differs" if self.faults else "holds" if self.checked else "not checked"
        return f"{self.path}: {state}{': ' if self.faults or self.note else ''}{'; '.join(self.faults) or self.note}"


def records_of(places: Places, methods: tuple[str, ...] = ()) -> list[Path]:
    """Every record of the results, or those of some methods."""
    found = find_records(places.results, kinds=("measured",))
    return [path for path in found if not methods or path.relative_to(places.measured).parts[0] in methods]


def task_of(record: Mapping[str, Any], datasets: Mapping[str, str]) -> Task:
    """The task that made a record. datasets: what to ask for to find a dataset by its id (folder:PATH, say).

    Raises ConfigError for one that this program did not make."""
    method, clip = record["method"], record["clip"]
    try:
        name, _, speech = clip["id"].partition("@")
        return Task(
            method=method["id"],
            dataset=datasets.get(clip["dataset"], clip["dataset"]),
            clip=name,
            preset=method["preset"],
            size=method["size"],
            steps=_asked(method["revision"], "n"),
            switches=method["switches"],
            seed=method["seed"],
            device=method["device"] or "auto",
            codec=record["protocol"]["codec"],
            speech=_speech(speech) if speech else None,
            gaussians=_asked(method["revision"], "g"),
        )
    except KeyError as error:
        raise ConfigError(f"the record lacks {error}; it was not made by `run`, and cannot be made again") from None


def again_command(path: Path, places: Places, datasets: Mapping[str, str]) -> str:
    """What a person types to have the frames of a record again."""
    try:
        task = task_of(read_record(path)[0], datasets)
        if task.place == path.parent.relative_to(places.measured):
            return task.command(places, "--again")
    except (ConfigError, ValueError) as error:
        log.info("%s: %s", path, error)
    return "python -m leaderboard run METHOD --dataset folder:PATH --clip CLIP --again, set as its record says"


def _asked(revision: str, sign: str) -> int | None:
    """The number after n (steps) or g (Gaussians) in the name of a revision, as Task.revision writes it."""
    numbers = [part[1:] for part in revision.partition("+")[0].split("-") if part[:1] == sign and part[1:].isdigit()]
    return int(numbers[0]) if numbers else None


def _speech(stem: str) -> Path:
    from leaderboard.running.references import OTHER_SPEECH

    path = OTHER_SPEECH.with_name(f"{stem}.wav")
    if not path.is_file():
        raise ConfigError(f"the speech '{stem}' is not among those of {path.parent}; run its cell by hand")
    return path


def verify(
    places: Places, methods: tuple[str, ...] = (), datasets: Mapping[str, str] | None = None
) -> Iterator[Verdict]:
    """Score every kept prediction again, each beside what its record says. Whether a record lies where it says, and
    follows from its own per-frame values, is looked at where nothing is kept too."""
    for path in records_of(places, methods):
        try:
            scores = read_record(path)
            yield _again(path, scores, Run(task_of(scores[0], datasets or {}), places))
        except MISHAPS as error:
            yield Verdict(path, (in_words(error),))


def misplaced(path: Path, record: Mapping[str, Any], places: Places) -> Iterator[str]:
    """In words, what of a record's own place differs from where it lies."""
    method, clip = record["method"], record["clip"]
    told = (method["id"], method.get("revision"), clip.get("dataset"), clip.get("id"), record["protocol"]["id"])
    lies = path.relative_to(places.measured).with_suffix("").parts
    if told != lies:
        yield f"it is the record of {'/'.join(map(str, told))}, and lies as {'/'.join(lies)}"


def _again(path: Path, scores: Scores, whole: Run) -> Verdict:
    record = scores[0]
    faults = [*misplaced(path, record, whole.places), *incoherent(*scores)]
    kept = whole.stages.get("perform")
    if kept is None or not whole.prediction.is_file():
        note = f"its prediction is not kept in {whole.places.work}"
        return Verdict(path, tuple(faults), checked=False, note=note)
    protocol = Protocol(whole.setting, kept["composite"], whole.task.codec)
    with tempfile.TemporaryDirectory(prefix="pgstalker-verify-") as scratch:
        out = Path(scratch) / "scores.json"
        score(score_request(whole, protocol), out)
        fresh = read_record(out)
    if is_same(kept, record):
        return Verdict(path, (*faults, *differences(scores, fresh, rescored, by_frame=True)))
    note = "its frames were made again here, and are compared as those of a row made anew"
    return Verdict(path, (*faults, *differences(scores, fresh, _retrained)), note=note)


def is_same(kept: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether the stage "perform" rendered the very frames of a record: made again, their file bears other bytes."""
    told = record["inputs"]["prediction"]
    return kept["sha256"] == told["sha256"] or kept.get("frame_md5") == told["frame_md5"]


def remake(task: Task, places: Places, isolated: bool = True) -> Verdict:
    """Make the frames of a record again where they are not kept any more, then say whether the record holds; it is not
    touched. Raises ConfigError where there is no record."""
    whole = Run(task, places)
    path = whole.record()
    if path is None:
        raise ConfigError(f"{task.label} has no record yet; leave out --again")
    scores = read_record(path)
    try:
        check_clip(whole, path)
        do(whole, _lacking(whole), isolated)
        return _again(path, scores, whole)
    except MISHAPS as error:
        return Verdict(path, (f"it could not be made again: {in_words(error)}",))


def _lacking(whole: Run) -> list[str]:
    """The stages before judging that were not done, or whose files are gone, and those that come after one of these."""
    if whole.prediction.is_file() and "perform" in whole.stages:
        return []
    done = whole.stages
    is_there = {
        "prepare": "prepare" in done and Path(done["prepare"]["subject"]).is_dir(),
        "train": "train" in done and (whole.task.method in REFERENCES or whole.model.is_dir()),
        "perform": False,
    }
    first = next(name for name, there in is_there.items() if not there)
    return list(is_there)[list(is_there).index(first) :]


def differences(scores: Scores, fresh: Scores, tolerance: Tolerance, by_frame: bool = False) -> Iterator[str]:
    """In words, what two records of one performance do not share: what they say of it, and each cell in which they
    differ by more than tolerance(key, cell); with by_frame, of the very same frames, each frame's value too.

    A cell that is blank, or not there, must be blank in the fresh one, but for one that `rescore` would fill."""
    record, anew = scores[0], fresh[0]
    sides = [found["inputs"]["truth"] and found["inputs"]["truth"]["frame_md5"] for found in (record, anew)]
    if sides[0] != sides[1]:
        yield "the truth is another one (hash mismatch)"
    if by_frame and record["inputs"]["prediction"]["frame_md5"] != anew["inputs"]["prediction"]["frame_md5"]:
        yield "the prediction's frames are others than it says (hash mismatch)"
    for part, names in DECLARED.items():
        for name in names:
            told, found = record[part].get(name), anew[part].get(name)
            if told != found:
                yield f"its {part}'s {name} is {told!r} and should be {found!r}"
    for key, again in anew["metrics"].items():
        cell = record["metrics"].get(key)
        if cell is None or cell["value"] is None:
            if again["value"] is not None and (cell is None or not _lacks_something(cell)):
                yield f"{key} is blank and would be {again['value']:.6g}"
        elif again["value"] is None:
            if not _lacks_something(again):
                yield f"{key} was {cell['value']:.6g} and is blank now ({again['reason']})"
        else:
            yield from unlike(key, scores, fresh, tolerance(key, cell), by_frame)


def unlike(key: str, scores: Scores, fresh: Scores, most: float, by_frame: bool) -> Iterator[str]:
    """In words, how one cell differs that has a value in both: by more than `most`; by_frame as in differences."""
    cell, again = scores[0]["metrics"][key], fresh[0]["metrics"][key]
    for name in CELL:
        if cell[name] != again[name]:
            yield f"{key} has the {name} {cell[name]!r} and should have {again[name]!r}"
    if abs(again["value"] - cell["value"]) > most:
        yield f"{key} was {cell['value']:.6g} and is {again['value']:.6g}"
    if key not in fresh[1]:  # what has values per frame has the interval that follows from them: see incoherent
        # In the first records, amended since or not, draws without any closed lips counted as disagreement.
        is_old = "per_frame_sha256" not in scores[0] or "amended" in scores[0]
        if by_frame and not is_old and not _is_near(cell["ci95"] or [], again["ci95"] or [], most):
            yield f"{key} had the interval {cell['ci95']} and has {again['ci95']}"
        return
    before, now = scores[1].get(key, np.zeros(0, np.float32)), fresh[1][key]
    if len(before) != len(now):
        yield f"{key} had {len(before)} values per frame and has {len(now)}"
    elif by_frame:
        wrong = [entry for entry in range(len(now)) if not _is_near(before[entry], now[entry], most)]
        if wrong:
            pair = f"was {before[wrong[0]]:.6g} and is {now[wrong[0]]:.6g}"
            yield f"{key} {pair} in entry {wrong[0]} of its values per frame ({len(wrong)} such)"


def _is_near(before: ArrayLike, now: ArrayLike, most: float) -> bool:
    """Whether numbers, as many on both sides and NaN in the same places, differ by `most`, or RESCORED of their own
    value, at most."""
    return np.shape(before) == np.shape(now) and np.allclose(before, now, RESCORED, most, equal_nan=True)


def rescored(key: str, cell: Mapping[str, Any]) -> float:
    """The tolerance of what is scored again of the same frames."""
    return RESCORED * max(1.0, abs(cell["value"]))


def _retrained(key: str, cell: Mapping[str, Any]) -> float:
    if cell["details"].get("is_believed") is False:
        return math.inf  # a lag that chance would find: it means nothing, here as there
    relative = max(RETRAINED_LEAST, RETRAINED_SHARE * abs(cell["value"]))
    figure = cells()[key][1].id if key in cells() else key
    return RETRAINED.get(figure, RETRAINED_UNITS.get(cell["unit"], relative))


def retrain(places: Places, seed: int | None = None, methods: tuple[str, ...] = (), isolated: bool = True) -> Verdict:
    """Make one row anew, from the clip on, in an empty work folder: drawn at random, the same for the same seed.

    Only rows whose clip is at hand are drawn. Raises ConfigError where there is none."""
    drawn = []
    for path in records_of(places, methods):
        try:
            scores = read_record(path)
            task = task_of(scores[0], {})
            if task.find_clip().is_at_hand:
                drawn.append((path, scores, task))
        except ConfigError as error:
            log.warning("%s is passed over: %s", path, error)
    if not drawn:
        raise ConfigError(f"{places.measured} holds no record of a clip that is at hand; run or regenerate first")
    path, scores, task = random.Random(seed).choice(drawn)
    with tempfile.TemporaryDirectory(prefix="pgstalker-retrain-") as scratch:
        anew = Places(Path(scratch) / "work", Path(scratch) / "results")
        outcome = run(task, anew, isolated)
        if outcome.record is None:
            return Verdict(path, (f"it could not be made again: {outcome.reason}",))
        fresh = read_record(outcome.record)
    faults = (*misplaced(path, scores[0], places), *incoherent(*scores), *differences(scores, fresh, _retrained))
    return Verdict(path, faults, note="made again from the clip on")


def rescore(
    places: Places, weights: Path, methods: tuple[str, ...] = (), datasets: Mapping[str, str] | None = None
) -> Iterator[Verdict]:
    """Fill the cells of each record that were blank for lack of weights or a package, from its kept prediction.

    Raises ConfigError where `weights` is no folder."""
    if not weights.is_dir():
        raise ConfigError(f"{weights} is no folder; give --weights with the folder that holds the files")
    for path in records_of(places, methods):
        try:
            record, series = read_record(path)
            blank = [key for key, cell in record["metrics"].items() if _lacks_something(cell)]
            if not blank:
                yield Verdict(path, checked=False, note="no cell lacks weights")
                continue
            yield _fill(path, record, series, blank, Run(task_of(record, datasets or {}), places), weights)
        except MISHAPS as error:
            yield Verdict(path, (str(error).partition("\n")[0],))


def _lacks_something(cell: Mapping[str, Any]) -> bool:
    """Weights, or the package that computes it."""
    return cell["status"] == "weights_missing" or (cell["status"] != "ok" and "@absent:" in cell["impl"])


def _fill(path: Path, record: dict, series: dict, blank: list[str], whole: Run, weights: Path) -> Verdict:
    from dataclasses import replace

    kept = whole.stages.get("perform")
    if kept is None or not is_same(kept, record):
        return Verdict(path, checked=False, note=f"its prediction is not kept in {whole.places.work}")
    protocol = Protocol(**{name: record["protocol"][name] for name in ("setting", "composite", "codec")})
    names = tuple(sorted({cells()[key][0].id for key in blank if key in cells()}))
    with tempfile.TemporaryDirectory(prefix="pgstalker-rescore-") as scratch:
        out = Path(scratch) / "scores.json"
        score(replace(score_request(whole, protocol, weights), metrics=names), out)
        fresh, values = read_record(out)
    if fresh["inputs"]["prediction"]["frame_md5"] != record["inputs"]["prediction"]["frame_md5"]:
        raise PgsError("the prediction that is kept is another one (hash mismatch)")
    filled = [key for key in blank if fresh["metrics"].get(key, {}).get("status") == "ok"]
    if not filled:
        return Verdict(path, checked=False, note=f"{weights} holds none of what it lacks")
    record["metrics"] |= {key: fresh["metrics"][key] for key in filled}
    added = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "cells": filled, "tool": fresh["tool"]}
    record["amended"] = [*record.get("amended", []), added]
    write_record(record, series | {key: values[key] for key in filled if key in values}, path)
    return Verdict(path, note=f"filled {', '.join(filled)}")
