"""RAD-NeRF: a grid of the room and a plane in which sound chooses a point, marched along rays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgstalker.nerf.declaration import nerf_method

if TYPE_CHECKING:
    from pgstalker.nerf.learner import NerfLearner
    from pgstalker.training.session import Session

STEPS = {"quick": 850, "compare": 3200, "default": 2800, "paper": 250_000}
"""paper: 200,000 for the head and 50,000 that look at lips too, the torso learns beside it; the others take about as
long as pgstalker's of that name on two cores (benchmarks/pace.py)."""
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


METHOD = nerf_method(
    build,
    id="rad-nerf",
    title="RAD-NeRF",
    paper="RAD-NeRF, arXiv 2211.12368",
    differences=(
        "a head in cm from our own tracker, cells of its box carved by the training silhouettes and the tracked face "
        "before training; later those stay that samples reach the eye from (the paper's grid follows density alone)",
        "mel features and a small encoder of our own with attention over eight frames, in place of a speech model's",
        "eye openness from landmarks in place of the area of the eye's outline",
        "a silhouette term (the squared error of opacity, times 0.01) beside the paper's",
        "each step draws rays on the head, in the mouth's box and round the head; on a CPU 4 frames of 512 rays, where "
        "the paper draws 65,536 of one",
        "on a CPU the occupancy has 64 cells a side and steps are 0.35 cm; the face is a mask, not a rectangle; every "
        "fifth frame is drawn evenly over how far the mouth is open or the eyes are shut; sound has noise added",
        "on a CPU the grids have 512 cells a side at their finest and 16,384 rows a level, where the paper has "
        "2,048 and 65,536",
        "the last fifth of training looks at whole mouths every other step, as the paper's last 50,000 steps: with "
        "LPIPS where its weights are on this machine, else with structural similarity",
        "the torso is left to the true frames; torso=rendered trains the torso field beside the head, not after "
        "it, without a code of the frame, and with a smaller network",
        "learning rates fall by a cosine, from twice the paper's but in the preset paper; frames' codes are averaged",
    ),
    steps=STEPS,
    reported_as="RAD-NeRF",
)
