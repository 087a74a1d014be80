"""The nouns of rendering: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


class Scene(NamedTuple):
    """N Gaussians: means [N, 3] cm, quats [N, 4] wxyz, scales [N, 3] cm, opacities [N] in [0, 1], colors [N, 3] RGB."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor


@dataclass(frozen=True)
class View:
    """A pinhole camera as the backends want it; pixels, first pixel's centre at (0.5, 0.5); near in cm."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    near: float

    def slope_limits(self) -> tuple[float, float, float, float]:
        """Lowest and highest x/z, lowest and highest y/z, at which the projection's Jacobian is still taken.

        0.3 of the half field of view beyond the picture's edge, as gsplat: farther out the linearisation explodes.
        """
        margin_x, margin_y = 0.15 * self.width / self.fx, 0.15 * self.height / self.fy
        return (
            -self.cx / self.fx - margin_x,
            (self.width - self.cx) / self.fx + margin_x,
            -self.cy / self.fy - margin_y,
            (self.height - self.cy) / self.fy + margin_y,
        )

    def lens(self) -> np.ndarray:
        """[8] float32: fx, fy, cx, cy and the slope limits."""
        return np.array([self.fx, self.fy, self.cx, self.cy, *self.slope_limits()], np.float32)


@dataclass(frozen=True)
class Rendering:
    """One rendered picture.

    image [3, H, W] float32 RGB, the background composited with what light was left; alpha [H, W] in [0, 1]: what the
    Gaussians cover; backend: the one that drew it.
    """

    image: Tensor
    alpha: Tensor
    backend: str
    _means2d_gradient: Callable[[], Tensor]
    _coverage: Callable[[Tensor], tuple[Tensor, Tensor]]
    _mass: Callable[[Tensor], Tensor] | None = None

    def means2d_grad(self) -> Tensor:
        """[N, 2]: dL/d(centre in the picture), per px, after backward; 0 for what is not visible."""
        return self._means2d_gradient()

    def coverage(self, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """How much of the picture each Gaussian holds, detached.

        weight [H, W] or None (ones). Returns pixels [N], the number of pixels that the Gaussian was blended into
        (alpha >= 1/255 while transmittance >= 1e-4), and mass [N], the sum over them of weight * alpha *
        transmittance.
        """
        if weight is None:
            weight = self.alpha.new_ones(self.alpha.shape)
        assert weight.shape == self.alpha.shape, f"weight {tuple(weight.shape)} for {tuple(self.alpha.shape)}"
        return self._coverage(weight.detach())

    def mass(self, weight: Tensor) -> Tensor:
        """The second of coverage(weight) alone, [N], for less work where the backend can."""
        assert weight.shape == self.alpha.shape, f"weight {tuple(weight.shape)} for {tuple(self.alpha.shape)}"
        return self._mass(weight.detach()) if self._mass else self.coverage(weight)[1]
