"""The cloud: activations, and replacement."""

from __future__ import annotations

import torch

from pgstalker.gaussians import PARAMETERS, GaussianCloud
from pgstalker.gaussians.cloud import MAX_OPACITY


def test_activated_values_are_in_range():
    cloud = GaussianCloud(5)
    with torch.no_grad():
        cloud.opacity_logits.copy_(torch.tensor([-50.0, -1, 0, 1, 50]))
        cloud.log_scales.copy_(torch.linspace(-3, 3, 15).view(5, 3))
    assert cloud.opacities[0] >= 0 and cloud.opacities[4] <= MAX_OPACITY < 1
    assert cloud.opacities[2] == MAX_OPACITY / 2
    torch.testing.assert_close(cloud.scales, cloud.log_scales.exp())
    assert torch.equal(cloud.quats, torch.tensor([[1.0, 0, 0, 0]]).expand(5, 4))


def test_filling_takes_another_count_and_keeps_no_tie_to_the_source():
    cloud = GaussianCloud(2)
    values = {name: torch.rand(9, *getattr(cloud, name).shape[1:]) for name in PARAMETERS}
    cloud.fill(values)
    assert len(cloud) == 9 and set(dict(cloud.named_parameters())) == set(PARAMETERS)
    values["means"].zero_()
    assert cloud.means.abs().sum() > 0 and cloud.means.requires_grad
    again = GaussianCloud(9)
    again.load_state_dict(cloud.state_dict())
    assert all(torch.equal(value, cloud.raw()[name]) for name, value in again.raw().items())
    assert not cloud.raw()["means"].requires_grad
