"""AD-NeRF: two plain networks that see the head, and two the torso, conditioned on sound. The slow reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgstalker.nerf.declaration import nerf_method

if TYPE_CHECKING:
    from pgstalker.nerf.learner import NerfLearner
    from pgstalker.training.session import Session

STEPS = {"quick": 800, "compare": 2950, "default": 2400, "paper": 400_000}
"""All but paper take about as long as pgstalker's of that name on two cores (benchmarks/pace.py)."""
SMALL = {"width": 64, "depth": 4, "coarse": 16, "fine": 24}
PAPER = {"width": 256, "depth": 8, "coarse": 64, "fine": 128}
"""Of the networks: SMALL on a CPU."""
CPU_FRAMES, CPU_RAYS, PAPER_RAYS = 2, 384, 2048
CPU_TORSO_RAYS, PAPER_TORSO_RAYS = 192, 2048


def configure(session: Session) -> dict[str, Any]:
    """What this method decides of a talker's configuration."""
    networks = SMALL if session.device.type == "cpu" else PAPER
    return {
        "code": 64,
        "ear_frames": 8,
        "head": {"cells": 64, "step_cm": 0.4, "networks": networks},
        "torso_field": {"networks": networks} if session.switches["torso"] == "rendered" else None,
    }


def build(session: Session, kept: dict[str, Any] | None) -> NerfLearner:
    from pgstalker.nerf.learner import Recipe, build_learner

    is_cpu = session.device.type == "cpu"
    frames, rays, torso_rays = (CPU_FRAMES, CPU_RAYS, CPU_TORSO_RAYS) if is_cpu else (1, PAPER_RAYS, PAPER_TORSO_RAYS)
    recipe = Recipe(frames, rays, grid_rate=0.0, network_rate=2e-3 if is_cpu else 5e-4, torso_rays=torso_rays)
    return build_learner(session, kept, configure, recipe)


METHOD = nerf_method(
    build,
    id="ad-nerf",
    title="AD-NeRF",
    paper="AD-NeRF, ICCV 2021, arXiv 2103.11078",
    differences=(
        "on a CPU it runs small: 4 layers of 64 where the paper has 8 of 256, 16 + 24 samples a ray where it has 64 + "
        "128, 2 x 384 rays a step where it has 2,048; and every 8th test frame is rendered",
        "rays are sampled only where the training silhouettes allow a head, not between two fixed depths",
        "mel features and a small encoder of our own that attends to eight frames from the start, in place of "
        "DeepSpeech's with attention after 300,000 steps",
        "a silhouette term (squared error of opacity, times 0.01) and the gentle pull to clear opacities of the other "
        "NeRF methods here",
        "the torso is left to the true frames; torso=rendered trains the second pair of networks beside the first, not "
        "after it",
        "densities by softplus; learning rates that fall by a cosine",
    ),
    steps=STEPS,
    reported_as="AD-NeRF",
    test_stride=8,
)
