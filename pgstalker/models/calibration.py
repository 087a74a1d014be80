"""A regression hears the mean mouth: lips stay parted at m, b, p, and wide vowels open two thirds. This undoes it.

Quantile matching: predictions that were made without having seen the frame (cross-fitted) are laid, quantile by
quantile, on what the mouth really did. A monotone map per code element, so that order, and so timing, is untouched.

A prediction that is wrong half the time still must close the lips as often as not: CLOSING takes low quantiles of the
heard aperture to lower ones of the true, so that more frames close than did. benchmarks/hearing.py
measures what that does to closure.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pgstalker.models.layout import KNOTS

CLOSING = 0.9


class Calibration(nn.Module):
    """Piecewise linear, per code element: heard [C, KNOTS] -> true [C, KNOTS]; the identity until fitted."""

    def __init__(self, code_size: int):
        super().__init__()
        line = torch.linspace(-4, 4, KNOTS).repeat(code_size, 1)
        self.register_buffer("heard", line.clone())
        self.register_buffer("true", line.clone())

    def fit(
        self, heard: np.ndarray, true: np.ndarray, strength: np.ndarray | float = 1.0, closing: float = 0.0
    ) -> None:
        """heard, true [T, C] of training frames; strength [C] or one: 0 keeps the prediction, 1 matches the true
        distribution. closing in [0, 1] lowers small values of the first element, the lips' aperture, further."""
        levels = np.linspace(0.01, 0.99, KNOTS)
        before = np.quantile(heard, levels, axis=0).T
        before[0] = np.quantile(heard[:, 0], levels * (1 + closing * (1 - levels) ** 4))  # rises while closing <= 1
        after = np.quantile(true, levels, axis=0).T
        before += np.arange(KNOTS) * 1e-5  # strictly rising, whatever the data
        self.heard.copy_(torch.as_tensor(before, dtype=torch.float32))
        share = np.broadcast_to(strength, len(before))[:, None]
        self.true.copy_(torch.as_tensor((1 - share) * before + share * after, dtype=torch.float32))

    def forward(self, code: Tensor) -> Tensor:
        """[T, C] -> [T, C]; beyond the outermost knots the map goes on with slope 1."""
        columns = code.T.contiguous()
        index = torch.searchsorted(self.heard, columns).clamp(1, KNOTS - 1)
        low, high = self.heard.gather(1, index - 1), self.heard.gather(1, index)
        start, stop = self.true.gather(1, index - 1), self.true.gather(1, index)
        inside = columns.clamp(self.heard[:, :1], self.heard[:, -1:])
        mapped = start + (stop - start) * (inside - low) / (high - low)
        return (mapped + columns - inside).T
