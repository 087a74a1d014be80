"""What a place in the head looks like while something is said: the fields of ER-NeRF and RAD-NeRF.

Both end alike: a density network that also gives 64 features, and a colour network of those, of the direction of sight
and of a code of the frame. All networks are without biases.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pgstalker.nerf.grids import Grid, GridLayout

WIDTH, DIRECTION, APPEARANCE = 64, 16, 4
DENSITY_SHIFT, DENSITY_MOST = -1.0, 7.0
"""Of the logarithm of a density per cm: a new head is thin enough to see through."""
PLANES = (slice(0, 2), slice(1, 3), slice(0, 3, 2))
"""xy, yz, xz."""
SAMPLES = 16
"""Of a ray at most."""


@dataclass(frozen=True)
class Control:
    """What one frame is conditioned on: code [A] of what is said, eyes [] 0 open .. 1 shut, appearance [4] of it."""

    code: Tensor
    eyes: Tensor
    appearance: Tensor


class Sampled(NamedTuple):
    """densities [N] per cm, colours [N, 3] in [0, 1], extras [N, E]: rendered beside the colour, to be judged."""

    densities: Tensor
    colours: Tensor
    extras: Tensor


def half_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Around networks: on CUDA half floats while playing, and in training bfloat16, whose range needs no scaling,
    where the device has it. Places and light stay outside it."""
    if device.type != "cuda":
        return nullcontext()
    if not torch.is_grad_enabled():
        return torch.autocast("cuda", torch.float16)
    return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported(including_emulation=False))


def layers(*widths: int) -> nn.Sequential:
    """Linear layers of those widths, without biases, ReLU between."""
    parts: list[nn.Module] = []
    for inputs, outputs in zip(widths, widths[1:]):
        parts += [nn.Linear(inputs, outputs, bias=False), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


class _Field(nn.Module):
    """The end that both share."""

    def __init__(self, inputs: int):
        super().__init__()
        self.density = layers(inputs, WIDTH, WIDTH, 1 + WIDTH)
        self.colour = layers(DIRECTION + WIDTH + APPEARANCE, WIDTH, 3)

    def look(self, known: Tensor, directions: Tensor, control: Control) -> tuple[Tensor, Tensor]:
        """Densities [N] and colours [N, 3] from what is known [N, inputs] of each place."""
        h = self.density(known)
        densities = torch.exp((h[:, 0].float() + DENSITY_SHIFT).clamp(max=DENSITY_MOST))
        appearance = control.appearance.expand(len(known), -1).to(h)
        colours = torch.sigmoid(self.colour(torch.cat([directions.to(h), h[:, 1:], appearance], 1)).float())
        return densities, colours


class TriPlaneHashField(_Field):
    """ER-NeRF (Li et al., ICCV 2023): three hashed planes; region attention weighs the audio's channels and the eyes.

    x ──► xy, yz, xz planes ──► 36 ─┬─► attention ──► · code ─┐
                                    ├─► attention ──► · eyes ─┼─► density, 64 ──► colour
                                    └─────────────────────────┘
    """

    def __init__(self, code: int, log2_rows: int = 14):
        super().__init__(36 + code + 1)
        self.planes = nn.ModuleList(Grid(GridLayout(2, 12, 1, 64, 512, log2_rows)) for _ in PLANES)
        self.attend_audio = layers(36, WIDTH, code)
        self.attend_eyes = layers(36, 16, 1)
        self.doubt = layers(36, 32, 1)

    def forward(self, x: Tensor, directions: Tensor, control: Control) -> Sampled:
        """x [N, 3] in [0, 1] of the box; directions [N, 16] harmonics."""
        place = torch.cat([plane(x[:, axes]) for plane, axes in zip(self.planes, PLANES, strict=True)], 1)
        audio, eyes = self.attend_audio(place), torch.sigmoid(self.attend_eyes(place))
        known = torch.cat([place.to(audio), control.code * audio, control.eyes * eyes], 1)
        densities, colours = self.look(known, directions, control)
        if not self.training:
            return Sampled(densities, colours, place[:, :0])
        doubt = nn.functional.softplus(self.doubt(place.detach()))
        extras = torch.cat([torch.linalg.norm(audio.float(), dim=1, keepdim=True), eyes.float(), doubt.float()], 1)
        return Sampled(densities, colours, extras)

    def judge(self, errors: Tensor, extras: Tensor, is_face: Tensor, share: float) -> Tensor:
        """From mean squared errors [R], rendered extras [R, 3] (length of the audio's attention, the eyes', doubt) and
        which rays show the face [R]: doubtful rays count more, sound moves nothing outside the face, and eyes nothing
        that sound moves. share of all steps: all that grows with it."""
        audio, eyes, doubt = extras.unbind(1)
        weights = torch.softmax(doubt.detach(), 0) * len(doubt)
        weights = (0.2 + 0.8 * (1 - share + share * weights)).clamp(0, 10)
        spread, distance = 1 + doubt, torch.sqrt(3 * errors.detach())
        learns_doubt = ((distance / (2 * spread**2) + torch.log(spread) ** 2 / 2) * is_face).mean()
        outside, both = (audio * ~is_face).mean(), (audio.detach() * eyes / SAMPLES * is_face).mean()
        return (errors * weights).mean() + share * (learns_doubt + 1e-4 * (outside + both))


class AmbientField(_Field):
    """RAD-NeRF (Tang et al. 2022): a grid of the room, and a plane that sound and place choose a point of.

    x ──► room ──► 32 ─┬──────────────────────────────────────────┐
    code ──────────────┴─► network ──► tanh, 2 ──► plane ──► 32 ──┼─► density, 64 ──► colour
    eyes ─────────────────────────────────────────────────────────┘
    """

    def __init__(self, code: int, log2_rows: int = 16, finest: int = 2048):
        super().__init__(32 + 32 + 1)
        self.room = Grid(GridLayout(3, 16, 2, 16, finest, log2_rows, "tiled"))
        self.plane = Grid(GridLayout(2, 16, 2, 16, finest, log2_rows, "tiled"))
        self.ambient = layers(32 + code, WIDTH, WIDTH, 2)

    def forward(self, x: Tensor, directions: Tensor, control: Control) -> Sampled:
        """x [N, 3] in [0, 1] of the box; directions [N, 16] harmonics."""
        place = self.room(x)
        said = control.code.expand(len(x), -1).to(place)
        ambient = torch.tanh(self.ambient(torch.cat([place, said], 1)).float())
        eyes = control.eyes.expand(len(x), 1).to(place)
        known = torch.cat([place, self.plane((ambient + 1) / 2), eyes], 1)
        densities, colours = self.look(known, directions, control)
        return Sampled(densities, colours, ambient.abs().sum(1, keepdim=True))

    def judge(self, errors: Tensor, extras: Tensor, is_face: Tensor, share: float) -> Tensor:
        """From errors [R], rendered extras [R, 1] and which rays show the face [R]: outside the face sound should
        choose nothing, the more so the later in training."""
        return errors.mean() + 0.1 * share * (extras[:, 0] * ~is_face).mean()


FIELDS = {"tri-plane-hash": TriPlaneHashField, "ambient": AmbientField}
