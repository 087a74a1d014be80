"""The command line: python -m pgstalker prepare | train | render | bake | export | bench."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from pgstalker.command_line import pairs, run
from pgstalker.errors import ConfigError


@dataclass
class Prepare:
    """Turn a portrait video into a subject folder: camera, head pose, masks, mouth, blinks, sound."""

    video: tyro.conf.Positional[Path]
    """A person talking to a fixed camera, with sound. 30 seconds or more is best; 5 seconds is the least, 5 minutes
    the most."""
    out: Path
    """The subject folder to write."""
    size: int = 512
    """Side of the square picture, px."""

    def run(self) -> None:
        from pgstalker.preflight import check, check_python

        check()
        check_python("prepare", "cv2", "mediapipe")
        from pgstalker.tracking import prepare

        with _Bar("prepare") as bar:
            prepare(self.video, self.out, size=self.size, progress=bar.show)
        print(f"{self.out}: prepared; look at {self.out / 'sheet.png'}")


@dataclass
class Train:
    """Train an avatar of a prepared subject, or a method that it is compared with."""

    subject: tyro.conf.Positional[Path]
    """A folder made by `prepare`."""
    out: Path
    """The avatar folder to write."""
    method: str = "pgstalker"
    """Whose: pgstalker, or another of pgstalker/baselines/."""
    preset: Literal["quick", "compare", "default", "paper"] = "quick"
    """quick where none is given: 256 px, about 100 s on two cores; compare: 256 px, about 6 min; default: 512 px, about
    5.5 min; paper: 512 px, the paper's 110,000 iterations, hours."""
    steps: int | None = None
    """Training steps, in place of the preset's."""
    minutes: float | None = None
    """Train for about this long: measures the machine, then chooses the steps."""
    size: int | None = None
    """Side of the picture, px."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    switches: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="SWITCH=VALUE ...")] = field(default=())
    """fusion=gated|concat|region-attention density=region-aware|pixel-aware|plain|uniform torso=rendered|gt bake=off|on
    audio_training=two-stage|end-to-end audio=mel|viseme|mel+viseme|hubert|wav2vec2|whisper (or hubert:FOLDER)"""
    seed: int = 0
    resume: bool = False
    """Go on from the checkpoint beside OUT."""
    gaussians: int | None = None
    """How many Gaussians there are at most, in place of the preset's."""
    frames_per_step: int | None = None
    """Frames whose mean error a step reduces: 1 on the CPU and 4 on CUDA, where none is given."""

    def run(self) -> None:
        from pgstalker.preflight import check_python

        check_python("train", "torch")
        from pgstalker.method import TrainingRequest, method

        chosen = method(self.method)
        request = TrainingRequest(
            preset=self.preset,
            size=self.size,
            steps=self.steps,
            minutes=self.minutes,
            device=self.device,
            switches=pairs(self.switches),
            seed=self.seed,
            resume=self.resume,
            frames_per_step=self.frames_per_step,
            gaussians=self.gaussians,
        )
        with _Bar("train") as bar:
            facts = chosen.train(self.subject, self.out, request, bar.show).provenance
        gaussians = f"{facts['gaussians']} Gaussians, " if "gaussians" in facts else ""
        print(f"{self.out}: {gaussians}{facts['steps']} steps, {facts['seconds']:.0f} s")


