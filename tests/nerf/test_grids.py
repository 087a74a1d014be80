"""Feature grids: the numba form against plain torch, forward and backward; layouts; hashing and tiling."""

import pytest
import torch

from pgstalker.nerf.grids import Grid, GridLayout, read_reference

LAYOUTS = {
    "dense plane": GridLayout(2, 3, 1, 4, 16, 14),
    "hashed plane": GridLayout(2, 5, 1, 8, 64, 8),
    "hashed room": GridLayout(3, 4, 2, 4, 32, 9),
    "tiled plane": GridLayout(2, 4, 2, 8, 80, 9, "tiled"),
    "tiled room": GridLayout(3, 4, 2, 4, 40, 10, "tiled"),
}


@pytest.fixture(params=LAYOUTS, ids=lambda name: name.replace(" ", "-"))
def grid(request):
    torch.manual_seed(0)
    result = Grid(LAYOUTS[request.param])
    torch.nn.init.normal_(result.table)
    return result


def points(grid, count=400):
    """Mostly inside, some outside, some on corners."""
    x = torch.rand(count, grid.layout.dimensions, generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    x[:20] = (x[:20] * 4).round() / 4
    return x


def test_numba_and_torch_read_alike(grid):
    x = points(grid)
    assert grid(x).shape == (len(x), grid.width)
    torch.testing.assert_close(grid(x), read_reference(grid, x), rtol=1e-4, atol=1e-5)  # shares round at finest * 1e-7


def test_numba_and_torch_go_back_alike(grid):
    x = points(grid)[20:].requires_grad_()  # on a corner the slope has two values
    weights = torch.randn(len(x), grid.width)
    ours = torch.autograd.grad((grid(x) * weights).sum(), [grid.table, x])
    plain = torch.autograd.grad((read_reference(grid, x) * weights).sum(), [grid.table, x])
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=2e-3)  # slopes are differences times up to 80 cells


def test_its_gradients_are_the_differences(grid):
    exact = Grid(grid.layout).double()
    x = points(grid, 60)[20:].double().clamp(0.011, 0.988).requires_grad_()

    def read(table, place):
        exact.table = torch.nn.Parameter(table) if not isinstance(table, torch.nn.Parameter) else table
        return read_reference(exact, place)

    assert torch.autograd.gradcheck(lambda place: read(exact.table, place), (x,), eps=1e-7, atol=1e-4)


def test_a_dense_level_interpolates():
    grid = Grid(GridLayout(2, 1, 1, 4, 4, 10))
    corner = torch.stack(torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="ij"), -1).view(-1, 2)
    with torch.no_grad():  # row = y side + x
        grid.table[0] = corner[:, 1] * 2 - corner[:, 0] * 3
    x = torch.rand(50, 2)
    torch.testing.assert_close(grid(x)[:, 0], x[:, 0] * 8 - x[:, 1] * 12, rtol=1e-5, atol=1e-4)


def test_fine_levels_share_rows():
    er_nerf = GridLayout(2, 12, 1, 64, 512, 14)
    dense = [cells for cells, side in zip(er_nerf.cells(), er_nerf.sides(), strict=True) if side]
    assert er_nerf.cells()[0] == 64 and er_nerf.cells()[-1] == 512 and max(dense) < 128
    assert max(er_nerf.rows()) == 1 << 14
    tiled = Grid(GridLayout(2, 1, 1, 64, 64, 8, "tiled"))  # a tile of 16 cells, four times a side
    torch.nn.init.normal_(tiled.table)
    x = torch.rand(30, 2) / 4
    torch.testing.assert_close(tiled(x), tiled(x + 0.5), rtol=1e-3, atol=1e-4)
    hashed = Grid(GridLayout(2, 1, 1, 64, 64, 8))
    torch.nn.init.normal_(hashed.table)
    assert not torch.allclose(hashed(x), hashed(x + 0.5), atol=0.1)
