"""Which rasterizer draws: numba on the CPU, gsplat on CUDA, plain torch anywhere (the oracle)."""

from __future__ import annotations

import functools
import logging

import torch

from pgstalker.errors import ConfigError, EnvironmentMissing

log = logging.getLogger(__name__)

BACKENDS = ("numba", "gsplat", "reference")


@functools.lru_cache
def choose_backend(device: torch.device, requested: str = "auto") -> str:
    """The backend for tensors on `device`, logged once with the reason.

    requested: "auto" or one of BACKENDS. Raises ConfigError for an unknown or unfitting one, EnvironmentMissing where
    gsplat cannot run.
    """
    if requested not in ("auto", *BACKENDS):
        raise ConfigError(f"unknown rendering backend {requested!r}: choose auto, {', '.join(BACKENDS)}")
    fitting = {"cpu": "numba", "cuda": "gsplat"}.get(device.type, "reference")
    backend = fitting if requested == "auto" else requested
    if backend not in (fitting, "reference"):
        raise ConfigError(f"backend {backend} cannot draw tensors on {device}: use --device or backend {fitting}")
    if backend == "gsplat":
        _check_gsplat()
    reason = f"the tensors are on {device.type}" if requested == "auto" else "it was asked for"
    log.info("rendering backend: %s, since %s", backend, reason)
    return backend


def _check_gsplat() -> None:
    from pgstalker.rendering.cuda import why_unusable

    reason = why_unusable()
    if reason:
        raise EnvironmentMissing(f"gsplat cannot draw on this CUDA device ({reason}): mend that or use --device cpu")
