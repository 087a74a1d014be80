"""Feature grids of several resolutions, read by linear interpolation (Mueller et al. 2022, Instant-NGP).

    x [N, D] in [0, 1] ──► level 0 ─┐
                      ──► level 1 ─┼─► features [N, L C]
                      ──►   ...   ─┘

A level that fits into its table has a row for each of its corners. A finer one shares rows: hashed, the corner's
coordinates are mixed into a row; tiled, a smaller grid repeats.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PRIMES = (1, 2_654_435_761, 805_459_861)
START = 1e-4


@dataclass(frozen=True)
class GridLayout:
    """dimensions 2 or 3; levels from base to finest cells a side, each of at most 2 ** log2_rows rows."""

    dimensions: int
    levels: int
    channels: int
    base: int
    finest: int
    log2_rows: int
    sharing: str = "hashed"

    def cells(self) -> list[int]:
        """Cells a side of each level."""
        growth = (self.finest / self.base) ** (1 / max(self.levels - 1, 1))
        return [int(self.base * growth**level + 0.5) for level in range(self.levels)]

    def sides(self) -> list[int]:
        """Corners a side that are stored, per level; 0 where they are hashed."""
        most = 1 << self.log2_rows
        tile = int(most ** (1 / self.dimensions) + 1e-6)
        fits = [(cells + 1) ** self.dimensions <= most for cells in self.cells()]
        shared = 0 if self.sharing == "hashed" else tile
        return [cells + 1 if fit else shared for cells, fit in zip(self.cells(), fits, strict=True)]

    def rows(self) -> list[int]:
        """Rows of each level's table."""
        return [side**self.dimensions if side else 1 << self.log2_rows for side in self.sides()]


class Grid(nn.Module):
    """The tables of a layout. forward(x [N, D] in [0, 1]; what lies outside is read at the edge) -> [N, L C].

    The gradient goes to the tables, and to x where it asks for one."""

    cells: Tensor
    sides: Tensor
    starts: Tensor
    strides: Tensor
    primes: Tensor

    def __init__(self, layout: GridLayout):
        super().__init__()
        assert layout.dimensions in (2, 3) and layout.sharing in ("hashed", "tiled"), layout
        self.layout = layout
        rows = layout.rows()
        starts = [0, *itertools.accumulate(rows)]
        self.table = nn.Parameter(torch.empty(layout.channels, starts[-1]).uniform_(-START, START))
        self.mask = (1 << layout.log2_rows) - 1
        numbers: dict[str, Any] = {"cells": layout.cells(), "sides": layout.sides(), "starts": starts[:-1]}
        numbers["strides"] = [[side**axis for axis in range(layout.dimensions)] for side in layout.sides()]
        numbers["primes"] = [prime & self.mask for prime in PRIMES[: layout.dimensions]]  # of a row its low bits count
        for name, values in numbers.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.int32), persistent=False)

    @property
    def width(self) -> int:
        return self.layout.levels * self.layout.channels

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and self.table.dtype == torch.float32:
            from pgstalker.nerf.grids_cpu import read_numba

            return read_numba(self, x)
        return read_reference(self, x)


def read_reference(grid: Grid, x: Tensor) -> Tensor:
    """Grid.forward in plain torch: any device and precision, differentiable in the tables and in x.

    All corners are read at once: on CUDA the number of operations is what costs."""
    place = x.to(grid.table).clamp(0, 1)[:, None, :] * grid.cells[:, None]
    low = place.detach().floor().clamp(max=(grid.cells[:, None] - 1).to(place)).int()
    share = place - low
    shares = torch.stack([1 - share, share])
    rows = _rows(grid, low)
    weights = _over_corners(shares, torch.mul)
    found = grid.table.index_select(1, rows.view(-1)).view(-1, *rows.shape)
    return (weights * found).sum(1).permute(1, 2, 0).flatten(1)


def _over_corners(ends: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """[2 ** D, N, L] from ends [2, N, L, D]: what a cell's two ends along each axis give together."""
    joined = ends[..., 0]
    for axis in range(1, ends.shape[-1]):
        joined = join(joined[:, None], ends[None, ..., axis]).flatten(0, 1)
    return joined


def _rows(grid: Grid, low: Tensor) -> Tensor:
    """Rows [2 ** D, N, L] int32 of the corners of the cells that begin at low [N, L, D]."""
    corners = torch.stack([low, low + 1])
    owned = sum(side > 0 for side in grid.layout.sides())  # the coarse levels; the finer ones are hashed
    plain = _over_corners((corners[:, :, :owned] % grid.sides[:owned, None]) * grid.strides[:owned], torch.add)
    mixed = _over_corners(corners[:, :, owned:] * grid.primes, torch.bitwise_xor) & grid.mask
    return torch.cat([plain, mixed], 2) + grid.starts
