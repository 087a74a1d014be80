"""What an engine hands over: sound as it came, and its phonemes in IPA."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Phone:
    """One phoneme: its span in seconds and its IPA symbol, "" where nothing is said."""

    start_s: float
    end_s: float
    ipa: str

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Spoken:
    """samples [S] float32 in -1..1 at `hz`, mono; phones in order of time."""

    samples: np.ndarray
    hz: int
    phones: list[Phone]
