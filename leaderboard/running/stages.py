"""From a task to its record, stage by stage through files, so that a kill at any moment costs one stage at most.

    prepare   subjects/<sha256>-512.subject      of each clip once
    train     runs/<method>/<revision>/<dataset>/<clip>/model
    perform   .../prediction.mkv                 lossless, timed
    judge     results/measured/.../<protocol>.json, .npz

run.json in the run's folder holds what each stage found out; a stage whose entry is there is not done again. Whoever
speaks another's words learnt on the clip's own: those stages are shared, in the folder of the clip alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leaderboard import __name__ as PACKAGE
from leaderboard.datasets import dataset
from leaderboard.protocol import VERSION, Protocol, Setting
from leaderboard.running.references import REFERENCES
from leaderboard.running.tasks import Places, Task
from leaderboard.running.truths import Truth, spoken, write_sound
from pgstalker.errors import ConfigError
from pgstalker.files import replacing
from pgstalker.method import Performance, method
from pgstalker.subject import Subject, sha256_of

log = logging.getLogger(PACKAGE)
RUN_SCHEMA = "pgstalker-run/1"
LEARNING = ("prepare", "train")
"""The stages of the learner; the others are each run's own."""
SUBJECT_PX = 512
Report = Callable[[str, float], None]
"""Told a stage's name and its share done."""


@dataclass(frozen=True)
class Run:
    """The folder of one run, and what is known of it."""

    task: Task
    places: Places

    @property
    def folder(self) -> Path:
        return self.places.work / "runs" / self.task.place

    @property
    def learner(self) -> Run:
        """The run that prepares and trains: this one, or its clip's own where another's speech drives it."""
        return replace(self, task=self.task.own_words)

    @property
    def model(self) -> Path:
        return self.learner.folder / "model"

    @property
    def prediction(self) -> Path:
        return self.folder / "prediction.mkv"

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """What each finished stage wrote; of another's words, until they are performed, what the learner's did. Raises
        ConfigError where run.json is damaged."""
        own = self._noted()
        return own if self.task.speech is None or "perform" in own else self._learnt()

    def _learnt(self) -> dict[str, dict[str, Any]]:
        return {name: found for name, found in self.learner._noted().items() if name in LEARNING}

    def _noted(self) -> dict[str, dict[str, Any]]:
        path = self.folder / "run.json"
        if not path.is_file():
            return {}
        try:
            content = json.loads(path.read_text("utf-8"))
            assert content["schema"] == RUN_SCHEMA
            return content["stages"]
        except (ValueError, KeyError, TypeError, AssertionError):
            raise ConfigError(f"{path} is damaged; remove {self.folder} and run again") from None

    def note(self, stage: str, found: dict[str, Any]) -> None:
        """Keep what a stage found out; what came after it before is of other files, and goes. A performance bears what
        its model was made of."""
        before = list(STAGES)[: list(STAGES).index(stage)]
        known = self._noted() | self._learnt()
        stages = {name: known[name] for name in before if name in known} | {stage: found}
        content = {"schema": RUN_SCHEMA, "task": self.task.declaration(), "stages": stages}
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / "run.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    def subject(self) -> Subject:
        return Subject.load(self.stages["prepare"]["subject"])

    def truth(self, subject: Subject, stride: int = 1) -> Truth:
        return Truth(self.task.find_clip(), subject, self.task.side, stride)

    def record(self) -> Path | None:
        """The record of this task, None where there is none yet. Its composite is known only once it has performed."""
        folder = self.places.measured / self.task.place
        found = sorted(folder.glob(f"{self.setting}-*-{self.task.codec}-v{VERSION}.json"))
        return found[0] if found else None

    @property
    def setting(self) -> Setting:
        return "self" if self.task.speech is None else "cross"


# ---- the stages


def prepare(run: Run, report: Report) -> None:
    """The subject of the task's clip, made once for all methods. Raises MediaError, SubjectError."""
    subject, digest = subject_of(run.task, run.places, report)
    run.note("prepare", {"subject": str(subject.folder.resolve()), "clip_sha256": digest})


def subject_of(task: Task, places: Places, report: Report) -> tuple[Subject, str]:
    """The subject of a task's clip, made where it is not there, and the clip's sha256."""
    clip = task.find_clip()
    digest = clip.digest()
    if clip.is_prepared:
        return Subject.load(clip.path), digest
    side = max(SUBJECT_PX, task.side)
    folder = places.work / "subjects" / f"{digest[:16]}-{side}.subject"
    if not folder.is_dir():
        from pgstalker.tracking import prepare as make

        expected = dataset(task.dataset).expected
        for line in expected.differences(clip.path) if expected else ():
            log.warning("%s: %s", clip.id, line)
        folder.parent.mkdir(parents=True, exist_ok=True)
        make(clip.path, folder, size=side, progress=report)
    subject = Subject.load(folder)
    if subject.manifest["source"]["sha256"] != digest:
        raise ConfigError(f"{folder} was made of another clip than {clip.path}; remove it and run again")
    return subject, digest


