"""Two results of one clip, held against each other: players, curves, paired differences, files. No gradio in here.

built in: records -> per-frame values          uploaded: videos -> leaderboard.scoring -> per-frame values
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hub.results import Clip, Results
from leaderboard.board.compiled import title_of
from leaderboard.inspection.side_by_side import side_by_side
from leaderboard.metrics import Figure, cells
from leaderboard.records import read_record
from leaderboard.scoring import ScoreRequest, score
from leaderboard.statistics import compare, on_common_frames
from pgstalker.errors import ConfigError, MediaError
from pgstalker.media import normalise_video, probe

TRUTH = "Truth"
BROWSER_CODECS = {"h264", "vp8", "vp9", "av1"}
QUICK = ("psnr", "ssim", "ms_ssim", "flicker")
"""What an uploaded pair is measured in unless all is asked for: no weights, seconds."""


@dataclass(frozen=True)
class Side:
    """One of the two: a video, and what was measured of it: cell key to value, and to per-frame values [n]."""

    title: str
    path: Path
    shown: Path | None = None
    """What a browser plays where it is not `path` itself."""
    values: dict[str, float | None] = field(default_factory=dict)
    series: dict[str, np.ndarray] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    """Every how many frames of the video a value of the series stands for."""
    starts: tuple[int, int] = (0, 0)
    """The frame of the video, and that of the truth, that the first values are of."""

    @classmethod
    def of_record(cls, title: str, path: Path, record: dict[str, Any], series: dict[str, np.ndarray]) -> Side:
        metrics, stride = record["metrics"], record["clip"].get("stride", 1)
        values = {key: cell["value"] for key, cell in metrics.items()}
        steps = {key: stride * metrics[key]["stride"] for key in series if key in metrics}
        own, true = record["clip"]["starts"]
        return cls(title, path, None, values, series, steps, (stride * own, stride * true))


@dataclass(frozen=True)
class Comparison:
    """a and b of one clip; truth where it is at hand. clip: its id, None for uploaded videos."""

    a: Side
    b: Side
    truth: Side | None
    fps: float
    frames: int
    size: tuple[int, int]
    clip: str | None = None

    @classmethod
    def of(cls, a: Side, b: Side, truth: Side | None, clip: str | None = None) -> Comparison:
        """Raises MediaError where the videos do not belong together: different size or rate, in one line."""
        paths = [side.path for side in (a, b, truth) if side is not None]
        streams = [probe(path).require_video() for path in paths]
        first = streams[0]
        for other, path in zip(streams[1:], paths[1:]):
            if (other.width, other.height) != (first.width, first.height):
                raise MediaError(
                    f"{a.path.name} is {first.width}x{first.height} px and {path.name} {other.width}x{other.height}; "
                    "scale one of them, players and error pictures need one size"
                )
            if abs(other.fps - first.fps) > 0.01:
                raise MediaError(
                    f"{a.path.name} has {first.fps:g} frames/s and {path.name} {other.fps:g}; "
                    "convert one of them, frames are compared one by one"
                )
        counts = [
            stream.frames or math.floor(probe(path).duration_s * stream.fps) for stream, path in zip(streams, paths)
        ]
        return cls(a, b, truth, first.fps, min(counts), (first.width, first.height), clip)

    def players(self, start: int = 0) -> dict[str, Any]:
        """The value of the component sync_compare: files, titles, and curves of the figures that both have."""
        sides: dict[str, Any] = {"a": _file(self.a), "b": _file(self.b)}
        if self.truth is not None and self.truth.path not in (self.a.path, self.b.path):
            sides["truth"] = _file(self.truth)
        curves = {key: self._curve(key) for key in self.figures()}
        name = f"{self.a.path}|{self.b.path}"
        return sides | {"id": name, "fps": self.fps, "frames": self.frames, "start": start, "curves": curves}

    def figures(self) -> list[str]:
        """Cell keys of which at least one side has values per frame, those of both sides first."""
        known = {**self.a.series, **self.b.series}
        places = {key: place for place, key in enumerate(dict.fromkeys([*QUICK, *cells()]))}
        both = self.a.series.keys() & self.b.series.keys()
        return sorted((key for key in known if key in places), key=lambda key: (key not in both, places[key]))

    def _curve(self, key: str) -> dict[str, Any]:
        """Values of both at every stride-th frame, each from the frame of its own video that `starts` says."""
        _, figure, _ = cells()[key]
        sides = {"a": self.a, "b": self.b}
        steps = {name: side.steps.get(key, 1) for name, side in sides.items() if key in side.series}
        stride = math.lcm(*steps.values())
        values = {name: _numbers(sides[name].series[key][:: stride // step]) for name, step in steps.items()}
        starts = {name: side.starts[0] for name, side in sides.items()}
        return {
            "title": title_of(key), "unit": figure.unit, "stride": stride, "starts": starts,
            "a": values.get("a"), "b": values.get("b"),
        }  # fmt: skip

    def differences(self) -> list[dict[str, Any]]:
        """Per figure: A, B; where both are known, A less B, its 95 % interval and who is better, over the frames that
        both have where there are any."""
        found, known = [], cells()
        for key in dict.fromkeys([*QUICK, *known]):
            if key not in known:
                continue
            _, figure, region = known[key]
            a, b = self.a.values.get(key), self.b.values.get(key)
            if a is None and b is None:
                continue
            row = {"key": key, "figure": figure, "region": region, "a": a, "b": b, "difference": None, "ci95": None}
            if a is None or b is None:
                found.append(row | {"verdict": "–"})
                continue
            row["difference"] = a - b
            if key in self.a.series and key in self.b.series:
                one, other, step = self._paired(key)
                if np.isfinite(one - other).any():
                    outcome = compare({"clip": one}, {"clip": other}, step)
                    row |= {"difference": outcome.difference, "ci95": outcome.ci95}
                    a, b = float(np.nanmean(one)), float(np.nanmean(other))
            found.append(row | {"verdict": verdict(figure, a, b, row["ci95"])})
        return found

    def _paired(self, key: str) -> tuple[np.ndarray, np.ndarray, int]:
        """Values [n] of A and of B of the truth's frames that both have, n may be 0; and every how many those are."""
        sides = [(side.series[key], side.steps.get(key, 1), side.starts[1]) for side in (self.a, self.b)]
        latest = max(start for *_, start in sides)
        cycle = range(latest, latest + math.lcm(*(step for _, step, _ in sides)))
        first = next((at for at in cycle if all((at - start) % step == 0 for _, step, start in sides)), None)
        if first is None:
            return np.empty(0), np.empty(0), 1
        later = {name: (values[(first - start) // step :], step) for name, (values, step, start) in zip("ab", sides)}
        common, step = on_common_frames(later)
        return common["a"], common["b"], step

    def videos(self) -> dict[str, Path]:
        sides = {f"A  {self.a.title}": self.a.path, f"B  {self.b.title}": self.b.path}
        return sides if self.truth is None else sides | {TRUTH: self.truth.path}

    def archive(self, out: Path) -> Path:
        """A zip of the videos, the paired table (csv) and the per-frame values (json)."""
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
            for name, side in {"a": self.a, "b": self.b, "truth": self.truth}.items():
                if side is not None:
                    file.write(side.path, f"{name}{side.path.suffix.lower()}")
            file.writestr("differences.csv", self.table())
            curves = {key: self._curve(key) for key in self.figures()}
            about = {"a": self.a.title, "b": self.b.title, "clip": self.clip, "fps": self.fps, "frames": self.frames}
            file.writestr("per_frame.json", json.dumps(about | {"figures": curves}, indent=1))
        return out

    def table(self) -> str:
        """The paired differences as CSV text."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["figure", "unit", "direction", "a", "b", "a_less_b", "ci95_low", "ci95_high", "verdict"])
        for row in self.differences():
            figure, (low, high) = row["figure"], row["ci95"] or ("", "")
            writer.writerow(
                [
                    row["key"],
                    figure.unit,
                    figure.direction,
                    row["a"],
                    row["b"],
                    row["difference"],
                    low,
                    high,
                    row["verdict"],
                ]
            )
        return text.getvalue()

    def video(self, out: Path) -> Path:
        """A, B and the truth in one row."""
        side_by_side(self.videos(), out)
        return out


def verdict(figure: Figure, a: float, b: float, ci95: tuple[float, float] | None) -> str:
    """Who is better, or that the difference could be chance; without an interval only what is closer."""
    if ci95 is not None and ci95[0] <= 0 <= ci95[1]:
        return "tie"
    if figure.badness(a) == figure.badness(b):
        return "equal"
    better = "A" if figure.badness(a) < figure.badness(b) else "B"
    return f"{better} better" if ci95 is not None else f"{better} nearer the best"


def built_in(results: Results, clip_id: str, a: str, b: str) -> Comparison:
    """Two rows of the board, or a row and the truth, on a clip whose media ship. Raises ConfigError for others."""
    clip = results.clips.get(clip_id)
    if clip is None:
        raise ConfigError(f"there is no clip {clip_id!r} with videos here; choose one from the list")
    truth = None if clip.truth is None else Side(TRUTH, clip.truth)
    return Comparison.of(_side(clip, a), _side(clip, b), truth, clip_id)


def _side(clip: Clip, title: str) -> Side:
    if title == TRUTH and clip.truth is not None:
        return Side(TRUTH, clip.truth)
    if title not in clip.videos:
        raise ConfigError(f"there is no {title!r} of {clip.id} here; choose one from the list")
    return Side.of_record(title, clip.videos[title], *read_record(clip.records[title]))


def measured(
    comparison: Comparison,
    metrics: tuple[str, ...],
    options: dict[str, bool],
    scratch: Path,
    progress: Callable[[str, float], None],
) -> Comparison:
    """The same comparison with both sides scored against the truth. options: resample, cut, align of ScoreRequest.
    What `progress` raises ends it."""
    sides = []
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        progress(f"{letter}: look at prediction", 0.0)
        truth = comparison.truth.path if comparison.truth else None
        request = ScoreRequest(side.path, truth, metrics=metrics, **options)
        out = scratch / f"{letter}.json"
        score(request, out, lambda stage, share, letter=letter: progress(f"{letter}: {stage}", share))
        sides.append(replace(Side.of_record(side.title, side.path, *read_record(out)), shown=side.shown))
    return replace(comparison, a=sides[0], b=sides[1])


def playable(side: Side, folder: Path) -> Side:
    """The side with a copy in `folder` that browsers play, where they might not play the file itself."""
    video = probe(side.path).require_video()
    if video.codec in BROWSER_CODECS and side.path.suffix.lower() in (".mp4", ".webm"):
        return side
    target = folder / f"{len(list(folder.iterdir()))}.mp4"
    normalise_video(side.path, target, fps=video.fps)
    return replace(side, shown=target)


def _file(side: Side) -> dict[str, Any]:
    return {"title": side.title, "file": {"path": str(side.shown or side.path), "meta": {"_type": "gradio.FileData"}}}


def _numbers(series: np.ndarray) -> list[float | None]:
    """For JSON: what is no number is null."""
    return [None if not math.isfinite(value) else round(float(value), 5) for value in series]
