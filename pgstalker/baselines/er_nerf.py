"""ER-NeRF: three hashed planes and region attention, marched along rays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgstalker.nerf.declaration import nerf_method

if TYPE_CHECKING:
    from pgstalker.nerf.learner import NerfLearner
    from pgstalker.training.session import Session

STEPS = {"quick": 1200, "compare": 4300, "default": 3450, "paper": 125_000}
"""paper: 100,000 for the head and 25,000 that look at lips too, the torso learns beside it; the others take about as
long as pgstalker's of that name on two cores (benchmarks/pace.py)."""
LIPS_FROM = 0.8
CPU_FRAMES, CPU_RAYS, PAPER_RAYS = 4, 512, 65_536


def configure(session: Session) -> dict[str, Any]:
    """What this method decides of a talker's configuration."""
    is_cpu = session.device.type == "cpu"
    field = {"kind": "tri-plane-hash"}
    return {
        "code": 32,
        "ear_frames": 8,
        "head": {"cells": 64 if is_cpu else 128, "step_cm": 0.35 if is_cpu else 0.2, "most": 16, "field": field},
        "torso_field": {"pose": "anchors"} if session.switches["torso"] == "rendered" else None,
    }


def build(session: Session, kept: dict[str, Any] | None) -> NerfLearner:
    from pgstalker.nerf.learner import Recipe, build_learner

    frames, rays = (CPU_FRAMES, CPU_RAYS) if session.device.type == "cpu" else (1, PAPER_RAYS)
    recipe = Recipe(frames, rays, grid_rate=1e-2, network_rate=1e-3, lips_from=LIPS_FROM)
    return build_learner(session, kept, configure, recipe)


METHOD = nerf_method(
    build,
    id="er-nerf",
    title="ER-NeRF",
    paper="ER-NeRF, ICCV 2023, arXiv 2307.09323",
    differences=(
        "a head in cm from our own tracker, cells of its box carved by the training silhouettes and the tracked face "
        "before training; later those stay that samples reach the eye from (the paper's grid follows density alone)",
        "mel features and a small encoder of our own with attention over eight frames, in place of DeepSpeech's",
        "eye openness from landmarks in place of OpenFace's action unit",
        "a silhouette term (squared error of opacity, times 0.01) beside the paper's; none that smooths attention",
        "each step draws rays on the head, in the mouth's box and round the head; on a CPU 4 frames of 512 rays, where "
        "the paper draws 65,536 of one",
        "on a CPU the occupancy has 64 cells a side and steps are 0.35 cm; the face is a mask, not a rectangle; every "
        "fifth frame is drawn evenly over how far the mouth is open or the eyes are shut; sound has noise added, the "
        "eyes have none; weights are averaged over more steps (0.997, from 60 % on)",
        "the last fifth of training looks at whole mouths every other step, as the paper's last 25,000 steps: with "
        "LPIPS where its weights are on this machine, else with structural similarity",
        "the torso is left to the true frames, as in the paper's own table; torso=rendered trains the torso field "
        "beside the head, not after it, without a code of the frame",
        "learning rates fall by a cosine, not by half; the codes of single frames are averaged for new ones",
    ),
    steps=STEPS,
    reported_as="ER-NeRF",
)
