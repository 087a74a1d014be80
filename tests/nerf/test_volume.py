"""Heads seen along rays: what is played is what was trained, with and without early ends; each method's own terms."""

import pytest
import torch

from pgstalker.nerf.fields import AmbientField, Control, TriPlaneHashField
from pgstalker.nerf.rays import cast
from pgstalker.nerf.torso import TorsoField
from pgstalker.nerf.vanilla import CoarseAndFine, VanillaVolume, drawn_from
from pgstalker.nerf.volume import LIGHT_LEAST, Volume
from pgstalker.types import Camera

CAMERA = Camera(100.0, 32, 32, 16.0, 16.0)
POSE = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 40], [0, 0, 0, 1]])
BOX = [[-5.0, -5.0, -5.0], [5.0, 5.0, 5.0]]
HEADS = {
    "er": {"box": BOX, "cells": 8, "step_cm": 0.4, "most": 16, "field": {"kind": "tri-plane-hash", "log2_rows": 8}},
    "rad": {
        "box": BOX, "cells": 8, "step_cm": 0.4, "most": 16, "field": {"kind": "ambient", "log2_rows": 8, "finest": 64}
    },
    "ad": {"box": BOX, "cells": 8, "step_cm": 0.4, "networks": {"width": 16, "depth": 3, "coarse": 6, "fine": 8}},
}  # fmt: skip


