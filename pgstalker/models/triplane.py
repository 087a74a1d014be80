"""Reading three feature planes at points: the xy, yz and xz projections of a box, bilinear.

x [N, 3] --+-- (x, y) --> planes[0] --+
           +-- (y, z) --> planes[1] --+--> concatenated [N, 3 C]
           +-- (x, z) --> planes[2] --+
"""

from __future__ import annotations

import torch
from torch import Tensor


def lookup(planes: Tensor, x: Tensor) -> Tensor:
    """Features [N, 3 * C] of points x [N, 3] in [-1, 1] from planes [3, R, R, C].

    planes[p, row, column]: the pair's first coordinate runs along the columns, the second along the rows; -1 and 1 are
    the centres of the first and last texel. Outside the planes lie zeros. The gradient goes to planes only.
    """
    assert planes.ndim == 4 and planes.shape[0] == 3, f"planes are {tuple(planes.shape)}, not [3, R, R, C]"
    assert planes.shape[1] == planes.shape[2] >= 2 and x.shape[1:] == (3,), (tuple(planes.shape), tuple(x.shape))
    if planes.device.type == "cpu" and planes.dtype == torch.float32:
        from pgstalker.models.triplane_cpu import lookup_numba

        return lookup_numba(planes, x)
    return lookup_reference(planes, x)


def lookup_reference(planes: Tensor, x: Tensor) -> Tensor:
    """lookup() in plain torch, any device and precision."""
    x = x.detach().to(planes)
    pairs = torch.stack([x[:, :2], x[:, 1:], x[:, ::2]])[:, None]
    features = torch.nn.functional.grid_sample(
        planes.permute(0, 3, 1, 2), pairs, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return features[:, :, 0].permute(2, 0, 1).reshape(len(x), 3 * planes.shape[3])
