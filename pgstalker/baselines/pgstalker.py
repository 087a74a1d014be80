"""PGSTalker itself, under the contract of the methods that it is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker.method import Composite, Method, Performance, Progress, TrainingRequest
from pgstalker.models.config import SWITCHES
from pgstalker.presets import PRESETS
from pgstalker.types import Drive

if TYPE_CHECKING:
    from pgstalker.avatar import Avatar


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> PGSTalker:
    """An avatar; with bake=on its deformations are then baked as the command line does."""
    from pgstalker.training import train as train_avatar

    METHOD.check(request)
    switches = {name: value for name, value in request.switches.items() if name != "bake"}
    train_avatar(subject, out, replace(request, switches=switches), progress)
    if request.switches.get("bake") == "on":
        from pgstalker.avatar import Avatar
        from pgstalker.avatar.bake import bake
        from pgstalker.subject import Subject

        progress("bake", 0.0, {})
        avatar = Avatar.load(out, "cpu")  # as it is played, wherever it was trained
        bake(avatar, Subject.load(subject))
        avatar.save(out)
    return load(out, request.device)


def load(folder: Path, device: str = "auto") -> PGSTalker:
    from pgstalker.avatar import Avatar

    return PGSTalker(Avatar.load(folder, device))


class PGSTalker:
    """An avatar that performs."""

    def __init__(self, avatar: Avatar):
        self.avatar, self.size = avatar, avatar.talker.size
        self.provenance: dict[str, Any] = avatar.provenance
        self.composite: Composite = "gt_torso" if avatar.talker.config.torso == "gt" else "rendered_torso"

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        from pgstalker.avatar import plate_picture

        is_over_truth = self.composite == "gt_torso"
        backgrounds = performance.torsos(plate_picture(self.avatar)) if is_over_truth else None
        return self.avatar.talker.render(self.drive(performance), backgrounds=backgrounds)

    def drive(self, performance: Performance) -> Drive:
        """The performance as this avatar takes it: heard as a whole, then cut to what is shown."""
        from pgstalker.audio import voice_gate

        talker, frames = self.avatar.talker, performance.recording_frames
        features = talker.hear(performance.samples, frames, own_recording=performance.is_own)
        gate = None if performance.is_own else voice_gate(performance.samples, frames)
        return Drive(
            camera_from_head=performance.camera_from_head,
            eyes=performance.eyes,
            torso=performance.torso,
            mouth_code=talker.code(features, gate)[performance.moments],
        )


METHOD = Method(
    id="pgstalker",
    title="PGSTalker",
    paper="PGSTalker, ICONIP, arXiv 2509.16922",
    kind="gaussians",
    differences=(
        "the exact equation of the gate is not public: ours is one sigmoid gate per Gaussian and channel between what "
        "is heard and what place says",
        "face, inside-mouth and torso Gaussians are one depth-sorted cloud drawn in one pass, not composited pictures",
        "hearing is taught by landmarks before the pictures are (audio_training=end-to-end is the paper's way)",
        "mel features and a small encoder of our own in place of a pretrained speech model",
        "eye openness from landmarks in place of OpenFace's action units",
        "the torso is drawn too (torso=gt is the paper's way); head poses come of our own tracker, not of a licensed "
        "face model",
        "the torso that is drawn follows its own tracked motion, on the board too, where the NeRF methods' torsos see "
        "the head's pose alone; another's sound is said over the motion of the subject's own clip",
        "colours change with the side from which the head is seen by the first spherical harmonics, without the one "
        "along the line of sight; how many the paper has is not public",
        "the mouth's box counts three times; every fifth frame is drawn evenly over how far the mouth is open or the "
        "eyes are shut; codes have noise, and late in training are those that will be heard; weights are averaged",
        "on CUDA a step reduces the mean error of four frames, with as many steps; the other methods draw one",
        "density: the pixel weight is multiplied by a region weight, since at a constant distance pixels alone change "
        "little (density=pixel-aware leaves that out)",
    ),
    train=train,
    load=load,
    steps={name: preset.steps for name, preset in PRESETS.items()},
    switches={
        "fusion": SWITCHES["fusion"],
        "density": SWITCHES["density"],
        "torso": SWITCHES["torso"],
        "audio": SWITCHES["audio"],
        "audio_training": SWITCHES["audio_training"],
        "bake": ("off", "on"),
    },
    reported_as="PGSTalker",
)
