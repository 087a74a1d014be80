"""GaussianTalker (Cho et al., ACM MM 2024) of our shared parts: Gaussians that ask audio, eyes and camera how to move.

The model is in models/gaussian_talker.py, its two stages of training in training/gaussian_talker.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pgstalker.method import Method, Progress, TrainingRequest
from pgstalker.models.config import SWITCHES

if TYPE_CHECKING:
    from pgstalker.models.head import HeadOnTorso

STEPS = {"quick": 2250, "compare": 8150, "default": 3600, "paper": 328_000}
"""paper: the frames of 8,000 steps of one and 10,000 of 32; the others take as long as pgstalker's of
that name (benchmarks/pace.py)."""


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> HeadOnTorso:
    from pgstalker.training.gaussian_talker import build
    from pgstalker.training.session import train_method

    train_method(METHOD, build, subject, out, request, progress)
    return load(out, request.device)


def load(folder: Path, device: str = "auto") -> HeadOnTorso:
    from pgstalker.models.gaussian_talker import GaussianTalker
    from pgstalker.models.head import HeadOnTorso
    from pgstalker.training.session import load_model

    return HeadOnTorso.restored(GaussianTalker, load_model(folder, METHOD.id), device)


METHOD = Method(
    id="gaussian-talker",
    title="GaussianTalker",
    paper="GaussianTalker: Real-Time Talking Head Synthesis with 3D Gaussian Splatting, ACM MM 2024, arXiv 2404.16012",
    kind="gaussians",
    differences=(
        "colours change with the side from which the head is seen by the first spherical harmonics, not up to the "
        "third, and without the one along the line of sight; what is said changes the constant one alone",
        "tri-planes of 64 and 128 cells at 512 px, and of 32 and 64 at 256 px, over 20 cm of the head",
        "opacity and colour are a Gaussian's own plus what the tri-planes add, so that the start can be given; the "
        "repository's come from the tri-planes alone",
        "one hidden layer of 128 for all five deformations, not one for each; a normalisation before attention",
        "Gaussians start on the tracked face, in hair pixels and behind the lips, not at the vertices of a licensed "
        "face model",
        "the coarse stage is 15 % of the steps, one frame a step throughout; the repository takes 8,000 steps of one "
        "frame, then 10,000 of 32: as many frames would leave the coarse stage 2 %",
        "rates are PGSTalker's, which suit short runs, falling to a tenth; the weights of the last two fifths are "
        "averaged; every fifth frame is drawn evenly over how far the mouth is open or the eyes are shut",
        "a small penalty on motion, as PGSTalker's; the camera's numbers are standardised and held within 2.5",
        "the head's mask is compared with what the Gaussians cover, in place of a saturated depth, and LPIPS of the "
        "mouth, where its weights are on the machine, stands for VGG features",
        "eye closure from landmarks, in place of an action unit of OpenFace",
        "mel features and an audio encoder of our own with attention over 8 frames, in place of DeepSpeech; sound "
        "has noise added in training",
        "the number of Gaussians is capped as PGSTalker's is",
    ),
    train=train,
    load=load,
    steps=STEPS,
    switches={
        "fusion": ("cross-attention", "gated", "concat", "region-attention"),
        "density": ("plain", "pixel-aware", "region-aware", "uniform"),
        "audio": SWITCHES["audio"],
        "audio_training": ("end-to-end", "two-stage"),
    },
    reported_as="GaussianTalker",
)
