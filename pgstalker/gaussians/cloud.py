"""A cloud of 3D Gaussians: raw parameters, their activations, and replacement while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pgstalker.gaussians import MAX_OPACITY

PARAMETERS = ("means", "log_scales", "quats", "opacity_logits", "colors", "shading")


class GaussianCloud(nn.Module):
    """N Gaussians.

    means [N, 3] cm, log_scales [N, 3] (log cm), quats [N, 4] wxyz of any norm, opacity_logits [N], colors [N, 3] RGB
    in about [0, 1], shading [N, 2, 3] how they change with the side from which the head is seen: what light does to
    skin and hair as the head turns under it. These are the first spherical harmonics but for the one along the line of
    sight, which hardly changes.
    """

    def __init__(self, count: int):
        super().__init__()
        self.means = nn.Parameter(torch.zeros(count, 3))
        self.log_scales = nn.Parameter(torch.zeros(count, 3))
        self.quats = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(count, 1))
        self.opacity_logits = nn.Parameter(torch.zeros(count))
        self.colors = nn.Parameter(torch.zeros(count, 3))
        self.shading = nn.Parameter(torch.zeros(count, 2, 3))

    def __len__(self) -> int:
        return len(self.means)

    @property
    def opacities(self) -> Tensor:
        """[N] in (0, MAX_OPACITY)."""
        return torch.sigmoid(self.opacity_logits) * MAX_OPACITY

    @property
    def scales(self) -> Tensor:
        """[N, 3] cm."""
        return torch.exp(self.log_scales)

    def shade(self, view: Tensor) -> Tensor:
        """What is added to the colours, [..., N, 3], seen from transforms.view_of() of a pose, [..., 2]."""
        return torch.einsum("...k,nkc->...nc", view, self.shading)

    def colors_from(self, view: Tensor) -> Tensor:
        """Colours [..., N, 3] seen from there."""
        return self.colors + self.shade(view)

    def raw(self) -> dict[str, Tensor]:
        """The raw parameters by name, detached."""
        return {name: getattr(self, name).detach() for name in PARAMETERS}

    def fill(self, values: dict[str, Tensor]) -> None:
        """Take other raw values, of another count if need be (as new parameters)."""
        for name in PARAMETERS:
            value = values[name].to(self.means)
            setattr(self, name, nn.Parameter(value.clone()))
