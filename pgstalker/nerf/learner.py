"""How a radiance field learns from pictures: the rays of a few frames a step, each frame a part of its own.

The parts meet nothing of each other until their gradients are summed, in order: on a CPU the cores share them without
a barrier between operations, and the sum is the same on any number of cores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.nerf.batches import Batch, Batches
from pgstalker.nerf.fields import Control
from pgstalker.nerf.grids import Grid
from pgstalker.nerf.occupancy import carve
from pgstalker.nerf.rays import cast, head_box
from pgstalker.nerf.talker import NerfTalker
from pgstalker.nerf.volume import Shaded
from pgstalker.rendering.numba_runtime import share as share_work
from pgstalker.rendering.ssim import ssim
from pgstalker.training import checkpoint
from pgstalker.training.average import RunningAverage
from pgstalker.training.codes import TrainingCodes, taught
from pgstalker.training.loop import StepReport
from pgstalker.training.perceptual import LEAST_SIDE, load_lpips
from pgstalker.training.session import Session

LAST_RATE, WARM_STEPS = 0.03, 15
AVERAGE_FROM, AVERAGE_DECAY = 0.6, 0.997
CRISP_WEIGHT, SILHOUETTE_WEIGHT = 1e-4, 1e-2
PATCH_SSIM_WEIGHT, PATCH_LPIPS_WEIGHT = 0.003, 0.01
"""Beside a squared error: what a mouth's patch is judged by in the last phase."""


@dataclass(frozen=True)
class Recipe:
    """frames a step and rays of each; learning rates; lips_from: the share of all steps from which on every other one
    draws whole mouths; 1: none does."""

    frames: int
    rays: int
    grid_rate: float
    network_rate: float
    lips_from: float = 1.0
    torso_rays: int = 512


@dataclass
class _Part:
    """What a frame's rays found."""

    gradients: list[Tensor | None]
    loss: float
    error: float
    shaded: Shaded


def build_learner(
    session: Session, kept: dict[str, Any] | None, configure: Callable[[Session], dict[str, Any]], recipe: Recipe
) -> NerfLearner:
    """A learner for training.session: of a new talker, or of kept configuration that is to be restored.

    configure: what the method decides of the talker's configuration; the camera and the head's box are added."""
    data, camera = session.data, session.subject.camera.scaled(session.options.size)
    poses = data.drive.camera_from_head
    config = kept or configure(session)
    if kept is None:
        config |= {"camera": asdict(camera), "frames": len(data)}
        config["audio"], config["audio_training"] = session.switches["audio"], session.switches["audio_training"]
        config["head"] |= {"box": head_box(data.labels, camera, poses, data.surface[0])}
    talker, codes = NerfTalker(config), None
    if kept is None:
        occupancy = talker.head.occupancy
        occupancy.begin(carve(occupancy, data.labels, camera, poses, data.surface[0]))
        talker.plate.copy_(torch.from_numpy((data.plate * 255 + 0.5).astype(np.uint8)))
        if talker.torso is not None:
            talker.torso.standardise(torch.from_numpy(poses))
        codes = taught(talker.ear, session)
    return NerfLearner(talker.to(session.device), session, recipe, codes)


