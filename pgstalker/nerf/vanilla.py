"""AD-NeRF (Guo et al., ICCV 2021): plain networks of place and direction, conditioned on sound.

No grid remembers anything: a coarse network says where on a ray something is, a fine one looks there. A head and, under
it, a torso are two such pairs; each is asked only where its box, or what the silhouettes allow of it, lies on the ray.

    near ·   ·   ·   ·   · far  ──coarse──► weights ──► · ··· · far more where they are large ──fine──► colour
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pgstalker.nerf.fields import Control, half_precision
from pgstalker.nerf.marching import march, weigh
from pgstalker.nerf.occupancy import Occupancy
from pgstalker.nerf.rays import Rays, cast, pose_angles, waves
from pgstalker.nerf.volume import Shaded
from pgstalker.types import Camera

if TYPE_CHECKING:
    from pgstalker.nerf.batches import Batch

PLACE_OCTAVES, DIRECTION_OCTAVES = 10, 4
TORSO_BEHIND_CM, TORSO_DEPTH_CM = 2.0, 10.0
DENSITY_START = -1.0


class VanillaNetwork(nn.Module):
    """forward(x [N, 3] in [-1, 1], directions [N, 3], condition [A]) -> densities [N], colours [N, 3]."""

    def __init__(self, condition: int, width: int, depth: int):
        super().__init__()
        place = 3 * (1 + 2 * PLACE_OCTAVES) + condition
        self.middle = depth // 2
        widths = [place] + [width + (place if layer == self.middle else 0) for layer in range(1, depth)]
        self.trunk = nn.ModuleList(nn.Linear(inputs, width) for inputs in widths)
        self.density = nn.Linear(width, 1)
        self.feature = nn.Linear(width, width)
        self.sight = nn.Linear(width + 3 * (1 + 2 * DIRECTION_OCTAVES), width // 2)
        self.colour = nn.Linear(width // 2, 3)

    def forward(self, x: Tensor, directions: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.cat([waves(x, PLACE_OCTAVES), condition.expand(len(x), -1)], 1)
        h = place
        for number, layer in enumerate(self.trunk):
            h = torch.relu(layer(torch.cat([h, place.to(h)], 1) if number == self.middle else h))
        densities = nn.functional.softplus(self.density(h)[:, 0].float() + DENSITY_START)
        h = torch.cat([self.feature(h), waves(directions, DIRECTION_OCTAVES).to(h)], 1)
        return densities, torch.sigmoid(self.colour(torch.relu(self.sight(h))).float())


def drawn_from(edges: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """Places [R, F] along rays, more where weights [R, S] of the pieces between edges [R, S + 1] are large.

    shares [R, F] in [0, 1): which share of all weight lies before each (inverse transform sampling)."""
    total = torch.cumsum(weights + 1e-3 / weights.shape[1], 1)
    total = torch.cat([torch.zeros_like(total[:, :1]), total / total[:, -1:]], 1)
    piece = (torch.searchsorted(total, shares.contiguous(), right=True) - 1).clamp(0, weights.shape[1] - 1)
    before, after = total.gather(1, piece), total.gather(1, piece + 1)
    inside = (shares - before) / (after - before).clamp(min=1e-9)
    low, high = edges.gather(1, piece), edges.gather(1, piece + 1)
    return low + inside.clamp(0, 1) * (high - low)


class CoarseAndFine(nn.Module):
    """Two networks on the same rays. options: width and depth of both, coarse and fine samples a ray."""

    def __init__(self, condition: int, options: dict[str, int]):
        super().__init__()
        self.samples, self.more = options["coarse"], options["fine"]
        self.coarse = VanillaNetwork(condition, options["width"], options["depth"])
        self.fine = VanillaNetwork(condition, options["width"], options["depth"])

    def forward(
        self, rays: Rays, spans: tuple[Tensor, Tensor], box: tuple[Tensor, Tensor], condition: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Colours and opacity [R, 4] by the coarse and by the fine network, of rays between spans (near, far) [R] cm.

        box: the corners that places are told in; offsets [R] in [0, 1) of a piece."""
        near, far = spans
        number = torch.arange(self.samples + 1, device=near.device)
        edges = near[:, None] + number / self.samples * (far - near)[:, None]
        at = edges[:, :-1] + offsets[:, None] * (edges[:, 1:] - edges[:, :-1])
        first, weights = self._look(self.coarse, rays, at, far, box, condition)
        shares = (torch.arange(self.more, device=near.device) + offsets[:, None]) / self.more
        finer = drawn_from(edges, weights.detach(), shares)
        at = torch.sort(torch.cat([at, finer], 1), 1).values
        return first, self._look(self.fine, rays, at, far, box, condition)[0]

    def _look(
        self,
        network: nn.Module,
        rays: Rays,
        at: Tensor,
        far: Tensor,
        box: tuple[Tensor, Tensor],
        condition: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Colours and opacity [R, 4] of samples at [R, S] cm, and their weights [R, S]."""
        points = rays.origin + rays.directions[:, None] * at[..., None]
        x = ((points - box[0]) / (box[1] - box[0]) * 2 - 1).view(-1, 3)
        directions = rays.directions[:, None].expand_as(points).reshape(-1, 3)
        with half_precision(at.device):
            densities, colours = network(x, directions, condition)
        lengths = torch.diff(at, dim=1, append=far[:, None]).clamp(min=0)
        weights, left = weigh(densities.view(at.shape), lengths)
        shown = (weights[..., None] * colours.view(*at.shape, 3)).sum(1)
        return torch.cat([shown, 1 - left[:, None]], 1), weights


class VanillaVolume(nn.Module):
    """The head, in the place of volume.Volume. config: box, cells and step_cm, networks (CoarseAndFine's options)."""

    rays_at_once = MappingProxyType({"cpu": 256, "cuda": 1 << 13})
    """Of a picture, by device: each has dozens of samples, on CUDA hundreds."""

    def __init__(self, config: dict[str, Any], code: int):
        super().__init__()
        self.step_cm = config["step_cm"]
        self.occupancy = Occupancy(config["box"][0], config["box"][1], config["cells"])
        self.networks = CoarseAndFine(code, config["networks"])

    def _spans(self, rays: Rays) -> tuple[Tensor, Tensor, Tensor]:
        """Which rays [K] meet anything possible, and near and far [K] cm of it."""
        offsets = torch.full_like(rays.directions[:, 0], 0.5)
        steps = march(rays, self.occupancy, self.occupancy.possible, self.step_cm, offsets, most=64)
        hit = steps.counts.nonzero()[:, 0]
        last = steps.at[hit].gather(1, steps.counts[hit, None] - 1)[:, 0]
        return hit, steps.at[hit, 0] - self.step_cm, last + self.step_cm

    def _both(self, rays: Rays, control: Control, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """[R, 4] by the coarse and by the fine network; zeros on rays that meet nothing."""
        hit, near, far = self._spans(rays)
        box, empty = (self.occupancy.low, self.occupancy.high), offsets.new_zeros(len(rays), 4)
        found = self.networks(rays[hit], (near, far), box, control.code, offsets[hit])
        return empty.index_add(0, hit, found[0]), empty.index_add(0, hit, found[1])

    def shade(self, rays: Rays, control: Control, offsets: Tensor, is_exploring: bool) -> Shaded:
        """For training; extras [R, 4] are the coarse network's colours and opacity."""
        first, fine = self._both(rays, control, offsets)
        none = torch.zeros(0, dtype=torch.int64, device=offsets.device)
        return Shaded(fine[:, :3], fine[:, 3], first, none, none.float())

    @torch.no_grad()
    def draw(self, rays: Rays, control: Control) -> tuple[Tensor, Tensor]:
        """For playing: colours [R, 3] and opacity [R]."""
        fine = self._both(rays, control, torch.full_like(rays.directions[:, 0], 0.5))[1]
        return fine[:, :3], fine[:, 3]

    def learn_occupancy(self, shaded: list[Shaded], step: int, steps: int) -> None:
        """It keeps to what was possible before training: the paper has no occupancy at all."""

    def is_exploring(self, step: int, share: float) -> bool:
        return True

    def judge(self, errors: Tensor, shaded: Shaded, batch: Batch, share: float) -> Tensor:
        """Squared errors of the fine network's rays [R], and of the coarse one's."""
        first = shaded.extras[:, :3] + (1 - shaded.extras[:, 3:]) * batch.background
        return errors.mean() + ((first - batch.target) ** 2).mean()


class VanillaTorso(nn.Module):
    """The torso, which stands before the camera and is told how the head is held, in the place of torso.TorsoField."""

    mean: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, camera: Camera, code: int, networks: dict[str, int]):
        super().__init__()
        self.camera = camera
        self.networks = CoarseAndFine(code + 6, networks)
        for name, value in (("mean", 0.0), ("spread", 1.0)):
            self.register_buffer(name, torch.full((6,), value))
        for name, value in (("low", -1.0), ("high", 1.0)):
            self.register_buffer(name, torch.full((3,), value))

    def standardise(self, camera_from_head: Tensor) -> None:
        """Learn what poses [T, 4, 4] are usual, and how far away the torso is."""
        poses = torch.stack([pose_angles(pose) for pose in camera_from_head.float()])
        self.mean.copy_(poses.mean(0))
        self.spread.copy_(3 * poses.std(0) + 1e-3)
        near = float(poses[:, 5].mean()) + TORSO_BEHIND_CM
        far = near + TORSO_DEPTH_CM
        reach = far * self.camera.width / self.camera.focal_px / 2
        self.low.copy_(torch.tensor([-reach, -reach, near]))
        self.high.copy_(torch.tensor([reach, reach, far]))

    def both(
        self, places: Tensor, camera_from_head: Tensor, control: Control, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[P, 4] by the coarse and by the fine network at places [P, 2], shares of the picture's sides."""
        rays = cast(places * self.camera.width, self.camera, torch.eye(4, device=places.device))
        spans = self.low[2] / rays.directions[:, 2], self.high[2] / rays.directions[:, 2]
        pose = ((pose_angles(camera_from_head) - self.mean) / self.spread).clamp(-2, 2)
        condition = torch.cat([control.code, pose.to(control.code)])
        return self.networks(rays, spans, (self.low, self.high), condition, offsets)

    def over(self, plate: Tensor, places: Tensor, camera_from_head: Tensor, control: Control) -> Tensor:
        """Colours [P, 3] of the torso over the plate's [P, 3]."""
        fine = self.both(places, camera_from_head, control, torch.full_like(places[:, 0], 0.5))[1]
        return fine[:, :3] + (1 - fine[:, 3:]) * plate

    def loss(self, batch: Batch, camera_from_head: Tensor, control: Control, offsets: Tensor) -> Tensor:
        """The mean squared errors of both networks on pixels that no head hides."""
        images = self.both(batch.pixels / self.camera.width, camera_from_head, control, offsets)
        shown = [image[:, :3] + (1 - image[:, 3:]) * batch.background for image in images]
        return ((shown[0] - batch.target) ** 2).mean() + ((shown[1] - batch.target) ** 2).mean()
