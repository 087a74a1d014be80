"""How far the mouth lags behind the sound, asked of the clip itself.

Sound that belongs to a mouth predicts it. For each lag a ridge regression from log-mel windows to the mouth's opening,
width and jaw is fitted on four fifths of the clip and judged on the rest; the lag where the judged correlation peaks
is the clip's, and how far the peak stands above the median says whether to believe it. In short clips speech in step
and speech out of step give confidences that overlap, so the lag is applied only to clips of 20 s and more. One frame
of lag is inside the window: it is neither found nor worth a correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgstalker.types import FPS

MAX_LAG = 12
CONTEXT = 5  # mel columns on either side of the frame's middle: 100 ms in all
RIDGE = 500.0
FOLDS, GAP = 5, 8  # frames left out on either side of a judged fold
SLOW_FRAMES = 15.0  # sigma: posture and mood, slower than speech, are taken off the mouth tracks
BELIEVED, WORTH, LEAST_SECONDS = 0.33, 2, 20.0


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
    from scipy.ndimage import gaussian_filter1d

    quick = mouth - gaussian_filter1d(mouth, SLOW_FRAMES, axis=0)
    spread = quick.std(0)
    if not spread.all():
        return Lag(0, 0.0, 0)
    windows = _windows(samples, len(mouth))
    lags = np.arange(-MAX_LAG, MAX_LAG + 1)
    scores = np.array([_judged_correlation(windows, quick / spread, int(lag)) for lag in lags])
    confidence = float(np.clip(scores.max() - np.median(scores), 0, 1))
    top = np.clip(scores - 0.8 * scores.max(), 0, None) * (np.abs(lags - lags[np.argmax(scores)]) <= 3)
    lag = int(np.round((top * lags).sum() / top.sum())) if confidence > 0 else 0  # the middle of a broad peak
    is_sure = confidence > BELIEVED and abs(lag) >= WORTH and len(mouth) >= LEAST_SECONDS * FPS
    return Lag(lag, confidence, lag if is_sure else 0)


def _windows(samples: np.ndarray, frames: int) -> np.ndarray:
    """[T, columns * bands]: normalised log-mel columns around the middle of each frame."""
    from pgstalker.audio.mel import COLUMNS_PER_FRAME, log_mel

    energies = log_mel(samples)[: frames * COLUMNS_PER_FRAME]
    energies = energies.reshape(len(energies), -1, 2).mean(-1)  # pairs of bands: an eighth of the solver's work
    energies = (energies - energies.mean(0)) / (energies.std(0) + 1e-3)
    short = frames * COLUMNS_PER_FRAME - len(energies)
    padded = np.pad(energies, ((CONTEXT, CONTEXT + short), (0, 0)), mode="edge")
    middles = CONTEXT + COLUMNS_PER_FRAME // 2 + COLUMNS_PER_FRAME * np.arange(frames)
    return padded[middles[:, None] + np.arange(-CONTEXT, CONTEXT + 1)].reshape(frames, -1).astype(np.float64)


def _judged_correlation(windows: np.ndarray, mouth: np.ndarray, lag: int) -> float:
    """Mean correlation of the three mouth tracks, `lag` frames later, with their out-of-fold predictions."""
    frames = len(mouth) - abs(lag)
    sound, moved = windows[max(-lag, 0) :][:frames], mouth[max(lag, 0) :][:frames]
    sound, moved = sound - sound.mean(0), moved - moved.mean(0)
    gram, cross = sound.T @ sound, sound.T @ moved
    damping = RIDGE * np.eye(len(gram))
    predicted = np.empty_like(moved)
    for fold in range(FOLDS):
        judged = slice(frames * fold // FOLDS, frames * (fold + 1) // FOLDS)
        hidden = slice(max(0, judged.start - GAP), judged.stop + GAP)
        weights = np.linalg.solve(
            gram - sound[hidden].T @ sound[hidden] + damping, cross - sound[hidden].T @ moved[hidden]
        )
        predicted[judged] = sound[judged] @ weights
    return float(np.mean([np.corrcoef(predicted[:, track], moved[:, track])[0, 1] for track in range(3)]))
