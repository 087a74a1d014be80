"""What the compared methods of Gaussians share: a head that is drawn, layer over layer, on the subject's true torso."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.devices import choose_device
from pgstalker.errors import AvatarError
from pgstalker.gaussians.cloud import GaussianCloud
from pgstalker.gaussians.transforms import view_of
from pgstalker.method import Composite, Performance
from pgstalker.models.ear import Ear
from pgstalker.rendering import rasterize, render_uint8
from pgstalker.rendering.rasterizer import Options
from pgstalker.rendering.types import Scene
from pgstalker.types import Camera


@dataclass(frozen=True)
class HeadShape:
    """What decides the shapes of a head's tensors. size: px of the square picture; counts: Gaussians per cloud."""

    size: int
    focal_px: float
    fusion: str
    audio: str
    audio_training: str
    counts: dict[str, int]

    @classmethod
    def read(cls, values: dict[str, Any]) -> HeadShape:
        """Raises AvatarError for what asdict() of a HeadShape does not give."""
        try:
            return cls(**values)
        except TypeError as error:
            raise AvatarError(f"the configuration of this head is not readable ({error}); train it again") from None


@dataclass(frozen=True)
class Moment:
    """What one frame is made from: codes [size] by ear, eyes [1], camera_from_head [4, 4]."""

    codes: dict[str, Tensor]
    eyes: Tensor
    camera_from_head: Tensor


def view_from(camera_from_head: Tensor) -> Tensor:
    """Whence a head is seen, [..., 2], of poses [..., 4, 4]; see gaussians.transforms.view_of."""
    return view_of(camera_from_head[..., :3, :3], camera_from_head[..., :3, 3])


class TorsolessHead(nn.Module, ABC):
    """Ears, clouds of Gaussians in the head frame, and the plate behind the person.

    clouds: by name; ears: by the name of what they drive, which may be one ear for all.
    """

    def __init__(self, shape: HeadShape, code_size: int, attention_frames: int, ears: tuple[str, ...]):
        super().__init__()
        self.shape = shape
        made = [Ear(shape.audio, shape.audio_training, code_size, attention_frames)]
        is_one = made[0].is_two_stage  # what landmarks taught is the same for all
        made += [made[0] if is_one else Ear(shape.audio, shape.audio_training, code_size, attention_frames)] * (
            len(ears) - 1
        )
        self.ears = nn.ModuleDict(dict(zip(ears, made, strict=True)))
        self.register_buffer("plate", torch.zeros(3, shape.size, shape.size))

    @property
    @abstractmethod
    def clouds(self) -> dict[str, GaussianCloud]: ...

    @abstractmethod
    def still(self) -> Any:
        """What no frame changes; good until a parameter does."""

    @abstractmethod
    def layers(self, moment: Moment, still: Any) -> list[Scene]:
        """Gaussians in the head frame, the layer farthest behind first."""

    @property
    def config(self) -> dict[str, Any]:
        counts = {name: len(cloud) for name, cloud in self.clouds.items()}
        return asdict(self.shape) | {"counts": counts}

    @property
    def size(self) -> int:
        return self.shape.size

    @property
    def camera(self) -> Tensor:
        """K [3, 3] on the CPU; the picture's middle is the optical axis."""
        side = self.shape.size
        return torch.from_numpy(Camera(self.shape.focal_px, side, side, side / 2, side / 2).matrix())

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        """Frames uint8 [size, size, 3]: each layer over the ones behind it, the last over the true torso."""
        device = self.plate.device
        heard: dict[Ear, Tensor] = {}
        for ear in self.ears.values():
            if ear not in heard:
                codes = ear.listen(performance.samples, performance.recording_frames, performance.is_own)
                heard[ear] = codes[torch.from_numpy(performance.moments).to(device)]
        eyes = torch.as_tensor(performance.eyes, dtype=torch.float32, device=device)[:, None]
        poses = torch.as_tensor(performance.camera_from_head, dtype=torch.float32, device=device)
        with torch.no_grad():
            still = self.still()
        plate = self.plate.permute(1, 2, 0).cpu().numpy()
        for number, picture in enumerate(performance.torsos(plate)):
            with torch.no_grad():  # not around the yield: it would hold for whoever takes the frames
                codes = {name: heard[ear][number] for name, ear in self.ears.items()}
                scenes = self.layers(Moment(codes, eyes[number], poses[number]), still)
                composite = self.composite_on_device if device.type == "cuda" else self.composite
                picture = composite(scenes, poses[number], picture)
            yield picture

    def composite(self, scenes: list[Scene], camera_from_head: Tensor, picture: np.ndarray) -> np.ndarray:
        """Scenes over a picture [H, W, 3] uint8, farthest first; each is rounded before the next is drawn."""
        for scene in scenes:
            behind = torch.from_numpy(picture).permute(2, 0, 1)
            options: Options = {"camera_from_world": camera_from_head, "background": behind}
            picture = render_uint8(*scene, self.camera, self.size, self.size, **options)
        return picture

    def composite_on_device(self, scenes: list[Scene], camera_from_head: Tensor, picture: np.ndarray) -> np.ndarray:
        """composite() without leaving the device between scenes."""
        image = torch.from_numpy(picture).to(self.plate.device).permute(2, 0, 1).float() / 255
        for scene in scenes:
            options: Options = {"camera_from_world": camera_from_head, "background": image}
            image = rasterize(*scene, self.camera, self.size, self.size, **options).image
        return (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


class HeadOnTorso:
    """A trained method (method.Trained) that is a TorsolessHead."""

    composite: Composite = "gt_torso"

    def __init__(self, head: TorsolessHead, provenance: dict[str, Any]):
        self.head, self.provenance, self.size = head, provenance, head.size

    @classmethod
    def restored(
        cls,
        kind: Callable[[HeadShape], TorsolessHead],
        learnt: tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]],
        device: str,
    ) -> HeadOnTorso:
        """What training.session.load_model read, on a device of devices.CHOICES. Raises AvatarError."""
        config, tensors, provenance = learnt
        head = kind(HeadShape.read(config))
        try:
            head.load_state_dict(tensors)
        except RuntimeError as error:
            raise AvatarError(f"this head is of another version of the program ({error}); train it again") from None
        return cls(head.to(choose_device(device)).eval(), provenance)

    def render(self, performance: Performance) -> Iterator[np.ndarray]:
        return self.head.render(performance)