def train(run: Run, report: Report) -> None:
    """The method learns the person, or goes on where it was killed; references learn nothing."""
    task = run.task
    if task.method in REFERENCES:
        run.note("train", {"provenance": None, "checkpoint_sha256": None, "config_sha256": _canonical(task)})
        return
    learnt = method(task.method).train(
        Path(run.stages["prepare"]["subject"]),
        run.model,
        task.request(),
        lambda stage, share, _: report(stage, share),
    )
    if learnt.size != task.side:
        raise ConfigError(f"{task.method} drew {learnt.size} px, not {task.side}; give it --size {learnt.size}")
    found = {
        "provenance": learnt.provenance,
        "checkpoint_sha256": _tensors_sha256(run.model),
        "config_sha256": _canonical(task),
    }
    run.note("train", found)


def perform(run: Run, report: Report) -> None:
    """The held-out part, or another's speech, as a lossless video; how fast, and for how much memory."""
    from leaderboard.running.performing import act, recite

    subject, task = run.subject(), run.task
    if task.method in REFERENCES:
        found = recite(run, REFERENCES[task.method], run.truth(subject))
    else:
        found = act(run, _performance(subject, task), report)
    run.note("perform", found | {"sha256": sha256_of(run.prediction)})


def judge(run: Run, report: Report) -> Path:
    """Score the kept prediction and write its record; refuses to overwrite one. Returns the record's path."""
    from leaderboard.scoring import score

    protocol = Protocol(run.setting, run.stages["perform"]["composite"], run.task.codec)
    path = run.places.measured / run.task.place / f"{protocol.id}.json"
    if path.exists():
        raise ConfigError(f"{path} exists and records are never overwritten; score under another revision")
    request = score_request(run, protocol)
    score(request, path, lambda stage, share: report(f"score: {stage}", share))
    return path


STAGES: dict[str, Callable[[Run, Report], Any]] = {
    "prepare": prepare,
    "train": train,
    "perform": perform,
    "judge": judge,
}


def score_request(run: Run, protocol: Protocol, weights: Path | None = None) -> Any:
    """How the run's kept prediction is scored: checked against what was rendered, beside truth and sound.

    Raises ConfigError where the prediction is not the one that was rendered."""
    from leaderboard.running.labels import labels_of
    from leaderboard.running.media import ship
    from leaderboard.scoring import ScoreRequest

    kept, subject = run.stages["perform"], run.subject()
    if not run.prediction.is_file() or sha256_of(run.prediction) != kept["sha256"]:
        raise ConfigError(f"{run.prediction} is not what was rendered (hash mismatch); remove {run.folder}, run again")
    truth = run.truth(subject, kept["stride"])
    name = f"{run.stages['prepare']['clip_sha256'][:16]}-{subject.size}-{run.task.side}-{truth.first}x{truth.stride}"
    folder = run.places.work / "truths"
    video = truth.write(folder / f"{name}.mkv") if run.setting == "self" else None
    sound = write_sound(run.folder / "sound.wav", sound_of(run, truth))
    its_sound = write_sound(folder / f"{name}.wav", truth.samples()) if video is not None else None
    shown = ship(run, protocol, truth, sound)
    return ScoreRequest(
        prediction=run.prediction,
        truth=video,
        audio=sound,
        truth_audio=its_sound,
        protocol=protocol,
        weights=weights,
        device=run.task.device,
        seed=run.task.seed,
        stride=kept["stride"],
        labels=labels_of(run, subject, truth, shown),
    )


def sound_of(run: Run, truth: Truth) -> Any:
    """[S] at 16 kHz: what is heard with the prediction."""
    if run.task.speech is not None:
        return spoken(run.task.speech, run.stages["perform"]["frames"] * run.stages["perform"]["stride"])
    return REFERENCES[run.task.method].samples(truth) if run.task.method in REFERENCES else truth.samples()


def _performance(subject: Subject, task: Task) -> Performance:
    if task.speech is None:
        return Performance.of(subject)
    from pgstalker.media import read_audio

    return Performance.said_by(subject, read_audio(task.speech))


def _canonical(task: Task) -> str:
    return hashlib.sha256(json.dumps(task.declaration(), sort_keys=True).encode()).hexdigest()


def _tensors_sha256(folder: Path) -> str:
    """Of all tensors of a model together."""
    digests = [f"{path.name} {sha256_of(path)}" for path in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
