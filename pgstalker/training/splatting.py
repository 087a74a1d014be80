"""What the compared methods of Gaussians share in training: how they start, optimizer, density, checkpoints."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pgstalker.gaussians.cloud import PARAMETERS, GaussianCloud
from pgstalker.gaussians.density import DensityControl, divide_and_prune, region_weights
from pgstalker.gaussians.initialise import Initialiser
from pgstalker.models.branches import TriPlane
from pgstalker.models.ear import Ear
from pgstalker.models.head import HeadShape, Moment, TorsolessHead
from pgstalker.presets import Preset, preset
from pgstalker.rendering import Rendering, rasterize
from pgstalker.rendering.types import Scene
from pgstalker.training import checkpoint
from pgstalker.training.average import RunningAverage
from pgstalker.training.codes import TrainingCodes, taught
from pgstalker.training.loop import StepReport
from pgstalker.training.perceptual import load_lpips
from pgstalker.training.session import Session
from pgstalker.training.trainer import AVERAGE_DECAY, NETWORK_RATE, PLANE_RATE, POSITION_RATE_PX, RATES
from pgstalker.types import Label

MakeCodes = Callable[[Ear, Session], TrainingCodes]
DENSITY_STATISTICS = ("gradient", "weight", "pixels", "mass")
LARGEST_CM = 2.0
"""Of a Gaussian's axis: a tenth of the extent that the papers take for a head, 0.2 m."""


@dataclass
class Attempt:
    """One frame, forward. watched: the cloud whose density this picture decides, and its Rendering."""

    stage: str
    frame: int
    loss: Tensor
    image: Tensor
    target: Tensor
    watched: tuple[str, Rendering] | None = None


def budget(session: Session) -> Preset:
    """How many Gaussians there are to begin with and at most."""
    return preset(session.options.preset).with_at_most(session.options.most_gaussians)


def initialiser(session: Session) -> Initialiser:
    """Where the Gaussians of a session's subject start."""
    data = session.data
    camera = session.subject.camera.scaled(session.options.size)
    parts = data.pictures, data.labels, data.drive.camera_from_head, data.surface
    return Initialiser(*parts, camera, session.options.seed)


def head_shape(session: Session, counts: dict[str, int]) -> HeadShape:
    """The shape that a session asks for."""
    return HeadShape(
        size=session.options.size,
        focal_px=session.subject.camera.scaled(session.options.size).focal_px,
        counts=counts,
        **{name: session.switches[name] for name in ("fusion", "audio", "audio_training")},
    )


def fill(cloud: GaussianCloud, *parts: dict[str, np.ndarray]) -> None:
    """Raw values of one or several parts, one after the other."""
    cloud.fill({n: torch.as_tensor(np.concatenate([part[n] for part in parts])).float() for n in PARAMETERS})


def codes_of(model: TorsolessHead, session: Session, make: MakeCodes = TrainingCodes) -> dict[str, TrainingCodes]:
    """Codes of the training frames by ear; make=taught fits new ears to the recording first."""
    made = {ear: make(ear, session) for ear in dict.fromkeys(model.ears.values())}
    return {name: made[ear] for name, ear in model.ears.items()}


def is_any(labels: Tensor, wanted: tuple[Label, ...]) -> Tensor:
    """[H, W] bool: where labels [H, W] uint8 are one of the wanted."""
    return _table(wanted, labels.device)[labels.int()]


@functools.cache
def _table(wanted: tuple[Label, ...], device: torch.device) -> Tensor:
    """[labels] bool, made once: on CUDA filling it would wait for the device at every step."""
    return torch.tensor([label in wanted for label in range(len(Label))], device=device)


