"""A head that is a radiance field, its ear, its torso and the plate behind it: what is trained, kept and played."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.devices import choose_device, one_torch_thread
from pgstalker.method import Composite, Performance
from pgstalker.models.ear import Ear
from pgstalker.nerf.fields import APPEARANCE, Control
from pgstalker.nerf.rays import cast, pixel_centres
from pgstalker.nerf.torso import TorsoField
from pgstalker.nerf.vanilla import VanillaTorso, VanillaVolume
from pgstalker.nerf.volume import Volume
from pgstalker.rendering.numba_runtime import share
from pgstalker.training.session import load_model
from pgstalker.types import Camera


class NerfTalker(nn.Module):
    """config: camera, audio, audio_training, code, ear_frames, frames (of training), torso_field, and the volume's."""

    plate: Tensor

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.config, self.camera = config, Camera(**config["camera"])
        self.ear = Ear(config["audio"], config["audio_training"], config["code"], config["ear_frames"])
        self.head = _head(config["head"], self.ear.size)
        self.torso = _torso(config["torso_field"], self.camera, self.ear.size)
        self.appearance = nn.Parameter(torch.randn(config["frames"], APPEARANCE) * 0.1)
        self.register_buffer("plate", torch.zeros(self.size, self.size, 3, dtype=torch.uint8))

    @property
    def size(self) -> int:
        return self.camera.width

    @property
    def device(self) -> torch.device:
        return self.plate.device

    def control(self, code: Tensor, eyes: float, frame: int | None = None) -> Control:
        """Conditions of a training frame, or of any: then in the mean of all frames' appearance."""
        appearance = self.appearance.mean(0) if frame is None else self.appearance[frame]
        return Control(code, code.new_tensor(float(eyes)), appearance)

    @torch.no_grad()
    def draw(self, camera_from_head: np.ndarray, code: Tensor, eyes: float, background: np.ndarray | None) -> Tensor:
        """One frame, uint8 [H, W, 3]. background uint8 [H, W, 3]: None where the talker has a torso of its own."""
        pose = torch.from_numpy(camera_from_head).float().to(self.device)
        control = self.control(code, eyes)
        if background is None:
            picture = self._behind(pose, control)
        else:
            picture = torch.from_numpy(background).to(self.device).float() / 255
        flat, indices = picture.view(-1, 3), self.head.occupancy.shadow(self.camera, pose).flatten().nonzero()[:, 0]
        pixels = torch.stack([indices % self.size, indices // self.size], 1) + 0.5
        rays = cast(pixels, self.camera, pose)
        rays_at_once = self.head.rays_at_once[self.device.type]

        def work(begin: int, end: int) -> None:
            with torch.no_grad():
                for chunk in range(begin, end):
                    part = slice(chunk * rays_at_once, (chunk + 1) * rays_at_once)
                    colours, opacity = self.head.draw(rays[part], control)
                    flat[indices[part]] = colours + (1 - opacity[:, None]) * flat[indices[part]]

        chunks = -(-len(indices) // rays_at_once)
        share(work, chunks, parts_per_thread=8) if self.device.type == "cpu" else work(0, chunks)
        return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8)

    def _behind(self, pose: Tensor, control: Control) -> Tensor:
        """The torso over the plate, [H, W, 3] in [0, 1]."""
        plate = self.plate.view(-1, 3).float() / 255
        assert self.torso is not None, "this talker was trained over the true torso, which was not given"
        places = torch.from_numpy(pixel_centres(np.arange(len(plate)), self.size)).to(self.device) / self.size
        result, rays_at_once = torch.empty_like(plate), self.head.rays_at_once[self.device.type]

        def work(begin: int, end: int) -> None:
            with torch.no_grad():
                for chunk in range(begin, end):
                    part = slice(chunk * rays_at_once, (chunk + 1) * rays_at_once)
                    result[part] = self.torso.over(plate[part], places[part], pose, control)

        chunks = -(-len(plate) // rays_at_once)
        share(work, chunks) if self.device.type == "cpu" else work(0, chunks)
        return result.view(self.size, self.size, 3)


def _head(config: dict[str, Any], code: int) -> nn.Module:
    """Marched through cells, or plain networks where the configuration has some."""
    return VanillaVolume(config, code) if "networks" in config else Volume(config, code)


def _torso(config: dict[str, Any] | None, camera: Camera, code: int) -> nn.Module | None:
    """None: the talker stands over true torsos."""
    if config is None:
        return None
    return VanillaTorso(camera, code, config["networks"]) if "networks" in config else TorsoField(camera, **config)


class NerfPerformer:
    """A trained talker under the contract of method.Trained."""

    def __init__(self, talker: NerfTalker, provenance: dict[str, Any]):
        self.talker, self.provenance, self.size = talker.eval(), provenance, talker.size
        self.composite: Composite = "gt_torso" if talker.torso is None else "rendered_torso"

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        """Frames uint8 [size, size, 3]."""
        talker = self.talker
        with one_torch_thread():
            heard = talker.ear.listen(performance.samples, performance.recording_frames, performance.is_own)
        codes = heard[torch.from_numpy(np.asarray(performance.moments)).to(heard.device)]
        plate = talker.plate.cpu().numpy().astype(np.float32) / 255
        backgrounds: Iterator[np.ndarray | None]
        backgrounds = performance.torsos(plate) if talker.torso is None else iter([None] * len(performance))
        controls = zip(performance.camera_from_head, codes, performance.eyes, strict=True)
        for (pose, code, eyes), background in zip(controls, backgrounds, strict=True):
            with one_torch_thread():
                frame = talker.draw(pose, code, float(eyes), background)
            yield frame.cpu().numpy()


def load_performer(folder: Path, method: str, device: str) -> NerfPerformer:
    """What train_method saved. Raises AvatarError."""
    config, tensors, provenance = load_model(folder, method)
    talker = NerfTalker(config)
    talker.load_state_dict(tensors)
    return NerfPerformer(talker.to(choose_device(device)), provenance)
