"""The commands that make and keep the board: run | regenerate | verify | rescore | report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from leaderboard.places import RESULTS, WORK
from pgstalker.command_line import pairs
from pgstalker.errors import ConfigError, PgsError

if TYPE_CHECKING:
    from leaderboard.running.regenerate import Engine
    from leaderboard.running.tasks import Places
    from leaderboard.running.verify import Verdict

Switches = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="SWITCH=VALUE ...")]


class Unfinished(PgsError):
    """Some cells stayed blank."""

    exit_code = 1


@dataclass
class Run:
    """Fill one cell: prepare the clip, train the method, render the held-out part, score it, write its record.

    One that is filled is left as it is; its frames may not be here, as in a fresh clone: --again makes them."""

    method: tyro.conf.Positional[str]
    """A method of pgstalker/baselines, or a reference: truth-h264, truth-late, truth-other-sound."""
    dataset: str
    """presenters, real-clips, obama ... or folder:PATH; `python -m leaderboard datasets` lists them."""
    clip: str
    preset: Literal["quick", "compare", "default", "paper"] = "quick"
    size: int | None = None
    """Side of the picture, px."""
    steps: int | None = None
    """Training steps, in place of the preset's."""
    switches: Switches = field(default=())
    """Switches of the method."""
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    codec: Literal["lossless", "h264_q8"] = "lossless"
    """What prediction and truth go through before they are compared."""
    speech: Path | None = None
    """Another's sound: a cross-driven performance, without a truth."""
    gaussians: int | None = None
    """At most so many."""
    again: bool = False
    """Make the frames of a cell that is filled again where they are not kept, and say whether its record holds."""
    work: Path = WORK
    """Subjects, models and predictions: what can be made again."""
    results: Path = RESULTS

    def run(self) -> None:
        from leaderboard.running.runner import run
        from leaderboard.running.tasks import Task

        task = Task(
            method=self.method,
            dataset=self.dataset,
            clip=self.clip,
            preset=self.preset,
            size=self.size,
            steps=self.steps,
            switches=pairs(self.switches),
            seed=self.seed,
            device=self.device,
            codec=self.codec,
            speech=self.speech,
            gaussians=self.gaussians,
        )
        task.check()
        places = _places(self.work, self.results)
        if self.again:
            from leaderboard.running.verify import remake

            _tell(iter([remake(task, places)]))
            return
        outcome = run(task, places)
        if outcome.record is None:
            raise Unfinished(outcome.reason or "")
        print(f"{outcome.record}: {'was there (--again makes its frames anew)' if outcome.was_there else 'written'}")


@dataclass
class Regenerate:
    """Fill every blank cell of the board, from nothing if need be, then compile it and write the report.

    What is there is skipped; killed at any moment it goes on when it is started again. A cell that fails stays blank
    with its reason, and the rest goes on."""

    dataset: tuple[str, ...] = ()
    """presenters and real-clips where none is named; obama ... or folder:PATH."""
    methods: tuple[str, ...] = ()
    """All of them, and the references, where none is named."""
    clips: tuple[str, ...] = ()
    """All that are at hand, where none is named."""
    preset: Literal["quick", "compare", "default", "paper"] = "quick"
    size: int | None = None
    steps: int | None = None
    switches: Switches = field(default=())
    """These rows only; else each method as it is, and with the board's variants."""
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Literal["processes", "here", "ray"] = "processes"
    """processes: each stage in one of its own. here: all in this one, memory unmeasured. ray: cells on the machines of
    a Ray cluster, which all see this folder."""
    ray: str | None = None
    """The address of the cluster's head, or auto; a cluster on this machine alone where none is given."""
    gpus: float = 0.0
    """GPUs that a cell holds on the cluster; 0.5 lets two share one."""
    experiments: bool = False
    """Run the experiments too, on the same clips."""
    report: bool = True
    """Write the report too."""
    work: Path = WORK
    results: Path = RESULTS

    def run(self) -> None:
        from leaderboard.board.compiled import write_board
        from leaderboard.running.ray_engine import RayEngine
        from leaderboard.running.regenerate import BOARD_DATASETS, Wish, one_by_one, regenerate

        wish = Wish(
            datasets=self.dataset or BOARD_DATASETS,
            methods=self.methods,
            clips=self.clips,
            preset=self.preset,
            size=self.size,
            steps=self.steps,
            seed=self.seed,
            device=self.device,
            switches=pairs(self.switches) if self.switches else None,
        )
        places = _places(self.work, self.results)
        engine: Engine = RayEngine(self.ray, gpus=self.gpus) if self.engine == "ray" else one_by_one
        outcomes = regenerate(wish, places, engine, isolated=self.engine != "here", say=_say)
        if self.experiments:
            self._conduct(places, engine)
        print(write_board(self.results))
        if self.report and _readme_of(self.results):
            _write_report(self.results)
        failed = [outcome for outcome in outcomes if outcome.record is None]
        if failed:
            raise Unfinished(f"{len(failed)} of {len(outcomes)} cells are blank; the lines above and the board say why")

    def _conduct(self, places: Places, engine: Engine) -> None:
        from leaderboard.experiments import Context, Settings, conduct, discover
        from leaderboard.running.regenerate import BOARD_DATASETS

        settings = Settings(
            preset=self.preset,
            clips=self.clips,
            datasets=self.dataset or BOARD_DATASETS,
            size=self.size,
            steps=self.steps,
            seed=self.seed,
            device=self.device,
        )
        context = Context(settings, places, self.results, self.engine != "here", engine, _say)
        for experiment in discover().values():
            print(conduct(experiment, context), flush=True)


