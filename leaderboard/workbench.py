"""The commands for one's own results: truth | explain | compare | submit | experiment."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from leaderboard.places import RESULTS, WORK
from pgstalker.command_line import check_output
from pgstalker.errors import ConfigError


@dataclass
class Submit:
    """Pack results into a zip for the board, and check it rule by rule; a zip that is there is only checked.

    The whole way is: truth, score --out, submit --records, submit --accept, report, a pull request
    (docs/submitting.md)."""

    zip: tyro.conf.Positional[Path]
    """The submission."""
    example: bool = False
    """Write a small one that passes, to start from."""
    measured: str | None = None
    """METHOD/REVISION that the runner measured here: its records and predictions are packed."""
    records: tuple[Path, ...] = ()
    """Records of `score --out`, each with --clip DATASET/CLIP."""
    predictions: tuple[Path, ...] = ()
    """The lossless videos that they were made of, in the same order."""
    description: Path | None = None
    """method.json: what the method is; needed with --records."""
    revision: str = "r1"
    """Which version of the method, with --records."""
    by: str | None = None
    """Who made it."""
    dry_run: bool = False
    """Show where it would stand."""
    accept: bool = False
    """Unpack it to results/submitted/METHOD/REVISION, from where the board takes it."""
    results: Path = RESULTS
    """The board's records."""
    work: Path = WORK
    """Where the runner keeps its predictions."""

    def run(self) -> None:
        from leaderboard.submission.submit import accept, lint, preview

        if self.accept and self.measured is not None:
            raise ConfigError("what the runner measured lies in results/measured already; leave out --accept")
        self._pack()
        checks = lint(self.zip, self.results, is_own=self.measured is not None)
        print("\n".join(check_line(check) for check in checks))
        wrong = [check for check in checks if not check.is_met]
        if self.dry_run and not wrong:
            rows = preview(self.zip, self.results, is_own=self.measured is not None)
            print("\n".join(row_line(row) for row in rows))
        if wrong:
            raise ConfigError(f"{wrong[0].error}: {self.zip} does not pass '{wrong[0].rule}': {wrong[0].reason}")
        if self.accept:
            print("\n".join(f"{path}: taken" for path in accept(self.zip, self.results, self.work)))
            print("next: python -m leaderboard report, then commit README.md and leaderboard/results")

    def _pack(self) -> None:
        from leaderboard.submission import pack

        asked = [self.example, self.measured is not None, bool(self.records)]
        if sum(asked) > 1:
            raise ConfigError("give one of --example, --measured and --records")
        if any(asked) and self.zip.exists():
            raise ConfigError(f"{self.zip} exists already; remove it or give another name")
        if self.example:
            pack.example(self.zip)
        elif self.measured is not None:
            name, _, revision = self.measured.partition("/")
            entries = pack.measured_entries(self.results, self.work / "runs", name, revision)
            pack.pack_submission(self.zip, described(name), entries, revision, self._who())
        elif self.records:
            if self.description is None or len(self.records) != len(self.predictions):
                raise ConfigError("--records needs --description and as many --predictions, in the same order")
            found = map(pack.Entry, self.records, self.predictions)
            pack.pack_submission(self.zip, _read(self.description), found, self.revision, self._who())

    def _who(self) -> str:
        return self.by or getpass.getuser()


@dataclass
class Truth:
    """Write what a result of your own is scored against: the held-out part of a clip as the board's rows have it.

    The clip is prepared as the runner does it, which takes a minute or two the first time."""

    clip: tyro.conf.Positional[str]
    """DATASET/CLIP: presenters/mira, folder:PATH/CLIP."""
    out: Path
    """A new folder: truth.mkv (lossless), sound.wav (16 kHz), poses.npz (of all frames, the training part's too)."""
    size: int = 256
    """Side of the pictures, px: the board's committed rows have 256."""
    results: Path = RESULTS
    work: Path = WORK

    def run(self) -> None:
        from leaderboard.progress import Line
        from leaderboard.running.handout import hand_out
        from leaderboard.running.tasks import Places
        from leaderboard.submission.submit import truths_of

        dataset, _, clip = self.clip.rpartition("/")
        if not dataset or not clip:
            raise ConfigError(f"{self.clip} is not DATASET/CLIP; give presenters/mira, for instance")
        if self.out.exists() and not self.out.is_dir():
            raise ConfigError(f"{self.out} is a file; name a folder that is to be made")
        with Line(f"truth of {self.clip}") as line:
            found = hand_out(dataset, clip, self.size, self.out, Places(self.work, self.results), line.show)
        first, last = found.frames
        print(f"{self.out}: frames {first} to {last - 1} of {self.clip} at {self.size} px; learn from earlier ones")
        known = truths_of(self.results).get(found.clip)
        if not known:
            print(f"the board has no record of {found.clip} yet, so that nothing vouches for these frames")
        elif found.frame_md5 in known:
            print("these are the very frames that the board's records were scored against")
        else:
            raise ConfigError(
                f"these are not the frames (md5 {found.frame_md5[:12]}...) that the board's records of {found.clip} "
                "were scored against: another --size, or prepared differently here; no result would be taken"
            )