class NerfLearner:
    """A Learner (training.loop) of a NerfTalker. codes: None where they are about to be restored."""

    def __init__(self, talker: NerfTalker, session: Session, recipe: Recipe, codes: TrainingCodes | None):
        self.talker, self.session, self.recipe = talker.train(), session, recipe
        self.steps, self.seed, self.step_number = session.options.steps, session.options.seed, 0
        self.batches, self.device = Batches(session.data, session.device), session.device
        self.poses = torch.from_numpy(session.data.drive.camera_from_head).float().to(self.device)
        self.maybe_codes = codes
        learns_by_itself = {id(p) for p in talker.ear.parameters()}
        self.parameters = [p for p in talker.parameters() if id(p) not in learns_by_itself]
        self.optimizer = self._optimizer()
        self.average = RunningAverage(talker, AVERAGE_DECAY)

    @property
    def codes(self) -> TrainingCodes:
        assert self.maybe_codes is not None, "restore() comes before the first step"
        return self.maybe_codes

    def _optimizer(self) -> torch.optim.Optimizer:
        tables = [module.table for module in self.talker.modules() if isinstance(module, Grid)]
        known = {id(table) for table in tables}
        others = [p for p in self.parameters if id(p) not in known]
        groups = [{"params": tables, "lr": self.recipe.grid_rate}, {"params": others, "lr": self.recipe.network_rate}]
        if not self.talker.ear.is_two_stage:
            groups.append({"params": list(self.talker.ear.encoder.parameters()), "lr": self.recipe.network_rate})
        groups = [group for group in groups if group["params"]]
        for group in groups:
            group["initial_lr"] = group["lr"]
        return torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)

    def _set_rates(self, share: float) -> None:
        factor = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))
        factor *= min(1.0, (self.step_number + 1) / WARM_STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    # ---- a step

    def step(self) -> StepReport:
        """The rays of a few frames, forward and back."""
        share, recipe = self.step_number / self.steps, self.recipe
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step_number)
        torch.manual_seed(generator.initial_seed())  # dropout draws from the global generator
        numbers = range(self.step_number * recipe.frames, (self.step_number + 1) * recipe.frames)
        frames = [self.session.data.frame_at(number, self.seed) for number in numbers]
        self._set_rates(share)
        is_lips = share >= recipe.lips_from and self.step_number % 2 == 1
        codes = torch.stack([self.codes.at(frame, share, generator) for frame in frames])
        parts = self._parts(frames, codes.detach(), share, is_lips)
        self._sum(parts, codes)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
        self.talker.head.learn_occupancy([part.shaded for part in parts], self.step_number, self.steps)
        if share >= AVERAGE_FROM:
            self.average.add(self.step_number - AVERAGE_FROM * self.steps)
        error = float(np.mean([part.error for part in parts]))
        loss = float(np.mean([part.loss for part in parts]))
        stage = "lips" if share >= recipe.lips_from else "head"
        return StepReport(stage, loss, -10 * math.log10(max(error, 1e-10)))

    def _parts(self, frames: list[int], codes: Tensor, share: float, is_lips: bool) -> list[_Part]:
        """Each frame's gradients; the cores of a CPU share the frames."""
        parts: list[_Part | None] = [None] * len(frames)

        def work(begin: int, end: int) -> None:
            for number in range(begin, end):
                rng = np.random.default_rng((self.seed, 5, self.step_number, number))
                with torch.enable_grad():
                    parts[number] = self._part(frames[number], codes[number], share, is_lips, rng)

        if self.device.type == "cpu":
            share_work(work, len(frames), parts_per_thread=len(frames))
        else:
            work(0, len(frames))
        return [part for part in parts if part is not None]

    def _part(self, frame: int, code: Tensor, share: float, is_lips: bool, rng: np.random.Generator) -> _Part:
        recipe, batches, code = self.recipe, self.batches, code.clone().requires_grad_()
        batch = batches.mouth(frame, recipe.rays, rng) if is_lips else batches.scattered(frame, recipe.rays, rng)
        control = self.talker.control(code, self.session.data.drive.eyes[frame], frame)
        offsets = torch.from_numpy(rng.random(len(batch.pixels), np.float32)).to(self.device)
        is_exploring = self.talker.head.is_exploring(self.step_number, share)
        rays = cast(batch.pixels, self.talker.camera, self.poses[frame])
        shaded = self.talker.head.shade(rays, control, offsets, is_exploring)
        loss, error = self._loss(batch, shaded, share)
        if self.talker.torso is not None:
            loss = loss + self._torso_loss(frame, control, rng)
        wanted = [*self.parameters, code]
        gradients = list(torch.autograd.grad(loss / recipe.frames, wanted, allow_unused=True))
        return _Part(gradients, float(loss.detach()), float(error), shaded)

    def _loss(self, batch: Batch, shaded: Shaded, share: float) -> tuple[Tensor, Tensor]:
        """(the loss, the mean squared error) of a batch."""
        image = shaded.colours + (1 - shaded.opacity[:, None]) * batch.background
        errors = ((image - batch.target) ** 2).mean(1)
        loss = self.talker.head.judge(errors, shaded, batch, share)
        opacity = shaded.opacity.clamp(1e-5, 1 - 1e-5)
        crisp = -(opacity * opacity.log() + (1 - opacity) * (1 - opacity).log()).mean()
        silhouette = ((shaded.opacity - batch.is_head.float()) ** 2).mean()
        loss = loss + CRISP_WEIGHT * crisp + SILHOUETTE_WEIGHT * silhouette
        if batch.patch is not None:
            loss = loss + self._patch_loss(image, batch)
        return loss, errors.detach().mean()

    def _patch_loss(self, image: Tensor, batch: Batch) -> Tensor:
        """LPIPS of the mouth where its weights are here, else structural similarity."""
        assert batch.patch is not None
        drawn, target = (colours.T.reshape(3, *batch.patch).contiguous() for colours in (image, batch.target))
        if self.perceptual is None:
            return PATCH_SSIM_WEIGHT * (1 - ssim(drawn, target))
        larger = [max(LEAST_SIDE, side) for side in batch.patch]
        drawn, target = (nn.functional.interpolate(patch[None], larger)[0] for patch in (drawn, target))
        return PATCH_LPIPS_WEIGHT * self.perceptual(drawn, target)

    @cached_property
    def perceptual(self):
        """LPIPS, or None where its weights are not on this machine."""
        return load_lpips(self.device)

    def _torso_loss(self, frame: int, control: Control, rng: np.random.Generator) -> Tensor:
        batch = self.batches.below(frame, self.recipe.torso_rays, rng)
        offsets = torch.from_numpy(rng.random(len(batch.pixels), np.float32)).to(self.device)
        return self.talker.torso.loss(batch, self.poses[frame], control, offsets)

    def _sum(self, parts: list[_Part], codes: Tensor) -> None:
        """The parts' gradients to the parameters, and through the codes to the ear."""
        for index, parameter in enumerate(self.parameters):
            given = [part.gradients[index] for part in parts if part.gradients[index] is not None]
            if given:
                parameter.grad = torch.stack(given).sum(0) if len(given) > 1 else given[0]
        if codes.requires_grad:
            codes.backward(torch.stack([part.gradients[-1] for part in parts]).to(codes))

    def finish(self) -> NerfTalker:
        """The talker with averaged weights."""
        self.average.settle()
        return self.talker.eval()

    # ---- stop and go on

    def config(self) -> dict[str, Any]:
        return self.talker.config

    def state(self) -> dict[str, Tensor]:
        tensors = {f"talker/{name}": value for name, value in self.talker.state_dict().items()}
        tensors |= self.average.state()
        tensors |= {f"codes/{name}": value for name, value in self.codes.state().items()}
        return tensors | checkpoint.optimizer_tensors(self.optimizer, self.talker)

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take up state() of a learner whose talker had the same configuration."""
        self.talker.load_state_dict(checkpoint.under("talker/", tensors))
        self.average.restore(tensors, self.device)
        self.maybe_codes = TrainingCodes(self.talker.ear, self.session)
        self.codes.restore(checkpoint.under("codes/", tensors))
        checkpoint.restore_optimizer(self.optimizer, self.talker, tensors)
        self.step_number = step
