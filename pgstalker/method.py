"""The contract that every compared method fulfils, so that all get the same data, the same care and the same judge.

    METHOD.train(subject folder, out folder, request, progress) -> Trained
    METHOD.load(out folder, device)                             -> Trained
    Trained.render(performance)                                 -> frames

A method is one file of pgstalker/baselines/, or of a folder in $PGSTALKER_METHODS, that names METHOD; its name is the
method's id with - as _. Listing the methods loads none of the libraries that train them.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np

from pgstalker.errors import ConfigError
from pgstalker.presets import PRESETS
from pgstalker.registry import registered
from pgstalker.subject import Subject, torso_over
from pgstalker.types import FPS, SAMPLE_RATE_HZ

Kind = Literal["gaussians", "nerf", "floor", "oracle", "external"]
Composite = Literal["gt_torso", "rendered_torso", "full_frame"]
Progress = Callable[[str, float, dict[str, Any]], None]
"""Called with the stage's name, its share done in [0, 1], and numbers to show."""
FEWEST_GAUSSIANS, MOST_GAUSSIANS = 100, 1_000_000
FOLDERS = "PGSTALKER_METHODS"
"""Of the environment: folders with method files of the user's, separated as $PATH is."""


@dataclass(frozen=True)
class TrainingRequest:
    """What a person asks for. size, steps: in place of the preset's. minutes: measure this machine first and choose
    the steps that fit (the model records them, and steps=N repeats the run). switches: those of the method.
    frames_per_step: None takes the method's own choice for the device. gaussians: the most there may be, in place
    of the preset's."""

    preset: str = "quick"
    size: int | None = None
    steps: int | None = None
    minutes: float | None = None
    device: str = "auto"
    switches: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    resume: bool = False
    frames_per_step: int | None = None
    gaussians: int | None = None


