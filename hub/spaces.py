"""Hugging Face Spaces: a GPU that is lent for the length of a call (ZeroGPU), and rules of a public place."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

SECONDS = 60


def is_public() -> bool:
    """On a Space the label "AI-generated" cannot be turned off."""
    return bool(os.environ.get("SPACE_ID"))


def on_gpu(function: Callable[..., Any], device: str, seconds: int = SECONDS) -> Callable[..., Any]:
    """The function as ZeroGPU runs it, where the package `spaces` is installed and frames are drawn on CUDA; else the
    function itself. There gsplat has to be installed as a built wheel: a Space has no nvcc to build it with, and
    without it the device is the CPU."""
    if device != "cuda" or find_spec("spaces") is None:
        return function
    import spaces

    return spaces.GPU(duration=seconds)(function)
