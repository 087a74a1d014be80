"""How far the mouth lags behind the sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Lag:
    """frames > 0: the mouth comes after the sound. confidence: how far the best lag stands out, None: not measured."""

    frames: int
    confidence: float | None
    applied_frames: int = 0

    def as_dict(self) -> dict:
        return {"lag_frames": self.frames, "lag_confidence": self.confidence, "lag_applied": self.applied_frames != 0}


def measure_lag(samples: np.ndarray, mouth: np.ndarray, valid: np.ndarray) -> Lag:
    return Lag(0, None)
