"""The running average of a model's weights: held-out error swings between single steps, its mean does not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pgstalker.training import checkpoint


class RunningAverage:
    """Of a module's parameters by name; empty until the first add(). decay: of the memory, once it is long."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay = module, decay
        self.weights: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, steps: float) -> None:
        """Take the module's weights in, so many steps after averaging began."""
        decay = min(self.decay, (1 + steps) / (10 + steps))  # a short memory at first, so that the start soon fades
        for name, value in self.module.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name] = value.detach().clone()

    def settle(self) -> None:
        """Give the module the averaged weights, and begin anew."""
        self.module.load_state_dict(self.weights, strict=False)
        self.weights = {}

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint: average/<parameter>."""
        return {f"average/{name}": value for name, value in self.weights.items()}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Take up what state() gave, among other tensors."""
        self.weights = {name: value.to(device) for name, value in checkpoint.under("average/", tensors).items()}
