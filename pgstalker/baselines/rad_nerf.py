"""RAD-NeRF: a grid of the room and a plane in which sound chooses a point, marched along rays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgstalker.method import Method, Progress, TrainingRequest

if TYPE_CHECKING:
    from pgstalker.nerf.learner import NerfLearner
    from pgstalker.nerf.talker import NerfPerformer
    from pgstalker.training.session import Session

LENGTHS = {"quick": (256, 850), "compare": (256, 3200), "default": (512, 2800), "paper": (512, 250_000)}
"""Side px and steps. paper: 200,000 for the head and 50,000 that look at lips too, the torso learns beside it; the
others take about as long as pgstalker's of that name on two cores (benchmarks/pace.py)."""
LIPS_FROM = 0.8
CPU_FRAMES, CPU_RAYS, PAPER_RAYS = 4, 512, 65_536
PAPER_RATES, SHORT_RATES = (5e-3, 5e-4), (1e-2, 1e-3)
"""Learning rates of grids and networks: the paper's, and ER-NeRF's, which learn a short run faster."""
CPU_GRID = {"log2_rows": 14, "finest": 512}
"""On a CPU: as fine as its pictures are, and small enough for its cache."""


def configure(session: Session) -> dict[str, Any]:
    """What this method decides of a talker's configuration."""
    is_cpu = session.device.type == "cpu"
    field = {"kind": "ambient"} | (CPU_GRID if is_cpu else {})
    return {
        "code": 64,
        "ear_frames": 8,
        "head": {"cells": 64 if is_cpu else 128, "step_cm": 0.35 if is_cpu else 0.2, "most": 16, "field": field},
        "torso_field": {"pose": "angles"} if session.switches["torso"] == "rendered" else None,
    }


def build(session: Session, kept: dict[str, Any] | None) -> NerfLearner:
    from pgstalker.nerf.learner import Recipe, build_learner

    is_short = session.options.preset != "paper"
    frames, rays = (CPU_FRAMES, CPU_RAYS) if session.device.type == "cpu" else (1, PAPER_RAYS)
    grid_rate, network_rate = SHORT_RATES if is_short else PAPER_RATES
    return build_learner(session, kept, configure, Recipe(frames, rays, grid_rate, network_rate, LIPS_FROM))


def train(subject: Path, out: Path, request: TrainingRequest, progress: Progress) -> NerfPerformer:
    from pgstalker.nerf.learner import train_performer

    return train_performer(METHOD, LENGTHS, build, (subject, out), request, progress)


def load(folder: Path, device: str = "auto") -> NerfPerformer:
    from pgstalker.nerf.talker import load_performer

    return load_performer(folder, METHOD.id, device)


METHOD = Method(
    id="rad-nerf",
    title="RAD-NeRF",
    paper="RAD-NeRF, arXiv 2211.12368",
    kind="nerf",
    differences=(
        "a head in cm from our own tracker, cells of its box carved by the training silhouettes and the tracked face "
        "before training; later those stay that samples reach the eye from (the paper's grid follows density alone)",
        "mel features and a small encoder of our own with attention over eight frames, in place of a speech model's",
        "eye openness from landmarks in place of the area of the eye's outline",
        "a silhouette term (the squared error of opacity, times 0.01) beside the paper's",
        "each step draws rays on the head, in the mouth's box and round the head; on a CPU 4 frames of 512 rays, where "
        "the paper draws 65,536 of one",
        "on a CPU the grids have 512 cells a side at their finest and 16,384 rows a level, where the paper has "
        "2,048 and 65,536",
        "the last fifth of training looks at whole mouths every other step, as the paper's last 50,000 steps: with "
        "LPIPS where its weights are on this machine, else with structural similarity",
        "the torso is left to the true frames; torso=rendered trains the torso field beside the head, not after it",
        "learning rates fall by a cosine, from twice the paper's but in the preset paper; frames' codes are averaged",
    ),
    train=train,
    load=load,
    switches={
        "torso": ("gt", "rendered"),
        "audio": ("mel", "viseme", "mel+viseme", "hubert", "wav2vec2", "whisper"),
        "audio_training": ("end-to-end", "two-stage"),
    },
    reported_as="RAD-NeRF",
)
