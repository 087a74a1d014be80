"""Stage B: Gaussians and deformation from pictures, one frame a step or, on CUDA, several."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgstalker.gaussians.cloud import PARAMETERS
from pgstalker.gaussians.density import DensityControl, divide_and_prune, region_weights
from pgstalker.models.audio_encoder import neighbours
from pgstalker.models.talker import Controls, Talker
from pgstalker.presets import DENSITY_UNTIL, REFINE_FROM, stage_at
from pgstalker.rendering import Rendering
from pgstalker.training import checkpoint
from pgstalker.training.average import RunningAverage
from pgstalker.training.data import TrainingData
from pgstalker.training.loop import StepReport
from pgstalker.training.losses import LPIPS_WEIGHT, REFINE_SSIM_WEIGHT, photometric, pixel_weights, small_motion
from pgstalker.training.perceptual import load_lpips, mouth_patch

RATES = {"log_scales": 8e-3, "quats": 4e-3, "opacity_logits": 3e-2, "colors": 4e-3, "shading": 4e-3}
POSITION_RATE_PX = 0.06
"""Of a 256 px picture."""
NETWORK_RATE, PLANE_RATE, TORSO_RATE, HEARING_RATE = 1e-3, 5e-3, 5e-4, 2e-5
WARM_STEPS, LAST_RATE = 100, 0.02
CODE_NOISE = 0.15
UNSEEN_SHARE, HEARD_SHARE = 0.15, 0.1
"""Of the fuse stage's steps: on codes predicted without having seen the frame; on codes heard live, so that pictures
fine-tune the hearing."""
AVERAGE_DECAY = 0.998
COVERAGE_EVERY = 3


class Trainer:
    """Holds the talker, its optimizer, the running average of its weights and the density statistics.

    A step depends on (seed, step, state) alone, so a resumed run repeats an uninterrupted one. frames_per_step: whose
    errors' mean one step reduces.
    """

    def __init__(
        self,
        talker: Talker,
        data: TrainingData,
        steps: int,
        cap: int,
        seed: int,
        unseen: np.ndarray | None,
        frames_per_step: int = 1,
    ):
        self.talker, self.data, self.steps, self.seed = talker, data, steps, seed
        self.frames_per_step = frames_per_step
        self.density = DensityControl(talker.config.density, cap)
        self.density.begin(self._count(), talker.device)
        self.optimizer = self._optimizer()
        self.average = RunningAverage(talker, AVERAGE_DECAY)
        self.unseen = None if unseen is None else torch.from_numpy(unseen).to(talker.device)
        self.step_number = 0
        codes = self._true_codes()
        self.controls = talker.controls(replace(data.drive, mouth_code=codes))
        statistics = talker.audio_statistics.cpu().numpy()
        windows = talker.features.extract(data.samples, len(data), statistics)
        self.windows = neighbours(torch.from_numpy(windows), talker.config.attention_frames).to(talker.device)

    @property
    def is_end_to_end(self) -> bool:
        return self.talker.config.audio_training == "end-to-end"

    def _true_codes(self) -> np.ndarray:
        if self.is_end_to_end:  # never used: the code is heard
            return np.zeros((len(self.data), self.talker.config.code_size), np.float32)
        return self.talker.mouth_basis.encode(self.data.landmarks)

    def _count(self) -> int:
        return sum(len(cloud) for cloud in self._clouds())

    def _clouds(self):
        clouds = self.talker.clouds
        return [clouds[name] for name in clouds if name != "torso" or self.talker.config.torso == "rendered"]

    def _optimizer(self) -> torch.optim.Optimizer:
        talker = self.talker
        cm_per_px = float(self.data.drive.camera_from_head[:, 2, 3].mean()) / talker.config.focal_px
        position = POSITION_RATE_PX * cm_per_px * talker.size / 256
        groups = [
            {"params": [getattr(cloud, name)], "lr": RATES.get(name, position)}
            for cloud in self._clouds()
            for name in PARAMETERS
        ]
        groups.append({"params": [talker.face.triplane.planes, talker.mouth.triplane.planes], "lr": PLANE_RATE})
        nets: list[torch.nn.Module] = [talker.embed]
        nets += [talker.face.fusion, talker.face.head, talker.mouth.fusion, talker.mouth.head]
        groups.append({"params": [p for net in nets for p in net.parameters()], "lr": NETWORK_RATE})
        groups.append({"params": list(talker.torso.residual.parameters()), "lr": TORSO_RATE})
        hearing_rate = NETWORK_RATE if self.is_end_to_end else HEARING_RATE
        groups.append({"params": list(talker.hearing.parameters()), "lr": hearing_rate})
        for group in groups:
            group["initial_lr"] = group["lr"]
        return torch.optim.Adam(groups, eps=1e-15, fused=True)

    def _set_rates(self, share: float) -> None:
        factor = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))
        factor *= min(1.0, 0.3 + 0.7 * self.step_number / WARM_STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def _control(self, frame: int, stage: str, generator: torch.Generator) -> Controls:
        """The frame's control with the code that this stage trains on."""
        control = self.controls[frame]
        draw = float(torch.rand((), generator=generator))
        if self.is_end_to_end or (stage == "fuse" and draw < HEARD_SHARE):
            windows = self.windows[frame][None]
            if self.is_end_to_end:
                windows = windows + 0.15 * torch.randn(windows.shape, generator=generator).to(windows)
            return replace(control, code=self.talker.heard(windows)[0])
        if stage == "fuse" and draw < HEARD_SHARE + UNSEEN_SHARE and self.unseen is not None:
            return replace(control, code=self.unseen[frame])
        noise = torch.randn(control.code.shape, generator=generator).to(control.code)
        return replace(control, code=control.code + CODE_NOISE * noise)

    def step(self) -> StepReport:
        """One frame, or several, forward and back."""
        share = self.step_number / self.steps
        stage = stage_at(share)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step_number)
        torch.manual_seed(generator.initial_seed())  # dropout draws from the global generator
        count = self.frames_per_step
        frames = [self.data.frame_at(self.step_number * count + number, self.seed) for number in range(count)]
        self._set_rates(share)
        targets = [self.data.picture(frame, self.talker.device) for frame in frames]
        is_static = stage == "static"
        renderings, motion = self._draw(frames, [self._control(f, stage, generator) for f in frames], is_static)
        errors = [self._loss(r.image, t, f, share) for r, t, f in zip(renderings, targets, frames, strict=True)]
        loss = errors[0] if count == 1 else torch.stack(errors).mean()
        if not is_static:
            loss = loss + small_motion(motion)
        loss.backward()
        if share < DENSITY_UNTIL:
            for rendering, frame in zip(renderings, frames, strict=True):
                self._observe(rendering, frame)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
        if share < DENSITY_UNTIL and not is_static and self.step_number % self.density.every == 0:
            self._densify(generator)
        if share >= REFINE_FROM:
            self.average.add(self.step_number - REFINE_FROM * self.steps)
        squares = [((r.image.detach() - t) ** 2).mean() for r, t in zip(renderings, targets, strict=True)]
        error = float(torch.stack(squares).mean())
        return StepReport(stage, float(loss.detach()), -10 * math.log10(max(error, 1e-10)), self._count())

    def _draw(self, frames: list[int], controls: list[Controls], is_static: bool) -> tuple[list[Rendering], Tensor]:
        """A Rendering of each frame, and the motion; several frames go through the networks and gsplat together."""
        background = None
        if self.talker.config.torso == "gt":
            torsos = np.stack([self.data.torso_background(frame) for frame in frames])
            background = torch.from_numpy(torsos).to(self.talker.device).permute(0, 3, 1, 2).float() / 255
        if len(frames) == 1:
            plate = None if background is None else background[0]
            rendering, splats = self.talker.draw(controls[0], plate, is_static)
            return [rendering], splats.motion
        renderings, splats = self.talker.draw(Controls.stacked(controls), background, is_static)
        return renderings, splats.motion

    def _loss(self, image: Tensor, target: Tensor, frame: int, share: float) -> Tensor:
        """The picture's error; from the refine stage on, sharper."""
        box = self.data.mouth_boxes[frame]
        weights = pixel_weights(self.talker.size, box, image.device)
        if share < REFINE_FROM:
            return photometric(image, target, weights)
        if self.perceptual is None:
            return photometric(image, target, weights, REFINE_SSIM_WEIGHT)
        distance = self.perceptual(mouth_patch(image, box), mouth_patch(target, box))
        return photometric(image, target, weights) + LPIPS_WEIGHT * distance

    @cached_property
    def perceptual(self):
        """LPIPS, or None where its weights are not on this machine."""
        return load_lpips(self.talker.device)

    def _observe(self, rendering: Rendering, frame: int) -> None:
        """The density statistics of one frame, whose own loss counts: the step's is the mean over its frames."""
        if self.density.needs_coverage and self.step_number % COVERAGE_EVERY:
            return
        gradient, coverage = rendering.means2d_grad() * self.frames_per_step, None
        if self.density.needs_coverage:
            coverage = rendering.coverage(region_weights(self.data.labels[frame], self.talker.device))
        self.density.observe(gradient, self.talker.size, coverage)

    def _densify(self, generator: torch.Generator) -> None:
        clouds = self._clouds()
        opacities = torch.cat([cloud.opacities.detach() for cloud in clouds])
        masks = [mask.split([len(cloud) for cloud in clouds]) for mask in self.density.plan(opacities, generator)]
        for cloud, keep, divide in zip(clouds, *masks, strict=True):
            divide_and_prune(cloud, self.optimizer, (keep, divide), self.density.shrink, generator)
        self.talker.count_gaussians()
        self.density.begin(self._count(), self.talker.device)

    def finish(self) -> Talker:
        """The talker with averaged weights."""
        self.average.settle()
        return self.talker.eval()

    # ---- stop and go on

    def config(self) -> dict[str, Any]:
        return self.talker.config.to_dict()

    def state(self) -> dict[str, Tensor]:
        tensors = {f"talker/{name}": value for name, value in self.talker.state_dict().items()}
        tensors |= self.average.state()
        tensors |= {f"density/{name}": getattr(self.density, name) for name in ("gradient", "weight", "pixels", "mass")}
        tensors |= checkpoint.optimizer_tensors(self.optimizer, self.talker)
        if self.unseen is not None:
            tensors["unseen"] = self.unseen
        return tensors

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take up state() of a Trainer whose talker had the same configuration."""
        self.talker.load_state_dict(checkpoint.under("talker/", tensors))
        self.average.restore(tensors, self.talker.device)
        for name in ("gradient", "weight", "pixels", "mass"):
            setattr(self.density, name, tensors[f"density/{name}"].to(self.talker.device))
        checkpoint.restore_optimizer(self.optimizer, self.talker, tensors)
        self.step_number = step
