"""Where tensors live: one choice for training, rendering and the page."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pgstalker.errors import ConfigError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
CHOICES = ("auto", "cpu", "cuda")


@functools.cache
def choose_device(wish: str) -> torch.device:
    """ "auto", "cpu" or "cuda" to the device that there is; says which and why where it chose. Raises ConfigError."""
    import torch

    if wish not in CHOICES:
        raise ConfigError(f"--device {wish} is unknown; use one of: {', '.join(CHOICES)}")
    has_cuda = torch.cuda.is_available()
    if wish == "cuda" and not has_cuda:
        raise ConfigError("--device cuda: torch sees no CUDA device; use --device cpu or auto")
    chosen = "cuda" if has_cuda and wish != "cpu" else "cpu"
    if wish == "auto":
        log.info("device %s, since %s", chosen, "CUDA is there" if has_cuda else "there is no CUDA device")
    return torch.device(chosen)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch itself on one thread within the block.

    A frame is many small tensor operations, and meeting at a barrier after each costs more than a second core brings;
    the large work, in the numba kernels, shares the cores by itself. It also makes sums, and so results, the same on
    any number of cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
