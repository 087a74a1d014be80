"""16-bit mono WAV as the engines write it."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from pgstalker.errors import MediaError


def read_wave(path: Path) -> tuple[np.ndarray, int]:
    """samples [S] float32 in -1..1 and their rate in Hz. Raises MediaError for another format."""
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise MediaError(f"{path.name} is not 16-bit mono: its engine was changed")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(
                np.float32
            ) / 32768, file.getframerate()
    except (wave.Error, EOFError) as error:
        raise MediaError(f"{path.name} is not a WAV file ({error})") from None
