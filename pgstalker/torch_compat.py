"""A torchvision that imports although its compiled operators do not fit this torch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_registered: list[object] = []  # operators are forgotten when the library that defines them is


def load_torchvision() -> ModuleType:
    """Import torchvision; call this before lpips and transformers, which both import it.

    torchvision's CUDA wheel beside a CPU torch cannot load its compiled operators, and then its own import fails
    because it registers shapes for operators that do not exist. Declaring the two it asks for lets it import; calling
    them still raises. A healthy torchvision is imported as it is. Raises what else goes wrong.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    import torch

    # Only after the failure: beside a healthy torchvision these would be declared twice.
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _registered.append(library)
    return importlib.import_module("torchvision")