@dataclass(frozen=True)
class Performance:
    """What a talker is to show, T frames, before any method's own ears: the same for every method.

    subject: whose head it is. frames [T] int: the subject's frames whose pose, eyes, torso (and, under a head that has
    none, true torso picture) are shown. samples [S] float32, 16 kHz mono: the whole recording that is heard, so that
    the first frame is heard with what came before it; moments [T] int: where in it each frame lies, at 25 fps.
    is_own: the recording is the subject's.
    """

    subject: Subject
    frames: np.ndarray
    samples: np.ndarray
    moments: np.ndarray
    is_own: bool

    @classmethod
    def of(cls, subject: Subject, part: Literal["held-out", "train", "all"] = "held-out") -> Performance:
        """Self-driven: a part of the subject with its own sound."""
        first = subject.train_frames if part == "held-out" else 0
        last = subject.train_frames if part == "train" else subject.frames_count
        frames = np.arange(first, last)
        return cls(subject, frames, subject.read_audio(), frames, is_own=True)

    @classmethod
    def said_by(cls, subject: Subject, samples: np.ndarray, frames: int | None = None) -> Performance:
        """Cross-driven: another recording over the held-out part's poses, which run forward and back as often as
        needed; as many frames as cover the sound where none are asked for. Raises ConfigError for no sound."""
        if not len(samples):
            raise ConfigError("there is no sound to say (0 samples); give a longer recording")
        count = frames or -(-len(samples) * FPS // SAMPLE_RATE_HZ)
        held_out = np.arange(subject.train_frames, subject.frames_count)
        there_and_back = np.concatenate([held_out, held_out[-2:0:-1]])
        return cls(subject, np.resize(there_and_back, count), samples, np.arange(count), is_own=False)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, part: slice) -> Performance:
        return replace(self, frames=self.frames[part], moments=self.moments[part])

    def alone(self) -> Performance:
        """The same frames with no other sound than theirs: what a recording of them alone would be."""
        first, last = int(self.moments.min()), int(self.moments.max()) + 1
        sound = self.samples[first * SAMPLE_RATE_HZ // FPS : last * SAMPLE_RATE_HZ // FPS]
        return replace(self, samples=sound, moments=self.moments - first)

    @property
    def camera_from_head(self) -> np.ndarray:
        """[T, 4, 4] float64, cm."""
        return self.subject.tracks.camera_from_head[self.frames]

    @property
    def eyes(self) -> np.ndarray:
        """[T] float32, 0 open .. 1 closed."""
        return self.subject.tracks.blink[self.frames]

    @property
    def torso(self) -> np.ndarray | None:
        """[T, 4] float32 as types.Drive.torso, None where the subject's could not be tracked."""
        return self.subject.tracks.torso_motion[self.frames] if self.subject.manifest["torso_tracked"] else None

    @property
    def recording_frames(self) -> int:
        """Video frames that the whole recording covers, and at least those that are shown."""
        return max(-(-len(self.samples) * FPS // SAMPLE_RATE_HZ), int(self.moments.max(initial=-1)) + 1)

    def pictures(self, size: int) -> Iterator[np.ndarray]:
        """The subject's own frames, uint8 [size, size, 3]: the truth of a self-driven performance."""
        return self._read(self.subject.read_frames, size)

    def torsos(self, plate: np.ndarray) -> Iterator[np.ndarray]:
        """The true torso and background of each frame, uint8 [H, W, 3]; plate [H, W, 3] float32 where the head is."""
        size = plate.shape[0]
        for picture, labels in zip(self.pictures(size), self._read(self.subject.read_labels, size), strict=True):
            yield torso_over(plate, picture, labels)

    def _read(self, read: Callable[..., Iterator[np.ndarray]], size: int) -> Iterator[np.ndarray]:
        """Frames in any order: in one pass where they only rise, else each part of the clip is held once."""
        if not len(self.frames):
            return
        first, last = int(self.frames.min()), int(self.frames.max())
        stored = read(size=size, start=first, count=last - first + 1)
        if (np.diff(self.frames) > 0).all():
            wanted = set(self.frames.tolist())
            yield from (image for number, image in enumerate(stored, first) if number in wanted)
        else:
            held = list(stored)
            yield from (held[number - first] for number in self.frames)


class Trained(Protocol):
    """A method that has learnt a person. size: px of its square frames; composite: what it shows beside the head;
    provenance: options, seconds, sha256 of the data it was given (see training.session)."""

    size: int
    composite: Composite
    provenance: dict[str, Any]

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        """Frames uint8 [size, size, 3], one for each of the performance; the same call gives the same frames."""
        ...


@dataclass(frozen=True)
class Method:
    """The declaration of one file.

    paper: where it was published, "" for what is ours to compare against. differences: what is not as in the paper, in
    the order in which the page numbers them. Figures that the paper prints lie in leaderboard/results/reported, under
    `reported_as`. steps: of each preset, where it learns in steps. switches: name to values, the first of which is the
    method's own. test_stride: every how many test
    frames are rendered on a CPU.
    """

    id: str
    title: str
    paper: str
    kind: Kind
    differences: tuple[str, ...]
    train: Callable[[Path, Path, TrainingRequest, Progress], Trained]
    load: Callable[[Path, str], Trained]
    steps: Mapping[str, int] = field(default_factory=dict)
    switches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reported_as: str | None = None
    test_stride: int = 1

    def check(self, request: TrainingRequest) -> None:
        """Raises ConfigError for a preset, switch or value that this method does not have."""
        if request.gaussians is not None:
            if self.kind != "gaussians":
                raise ConfigError(f"{self.id} has no Gaussians; leave --gaussians out")
            if not FEWEST_GAUSSIANS <= request.gaussians <= MOST_GAUSSIANS:
                span = f"{FEWEST_GAUSSIANS} to {MOST_GAUSSIANS}"
                raise ConfigError(f"gaussians {request.gaussians} is not possible; give a number from {span}")
        if request.preset not in PRESETS:
            raise ConfigError(f"unknown preset '{request.preset}'; use one of: {', '.join(PRESETS)}")
        for name, value in request.switches.items():
            if name not in self.switches:
                there_are = ", ".join(self.switches) or "none"
                raise ConfigError(f"{self.id} has no switch '{name}'; there are: {there_are}")
            values = self.switches[name]
            if value not in values and not (name == "audio" and value.partition(":")[0] in values):
                raise ConfigError(f"{name}={value} is unknown to {self.id}; use one of: {', '.join(values)}")


def discover() -> Mapping[str, Method]:
    """Every method by id, in the order of their names: pgstalker's own included, and those of the files that lie in the
    folders of $PGSTALKER_METHODS. Raises ConfigError for such a file that does not name a METHOD as it must."""
    return _discovered(os.environ.get(FOLDERS, ""))


@functools.cache
def _discovered(folders: str) -> Mapping[str, Method]:
    found: dict[str, Method] = registered("pgstalker.baselines", "METHOD")
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise ConfigError(f"${FOLDERS} names {folder}, which is no folder; correct it")
        for path in sorted(Path(folder).glob("[!_]*.py")):
            theirs = _method_of(path)
            if theirs.id in found:
                raise ConfigError(f"{path} names its method {theirs.id}, as another file does; rename it")
            found[theirs.id] = theirs
    return MappingProxyType(found)


def _method_of(path: Path) -> Method:
    """METHOD of a user's file, which is run for it."""
    spec = importlib.util.spec_from_file_location(f"pgstalker_methods_{path.stem}", path)
    assert spec is not None and spec.loader is not None, f"{path} ends in .py"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError, LookupError, OSError) as error:
        raise ConfigError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, "METHOD", None)
    if not isinstance(found, Method):
        raise ConfigError(f"{path} names no METHOD; a script that is none lies in a folder of its own or begins with _")
    if found.id != path.stem.replace("_", "-"):
        raise ConfigError(f"{path} names its method {found.id}; a method has the name of its file, with - as _")
    return found


def method(name: str) -> Method:
    """The method of that id. Raises ConfigError for an unknown one."""
    if name not in discover():
        raise ConfigError(f"unknown method '{name}'; use one of: {', '.join(discover())}")
    return discover()[name]
