"""Frames of a Talker: batch after batch, the next being drawn while the last is handed out.

once per drive     what is static in the networks (Talker.still), opacities
each batch         network ─► Gaussians [B, N, ...] ─► one rasterizer call ─► uint8 on the device ─► host
                   \\__ a CUDA graph __/

On CUDA the network is many small kernels: recorded once as a graph for the batch's fixed shape it is one launch,
and the last batch is padded to that shape. The rasterizer stays outside, since gsplat asks the host how many
intersections there are. The networks run in half precision; places, poses and pictures do not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pgstalker.rendering import render_uint8_frames

if TYPE_CHECKING:
    from pgstalker.models.talker import Controls, Splats, Talker

log = logging.getLogger(__name__)
BATCH = 16
WARM_UP = 3
RECORD_FROM = WARM_UP + 1
"""Batches: to record a graph the network runs as often, and a shorter drive is drawn by then."""
_recording = threading.Lock()  # two at once in one process disturb each other
Tensors = tuple[Tensor, ...]


def play(
    talker: Talker,
    controls: Controls,
    backgrounds: Iterator[np.ndarray] | None = None,
    backend: str = "auto",
    batch: int | None = None,
) -> Generator[np.ndarray, None, None]:
    """Frames [H, W, 3] uint8 of controls [T, ...], in order; arguments as Talker.render()."""
    size = batch or (BATCH if talker.device.type == "cuda" else 1)
    assert size >= 1, f"batch {size}"
    if not len(controls):
        return
    camera, side = torch.as_tensor(talker.camera.matrix(), dtype=torch.float32), talker.size
    host = Downloads(talker.device)
    waiting = None
    with torch.no_grad():
        is_long = len(controls) >= RECORD_FROM * size
        network, opacities = _network(talker, type(controls), is_long), talker.opacities()
    for index, kept in batches(len(controls), size):
        with torch.no_grad():  # not around a yield: it would hold for whoever takes the frames
            background = talker.plate if backgrounds is None else _stacked(backgrounds, kept, size, talker.device)
            means, quats, scales, colors = network(*_tensors(controls[index]))
            scene = means, quats, scales, opacities, colors
            pictures = render_uint8_frames(*scene, camera, side, side, background=background, backend=backend)
            begun = host.send(pictures, kept)
        if waiting is not None:
            yield from host.receive(waiting)
        waiting = begun
    if waiting is not None:
        yield from host.receive(waiting)


def batches(count: int, size: int) -> Iterator[tuple[slice | list[int], int]]:
    """Which frames make each batch, `size` of them, and how many are not padding: the last batch is filled up with its
    last frame. Slices where they will do, since a list of numbers is a copy to the device, for which the host waits."""
    for start in range(0, count, size):
        kept = min(size, count - start)
        whole = slice(start, start + size)
        yield whole if kept == size else [*range(start, count)] + [count - 1] * (size - kept), kept


def _network(talker: Talker, kind: type[Controls], is_long: bool) -> Callable[..., Tensors]:
    """Controls' tensors [B, ...] to means, quats, scales and colours [B, N, *]; recorded where the drive is long."""
    with precision(talker.device):
        still = talker.still()

    def moved(*inputs: Tensor) -> Tensors:
        with precision(talker.device):
            splats: Splats = talker(kind(*inputs), still=still)
        return splats.means, splats.quats, splats.scales, splats.colors

    return Replayed(moved, talker.device) if is_long else moved


def precision(device: torch.device) -> AbstractContextManager[Any]:
    """Half precision for networks on CUDA. float16, not bfloat16: places need more than bfloat16's
    8 bits. No cache: what a graph records must not point into one."""
    return torch.autocast("cuda", torch.float16, cache_enabled=False) if device.type == "cuda" else nullcontext()


def _tensors(controls: Controls) -> Tensors:
    return tuple(getattr(controls, field.name) for field in fields(controls))


def _stacked(backgrounds: Iterator[np.ndarray], kept: int, size: int, device: torch.device) -> Tensor:
    """The next `kept` pictures, padded, as [size, 3, H, W] uint8."""
    pictures = list(islice(backgrounds, kept))
    assert len(pictures) == kept, "there are fewer backgrounds than frames"
    pictures += [pictures[-1]] * (size - kept)
    return torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2)


class Replayed:
    """function(*tensors) -> tensors of a fixed shape, recorded at the first call and replayed from then on.

    record(function, inputs) makes the replaying form, which may hand out the same memory each time; None calls the
    function plainly, as everywhere but on CUDA. Where recording fails the function is called plainly, and a line says
    so."""

    def __init__(self, function: Callable[..., Tensors], device: torch.device, record: Any = "by device"):
        self._function = function
        self._record = (record_cuda if device.type == "cuda" else None) if record == "by device" else record
        self._replay: Callable[..., Tensors] | None = None
        self._shapes: list[torch.Size] = []

    def __call__(self, *inputs: Tensor) -> Tensors:
        if self._record is not None and self._replay is None:
            try:
                self._replay = self._record(self._function, inputs)
                self._shapes = [tensor.shape for tensor in inputs]
            except RuntimeError as error:
                log.warning(
                    "no CUDA graph (%s): every frame launches its kernels one by one", str(error).split("\n")[0]
                )
                self._record = None
        if self._replay is None:
            return self._function(*inputs)
        assert [tensor.shape for tensor in inputs] == self._shapes, "a recorded function takes one shape"
        return self._replay(*inputs)


def record_cuda(function: Callable[..., Tensors], inputs: Tensors) -> Callable[..., Tensors]:
    """function as a CUDA graph. The tensors that it returns are overwritten by the next call, on the same stream.

    What recording needs (docs.pytorch.org, CUDA semantics, "CUDA graphs"): some runs before on a stream of its own, so
    that libraries have their workspaces, and inputs in memory that stays."""
    with _recording:
        held = tuple(tensor.clone() for tensor in inputs)
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                function(*held)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # the page's other threads may use the device
            outputs = function(*held)

    def replay(*values: Tensor) -> Tensors:
        for place, value in zip(held, values, strict=True):
            place.copy_(value)
        graph.replay()
        return outputs

    return replay


class Downloads:
    """Pictures from the device to the host, through two page-locked buffers in turn, so that nobody waits for a copy
    before its pictures are asked for. At most one send() may lie between a send() and its receive()."""

    def __init__(self, device: torch.device):
        self._is_cuda = device.type == "cuda"
        self._buffers: list[Tensor | None] = [None, None]
        self._turn = 0

    def send(self, pictures: Tensor, kept: int) -> tuple[Tensor, Any]:
        """Begin to copy the first `kept` of pictures [B, H, W, 3]."""
        if not self._is_cuda:
            return pictures[:kept], None
        buffer = self._buffers[self._turn]
        if buffer is None:
            buffer = self._buffers[self._turn] = torch.empty(pictures.shape, dtype=torch.uint8, pin_memory=True)
        self._turn ^= 1
        buffer[:kept].copy_(pictures[:kept], non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return buffer[:kept], done

    def receive(self, begun: tuple[Tensor, Any]) -> list[np.ndarray]:
        """The pictures of a send(), each [H, W, 3], in memory of their own."""
        pictures, done = begun
        if done is None:
            return list(pictures.numpy())
        done.synchronize()
        return list(pictures.numpy().copy())
