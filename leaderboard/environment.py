"""The machine and the versions that a record bears."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("numpy", "torch", "lpips", "syncnet-python", "pytorch-msssim", "flip-evaluator", "mediapipe", "pillow")


def environment(device: str, seed: int) -> dict[str, Any]:
    """Names and numbers of this machine, null where they cannot be known."""
    from pgstalker.performance import processor

    gpu = None
    if device == "cuda":
        import torch

        gpu = torch.cuda.get_device_name()
    return {
        "cpu": processor(),
        "gpu": gpu,
        "ram_gb": _memory_gb(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "threads": os.cpu_count(),
        "device": device,
        "precision": "fp32",
        "seed": seed,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    if not hasattr(os, "sysconf"):  # not on Windows
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
