"""Playing on a CUDA device: merged frames, graphs and half precision against the plain way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgstalker.models import playing
from pgstalker.models.playing import Downloads, Replayed, precision, record_cuda
from pgstalker.rendering import rasterize, rasterize_frames, render_uint8, render_uint8_frames
from tests.models.faces import small_talker
from tests.models.test_talker import FRAMES, drive
from tests.rendering.scenes import camera_matrix, random_scene

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("needs_gsplat")]
WIDTH, HEIGHT = 80, 64


def scenes(count: int) -> list[list[torch.Tensor]]:
    """Frames of the same Gaussians, moved."""
    first = random_scene(400, 0)
    moved = [first._replace(means=first.means + 0.3 * torch.randn(first.means.shape)) for _ in range(count)]
    return [[tensor.cuda() for tensor in scene] for scene in moved]


def stacked(frames: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    means, quats, scales = (torch.stack(parts) for parts in list(zip(*frames, strict=True))[:3])
    return [means, quats, scales, *frames[0][3:]]


def test_merged_frames_are_the_frames_alone_with_their_gradients_and_coverage():
    torch.manual_seed(0)
    frames, plates = scenes(3), torch.rand(3, 3, HEIGHT, WIDTH, device="cuda")
    weight = torch.randn(3, HEIGHT, WIDTH, device="cuda")
    camera = camera_matrix(WIDTH, HEIGHT)
    together = [tensor.requires_grad_() for tensor in stacked(frames)]
    merged = rasterize_frames(*together, camera, WIDTH, HEIGHT, background=plates)
    torch.stack([(one.image * weight).sum() for one in merged]).sum().backward()
    colors = torch.zeros_like(together[4])
    for number, frame in enumerate(frames):
        leaves = [tensor.detach().clone().requires_grad_() for tensor in frame]
        alone = rasterize(*leaves, camera, WIDTH, HEIGHT, background=plates[number])
        (alone.image * weight).sum().backward()
        torch.testing.assert_close(merged[number].image, alone.image, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(merged[number].means2d_grad(), alone.means2d_grad(), atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(together[0].grad[number], leaves[0].grad, atol=1e-3, rtol=1e-3)
        region = torch.rand(HEIGHT, WIDTH, device="cuda")
        for mine, own in zip(merged[number].coverage(region), alone.coverage(region), strict=True):
            torch.testing.assert_close(mine, own, atol=1e-3, rtol=1e-3)
        colors += leaves[4].grad
    torch.testing.assert_close(together[4].grad, colors, atol=1e-3, rtol=1e-3)


def test_pictures_come_as_bytes():
    frames, plate = scenes(2), torch.rand(3, HEIGHT, WIDTH, device="cuda")
    camera = camera_matrix(WIDTH, HEIGHT)
    pictures = render_uint8_frames(*stacked(frames), camera, WIDTH, HEIGHT, background=plate)
    assert pictures.shape == (2, HEIGHT, WIDTH, 3) and pictures.dtype == torch.uint8 and pictures.is_cuda
    for picture, frame in zip(pictures.cpu().numpy(), frames, strict=True):
        alone = render_uint8(*frame, camera, WIDTH, HEIGHT, background=plate)
        assert np.abs(picture.astype(int) - alone).max() <= 1
    none = [tensor[..., :0, :] if tensor.ndim > 1 else tensor[:0] for tensor in stacked(frames)]
    empty = render_uint8_frames(*none, camera, WIDTH, HEIGHT, background=plate)
    expected = (plate * 255 + 0.5).to(torch.uint8).permute(1, 2, 0)
    assert (empty == expected).all()


@pytest.mark.parametrize("fusion", ["gated", "concat", "region-attention"])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_graph_and_half_precision_change_no_picture(monkeypatch, fusion, batch):
    """Within one grey level on 99.9 % of the values, against single frames in full precision on the CPU and here."""
    monkeypatch.setattr(playing, "RECORD_FROM", 1)
    talker = small_talker(fusion=fusion)
    on_cpu = np.stack(list(talker.render(drive())))
    talker = talker.cuda()
    fast = np.stack(list(talker.render(drive(), batch=batch)))
    monkeypatch.setattr(playing, "precision", lambda device: torch.autocast("cuda", enabled=False))
    monkeypatch.setattr(playing, "record_cuda", lambda function, inputs: function)
    exact = np.stack(list(talker.render(drive(), batch=1)))
    assert len(fast) == len(exact) == FRAMES
    for truth in (exact, on_cpu):
        assert (np.abs(fast.astype(int) - truth) <= 1).mean() >= 0.999


def test_a_graph_repeats_the_function_and_follows_its_inputs():
    layer = torch.nn.Linear(8, 4).cuda()
    replayed = Replayed(lambda x: (layer(x),), torch.device("cuda"), record_cuda)
    with torch.no_grad():
        for _ in range(3):
            x = torch.randn(5, 8, device="cuda")
            torch.testing.assert_close(replayed(x)[0], layer(x))
    assert replayed._replay is not None


def test_networks_run_in_half_precision_and_places_do_not():
    talker = small_talker().cuda()
    with torch.no_grad(), precision(talker.device):
        still = talker.still()
        splats = talker(talker.controls(drive()), still=still)
    assert {part.dtype for part in still.face} == {torch.float16}
    assert {tensor.dtype for tensor in (splats.means, splats.quats, splats.scales)} == {torch.float32}


def test_downloads_do_not_overwrite_what_was_handed_out():
    host, kept = Downloads(torch.device("cuda")), []
    waiting = None
    for number in range(5):
        begun = host.send(torch.full((2, 4, 4, 3), number, dtype=torch.uint8, device="cuda"), 2)
        if waiting is not None:
            kept += host.receive(waiting)
        waiting = begun
    kept += host.receive(waiting)
    assert [int(picture.max()) for picture in kept] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [int(picture.min()) for picture in kept] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
