"""LPIPS for the refine stage: the real file format with random weights, its absence, and the patches it looks at."""

import pytest
import torch

from pgstalker.training.perceptual import LEAST_SIDE, backbone_path, load_lpips, mouth_patch

CPU = torch.device("cpu")


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """AlexNet's random weights where torchvision keeps the real ones."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    from pgstalker.torch_compat import load_torchvision

    torch.manual_seed(0)
    state = load_torchvision().models.alexnet(weights=None).state_dict()
    backbone_path().parent.mkdir(parents=True)
    torch.save(state, backbone_path())
    return state


def test_absent_weights_are_said_aloud_and_nothing_is_fetched(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    caplog.set_level("INFO")
    assert load_lpips(CPU) is None
    assert str(tmp_path) in caplog.text


def test_the_distance_is_that_of_the_lpips_package_with_this_backbone(backbone):
    distance = load_lpips(CPU)
    image = torch.rand(3, 64, 80, requires_grad=True)
    target = torch.rand(3, 64, 80)
    value = distance(image, target)
    assert value > 0
    assert distance(target, target) == 0
    value.backward()
    assert image.grad.abs().sum() > 0

    import lpips

    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = dict(reference.net.named_parameters())
    with torch.no_grad():
        for name, parameter in layers.items():
            parameter.copy_(backbone[f"features.{name.split('.', 1)[1]}"])
    expected = reference(image[None].detach() * 2 - 1, target[None] * 2 - 1)
    torch.testing.assert_close(value.detach(), expected.detach().squeeze())


@pytest.mark.parametrize("box", [(0, 5, 0, 5), (120, 128, 120, 128), (10, 100, 20, 110), (60, 62, 0, 128)])
def test_a_patch_is_large_enough_and_inside_the_picture(box):
    patch = mouth_patch(torch.zeros(3, 128, 128), box)
    assert min(patch.shape[1:]) >= LEAST_SIDE
    assert max(patch.shape[1:]) <= 128


def test_a_picture_smaller_than_the_patch_is_taken_whole():
    assert mouth_patch(torch.zeros(3, 48, 48), (10, 20, 10, 20)).shape == (3, 48, 48)