@dataclass
class Verify:
    """Score the kept predictions again and compare with their records; or make one record's row anew."""

    methods: tuple[str, ...] = ()
    """All of them where none is named."""
    dataset: tuple[str, ...] = ()
    """folder:PATH for datasets of one's own; the others are found by their names."""
    retrain: bool = False
    """Make one row, drawn at random, from the clip on."""
    seed: int | None = None
    """Of the draw."""
    work: Path = WORK
    results: Path = RESULTS

    def run(self) -> None:
        from leaderboard.running.verify import again_command, retrain, verify

        places, named = _places(self.work, self.results), _named(self.dataset)
        if self.retrain:
            _tell(iter([retrain(places, self.seed, self.methods)]))
            return
        found = _tell(verify(places, self.methods, named))
        if not any(verdict.checked for verdict in found):
            raise Unfinished(
                f"none of {len(found)} records could be checked, since no prediction is kept in {self.work}; make "
                f"those of one: {again_command(found[0].path, places, named)}, or one drawn at random: --retrain"
            )


@dataclass
class Rescore:
    """Fill the cells that are blank for lack of weights, from kept predictions, without training."""

    weights: Path
    """The folder that holds the files."""
    methods: tuple[str, ...] = ()
    dataset: tuple[str, ...] = ()
    """folder:PATH for datasets of one's own."""
    work: Path = WORK
    results: Path = RESULTS

    def run(self) -> None:
        from leaderboard.running.verify import rescore

        _tell(rescore(_places(self.work, self.results), self.weights, self.methods, _named(self.dataset)))


@dataclass
class Report:
    """Compile the board and write README's table, CSV, Markdown, LaTeX and a page with plots."""

    check: bool = False
    """Write nothing; fail where a committed table is not what the records give."""
    html: Path = Path("build") / "leaderboard.html"
    """The page: one file that asks for nothing from elsewhere."""
    results: Path = RESULTS

    def run(self) -> None:
        if self.check:
            from leaderboard.report import stale

            if lines := stale(self.results, _readme_of(self.results)):
                raise Unfinished(f"{'; '.join(lines)}; run: python -m leaderboard report")
            print("README and tables are what the records give")
            return
        _write_report(self.results, self.html)


@dataclass
class Datasets:
    """List the datasets: which clips are at hand, and where people get the others."""

    def run(self) -> None:
        from leaderboard.datasets import discover

        for dataset in discover().values():
            paper = f" ({dataset.paper})" if dataset.paper else ""
            print(f"{dataset.id}: {dataset.title}{paper}; {dataset.split}")
            if dataset.expected:
                size, seconds = dataset.expected.size, dataset.expected.seconds
                print(
                    f"  {size[0]}x{size[1]} px, {dataset.expected.fps:g} frames/s, {seconds[0]:g} to {seconds[1]:g} s"
                )
            clips = dataset.clips()
            for clip in clips:
                print(f"  {clip.id}: {clip.path if clip.is_at_hand else f'not at hand: {clip.where}'}")
            if not clips:
                print(f"  no clip at hand: {dataset.where}")


def _places(work: Path, results: Path) -> Places:
    from leaderboard.running.tasks import Places

    return Places(work, results)


def _say(line: str) -> None:
    print(line, flush=True)


def _named(datasets: tuple[str, ...]) -> dict[str, str]:
    """Dataset ids to what finds them."""
    from leaderboard.datasets import dataset

    return {dataset(name).id: name for name in datasets}


def _tell(verdicts: Iterator[Verdict]) -> list[Verdict]:
    """Print each as it comes. Raises Unfinished where a record does not hold."""
    found = []
    for verdict in verdicts:
        print(verdict.line(), flush=True)
        found.append(verdict)
    if any(verdict.faults for verdict in found):
        raise Unfinished(f"{sum(bool(verdict.faults) for verdict in found)} of {len(found)} records do not hold")
    if not found:
        raise ConfigError("there are no records; run or regenerate first")
    return found


def _write_report(results: Path, html: Path | None = None) -> None:
    from leaderboard.report import write

    for path in write(results, html, _readme_of(results)):
        print(path)


def _readme_of(results: Path) -> Path | None:
    """README, where these are the results that it shows."""
    from leaderboard.report import README

    return README if results.resolve() == RESULTS.resolve() else None
