"""A cell of the board before it is filled: which method, with what, on which clip, judged how."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from leaderboard.datasets import Clip, clips_of
from leaderboard.places import RESULTS, WORK
from leaderboard.protocol import Codec
from leaderboard.running.references import REFERENCES
from pgstalker.errors import ConfigError
from pgstalker.method import TrainingRequest, discover
from pgstalker.presets import preset

BOARD_BASE = "quick-256-s0"
"""How the committed rows are made, but for their switches: what needs no saying in a name."""


@dataclass(frozen=True)
class Places:
    """work: what can be made again (subjects, models, predictions). results: what is kept, records and media."""

    work: Path = WORK
    results: Path = RESULTS

    @property
    def measured(self) -> Path:
        return self.results / "measured"


@dataclass(frozen=True)
class Task:
    """One cell. dataset: an id, or folder:PATH. size and steps: None takes the preset's. speech: another's sound for a
    cross-driven performance, None for the clip's own. switches: those that differ from the method's own. gaussians: at
    most so many."""

    method: str
    dataset: str
    clip: str
    preset: str = "quick"
    size: int | None = None
    steps: int | None = None
    switches: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    codec: Codec = "lossless"
    speech: Path | None = None
    gaussians: int | None = None

    @property
    def side(self) -> int:
        """px: all methods are compared at their preset's. Raises ConfigError for an unknown one."""
        return self.size or preset(self.preset).size

    @property
    def variant(self) -> str:
        """The switches in words: "" or "torso=gt+audio_training=two-stage"."""
        return "+".join(f"{name}={value}" for name, value in sorted(self.switches.items()))

    @property
    def revision(self) -> str:
        """Everything but the clip that decides the frames, fit for a folder's name: quick-256-s0+torso=gt."""
        from pgstalker.devices import choose_device

        parts = [self.preset, str(self.side), f"s{self.seed}"]
        parts += [f"n{self.steps}"] if self.steps else []
        parts += [f"g{self.gaussians}"] if self.gaussians else []
        parts += ["cuda"] if choose_device(self.device) == "cuda" else []
        return "+".join(["-".join(parts), *([_safe(self.variant)] if self.switches else [])])

    @property
    def performance(self) -> str:
        """The clip, and the speech that drives it where it is another's: mira, or mira@english_man."""
        return self.clip if self.speech is None else f"{self.clip}@{self.speech.stem}"

    @property
    def place(self) -> Path:
        """method/revision/dataset/clip: where its files lie, in the work folder and among the results."""
        return Path(self.method, self.revision, self.dataset_id, self.performance)

    @property
    def model(self) -> Path:
        """The place of what it learns, which it shares with the tasks that judge the same by another protocol."""
        return self.own_words.place

    @property
    def own_words(self) -> Task:
        return self if self.speech is None else replace(self, speech=None)

    @property
    def dataset_id(self) -> str:
        from leaderboard.datasets import dataset

        return dataset(self.dataset).id

    @property
    def label(self) -> str:
        """For people: er-nerf [quick-256-s0] on presenters/mira."""
        return f"{self.method} [{self.revision}] on {self.dataset_id}/{self.performance}"

    def find_clip(self) -> Clip:
        """Raises ConfigError for an unknown dataset or clip."""
        return clips_of(self.dataset, (self.clip,))[0]

    def check(self) -> None:
        """Raises ConfigError for a method, switch, preset, dataset or clip that there is not, MediaError for a clip
        that is not at hand."""
        self.find_clip().require()
        if self.method in REFERENCES:
            if self.switches or self.steps or self.gaussians:
                raise ConfigError(f"{self.method} is the truth itself and takes no switches, steps or Gaussians")
        elif self.method in discover():
            discover()[self.method].check(self.request())
        else:
            raise ConfigError(f"unknown method '{self.method}'; use one of: {', '.join([*discover(), *REFERENCES])}")

    def command(self, places: Places, *more: str) -> str:
        """What a person types to fill this cell."""
        words = ["python", "-m", "leaderboard", "run", self.method, "--dataset", self.dataset, "--clip", self.clip]
        asked: dict[str, Any] = {
            "preset": self.preset,
            "size": self.size,
            "steps": self.steps,
            "seed": self.seed or None,
            "gaussians": self.gaussians,
        }
        asked |= {"device": None if self.device == "auto" else self.device, "speech": self.speech}
        asked |= {"codec": None if self.codec == "lossless" else self.codec}
        asked |= {"work": None if places.work == WORK else places.work}
        asked |= {"results": None if places.results == RESULTS else places.results}
        for name, value in asked.items():
            words += [] if value is None else [f"--{name}", str(value)]
        switches = [f"{name}={value}" for name, value in sorted(self.switches.items())]
        return shlex.join([*words, *(["--set", *switches] if switches else []), *more])

    def request(self) -> TrainingRequest:
        """What the method is asked to train; it goes on where it was killed."""
        return TrainingRequest(
            preset=self.preset,
            size=self.side,
            steps=self.steps,
            device=self.device,
            switches=dict(self.switches),
            seed=self.seed,
            resume=True,
            gaussians=self.gaussians,
        )

    def declaration(self) -> dict[str, Any]:
        """Everything that decides the frames, as JSON."""
        asked = {} if self.gaussians is None else {"gaussians": self.gaussians}
        return {
            "method": self.method,
            "preset": self.preset,
            "size": self.side,
            "steps": self.steps,
            "seed": self.seed,
            "switches": dict(sorted(self.switches.items())),
        } | asked


def _safe(name: str) -> str:
    """A folder's name on any system: hubert:FOLDER becomes hubert_FOLDER."""
    return "".join(c if c.isalnum() or c in "=+-_." else "_" for c in name)
