"""TalkingGaussian (Li et al., ECCV 2024) of our shared parts: region attention, and a face drawn over a mouth.

The model is in models/talking_gaussian.py, its three runs of training in training/talking_gaussian.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pgstalker.method import Method, Progress, TrainingRequest
from pgstalker.models.config import SWITCHES

if TYPE_CHECKING:
    from pgstalker.models.head import HeadOnTorso

STEPS = {"quick": 4950, "compare": 18250, "default": 7200, "paper": 110_000}
"""paper: 50,000 of the mouth, 50,000 of the face, 10,000 of both; the others take as long as
pgstalker's of that name (benchmarks/pace.py)."""


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> HeadOnTorso:
    from pgstalker.training.session import train_method
    from pgstalker.training.talking_gaussian import build

    train_method(METHOD, build, subject, out, request, progress)
    return load(out, request.device)


def load(folder: Path, device: str = "auto") -> HeadOnTorso:
    from pgstalker.models.head import HeadOnTorso
    from pgstalker.models.talking_gaussian import TalkingGaussian
    from pgstalker.training.session import load_model

    return HeadOnTorso.restored(TalkingGaussian, load_model(folder, METHOD.id), device)


METHOD = Method(
    id="talking-gaussian",
    title="TalkingGaussian",
    paper="TalkingGaussian: Structure-Persistent 3D Talking Head Synthesis via Gaussian Splatting, ECCV 2024, "
    "arXiv 2404.15264",
    kind="gaussians",
    differences=(
        "colours change with the side from which the head is seen by the first spherical harmonics, not the second, "
        "and without the one along the line of sight; scales are exponentials, not softplus",
        "one tri-plane of 40 cells and 12 channels per branch (mouth: 24 and 8), in place of 12 levels of one channel "
        "from 16 to 39 cells; the repository's mouth levels run backwards from 64 to 58 cells, ours do not",
        "eye closure from landmarks drives the eyes, in place of six of OpenFace's action units",
        "mel features, and an audio encoder of our own with attention over 8 frames, one per branch, in place of "
        "DeepSpeech or HuBERT; sound has noise added in training",
        "Gaussians start on the tracked face, in hair pixels and behind the lips, not at random in a cube: the presets "
        "are too short for that",
        "rates are PGSTalker's, which suit short runs; positions fall to a hundredth and the rest to a tenth within a "
        "branch, without the step down that the repository's schedule makes when LPIPS sets in; colours of the last "
        "stage begin at the repository's rate and fall to a tenth",
        "the last tenth of a branch's weights is averaged, and the last three fifths of both",
        "but in the preset paper, density control ends at 88 % of the face's steps, where the paper leaves it 1,000 "
        "steps of 50,000: a fiftieth of a short run is too few",
        "PGSTalker's networks of two layers with a straight path beside them move a Gaussian at most 1.5 cm, where the "
        "paper's reach 1 cm",
        "schedules are shares of the steps: 5/11 mouth, 5/11 face, 1/11 both, each branch still for its first 6 %",
        "the face's steps that are blind to hair are blind to the background behind it as well: in short runs the rim "
        "of the hair would not grow back",
        "what is divided leaves a parent and a child, both 1.6 times smaller, of small ones too; each of the "
        "two clouds is capped as PGSTalker's one is",
        "the regions of attention are weighed by each Gaussian's share of the pixels, which is the gradient of the "
        "paper's extra picture of them without drawing it",
        "frames of a range of motion are picked from those that lie in it, or the nearest: the repository draws until "
        "one fits, and hangs where nobody blinks hard",
        "the mouth is a class of its own; the repository's exclusive or of face and teeth puts teeth into the face's "
        "alpha loss",
        "Gaussians that are green from where a step looks are dropped in both branches; the repository's clean-up of "
        "the mouth divides raw softplus scales by ten, which makes them larger",
        "largest Gaussian and rates of position have a fixed extent (20 cm), not one that follows from how much the "
        "speaker moves",
        "the opacities' small rate of the last stage is used; the repository overwrites it when it restores the "
        "optimizer",
        "LPIPS only where its weights are on the machine; the branches do not freeze nor turn black for it",
        "the drawn torso is the true frame over a median plate, extended up behind the chin, as the repository's "
        "inpainted torso is",
    ),
    train=train,
    load=load,
    steps=STEPS,
    switches={
        "fusion": ("region-attention", "gated", "concat"),
        "audio": SWITCHES["audio"],
        "audio_training": ("end-to-end", "two-stage"),
    },
    reported_as="TalkingGaussian",
)
