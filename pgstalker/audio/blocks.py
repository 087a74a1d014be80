"""Sound of any chunking, cut into one piece per video frame: what everything that streams stands on.

Each piece has the same length wherever the chunks were cut, so that the same numbers go through the same operations in
the same order, and a stream equals the whole file to the last bit.
"""

from __future__ import annotations

import numpy as np

from pgstalker.types import FPS, SAMPLE_RATE_HZ

FRAME_SAMPLES = SAMPLE_RATE_HZ // FPS
COLUMNS_PER_FRAME = 4
HOP = FRAME_SAMPLES // COLUMNS_PER_FRAME


class FrameBlocks:
    """Frame i's piece holds samples [640 i - margin, 640 (i + 1) + margin); beyond the ends there is silence."""

    def __init__(self, margin: int):
        self.margin = margin
        self._kept = np.zeros(margin, np.float32)
        self._frames, self._samples = 0, 0

    def push(self, samples: np.ndarray) -> list[np.ndarray]:
        """The pieces [640 + 2 margin] float32 that these samples complete."""
        self._kept = np.concatenate([self._kept, np.asarray(samples, np.float32)])
        self._samples += len(samples)
        pieces, length = [], FRAME_SAMPLES + 2 * self.margin
        count = max(0, (len(self._kept) - 2 * self.margin) // FRAME_SAMPLES)
        for first in range(0, count * FRAME_SAMPLES, FRAME_SAMPLES):
            pieces.append(self._kept[first : first + length])
        self._kept = self._kept[count * FRAME_SAMPLES :]
        self._frames += count
        return pieces

    def finish(self, frames: int | None = None) -> list[np.ndarray]:
        """The pieces that are left, until `frames` in all (default: until every sample has its frame)."""
        samples = self._samples
        wanted = -(-samples // FRAME_SAMPLES) if frames is None else frames
        missing = (wanted - self._frames) * FRAME_SAMPLES + 2 * self.margin - len(self._kept)
        pieces = self.push(np.zeros(max(missing, 0), np.float32))
        self._samples = samples
        return pieces


def columns_of(piece: np.ndarray, window: int) -> np.ndarray:
    """The frame's four columns [4, window] of a piece whose margin is (window - HOP) / 2; the hop is 10 ms."""
    return np.lib.stride_tricks.sliding_window_view(piece, window)[::HOP][:COLUMNS_PER_FRAME]
