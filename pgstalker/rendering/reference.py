"""The oracle: splatting written down plainly in torch, every Gaussian against every pixel.

Slow and exact; float32 or float64 as its inputs are. The other backends are tested against it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pgstalker.gaussians.transforms import matrix_from_quaternion
from pgstalker.rendering.types import Rendering, Scene, View

EPS2D = 0.3
ALPHA_LEAST = 1 / 255
ALPHA_MOST = 0.999
TRANSMITTANCE_LEAST = 1e-4
PAIRS_AT_ONCE = 8_000_000


def project(scene: Scene, camera: View, camera_from_world: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Project Gaussians to pixels (EWA splatting, Zwicker et al. 2002).

    Returns centers [N, 2] px, conics [N, 3] (the inverse covariance's xx, xy, yy, px^-2) and depth [N] cm.
    """
    rotation, translation = camera_from_world[:3, :3], camera_from_world[:3, 3]
    x, y, z = (scene.means @ rotation.T + translation).unbind(-1)
    depth = z
    z = torch.where(z >= camera.near, z, torch.ones_like(z))  # those behind are not drawn; keep them finite
    low_x, high_x, low_y, high_y = camera.slope_limits()
    slope_x, slope_y = (x / z).clamp(low_x, high_x), (y / z).clamp(low_y, high_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [camera.fx / z, zero, -camera.fx * slope_x / z, zero, camera.fy / z, -camera.fy * slope_y / z], -1
    ).view(-1, 2, 3)
    axes = jacobian @ rotation @ matrix_from_quaternion(scene.quats) * scene.scales[:, None, :]
    cov = axes @ axes.transpose(1, 2)
    xx, xy, yy = cov[:, 0, 0] + EPS2D, cov[:, 0, 1], cov[:, 1, 1] + EPS2D
    det = xx * yy - xy * xy
    centers = torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], -1)
    return centers, torch.stack([yy / det, -xy / det, xx / det], -1), depth


def _alphas(centers: Tensor, conics: Tensor, opacities: Tensor, pixels: Tensor) -> Tensor:
    """Alpha [P, N] of each Gaussian at each pixel [P, 2]: at most ALPHA_MOST, 0 below ALPHA_LEAST."""
    dx, dy = (pixels[:, None, :] - centers).unbind(-1)
    exponent = 0.5 * (conics[:, 0] * dx * dx + conics[:, 2] * dy * dy) + conics[:, 1] * dx * dy
    alpha = (opacities * torch.exp(-exponent)).clamp(max=ALPHA_MOST)
    return torch.where(alpha >= ALPHA_LEAST, alpha, torch.zeros_like(alpha))


def _transmittances(alpha: Tensor) -> Tensor:
    """[P, N + 1]: what is left of the light before each Gaussian, and behind the last."""
    return torch.cat([alpha.new_ones(len(alpha), 1), torch.cumprod(1 - alpha, 1)], 1)


def _blend(alpha: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Front to back: weights [P, N], final transmittance [P], and which pairs are drawn [P, N]."""
    is_drawn = (alpha > 0) & (_transmittances(alpha.detach())[:, :-1] >= TRANSMITTANCE_LEAST)
    alpha = torch.where(is_drawn, alpha, torch.zeros_like(alpha))
    left = _transmittances(alpha)
    return alpha * left[:, :-1], left[:, -1], is_drawn


class _Dense:
    """The projected scene, nearest first, and its pixels in chunks."""

    def __init__(self, scene: Scene, camera: View, camera_from_world: Tensor):
        self.centers, conics, depth = project(scene, camera, camera_from_world)
        if self.centers.requires_grad:
            self.centers.retain_grad()
        order = torch.argsort(depth.detach(), stable=True)
        self.order = order[depth.detach()[order] >= camera.near]
        self.splats = self.centers[self.order], conics[self.order], scene.opacities[self.order]
        self.colors = scene.colors[self.order]
        rows = torch.arange(camera.height, dtype=depth.dtype, device=depth.device) + 0.5
        columns = torch.arange(camera.width, dtype=depth.dtype, device=depth.device) + 0.5
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        self.pixels = torch.stack([x, y], -1).view(-1, 2)

    def chunks(self):
        """(which pixels, their alphas [P, N])."""
        size = max(PAIRS_AT_ONCE // max(len(self.order), 1), 1)
        for start in range(0, len(self.pixels), size):
            which = slice(start, start + size)
            yield which, _alphas(*self.splats, self.pixels[which])

    @torch.no_grad()
    def coverage(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        pixels, mass = (torch.zeros_like(self.centers[:, 0]) for _ in range(2))
        flat = weight.to(mass).reshape(-1)
        for which, alpha in self.chunks():
            weights, _, is_drawn = _blend(alpha)
            pixels[self.order] += is_drawn.sum(0).to(pixels)
            mass[self.order] += flat[which] @ weights
        return pixels, mass


def rasterize_reference(scene: Scene, camera: View, camera_from_world: Tensor, background: Tensor | None) -> Rendering:
    """The plain form of rendering.rasterize, in the precision of scene.means."""
    dense = _Dense(scene, camera, camera_from_world.to(scene.means))
    parts = [_blend(alpha)[:2] for _, alpha in dense.chunks()]
    image = torch.cat([weights @ dense.colors for weights, _ in parts]).T
    left = torch.cat([left for _, left in parts])
    if background is not None:
        image = image + left * background.to(image).reshape(3, -1)
    shape = camera.height, camera.width

    def means2d_gradient() -> Tensor:
        gradient = dense.centers.grad
        return torch.zeros_like(dense.centers).detach() if gradient is None else gradient

    return Rendering(image.view(3, *shape), 1 - left.view(shape), "reference", means2d_gradient, dense.coverage)
