"""Gaussians to test with, and how the backends are compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pgstalker.rendering import Rendering, rasterize
from pgstalker.rendering.reference import project
from pgstalker.rendering.types import Scene, View

# Every backend stops a pixel at a transmittance of 1e-4 and drops alpha below 1/255 = 0.004. float32 against float64
# can fall on either side of both limits: the first moves a pixel by less than 1e-4 of a colour, the second by less
# than 4e-3, at one pixel in many thousands. gsplat stops one Gaussian earlier: a hundredth of a colour at the most,
# where that one is all but opaque. The numba kernels ask each pixel, and leave a tile when all its pixels are opaque,
# which changes nothing. Everything else is rounding: about 1e-5 in the picture (the exponential is a polynomial good
# to 2e-5) and 1e-4 of the largest gradient.
MOST_PIXELS, CLOSE, GRADIENT = 0.999, 1e-4, 1e-3
ANY_PIXEL = {"numba": 5e-3, "gsplat": 1.5e-2}


@dataclass
class Outcome:
    rendering: Rendering
    gradients: dict[str, Tensor]


def camera_matrix(width: int, height: int) -> Tensor:
    """A camera as the avatars have it: 2.34 picture sides of focal length."""
    focal = 2.34375 * max(width, height)
    return torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float64)


def random_scene(count: int, seed: int, scale_cm: float = 0.5) -> Scene:
    """A box of Gaussians of all shapes before the camera, some beyond the picture's edge.

    Seen from turned_view() no two have the same depth to 1e-4 cm: float32 could not tell which of them is in front.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    means = torch.stack([uniform(count) * 28 - 14, uniform(count) * 28 - 14, 50 + uniform(count) * 20], 1)
    depth = means @ turned_view()[2, :3].float()
    means[:, 2] += depth.argsort().argsort() * 2e-4
    return Scene(
        means=means,
        quats=torch.randn(count, 4, generator=generator) * 3,
        scales=torch.exp(torch.randn(count, 3, generator=generator) * 0.5) * scale_cm,
        opacities=uniform(count) * 0.98 + 0.01,
        colors=uniform(count, 3),
    )


def turned_view() -> Tensor:
    """A small rotation and shift, float64."""
    angle = torch.tensor([[0.0, -0.3, -0.02], [0.3, 0.0, -0.01], [0.02, 0.01, 0.0]], dtype=torch.float64)
    view = torch.eye(4, dtype=torch.float64)
    view[:3, :3] = torch.linalg.matrix_exp(angle)
    view[:3, 3] = torch.tensor([0.3, -0.5, 1.0])
    return view


def settled(scene: Scene, width: int, height: int) -> Scene:
    """The scene with opacities lowered a little wherever a pixel's alpha lies on 1/255 or on 0.999 to 5e-5.

    There rounding decides whether a Gaussian is drawn, or limited, at that pixel; one such pixel moves the gradient of
    a small Gaussian by more than 1e-3 of the largest.
    """
    matrix = camera_matrix(width, height)
    camera = View(matrix[0, 0].item(), matrix[1, 1].item(), width / 2, height / 2, width, height, 1.0)
    exact = Scene(*(t.double() for t in scene))
    centers, conics, _ = project(exact, camera, turned_view())
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    dx, dy = x.reshape(-1, 1) - centers[:, 0], y.reshape(-1, 1) - centers[:, 1]
    shape = torch.exp(-(conics[:, 0] * dx * dx + conics[:, 2] * dy * dy) / 2 - conics[:, 1] * dx * dy)
    opacities = scene.opacities.clone()
    for _ in range(20):
        alpha = shape * opacities.double()
        on_limit = ((alpha * 255 - 1).abs().minimum((alpha / 0.999 - 1).abs()) < 5e-5).any(0)
        if not on_limit.any():
            break
        opacities[on_limit] *= 0.9997
    return scene._replace(opacities=opacities)


def draw(scene: Scene, width: int, height: int, backend: str, device: str = "cpu") -> Outcome:
    """Draw with gradients, in the backend's own precision: float64 for the oracle, float32 for the others.

    The loss is a fixed random weighting of picture and alpha, the background a fixed random plate.
    """
    dtype = torch.float64 if backend == "reference" else torch.float32
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(4, height, width, generator=generator, dtype=torch.float64).to(device, dtype)
    plate = torch.rand(3, height, width, generator=generator, dtype=torch.float64).to(device, dtype)
    inputs = {name: t.to(device, dtype).clone().requires_grad_() for name, t in scene._asdict().items()}
    view = turned_view().to(device, dtype).requires_grad_()
    rendering = rasterize(
        *inputs.values(),
        camera_matrix(width, height),
        width,
        height,
        camera_from_world=view,
        background=plate,
        backend=backend,
    )
    ((rendering.image * weights[:3]).sum() + (rendering.alpha * weights[3]).sum()).backward()
    gradients = {name: t.grad.cpu() for name, t in inputs.items()}
    return Outcome(rendering, {**gradients, "view": view.grad.cpu(), "means2d": rendering.means2d_grad().cpu()})


def assert_same_picture(got: Rendering, truth: Rendering) -> None:
    for name in ("image", "alpha"):
        error = (getattr(got, name).detach().cpu() - getattr(truth, name).detach()).abs()
        close = (error <= CLOSE).double().mean().item()
        assert close >= MOST_PIXELS, f"{name}: {close:.4%} of the values within {CLOSE}"
        assert error.max() <= ANY_PIXEL[got.backend], f"{name}: worst {error.max():.1e}"


def assert_same_gradients(got: Outcome, truth: Outcome) -> None:
    for name, expected in truth.gradients.items():
        if not expected.numel():
            continue
        error = (got.gradients[name] - expected).abs().max().item()
        limit = GRADIENT * expected.abs().max().item()
        assert error <= limit, f"d{name}: worst {error:.2e}, limit {limit:.2e}"
