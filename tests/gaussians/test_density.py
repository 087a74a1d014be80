"""Density control: four rules under one budget, and an optimizer whose memory follows its Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgstalker.gaussians import PARAMETERS, GaussianCloud
from pgstalker.gaussians.density import REGION_WEIGHT, DensityControl, divide_and_prune, region_weights
from pgstalker.models.config import SWITCHES

CPU = torch.device("cpu")
RULES = SWITCHES["density"]
SIDE = 2  # px: a gradient per px is then one per NDC


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def control(rule: str, count: int, **options) -> DensityControl:
    density = DensityControl(rule, **{"cap": 10**6, **options})
    density.begin(count, CPU)
    return density


def gradients(lengths) -> torch.Tensor:
    """[N, 2] of those lengths, in different directions."""
    angle = torch.arange(len(lengths)) * 2.0
    return torch.stack([angle.cos(), angle.sin()], 1) * torch.as_tensor(lengths, dtype=torch.float32)[:, None]


# Four Gaussians over two frames.        plain 6       5             3             1
FIRST = ([12.0, 1.0, 3.0, 1.0], ([1, 10, 10, 50], [0.5, 5.0, 30.0, 25.0]))
SECOND = ([0.0, 9.0, 3.0, 1.0], ([100, 10, 10, 50], [50.0, 5.0, 30.0, 25.0]))


def scored(rule: str) -> torch.Tensor:
    density = control(rule, 4)
    for lengths, (pixels, mass) in (FIRST, SECOND):
        coverage = (torch.tensor(pixels), torch.tensor(mass)) if density.needs_coverage else None
        density.observe(gradients(lengths), SIDE, coverage)
    return density.scores(seeded())


def test_the_rules_are_their_formulas():
    # plain leaves out the frame where the first one is not seen (its gradient is exactly zero)
    torch.testing.assert_close(scored("plain"), torch.tensor([12.0, 5.0, 3.0, 1.0]))
    torch.testing.assert_close(scored("pixel-aware"), torch.tensor([12 / 101, 5.0, 3.0, 1.0]))
    torch.testing.assert_close(scored("region-aware"), torch.tensor([12 / 101 * 0.5, 2.5, 9.0, 0.5]))


def test_each_rule_divides_another_gaussian():
    chosen = {}
    for rule in RULES:
        density = control(rule, 4, grow=0.25)
        for lengths, (pixels, mass) in (FIRST, SECOND):
            coverage = (torch.tensor(pixels), torch.tensor(mass)) if density.needs_coverage else None
            density.observe(gradients(lengths), SIDE, coverage)
        keep, divide = density.plan(torch.full((4,), 0.5), seeded(1))
        assert keep.all() and divide.sum() == 1
        chosen[rule] = int(divide.nonzero())
    assert (chosen["plain"], chosen["pixel-aware"], chosen["region-aware"]) == (0, 1, 2)


def test_chance_is_even_and_seeded():
    density = control("uniform", 1000, grow=0.1)
    first, same, other = (density.plan(torch.ones(1000), seeded(s))[1] for s in (0, 0, 1))
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert first.sum() == 100
    assert 25 < first[:500].sum() < 75


@pytest.mark.parametrize("rule", RULES)
def test_the_cap_is_never_exceeded(rule):
    rng = np.random.default_rng(0)
    cap, count = 130, 100
    for round_ in range(12):
        density = control(rule, count, cap=cap, grow=0.3)
        coverage = (torch.from_numpy(rng.integers(1, 9, count)), torch.from_numpy(rng.random(count).astype("f4")))
        density.observe(torch.from_numpy(rng.normal(size=(count, 2)).astype("f4")), SIDE,
                        coverage if density.needs_coverage else None)  # fmt: skip
        opacities = torch.from_numpy(rng.uniform(0, 0.3, count).astype("f4"))
        keep, divide = density.plan(opacities, seeded(round_))
        assert not (divide & ~keep).any()
        assert torch.equal(keep, opacities > density.faint)
        after = int(keep.sum() + divide.sum())
        assert after <= cap and divide.sum() <= 0.3 * count
        count = after
    assert count > 100  # it did grow


def test_one_that_is_full_only_prunes():
    density = control("plain", 10, cap=10)
    density.observe(gradients([5.0] * 10), SIDE, None)
    keep, divide = density.plan(torch.ones(10), seeded())
    assert keep.all() and not divide.any()


def test_what_has_learnt_its_place_is_left_alone():
    density = control("plain", 6, grow=1.0, threshold=0.5)
    density.observe(gradients([0.0, 0.1, 0.49, 0.51, 2.0, 3.0]), SIDE, None)
    assert density.plan(torch.ones(6), seeded())[1].tolist() == [False] * 3 + [True] * 3


def test_gradients_are_taken_in_device_coordinates():
    small, large = control("plain", 1), control("plain", 1)
    small.observe(gradients([4.0]), 64, None)
    large.observe(gradients([2.0]), 128, None)  # twice the pixels: half the change per px
    torch.testing.assert_close(small.scores(seeded()), large.scores(seeded()))
    assert small.scores(seeded())[0] == 4 * 32


def test_a_gaussian_that_was_never_seen_is_not_divided():
    for rule in ("plain", "pixel-aware", "region-aware"):
        density = control(rule, 3, grow=1.0)
        density.observe(torch.zeros(3, 2), SIDE, (torch.zeros(3), torch.zeros(3)) if density.needs_coverage else None)
        assert density.scores(seeded()).tolist() == [0, 0, 0]
        assert not density.plan(torch.ones(3), seeded())[1].any()


def test_lips_mouth_and_eyes_weigh_more():
    labels = np.arange(7, dtype=np.uint8)[None]
    assert region_weights(labels, CPU).tolist() == [[1, 1, 1, 1] + [REGION_WEIGHT] * 3]


# ---- the optimizer's memory


def cloud_with_memory(count: int = 6) -> tuple[GaussianCloud, torch.optim.Adam]:
    """A cloud after one Adam step, with moments that name their Gaussian."""
    torch.manual_seed(0)
    cloud = GaussianCloud(count)
    with torch.no_grad():
        cloud.means.copy_(torch.arange(count * 3.0).view(count, 3) * 100)
        cloud.log_scales.fill_(-1.0)
    groups = [{"params": [getattr(cloud, name)], "lr": 1e-3, "initial_lr": 1e-3} for name in PARAMETERS]
    optimizer = torch.optim.Adam(groups, eps=1e-15, fused=True)
    sum(getattr(cloud, name).square().sum() for name in PARAMETERS).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    for parameter in cloud.parameters():
        for key in ("exp_avg", "exp_avg_sq"):
            marks = torch.arange(1.0, count + 1).view(-1, *[1] * (parameter.ndim - 1))
            optimizer.state[parameter][key].copy_(marks.expand_as(parameter))
    return cloud, optimizer


KEEP = torch.tensor([True, False, True, True, False, True])
DIVIDE = torch.tensor([False, False, True, False, False, True])


@pytest.fixture
def divided():
    cloud, optimizer = cloud_with_memory()
    before = {name: value.clone() for name, value in cloud.raw().items()}
    divide_and_prune(cloud, optimizer, (KEEP, DIVIDE), 1.6, seeded())
    return cloud, optimizer, before


def test_pruned_ones_vanish_and_children_follow_the_kept(divided):
    cloud, _, before = divided
    assert len(cloud) == 6
    kept = [0, 2, 3, 5]
    for name in ("means", "quats", "opacity_logits", "colors"):
        torch.testing.assert_close(cloud.raw()[name][:4], before[name][kept])
    for name in ("quats", "opacity_logits", "colors"):
        torch.testing.assert_close(cloud.raw()[name][4:], before[name][[2, 5]])


def test_parent_and_child_shrink_and_the_child_lies_within_the_parent(divided):
    cloud, _, before = divided
    shrunk = before["log_scales"][[0, 2, 3, 5, 2, 5]].clone()
    shrunk[[1, 3, 4, 5]] -= np.log(1.6)
    torch.testing.assert_close(cloud.raw()["log_scales"], shrunk)
    step = cloud.raw()["means"][4:] - before["means"][[2, 5]]
    assert (step.abs().sum(1) > 0).all()
    assert (step.abs() < 4 * before["log_scales"][[2, 5]].exp()).all()


def test_momentum_follows_its_gaussian_and_children_start_without(divided):
    cloud, optimizer, _ = divided
    for name in PARAMETERS:
        state = optimizer.state[getattr(cloud, name)]
        for key in ("exp_avg", "exp_avg_sq"):
            assert state[key].shape == getattr(cloud, name).shape
            assert state[key].reshape(6, -1).amax(1).tolist() == [1, 3, 4, 6, 0, 0]
        assert state["step"] == 1


def test_the_optimizer_goes_on_with_the_new_parameters_only(divided):
    cloud, optimizer, _ = divided
    in_groups = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert {id(p) for p in in_groups} == {id(p) for p in cloud.parameters()} == {id(p) for p in optimizer.state}
    assert all(group["lr"] == 1e-3 for group in optimizer.param_groups)
    before = cloud.means.detach().clone()
    cloud.means.square().sum().backward()
    optimizer.step()
    assert ((cloud.means - before).abs() > 0).all()


def test_the_same_seed_divides_the_same_way():
    results = []
    for seed in (3, 3, 4):
        cloud, optimizer = cloud_with_memory()
        divide_and_prune(cloud, optimizer, (KEEP, DIVIDE), 1.6, seeded(seed))
        results.append(cloud.raw()["means"])
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_before_the_first_step_there_is_no_memory_to_move():
    cloud = GaussianCloud(3)
    optimizer = torch.optim.Adam([{"params": [getattr(cloud, name)]} for name in PARAMETERS], fused=True)
    divide_and_prune(cloud, optimizer, (torch.ones(3, dtype=bool), torch.tensor([1, 0, 0]).bool()), 1.5, seeded())
    sum(getattr(cloud, name).square().sum() for name in PARAMETERS).backward()
    optimizer.step()
    assert len(cloud) == 4 and optimizer.state[cloud.means]["exp_avg"].shape == (4, 3)


def test_a_cloud_may_die_out_and_stay_empty():
    cloud, optimizer = cloud_with_memory()
    nothing = torch.zeros(6, dtype=bool)
    divide_and_prune(cloud, optimizer, (nothing, nothing), 1.5, seeded())
    assert len(cloud) == 0
    empty = torch.zeros(0, dtype=bool)
    divide_and_prune(cloud, optimizer, (empty, empty), 1.5, seeded())
    sum(getattr(cloud, name).square().sum() for name in PARAMETERS).backward()
    optimizer.step()
