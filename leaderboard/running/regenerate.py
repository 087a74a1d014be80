"""The whole board from nothing: every method on every clip, whatever is there already left as it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from leaderboard.datasets import clips_of
from leaderboard.progress import duration
from leaderboard.running.references import OTHER_SPEECH, REFERENCES
from leaderboard.running.runner import Outcome, run
from leaderboard.running.tasks import Places, Task
from pgstalker.errors import ConfigError
from pgstalker.method import Method, discover

log = logging.getLogger(__name__)
Engine = Callable[[Callable[[Task], Outcome], Sequence[Task]], Iterable[Outcome]]
"""Maps a function over tasks, in whatever order and on however many machines; outcomes come as they finish.

Two that prepare one clip at once do each other no harm; those of one Task.model come one after another."""

BOARD_DATASETS = ("presenters", "real-clips")
OTHER_PROTOCOLS = (("presenters", "mira"), ("real-clips", "newsreader_20s"))
"""The clips on which methods, as they are first of their variants, are judged through H.264 and in another's words too:
enough to see what a protocol changes."""
KNOW_THE_ANSWER = ("reference", "oracle")
"""The kinds that cannot speak another's words."""


def one_by_one(work: Callable[[Task], Outcome], tasks: Sequence[Task]) -> Iterator[Outcome]:
    """The engine of one machine."""
    return map(work, tasks)


@dataclass(frozen=True)
class Wish:
    """What the board is to hold; empty takes everything there is. switches: None takes the board's variants, judged by
    the other protocols too."""

    datasets: tuple[str, ...] = BOARD_DATASETS
    methods: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    preset: str = "quick"
    size: int | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "auto"
    switches: Mapping[str, str] | None = None


def variants(method: Method) -> list[dict[str, str]]:
    """The rows that a method has on the board: as it is, over the true torso where it draws one itself, and there with
    the hearing that is not its own, so that nobody's gain is hidden in the ear."""
    over_truth = {"torso": "gt"} if "gt" in method.switches.get("torso", ())[1:] else {}
    found: list[dict[str, str]] = [over_truth, {}] if over_truth else [{}]
    return found + [over_truth | {"audio_training": other} for other in method.switches.get("audio_training", ())[1:]]


def plan(wish: Wish) -> tuple[list[Task], list[str]]:
    """The tasks, cheap ones first, and a line for each clip that is not at hand. Raises ConfigError."""
    from pgstalker.method import PRESETS

    if wish.preset not in PRESETS:
        raise ConfigError(f"unknown preset '{wish.preset}'; use one of: {', '.join(PRESETS)}")
    tasks: list[Task] = []
    places, absent = _clips(wish)
    first: dict[str, dict[str, str]] = {}
    for name, switches in _rows(wish):
        row = [
            Task(
                method=name,
                dataset=dataset,
                clip=clip,
                preset=wish.preset,
                size=wish.size,
                steps=None if name in REFERENCES else wish.steps,
                switches=switches,
                seed=wish.seed,
                device=wish.device,
            )
            for dataset, clip in places
        ]
        is_first = first.setdefault(name, switches) == switches and wish.switches is None
        tasks += row + (_by_other_protocols(row) if is_first else [])
    return tasks, absent


def _by_other_protocols(row: list[Task]) -> list[Task]:
    judged = [task for task in row if (task.dataset, task.clip) in OTHER_PROTOCOLS]
    encoded = [replace(task, codec="h264_q8") for task in judged]
    able = [task for task in judged if _kind(task.method) not in KNOW_THE_ANSWER]
    return encoded + [replace(task, speech=OTHER_SPEECH) for task in able]


def _kind(name: str) -> str:
    return "reference" if name in REFERENCES else discover()[name].kind


ORDER = {"reference": 0, "floor": 1, "oracle": 2, "gaussians": 3, "nerf": 4, "external": 5}


def _rows(wish: Wish) -> list[tuple[str, dict[str, str]]]:
    known = discover()
    unknown = [name for name in wish.methods if name not in known and name not in REFERENCES]
    if unknown:
        raise ConfigError(f"unknown method '{unknown[0]}'; use some of: {', '.join([*known, *REFERENCES])}")
    wanted = wish.methods or (*REFERENCES, *known)
    rows: list[tuple[str, dict[str, str]]] = []
    for name in sorted(wanted, key=lambda name: (ORDER[_kind(name)], name != "pgstalker", name)):
        if name in REFERENCES:
            rows.append((name, {}))
        elif wish.switches is None:
            rows += [(name, switches) for switches in variants(known[name])]
        else:
            rows.append((name, dict(wish.switches)))
    return rows


def _clips(wish: Wish) -> tuple[list[tuple[str, str]], list[str]]:
    """(dataset, clip) of the clips at hand, and a line for each of the others."""
    found = [(dataset, clip) for dataset in wish.datasets for clip in clips_of(dataset)]
    unknown = [name for name in wish.clips if name not in {clip.id for _, clip in found}]
    if unknown:
        raise ConfigError(f"no dataset has a clip '{unknown[0]}'; there are: {', '.join(clip.id for _, clip in found)}")
    chosen = [(dataset, clip) for dataset, clip in found if not wish.clips or clip.id in wish.clips]
    absent = [f"{dataset}/{clip.id} is not at hand: {clip.where}" for dataset, clip in chosen if not clip.is_at_hand]
    return [(dataset, clip.id) for dataset, clip in chosen if clip.is_at_hand], absent


def regenerate(
    wish: Wish, places: Places, engine: Engine = one_by_one, isolated: bool = True, say: Callable[[str], None] = print
) -> list[Outcome]:
    """Fill every cell that is blank; says what was there, what was done, what failed and about how long the rest takes.

    Each record lands as it is made; a run that was killed goes on from its last finished stage. Raises ConfigError
    before anything is begun where the wish cannot be met.
    """
    tasks, absent = plan(wish)
    for line in absent:
        say(line)
    for task in tasks:
        task.check()
    outcomes: list[Outcome] = []
    started = time.monotonic()
    for outcome in engine(partial(run, places=places, isolated=isolated), tasks):
        outcomes.append(outcome)
        say(_line(outcome, outcomes, len(tasks), time.monotonic() - started))
    return outcomes


def _line(outcome: Outcome, outcomes: list[Outcome], total: int, elapsed: float) -> str:
    made = sum(not other.was_there for other in outcomes)
    left = total - len(outcomes)
    rest = f", about {duration(elapsed / made * left)} left" if made and left else ""
    what = "is there" if outcome.was_there else f"took {duration(outcome.seconds)}"
    if outcome.reason is not None:
        what = f"failed: {outcome.reason}"
    return f"[{len(outcomes)}/{total}] {outcome.task.label}: {what}{rest}"
