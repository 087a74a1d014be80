"""LPIPS on the mouth, for the refine stage, where its weights are on this machine; nothing is ever downloaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pgstalker.weights import told_apart

log = logging.getLogger(__name__)
BACKBONE = "alexnet-owt-7be5be79.pth"
SOURCE = f"https://download.pytorch.org/models/{BACKBONE}"
LEAST_SIDE = 64
"""px: AlexNet's strides leave nothing of a smaller patch."""


def backbone_path() -> Path:
    """Where torchvision keeps AlexNet's weights: $TORCH_HOME/hub/checkpoints."""
    home = os.environ.get("TORCH_HOME") or Path.home() / ".cache" / "torch"
    return Path(home) / "hub" / "checkpoints" / BACKBONE


def load_lpips(device: torch.device, path: Path | None = None) -> Callable[[Tensor, Tensor], Tensor] | None:
    """A distance of two patches [3, h, w] in [0, 1] (LPIPS v0.1, AlexNet; Zhang et al. 2018), or None, said aloud.

    path is AlexNet's weights; backbone_path() where none is given. Raises WeightsError where the file is not AlexNet's.
    """
    path = path or backbone_path()
    if not path.is_file():
        log.info("LPIPS weights are not at %s: the refine stage sharpens with SSIM alone", path)
        return None
    from pgstalker.torch_compat import load_torchvision

    load_torchvision()
    import lpips

    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    slices = dict(network.net.named_parameters())
    with told_apart(path, f"AlexNet's {BACKBONE}", SOURCE):
        weights = torch.load(path, map_location="cpu", weights_only=True)
        features = {name.removeprefix("features."): value for name, value in weights.items() if name[:9] == "features."}
        network.load_state_dict(
            {f"net.{name}": features[name.split(".", 1)[1]] for name in slices} | _heads(network), strict=True
        )
    network = network.to(device).requires_grad_(False)
    return lambda image, target: network(image[None], target[None], normalize=True).mean()


def _heads(network: torch.nn.Module) -> dict[str, Tensor]:
    """What is not the backbone: the linear heads that come with the package."""
    return {name: value for name, value in network.state_dict().items() if not name.startswith("net.slice")}


def mouth_patch(picture: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The box (top, bottom, left, right) of picture [3, H, W], grown to LEAST_SIDE and clamped to the picture."""
    _, height, width = picture.shape
    top, bottom = _grown(box[0], box[1], height)
    left, right = _grown(box[2], box[3], width)
    return picture[:, top:bottom, left:right]


def _grown(low: int, high: int, side: int) -> tuple[int, int]:
    length = min(side, max(LEAST_SIDE, int(high - low)))
    start = min(max(0, (int(low) + int(high) - length) // 2), side - length)
    return start, start + length
