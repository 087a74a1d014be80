"""Where a model lives: one choice for training, rendering and the page. torch is loaded only where CUDA may be."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pgstalker.errors import ConfigError

log = logging.getLogger(__name__)
CHOICES = ("auto", "cpu", "cuda")


@functools.cache
def choose_device(wish: str) -> str:
    """ "auto", "cpu" or "cuda" to the device that there is, "cpu" or "cuda"; says which and why where it chose.

    Raises ConfigError for an unknown wish, and for cuda where there is none."""
    if wish not in CHOICES:
        raise ConfigError(f"--device {wish} is unknown; use one of: {', '.join(CHOICES)}")
    if wish == "cpu":
        return "cpu"
    reason = _why_no_cuda()
    if wish == "cuda" and reason:
        raise ConfigError(f"--device cuda: {reason}; use --device cpu or auto")
    chosen = "cpu" if reason else "cuda"
    if wish == "auto":
        log.info("device %s, since %s", chosen, reason or "CUDA is there")
    return chosen


def _why_no_cuda() -> str | None:
    """None where torch can use CUDA. Without an NVIDIA driver torch is not even loaded: that takes seconds."""
    if find_spec("torch") is None:
        return "torch is not installed"
    if sys.platform.startswith("linux") and not Path("/proc/driver/nvidia").exists() and not _has_device_file():
        return "there is no NVIDIA driver"
    import torch

    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def _has_device_file() -> bool:
    return any(Path(name).exists() for name in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"))  # dxg: Windows' Linux


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch itself, where it is loaded, on one thread within the block.

    A frame is many small tensor operations, and meeting at a barrier after each costs more than a second core brings;
    the large work, in the numba kernels, shares the cores by itself. It also makes sums, and so results, the same on
    any number of cores.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