@dataclass
class Render:
    """Let an avatar say an audio file, or re-render a part of a subject."""

    avatar: tyro.conf.Positional[Path]
    """A folder made by `train`."""
    out: Path
    """The .mp4 to write."""
    audio: Path | None = None
    """Any sound file, or a video with sound."""
    subject: Path | None = None
    """A prepared subject whose own pose, eyes and audio drive the avatar."""
    frames: Literal["held-out", "train", "all"] = "held-out"
    """Which part of the subject."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    label: bool = True
    """With --audio: the words "AI-generated" in a corner of the picture."""
    pose: Literal["own", "still"] = "own"
    """With --audio: the head moves as in its own training video, or is held still."""
    size: int | None = None
    """With --audio: side of the video in px, where it is to be scaled."""
    credentials: bool = True
    """With --audio: signed content credentials (C2PA) in the file."""
    switches: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="SWITCH=VALUE ...")] = field(default=())
    """bake=on|off: play the baked deformations of a baked avatar (on, where there are some) or its networks"""

    def run(self) -> None:
        from pgstalker.avatar import Avatar, render_audio, render_subject
        from pgstalker.media import Destination
        from pgstalker.provenance import Marks

        if (self.audio is None) == (self.subject is None):
            raise ConfigError("render needs either --audio FILE or --subject SUBJECT")
        avatar = Avatar.load(self.avatar, self.device)
        avatar.choose(pairs(self.switches))
        with _Bar("render") as bar:
            if self.audio is not None:
                marks = Marks(self.label, self.credentials)
                out = Destination(self.out, size=self.size)
                receipt = render_audio(
                    avatar, self.audio, out, seed=self.seed, pose=self.pose, marks=marks, progress=bar.show
                )
            elif self.subject is not None:
                receipt = render_subject(avatar, self.subject, self.out, frames=self.frames, progress=bar.show)
        print(f"{self.out}: {receipt['frames']} frames, {receipt['frames_per_second']:.1f} frames/s")


@dataclass
class Bake:
    """Store the head's deformation as a combination of a few: cheaper to play, without networks."""

    avatar: tyro.conf.Positional[Path]
    """A folder made by `train`."""
    out: Path | None = None
    """The avatar folder to write; the same one where none is given."""
    subject: Path | None = None
    """The subject that it was trained on: bakes what that mouth does, not all that it might."""
    vectors: int = 32
    """How many deformations are combined."""

    def run(self) -> None:
        from pgstalker.avatar import Avatar
        from pgstalker.avatar.bake import bake
        from pgstalker.subject import Subject

        avatar, out = Avatar.load(self.avatar), self.out or self.avatar
        lost = bake(avatar, None if self.subject is None else Subject.load(self.subject), self.vectors)
        avatar.save(out)
        print(f"{out}: {self.vectors} deformations; {lost['face_basis']:.2%} of the face's motion is left out")


@dataclass
class Export:
    """Write an avatar's head at rest as a standard 3D Gaussian splatting .ply."""

    avatar: tyro.conf.Positional[Path]
    out: Path

    def run(self) -> None:
        from pgstalker.avatar import Avatar, export_ply

        export_ply(Avatar.load(self.avatar), self.out)
        print(f"{self.out}: written")


@dataclass
class Bench:
    """Measure speed: one JSON line per stage (render, frame, end_to_end, train_step)."""

    avatar: tyro.conf.Positional[Path] = Path("sample_data/avatars/mira")
    """A trained avatar; more Gaussians or another size are made of a copy of it."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    size: int | None = None
    """Side of the picture, px: 512, and 256 for train_step, where none is given."""
    gaussians: int | None = None
    """All branches together: 30,000, and 8,000 for train_step, where none is given."""
    stages: tuple[Literal["render", "frame", "end_to_end", "train_step"], ...] = ()
    """All that what is installed allows, where none are given."""
    seconds: float = 8.0
    """How long each timing lasts."""
    out: Path | None = None
    """A file that the lines are written to as well."""

    def run(self) -> None:
        import json

        from pgstalker.devices import choose_device
        from pgstalker.files import replacing
        from pgstalker.performance import BenchRequest, bench, possible

        device = choose_device(self.device)
        request = BenchRequest(device, self.size, self.gaussians, self.stages or possible(), self.seconds)
        lines = []
        for row in bench(self.avatar, request):
            lines.append(json.dumps(row))
            print(lines[-1], flush=True)
        if self.out is not None:
            with replacing(self.out) as temporary:
                temporary.write_text("\n".join(lines) + "\n")


class _Bar:
    """Progress on the terminal: one line that changes; in a log, a line whenever the stage does."""

    def __init__(self, title: str):
        from tqdm import tqdm

        self.stage = title
        self.is_terminal = sys.stderr.isatty()
        layout = "{desc} {percentage:3.0f}%|{bar:24}| {elapsed}{postfix}"
        self.bar = tqdm(total=1.0, desc=title, bar_format=layout, disable=not self.is_terminal)

    def show(self, stage: str, share: float, numbers: dict | None = None) -> None:
        values = [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in (numbers or {}).items()]
        if self.is_terminal:
            self.bar.set_description_str(f"{stage:<12}", refresh=False)
            self.bar.set_postfix_str(" ".join(values), refresh=False)
            self.bar.n = min(1.0, share)
            self.bar.refresh()
        elif stage != self.stage:
            print(f"{stage} {share:.0%} {' '.join(values)}", file=sys.stderr, flush=True)
        self.stage = stage

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error) -> None:
        self.bar.close()


def main(arguments: list[str] | None = None) -> int:
    """Run a command; a person's mistake ends in one line and exit code 2."""
    return run(Prepare | Train | Render | Bake | Export | Bench, "pgstalker", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