class Splatting(ABC):
    """A Learner (training/loop.py) of a TorsolessHead: one frame a step, a function of (seed, step, state).

    is_fresh: the ears have heard nothing yet; otherwise restore() is to come.
    """

    def __init__(self, model: TorsolessHead, session: Session, is_fresh: bool):
        self.codes = codes_of(model, session, taught) if is_fresh else {}
        self.model, self.session, self.data = model.to(session.device), session, session.data
        self.steps, self.seed, self.device = session.options.steps, session.options.seed, session.device
        self.optimizer = torch.optim.Adam(self._groups(), eps=1e-15, fused=True)
        self.density = self.density_control(session)
        self.average = RunningAverage(model, AVERAGE_DECAY)
        self.watched = ""
        self.step_number = 0
        drive = session.data.drive
        self.poses = torch.as_tensor(drive.camera_from_head, dtype=torch.float32, device=self.device)
        self.eyes = torch.as_tensor(drive.eyes, dtype=torch.float32, device=self.device)[:, None]

    # ---- what a method decides

    @abstractmethod
    def density_control(self, session: Session) -> DensityControl: ...

    @abstractmethod
    def attempt(self, generator: torch.Generator) -> Attempt: ...

    @abstractmethod
    def rate(self, kind: str) -> float:
        """This step's factor on the rate of "means", another raw parameter of the clouds, "planes" or "networks"."""

    @abstractmethod
    def faintest(self) -> float:
        """Opacity below which a Gaussian is dropped at this step."""

    @abstractmethod
    def settling(self) -> tuple[str, float] | None:
        """The stage whose weights are averaged at this step, and for how many steps already; None where none are."""

    def opacities(self, name: str) -> Tensor:
        return self.model.clouds[name].opacities

    def unwanted(self, name: str) -> Tensor:
        """[N] bool: Gaussians of a cloud to be dropped whatever their opacity."""
        return self.model.clouds[name].scales.amax(1) > LARGEST_CM

    # ---- one step

    def step(self) -> StepReport:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step_number)
        torch.manual_seed(generator.initial_seed())  # dropout draws from the global generator
        settling = self.settling()
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.rate(group["kind"])
        attempt = self.attempt(generator)
        attempt.loss.backward()
        if attempt.watched is not None:
            self._observe(*attempt.watched, attempt.frame)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
        if attempt.watched is not None and self.step_number % self.density.every == 0:
            self._densify(attempt.watched[0], generator)
        if settling is not None:
            self.average.add(settling[1])
            following = self.settling()
            if following is None or following[0] != settling[0]:
                self.average.settle()
        error = float(((attempt.image.detach() - attempt.target) ** 2).mean())
        count = sum(map(len, self.model.clouds.values()))
        return StepReport(attempt.stage, float(attempt.loss.detach()), -10 * math.log10(max(error, 1e-10)), count)

    def draw(self, scene: Scene, frame: int, background: Tensor | None) -> Rendering:
        side, pose = self.model.size, self.poses[frame]
        return rasterize(*scene, self.model.camera, side, side, camera_from_world=pose, background=background)

    def moment(self, ear: str, frame: int, share: float, generator: torch.Generator) -> Moment:
        """What one ear's Gaussians are made from in a frame, the code being that of this share of the training."""
        code = self.codes[ear].at(frame, share, generator)
        return Moment({ear: code}, self.eyes[frame], self.poses[frame])

    def torso(self, frame: int) -> Tensor:
        """The true torso over the plate, [3, H, W]."""
        return torch.from_numpy(self.data.torso_background(frame)).to(self.device).permute(2, 0, 1).float() / 255

    def labels(self, frame: int) -> Tensor:
        """[H, W] uint8."""
        return torch.from_numpy(self.data.labels[frame]).to(self.device)

    @cached_property
    def everywhere(self) -> Tensor:
        """Pixel weights [H, W]: all alike."""
        return torch.ones(self.model.size, self.model.size, device=self.device)

    @cached_property
    def perceptual(self):
        """LPIPS, or None where its weights are not on this machine."""
        return load_lpips(self.device)

    def _groups(self) -> list[dict[str, Any]]:
        model, data = self.model, self.data
        focal = model.shape.focal_px
        position = POSITION_RATE_PX * model.size / 256 * float(data.drive.camera_from_head[:, 2, 3].mean()) / focal
        raw = {id(getattr(cloud, n)): n for cloud in model.clouds.values() for n in PARAMETERS}
        raw |= {id(module.planes): "planes" for module in model.modules() if isinstance(module, TriPlane)}
        rates = RATES | {"means": position, "planes": PLANE_RATE, "networks": NETWORK_RATE}
        kinds = [(raw.get(id(parameter), "networks"), parameter) for parameter in model.parameters()]
        return [{"params": [p], "lr": rates[kind], "initial_lr": rates[kind], "kind": kind} for kind, p in kinds]

    def _observe(self, name: str, rendering: Rendering, frame: int) -> None:
        if self.watched != name:
            self.watched = name
            self.density.begin(len(self.model.clouds[name]), self.device)
        coverage = None
        if self.density.needs_coverage:
            coverage = rendering.coverage(region_weights(self.data.labels[frame], self.device))
        self.density.observe(rendering.means2d_grad(), self.model.size, coverage)

    @torch.no_grad()
    def _densify(self, name: str, generator: torch.Generator) -> None:
        cloud = self.model.clouds[name]
        self.density.faint = self.faintest()
        keep, divide = self.density.plan(self.opacities(name).detach(), generator)
        keep &= ~self.unwanted(name)
        divide_and_prune(cloud, self.optimizer, (keep, divide & keep), self.density.shrink, generator)
        self.density.begin(len(cloud), self.device)

    # ---- stop and go on

    def finish(self) -> TorsolessHead:
        """The model with averaged weights."""
        self.average.settle()
        return self.model.eval()

    def config(self) -> dict[str, Any]:
        return self.model.config

    def state(self) -> dict[str, Tensor]:
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        tensors |= self.average.state() | checkpoint.optimizer_tensors(self.optimizer, self.model)
        if self.watched:
            prefix = f"density/{self.watched}"
            tensors |= {f"{prefix}/{name}": getattr(self.density, name) for name in DENSITY_STATISTICS}
        for ear, codes in self.codes.items():
            tensors |= {f"codes/{ear}/{name}": value for name, value in codes.state().items()}
        return tensors

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take up state() of a learner whose model has the same shape."""
        self.model.load_state_dict(checkpoint.under("model/", tensors))
        self.average.restore(tensors, self.device)
        checkpoint.restore_optimizer(self.optimizer, self.model, tensors)
        for place, value in checkpoint.under("density/", tensors).items():
            self.watched, name = place.split("/")
            setattr(self.density, name, value.to(self.device))
        self.codes = codes_of(self.model, self.session)  # they hang on what the ears' buffers hold
        for ear, codes in self.codes.items():
            codes.restore(checkpoint.under(f"codes/{ear}/", tensors))
        self.step_number = step
