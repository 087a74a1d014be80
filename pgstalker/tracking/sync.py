"""How far a clip's mouth lags behind its sound, and whether that is worth a correction.

The measure is pgstalker.audio.sync: fitted once, to our own speech, so that eight seconds are enough. Its zero is that
of the presenters' articulation; real lips were found up to a frame ahead of it. A lag is applied only where it stands
out: above what chance reaches in this clip, and above what mouths reach with other people's sound. One frame of lag
lies inside the window that hearing listens to: it is worth no correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgstalker.audio.sync import sync_ridge

BELIEVED = 0.3
"""Above what mouths of real clips were seen to reach with other people's sound."""
WORTH = 2


@dataclass(frozen=True)
class Lag:
    """frames > 0: the mouth comes after the sound; confidence in [0, 1]; applied_frames: what the sound is moved by."""

    frames: int
    confidence: float
    applied_frames: int

    def as_dict(self) -> dict:
        return {
            "lag_frames": self.frames,
            "lag_confidence": round(self.confidence, 3),
            "lag_applied": self.applied_frames != 0,
        }


def measure_lag(samples: np.ndarray, mouth: np.ndarray) -> Lag:
    """samples [S] 16 kHz mono beginning with frame 0; mouth [T, 3]: opening, width and jaw at 25 fps."""
    found = sync_ridge(samples, mouth)
    is_sure = found.confidence > max(found.null, BELIEVED) and abs(found.lag_frames) >= WORTH
    return Lag(found.lag_frames, float(np.clip(found.confidence, 0, 1)), found.lag_frames if is_sure else 0)