@dataclass
class Explain:
    """Say where a result loses: error by region, lags, lost lips; and draw its worst frames beside the truth."""

    result: tyro.conf.Positional[str]
    """A record, a video with --gt, or METHOD[/REVISION] of the board with --clip."""
    gt: Path | None = None
    """The truth of a video."""
    clip: str | None = None
    """DATASET/CLIP."""
    sheet: Path | None = None
    """The PNG to write; explain-NAME.png where none is given."""
    results: Path = RESULTS
    work: Path = WORK

    def run(self) -> None:
        from leaderboard.inspection.explain import explain, lines
        from leaderboard.inspection.shelf import Shelf

        check_output(self.sheet, ".png")
        evidence = Shelf(self.results, self.work, self.gt).find(self.result, self.clip)
        sheet = self.sheet or Path(f"explain-{Path(evidence.prediction).stem}.png")
        print("\n".join(lines(explain(evidence, sheet))))
        print(f"{sheet}: the worst frames")


@dataclass
class Compare:
    """Compare two results frame by frame: a paired table, and a video of both beside the truth with sound."""

    a: tyro.conf.Positional[str]
    """A record, a video, or METHOD[/REVISION] of the board."""
    b: tyro.conf.Positional[str]
    gt: Path | None = None
    """The truth of two videos."""
    audio: Path | None = None
    """The sound of two videos, where they have none."""
    clip: str | None = None
    """DATASET/CLIP; two methods of the board are compared over all clips that they share where none is given."""
    video: Path | None = None
    """An .mp4 to write: truth, A and B in one row."""
    seed: int = 0
    results: Path = RESULTS
    work: Path = WORK

    def run(self) -> None:
        from leaderboard.inspection import comparing
        from leaderboard.inspection.shelf import Shelf

        check_output(self.video, ".mp4")
        shelf = Shelf(self.results, self.work, self.gt, self.audio)
        both = (self.a, self.b)
        if any(Path(what).is_file() for what in both):
            found = [shelf.find(what, self.clip, frames=self.video is not None) for what in both]
            groups = {"": [comparing.Pair("", *comparing.entries_of(*found))]}
            names = (found[0].name, found[1].name)
        else:
            groups = comparing.pairs_of(shelf, self.a, self.b, self.clip)
            first = next(iter(groups.values()))[0]
            names, is_shown = both, self.video is not None
            found = [shelf.of_record(self.results / side.path) for side in (first.a, first.b)] if is_shown else []
        for place, pairs in groups.items():
            table, blank = comparing.table(pairs, self.seed), comparing.blank(pairs)
            if not table:
                why = blank[0].removeprefix(" ")
                raise ConfigError(f"the two share no figure:{why}; give --gt VIDEO, or --audio FILE")
            print("\n".join([*filter(None, [place]), *comparing.lines(table, names), *blank]))
        if self.video is not None:
            print(f"{comparing.video_of(self.video, *found)}: both side by side")


def described(name: str) -> dict[str, Any]:
    """method.json of a method that this program knows."""
    from pgstalker.method import method

    found = method(name)
    return {
        "schema": "pgstalker-description/1",
        "id": found.id,
        "title": found.title,
        "kind": found.kind,
        "description": f"{found.title}, as this program has it",
        "paper": found.paper,
        "differences": list(found.differences),
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); start from method.json of: submit --example") from error


def check_line(check: Any) -> str:
    mark = "pass" if check.is_met else (check.error or "    ")
    return f"{mark:<13} {check.rule:<11} {check.reason}"


def row_line(row: dict[str, Any]) -> str:
    """A row of a preview: rank over groups, name, and the rank in each figure."""
    rank = "  -" if row["overall"] is None else f"{row['overall']:.2f}"
    figures = row["speed"] | row["values"]
    ranks = ", ".join(f"{key} {figures[key]:.4g} (rank {place:g})" for key, place in row["ranks"].items())
    told = f"{rank}  {row['title']} [{row['revision']}] {row['dataset']} {row['protocol']}: {ranks}"
    if not row["is_own"]:
        return told
    return "\n".join([f"{told}  <- this submission", *(f"      not ranked: {line}" for line in row["left_out"])])


@dataclass
class Experiment:
    """Run one of the experiments, or all: each writes its table and plot; what was measured before stays."""

    name: tyro.conf.Positional[str]
    """mgf, density ...; all; or list."""
    preset: Literal["quick", "compare", "default", "paper"] = "quick"
    clips: tuple[str, ...] = ()
    """CLIP or DATASET/CLIP; all that are at hand where none is named."""
    dataset: tuple[str, ...] = ()
    """presenters and real-clips where none is named."""
    methods: tuple[str, ...] = ()
    """For efficiency: all that learn where none is named."""
    values: tuple[str, ...] = ()
    """Points of the experiment's own axis, in place of its usual ones; `list` tells what they are."""
    sounds: tuple[Path, ...] = ()
    """For cross_speaker: recordings, in place of those at hand."""
    steps: int | None = None
    """Training steps, in place of the preset's."""
    size: int | None = None
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    work: Path = WORK
    results: Path = RESULTS

    def run(self) -> None:
        from leaderboard.experiments import Context, Settings, conduct, discover, experiment
        from leaderboard.running.regenerate import BOARD_DATASETS
        from leaderboard.running.tasks import Places

        if self.name == "list":
            for one in discover().values():
                print(f"{one.id}: {one.question}{f' --values {one.values}' if one.values else ''}")
            return
        settings = Settings(
            preset=self.preset,
            clips=self.clips,
            datasets=self.dataset or BOARD_DATASETS,
            methods=self.methods,
            values=self.values,
            sounds=self.sounds,
            size=self.size,
            steps=self.steps,
            seed=self.seed,
            device=self.device,
        )
        context = Context(
            settings, Places(self.work, self.results), self.results, say=lambda line: print(line, flush=True)
        )
        for name in discover() if self.name == "all" else (self.name,):
            print(conduct(experiment(name), context))
