"""The ear as it is trained, in torch. Its numpy twin, which ships, is pgstalker.audio.viseme.listen."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from pgstalker.audio.mel import CHANNELS
from pgstalker.audio.viseme import LAYERS, OUTPUTS, WIDTH


class EarNetwork(nn.Module):
    """Normalised mel columns [B, K, CHANNELS] -> viseme logits and tracks [B, K - BEFORE - AHEAD, OUTPUTS]."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(WIDTH if index else CHANNELS, WIDTH, taps, dilation=distance)
            for index, (taps, distance, _) in enumerate(LAYERS)
        )
        self.head = nn.Linear(WIDTH, OUTPUTS)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel.transpose(1, 2)
        for index, (convolution, (taps, distance, ahead)) in enumerate(zip(self.convolutions, LAYERS, strict=True)):
            y = F.relu(convolution(x))
            before = (taps - 1) * distance - ahead
            x = y + x[:, :, before : before + y.shape[2]] if index else y
        return self.head(x.transpose(1, 2))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The weights by the names and shapes of pgstalker.audio.viseme.shapes."""
        arrays = {}
        for index, convolution in enumerate(self.convolutions):
            arrays[f"conv{index}.weight"] = convolution.weight.detach().permute(2, 1, 0).numpy()
            arrays[f"conv{index}.bias"] = convolution.bias.detach().numpy()
        head = {"head.weight": self.head.weight.detach().T.numpy(), "head.bias": self.head.bias.detach().numpy()}
        return {name: np.ascontiguousarray(array) for name, array in (arrays | head).items()}


def score(outputs: Tensor, visemes: Tensor, tracks: Tensor, classes: int) -> Tensor:
    """Cross entropy of the viseme posteriors plus squared error of the tracks."""
    entropy = F.cross_entropy(outputs[..., :classes].flatten(0, -2), visemes.flatten(), label_smoothing=0.05)
    return 0.5 * entropy + F.mse_loss(outputs[..., classes:], tracks)
