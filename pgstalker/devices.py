"""Where tensors live: one choice for training, rendering and the page."""

from __future__ import annotations

import functools
import logging
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
