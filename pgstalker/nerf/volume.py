"""A field in a box, seen along rays: at most `most` samples each, where cells are occupied.

rays ──march──► samples ──field──► densities, colours ──weigh──► colour and opacity of each ray
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pgstalker.nerf.fields import FIELDS, Control, Sampled, half_precision
from pgstalker.nerf.marching import march, weigh
from pgstalker.nerf.occupancy import Occupancy
from pgstalker.nerf.rays import Rays, harmonics

if TYPE_CHECKING:
    from pgstalker.nerf.batches import Batch

ROUND = 4
LIGHT_LEAST = 1 / 255
"""Below it, a step of a picture's values, a ray ends; looked at after every ROUND samples."""
UPDATE_EVERY, EXPLORE_EVERY, WARM_SHARE = 16, 8, 0.1
"""Steps between looks at what is occupied; every so many steps all that is possible is sampled; the share of training
in which nothing else is."""
HALF_LIFE_SHARE = 0.07
"""Of training: after which what was seen counts half, so that first guesses are forgotten and rare poses are not."""


@dataclass(frozen=True)
class Shaded:
    """R rays: colours [R, 3] to which the background's share, 1 - opacity [R], is to be added; extras [R, E]; cells [N]
    and weights [N] of the samples."""

    colours: Tensor
    opacity: Tensor
    extras: Tensor
    cells: Tensor
    weights: Tensor


class Volume(nn.Module):
    """config: box (low, high) cm, cells a side of the occupancy, step_cm, most; field: its kind and arguments."""

    rays_at_once = MappingProxyType({"cpu": 1024, "cuda": 1 << 19})
    """Of a picture, by device: on a CPU so few that their features stay in a core's cache."""

    def __init__(self, config: dict[str, Any], code: int):
        super().__init__()
        self.step_cm, self.most = config["step_cm"], config["most"]
        self.occupancy = Occupancy(config["box"][0], config["box"][1], config["cells"])
        options = dict(config["field"])
        self.field = FIELDS[options.pop("kind")](code, **options)

    def _sample(self, points: Tensor, directions: Tensor, ray: Tensor, control: Control) -> Sampled:
        """The field at points [N, 3] cm of the rays [N], which go in directions [R, 3]."""
        x, sight = self.occupancy.within(points), harmonics(directions)[ray]
        with half_precision(points.device):
            return self.field(x, sight, control)

    def shade(self, rays: Rays, control: Control, offsets: Tensor, is_exploring: bool) -> Shaded:
        """For training: rays with samples at offsets [R] in [0, 1) of a step."""
        cells = self.occupancy.possible if is_exploring else self.occupancy.occupied
        steps = march(rays, self.occupancy, cells, self.step_cm, offsets, self.most)
        ray, slot = steps.places()
        points = rays.origin + rays.directions[ray] * steps.at[ray, slot][:, None]
        sampled = self._sample(points, rays.directions, ray, control)
        shape = len(rays), self.most
        densities = sampled.densities.new_zeros(shape).index_put((ray, slot), sampled.densities)
        weights, left = weigh(densities, steps.lengths)
        picked = weights[ray, slot]
        colours = picked.new_zeros(len(rays), 3).index_add(0, ray, picked[:, None] * sampled.colours)
        extras = picked.new_zeros(len(rays), sampled.extras.shape[1])
        extras = extras.index_add(0, ray, picked.detach()[:, None] * sampled.extras)
        return Shaded(colours, 1 - left, extras, self.occupancy.cell_of(points), picked.detach())

    @torch.no_grad()
    def draw(self, rays: Rays, control: Control) -> tuple[Tensor, Tensor]:
        """For playing: colours [R, 3] and opacity [R]; a ray ends where next to nothing would shine through."""
        offsets = torch.full_like(rays.directions[:, 0], 0.5)
        steps = march(rays, self.occupancy, self.occupancy.occupied, self.step_cm, offsets, self.most)
        colours, light = torch.zeros_like(rays.directions), torch.ones_like(offsets)
        alive = steps.counts.nonzero()[:, 0]
        for first in range(0, self.most, ROUND):
            alive = alive[(steps.counts[alive] > first) & (light[alive] > LIGHT_LEAST)]
            if not len(alive):
                break
            part = steps[alive]
            ray, slot = part.places(first, first + ROUND)
            directions = rays.directions[alive]
            points = rays.origin + directions[ray] * part.at[ray, slot][:, None]
            sampled = self._sample(points, directions, ray, control)
            densities = torch.zeros(len(alive), ROUND, device=points.device)
            densities[ray, slot - first] = sampled.densities
            weights, left = weigh(densities, part.lengths)
            shares = torch.zeros(len(alive), ROUND, 3, device=points.device)
            shares[ray, slot - first] = sampled.colours
            colours[alive] += light[alive, None] * (weights[..., None] * shares).sum(1)
            light[alive] *= left
        return colours, 1 - light

    def learn_occupancy(self, shaded: list[Shaded], step: int, steps: int) -> None:
        """After training step `step` of `steps`: remember what was seen, and now and then look at less."""
        for part in shaded:
            self.occupancy.observe(part.cells, part.weights)
        if step >= WARM_SHARE * steps and step % UPDATE_EVERY == 0:
            self.occupancy.refresh(0.5 ** (UPDATE_EVERY / (HALF_LIFE_SHARE * steps)))

    def is_exploring(self, step: int, share: float) -> bool:
        """Whether a step samples all that is possible."""
        return share < WARM_SHARE or step % EXPLORE_EVERY == 0

    def judge(self, errors: Tensor, shaded: Shaded, batch: Batch, share: float) -> Tensor:
        """The loss of rays with squared errors [R], with the field's own terms."""
        return self.field.judge(errors, shaded.extras, batch.is_face, share)
