"""The radiance fields on a CUDA device against the CPU: grids, marches, a whole frame in half precision."""

import copy

import numpy as np
import pytest
import torch

from pgstalker.method import Performance, TrainingRequest, method
from pgstalker.nerf.grids import Grid
from pgstalker.nerf.marching import march_torch
from pgstalker.nerf.rays import cast, pixel_centres
from pgstalker.subject import Subject
from tests.nerf.test_grids import LAYOUTS, points

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("needs_cuda")]
SIZE = 64


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=str)
def test_grids_read_and_go_back_alike(layout):
    torch.manual_seed(0)
    grid = Grid(layout)
    torch.nn.init.normal_(grid.table)
    there, x = copy.deepcopy(grid).cuda(), points(grid)[20:]
    weights = torch.randn(len(x), grid.width)
    torch.testing.assert_close(there(x.cuda()).cpu(), grid(x), rtol=1e-4, atol=1e-5)
    (there(x.cuda()) * weights.cuda()).sum().backward()
    (grid(x) * weights).sum().backward()
    torch.testing.assert_close(there.table.grad.cpu(), grid.table.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["er-nerf", "rad-nerf", "ad-nerf"])
@pytest.mark.parametrize("torso", ["gt", "rendered"])
def test_a_talker_trained_there_plays_here(name, torso, tmp_path):
    from pgstalker.synthetic import make_subject

    folder = make_subject(tmp_path / "toon", seconds=2.0, size=SIZE, seed=3)
    request = TrainingRequest(steps=4, size=SIZE, device="cuda", switches={"torso": torso})
    learnt = method(name).train(folder, tmp_path / "model", request, lambda *_: None)
    held_out = Performance.of(Subject.load(folder))[:2]
    here = method(name).load(tmp_path / "model", "cpu")
    for one, other in zip(learnt.render(held_out), here.render(held_out), strict=True):
        # half floats hold three digits: a step of 255 and, where a ray ends, a little more
        assert np.percentile(np.abs(one.astype(int) - other.astype(int)), 99) <= 3


def test_marches_meet_the_same_cells(tmp_path):
    from tests.nerf.test_marching import CAMERA, POSE, Occupancy

    occupancy = Occupancy([-9, -8, -7], [9, 10, 8], 24)
    occupancy.begin(np.random.default_rng(0).random((24, 24, 24)) < 0.3)
    rays = cast(torch.from_numpy(pixel_centres(np.arange(64 * 64), 64)), CAMERA, POSE)
    offsets = torch.rand(len(rays))
    here = march_torch(rays, occupancy, occupancy.occupied, 0.4, offsets, 16)
    there_occupancy, there = copy.deepcopy(occupancy).cuda(), type(rays)(rays.origin.cuda(), rays.directions.cuda())
    found = march_torch(there, there_occupancy, there_occupancy.occupied, 0.4, offsets.cuda(), 16)
    assert (found.counts.cpu() == here.counts).float().mean() > 0.99
