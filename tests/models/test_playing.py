"""Frames in batches: the same pictures in the same order, padding unseen, graphs recorded once or left alone."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from pgstalker.models.playing import Downloads, Replayed, batches, play
from tests.models.faces import SIDE, small_talker
from tests.models.test_talker import FRAMES, drive

CPU = torch.device("cpu")


def expanded(count: int, size: int) -> list[tuple[list[int], int]]:
    return [
        (list(range(count))[index] if isinstance(index, slice) else index, kept)
        for index, kept in batches(count, size)
    ]  # fmt: skip


def test_batches_have_one_size_and_name_every_frame_once():
    assert expanded(5, 2) == [([0, 1], 2), ([2, 3], 2), ([4, 4], 1)]
    assert expanded(2, 4) == [([0, 1, 1, 1], 2)]
    assert expanded(4, 4) == [([0, 1, 2, 3], 4)] and expanded(0, 3) == []
    assert isinstance(next(batches(4, 4))[0], slice)  # no copy to the device


@pytest.mark.parametrize(
    "options", [{}, {"fusion": "concat"}, {"fusion": "region-attention"}, {"torso": "gt"}], ids=str
)
def test_a_batch_moves_gaussians_as_frames_one_by_one_do(options):
    talker = small_talker(seed=2, **options)
    controls = talker.controls(drive())
    with torch.no_grad():
        together = talker(controls, still=talker.still())
        at_rest = talker(controls, is_static=True)
        for frame in range(FRAMES):
            alone, resting = talker(controls[frame]), talker(controls[frame], is_static=True)
            for name in ("means", "quats", "scales", "motion", "colors"):
                torch.testing.assert_close(getattr(together, name)[frame], getattr(alone, name), atol=2e-5, rtol=1e-5)
                torch.testing.assert_close(getattr(at_rest, name)[frame], getattr(resting, name), atol=2e-5, rtol=1e-5)
    assert together.opacities.shape == (len(alone.means),)


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("batch", [2, 3, 8])
def test_batches_are_the_same_pictures(backend, batch):
    talker = small_talker()
    one = np.stack(list(talker.render(drive(), backend=backend, batch=1)))
    many = np.stack(list(talker.render(drive(), backend=backend, batch=batch)))
    assert many.shape == one.shape == (FRAMES, SIDE, SIDE, 3) and many.dtype == np.uint8
    assert np.abs(many.astype(int) - one).max() <= 1  # a batched product of matrices rounds otherwise
    assert (many == one).mean() > 0.999


def test_each_frame_has_its_own_background():
    talker = small_talker(torso="gt")
    backgrounds = [np.full((SIDE, SIDE, 3), 40 * number, np.uint8) for number in range(FRAMES)]
    frames = list(talker.render(drive(), backgrounds=iter(backgrounds), batch=2))
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 40, 80, 120, 160]
    with pytest.raises(AssertionError, match="fewer backgrounds"):
        list(talker.render(drive(), backgrounds=iter(backgrounds[:3]), batch=2))


def test_an_empty_drive_has_no_frames():
    talker = small_talker()
    assert list(play(talker, talker.controls(drive())[:0])) == []


def test_rendering_leaves_gradients_on_for_whoever_takes_the_frames():
    talker = small_talker()
    frames = talker.render(drive(), batch=2)
    next(frames)
    assert torch.is_grad_enabled()
    frames.close()


def test_what_changes_between_drives_is_seen():
    talker = small_talker()
    before = next(talker.render(drive()))
    with torch.no_grad():
        talker.face.triplane.planes.normal_()
    assert np.abs(next(talker.render(drive())).astype(int) - before).mean() > 0.02


def test_a_function_is_recorded_once_and_replayed():
    recorded, calls = [], []

    def record(function, inputs):
        recorded.append([tensor.shape for tensor in inputs])
        held = torch.empty(3)

        def replay(value):  # as a graph does: the same memory each time
            calls.append(1)
            return (held.copy_(*function(value)),)

        return replay

    replayed = Replayed(lambda x: (2 * x,), CPU, record)
    first = replayed(torch.ones(3))[0]
    assert first.tolist() == [2, 2, 2]
    assert replayed(torch.full((3,), 2.0))[0].tolist() == [4, 4, 4] == first.tolist()
    assert recorded == [[(3,)]] and len(calls) == 2
    with pytest.raises(AssertionError, match="one shape"):
        replayed(torch.ones(4))


def test_where_recording_fails_the_function_is_called(caplog):
    tries = []

    def record(function, inputs):
        tries.append(1)
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    replayed = Replayed(lambda x: (2 * x,), CPU, record)
    with caplog.at_level(logging.WARNING):
        assert [replayed(torch.tensor(x))[0].item() for x in (1.0, 2.0, 3.0)] == [2, 4, 6]
    assert len(tries) == 1 and len(caplog.records) == 1
    assert "no CUDA graph (operation not permitted when stream is capturing)" in caplog.text


def test_what_the_function_itself_does_wrong_is_not_hidden():
    def wrong(x):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Replayed(wrong, CPU)(torch.ones(1))


def test_the_cpu_needs_no_copy():
    host, pictures = Downloads(CPU), torch.arange(2 * 12, dtype=torch.uint8).view(2, 2, 2, 3)
    received = host.receive(host.send(pictures, 1))
    assert len(received) == 1 and received[0].base is not None
    np.testing.assert_array_equal(received[0], pictures[0].numpy())
