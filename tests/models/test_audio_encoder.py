"""Members that run side by side hear what each would hear alone."""

from __future__ import annotations

import pytest
import torch

from pgstalker.models.audio_encoder import AudioEncoder, GroupedLinear, neighbours

CHANNELS, WINDOW, FRAMES, OUTPUTS, MEMBERS = 40, 20, 3, 6, 4


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    encoder = AudioEncoder(CHANNELS, WINDOW, FRAMES, OUTPUTS, MEMBERS, 0.3)
    torch.nn.init.normal_(encoder.position)
    return encoder.eval()


def windows(batch: int = 5, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, FRAMES, WINDOW, CHANNELS, generator=torch.Generator().manual_seed(seed))


def test_a_grouped_layer_is_one_layer_per_member():
    torch.manual_seed(0)
    layer = GroupedLinear(3, 7, 2)
    x = torch.randn(3, 5, 7)
    for member in range(3):
        plain = torch.nn.functional.linear(x[member], layer.weight[member].T, layer.bias[member, 0])
        torch.testing.assert_close(layer(x)[member], plain)


def test_each_member_alone_says_the_same(encoder):
    x = windows()
    together = encoder(x)
    assert together.shape == (MEMBERS, 5, OUTPUTS)
    for member in range(MEMBERS):
        alone = encoder.kept([member]).eval()
        torch.testing.assert_close(alone(x)[0], together[member], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(encoder.kept([2, 0]).eval()(x), together[[2, 0]], rtol=1e-5, atol=1e-6)
    assert (together[0] - together[1]).abs().max() > 1e-3  # they are not one and the same


@pytest.mark.parametrize("window", [17, 18, 20, 24])
def test_members_of_any_window_can_be_kept(window):
    encoder = AudioEncoder(5, window, 1, 2, 3, 0.3).eval()
    x = torch.randn(4, 1, window, 5)
    torch.testing.assert_close(encoder.kept([1]).eval()(x)[0], encoder(x)[1], rtol=1e-5, atol=1e-6)


def test_each_member_may_hear_its_own_windows(encoder):
    own = torch.stack([windows(seed=member) for member in range(MEMBERS)])
    together = encoder(own)
    for member in range(MEMBERS):
        torch.testing.assert_close(together[member], encoder(own[member])[member], rtol=1e-5, atol=1e-6)


def test_examples_of_a_batch_do_not_mix(encoder):
    x = windows()
    torch.testing.assert_close(encoder(x)[:, 2:3], encoder(x[2:3]), rtol=1e-5, atol=1e-6)


def test_every_parameter_and_the_sound_get_a_gradient(encoder):
    x = windows().requires_grad_()
    encoder(x).square().mean().backward()
    assert (x.grad.abs().amax((0, 2, 3)) > 0).all()  # every neighbouring frame is listened to
    for name, parameter in encoder.named_parameters():
        if name != "score.bias":  # softmax does not see a constant
            parts = parameter.grad.chunk(MEMBERS, 0)
            assert all(part.abs().max() > 0 for part in parts), name


def test_a_member_learns_from_its_own_loss_alone(encoder):
    encoder(windows())[1].square().sum().backward()
    for name, parameter in encoder.named_parameters():
        parts = parameter.grad.chunk(MEMBERS, 0)
        assert all(parts[member].abs().max() == 0 for member in (0, 2, 3)), name


def test_neighbours_repeat_the_ends():
    features = torch.arange(5.0)[:, None, None].expand(5, 2, 3)
    found = neighbours(features, 3)
    assert found.shape == (5, 3, 2, 3)
    assert found[:, :, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 4]]
    assert neighbours(features, 1)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert neighbours(features[:1], 5)[0, :, 0, 0].tolist() == [0] * 5
