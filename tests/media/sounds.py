"""A sound whose place in time can be read to the sample."""

import numpy as np


def clicks(rate_hz: int, seconds: int) -> np.ndarray:
    """Float32 [S]: one click in the middle of each second."""
    samples = np.zeros(rate_hz * seconds, np.float32)
    samples[rate_hz // 2 :: rate_hz] = 0.9
    return samples


def lag(heard: np.ndarray, sent: np.ndarray) -> int:
    """Samples by which `heard` comes after `sent`, from their cross-correlation."""
    length = len(heard) + len(sent)
    spectrum = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(sent, length))
    peak = int(np.argmax(np.fft.irfft(spectrum, length)))
    return peak if peak < len(heard) else peak - length
