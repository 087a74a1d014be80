"""Feature grids of several resolutions, read by linear interpolation (Mueller et al. 2022, Instant-NGP).

    x [N, D] in [0, 1] ──► level 0 ─┐
                      ──► level 1 ─┼─► features [N, L C]
                      ──►   ...   ─┘

A level that fits into its table has a row for each of its corners. A finer one shares rows: hashed, the corner's
coordinates are mixed into a row; tiled, a smaller grid repeats.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

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

    def __init__(self, layout: GridLayout):
        super().__init__()
        assert layout.dimensions in (2, 3) and layout.sharing in ("hashed", "tiled"), layout
        self.layout = layout
        rows = layout.rows()
        starts = [0, *itertools.accumulate(rows)]
        self.table = nn.Parameter(torch.empty(layout.channels, starts[-1]).uniform_(-START, START))
        for name, values in (("cells", layout.cells()), ("sides", layout.sides()), ("starts", starts[:-1])):
            self.register_buffer(name, torch.tensor(values), persistent=False)

    @property
    def width(self) -> int:
        return self.layout.levels * self.layout.channels

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and self.table.dtype == torch.float32:
            from pgstalker.nerf.grids_cpu import read_numba

            return read_numba(self, x)
        return read_reference(self, x)


def read_reference(grid: Grid, x: Tensor) -> Tensor:
    """Grid.forward in plain torch: any device and precision, differentiable in the tables and in x."""
    place = x.to(grid.table).clamp(0, 1)[:, None, :] * grid.cells[:, None]
    low = place.detach().floor().clamp(max=(grid.cells[:, None] - 1).to(place)).long()
    share = place - low
    features = grid.table.new_zeros(grid.layout.channels, *low.shape[:2])
    for corner in itertools.product((0, 1), repeat=grid.layout.dimensions):
        offset = torch.tensor(corner, device=low.device)
        weight = torch.where(offset.bool(), share, 1 - share).prod(-1)
        rows = _rows(grid, low + offset)
        features = features + weight * grid.table.index_select(1, rows.view(-1)).view(-1, *rows.shape)
    return features.permute(1, 2, 0).flatten(1)


def _rows(grid: Grid, corner: Tensor) -> Tensor:
    """Rows [N, L] of corners [N, L, D]."""
    side = grid.sides.clamp(min=1)
    wrapped = corner % side[:, None]
    plain, mixed = torch.zeros_like(corner[..., 0]), torch.zeros_like(corner[..., 0])
    for axis in reversed(range(grid.layout.dimensions)):
        plain = plain * side + wrapped[..., axis]
        mixed = mixed ^ (corner[..., axis] * PRIMES[axis])
    mixed = mixed & ((1 << grid.layout.log2_rows) - 1)
    return torch.where(grid.sides > 0, plain, mixed) + grid.starts