def control(code=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    return Control(torch.randn(code, generator=g), torch.tensor(0.3), torch.zeros(4))


@pytest.fixture
def rays():
    x, y = torch.meshgrid(torch.arange(0.5, 32), torch.arange(0.5, 32), indexing="xy")
    return cast(torch.stack([x, y], -1).view(-1, 2), CAMERA, POSE)


@pytest.fixture(params=HEADS)
def head(request):
    torch.manual_seed(3)
    config = HEADS[request.param]
    result = VanillaVolume(config, 6) if "networks" in config else Volume(config, 6)
    for parameter in result.parameters():  # a head that can be seen
        torch.nn.init.normal_(parameter, std=0.3)
    result.occupancy.begin((torch.rand(8, 8, 8) < 0.6).numpy())
    return result


def test_what_is_played_is_what_was_trained(head, rays):
    offsets = torch.full((len(rays),), 0.5)
    shaded = head.shade(rays, control(), offsets, is_exploring=False)
    colours, opacity = head.eval().draw(rays, control())
    assert 0.02 < float(opacity.mean()) < 0.98
    limit = 2 * LIGHT_LEAST  # a ray that ends early leaves out that much light
    torch.testing.assert_close(colours, shaded.colours, rtol=0, atol=limit)
    torch.testing.assert_close(opacity, shaded.opacity, rtol=0, atol=limit)


def test_a_ray_is_no_other_rays_business(head, rays):
    whole, part = head.eval().draw(rays, control()), head.draw(rays[100:200], control())
    torch.testing.assert_close(whole[0][100:200], part[0], rtol=0, atol=1e-5)


def test_what_is_said_is_seen(head, rays):
    before, after = head.eval().draw(rays, control(seed=0))[0], head.draw(rays, control(seed=1))[0]
    assert (before - after).abs().max() > 1e-3


def test_nothing_there_is_nothing_seen(head, rays):
    head.occupancy.begin(torch.zeros(8, 8, 8, dtype=torch.bool).numpy())
    assert not head.eval().draw(rays, control())[1].any()
    shaded = head.train().shade(rays, control(), torch.rand(len(rays)), is_exploring=True)
    assert not shaded.opacity.any() and shaded.extras.shape[0] == len(rays)


def test_a_marched_head_forgets_what_is_never_seen(rays):
    head = Volume(HEADS["er"], 6)
    for step in range(1, 65):
        shaded = head.shade(rays, control(), torch.rand(len(rays)), is_exploring=True)
        weights = shaded.weights * (shaded.cells % 8 < 2)  # light from the nearest two storeys alone
        head.occupancy.observe(shaded.cells, weights)
        if step % 16 == 0:
            head.occupancy.refresh(0.5)
    assert head.occupancy.occupied[..., :2].float().mean() > 0.5
    assert not head.occupancy.occupied[..., 4:].any(), "two storeys, and one more around them"


def test_er_nerf_judges_by_doubt_and_region():
    field = TriPlaneHashField(6, log2_rows=8)
    errors, is_face = torch.tensor([0.5, 0.1]), torch.tensor([True, False])
    extras = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    plain = field.judge(errors, extras, is_face, 0.0)
    torch.testing.assert_close(plain, errors.mean())
    loud = extras + torch.tensor([[0.0, 0, 0], [1.0, 0, 0]])
    assert field.judge(errors, loud, is_face, 1.0) > field.judge(errors, loud, is_face, 0.0)
    doubtful = extras + torch.tensor([[0.0, 0, 3.0], [0.0, 0, 0]])
    assert field.judge(errors, doubtful, is_face, 1.0) > plain * 1.2, "where it doubts, the error counts more"
    doubt = torch.linspace(0, 2, 201)
    best = [min(doubt.tolist(), key=lambda d: float(_doubt_loss(field, error, d))) for error in (0.01, 0.05, 0.2)]
    assert 0.01 < best[0] < best[1] < best[2], "the larger the error, the larger the doubt that it learns"


def _doubt_loss(field, error, doubt):
    """What one ray of the face adds beside its error."""
    extras = torch.tensor([[0.0, 0.0, doubt]])
    return field.judge(torch.tensor([error]), extras, torch.tensor([True]), 1.0)


def test_rad_nerf_keeps_sound_to_the_face():
    field = AmbientField(6, log2_rows=8, finest=64)
    errors, extras = torch.tensor([0.5, 0.1]), torch.tensor([[1.0], [1.0]])
    nothing = field.judge(errors, extras, torch.tensor([True, True]), 1.0)
    torch.testing.assert_close(nothing, errors.mean())
    torch.testing.assert_close(field.judge(errors, extras, torch.tensor([True, False]), 1.0), nothing + 0.05)


def test_more_samples_where_the_weight_is():
    edges = torch.linspace(0, 10, 11)[None]
    weights = torch.zeros(1, 10)
    weights[0, 3] = 1.0
    at = drawn_from(edges, weights, (torch.arange(20)[None] + 0.5) / 20)
    assert ((at > 3) & (at < 4)).float().mean() > 0.9 and (at.diff() >= 0).all()


def test_fine_networks_see_a_wall():
    """Both networks agree with the closed form where density and colour are the same everywhere."""
    both = CoarseAndFine(2, {"width": 8, "depth": 2, "coarse": 8, "fine": 8})
    for network in (both.coarse, both.fine):
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)
        torch.nn.init.constant_(network.density.bias, 1.0)
    rays = cast(torch.tensor([[16.0, 16.0]]), CAMERA, torch.eye(4))
    spans, box = (torch.tensor([2.0]), torch.tensor([5.0])), (torch.full((3,), -9.0), torch.full((3,), 9.0))
    first, fine = both(rays, spans, box, torch.zeros(2), torch.zeros(1))
    expected = 1 - torch.exp(-3 * torch.nn.functional.softplus(torch.tensor(0.0)))
    for found in (first, fine):
        torch.testing.assert_close(found[0], torch.stack([expected / 2] * 3 + [expected]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pose", ["anchors", "angles"])
def test_the_torso_follows_the_head(pose):
    torch.manual_seed(0)
    torso = TorsoField(CAMERA, pose, log2_rows=8)
    for parameter in torso.plane.parameters():
        torch.nn.init.normal_(parameter)
    moved = POSE.clone()
    moved[0, 3] = 1.0
    torso.standardise(torch.stack([POSE, moved]))
    places, plate = torch.rand(50, 2), torch.rand(50, 3)
    at_rest = torso.over(plate, places, POSE, control())
    assert at_rest.shape == (50, 3) and (at_rest - torso.over(plate, places, moved, control())).abs().max() > 1e-3
    for parameter in torso.paint.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(torso.over(plate, places, POSE, control()), (plate + 0.5) / 2)
