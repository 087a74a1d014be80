"""Stage A of two-stage training: the audio encoder learns the mouth code from landmarks.

Twenty seconds of pictures alone leave the lips almost still (recipe: end-to-end training moves them a quarter of the
way); twenty seconds of landmarks do not. Cross-fitted members, which never saw the frames they predict, are trained in
the same grouped network: they calibrate the amplitude and give the renderer codes like those it will meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from pgstalker.audio.features import AudioFeatures, quiet_features
from pgstalker.measures import pearson
from pgstalker.models.audio_encoder import DROPOUT, AudioEncoder, neighbours
from pgstalker.models.calibration import CLOSING, Calibration

FOLDS = 8
"""Many, so that a member which never saw a frame has learnt from almost as much as the avatar's own: of 20 s, three
seconds more or less tell."""
MEMBERS_PER_FOLD = 3
GAP_FRAMES = 8
"""Kept out on either side of a fold, since neighbouring windows overlap."""
BATCH, MOST_STEPS = 32, 4000
SHIFTS = (-1, 0, 1)
NOISE, BAND_OFFSET, GAIN = 0.3, 0.2, 0.2
CLOSED_WEIGHT, CLOSED_BELOW, CLOSED_BLUR = 2.0, -0.8, 0.2
"""The aperture's error weighs up to 1 + CLOSED_WEIGHT times as much where lips are (almost) closed: they close for a
few frames only, and a mean error hardly notices. The other two are in standard deviations."""
FULLY_HEARD, MATCHED = 0.5, 0.85
"""Correlation of unseen prediction and truth from which a code element is brought to its amplitude, and how far: the
last of it would cost more in correlation than lips gain."""
SILENCE_SHARE = 0.06
QUIET_QUANTILE = 0.05


class EarShape(Protocol):
    """What of a model's configuration decides its audio encoder: neighbours attended to, and networks side by side."""

    @property
    def attention_frames(self) -> int: ...

    @property
    def members(self) -> int: ...


@dataclass
class Hearing:
    """The trained encoder, and for each training frame the code that members which never saw it predict [T, C]."""

    encoder: AudioEncoder
    unseen_codes: np.ndarray


def train_hearing(
    features: AudioFeatures,
    samples: np.ndarray,
    codes: np.ndarray,
    shape: EarShape,
    epochs: int,
    seed: int,
    progress=None,
    valid: np.ndarray | None = None,
) -> Hearing:
    """samples [S] float32 and mouth codes [T, C] of the training part. progress(share, loss) is called now and then.

    valid [T] bool: frames whose code was seen and not interpolated; only from these is learnt. None: all.
    """
    torch.manual_seed(seed)
    frames = len(codes)
    statistics = features.measure(samples)
    variants = torch.stack(
        [
            neighbours(torch.from_numpy(features.extract(samples, frames, statistics, s)), shape.attention_frames)
            for s in SHIFTS
        ]
    )
    quiet = torch.from_numpy(quiet_features(features, statistics))[0]
    target = torch.from_numpy(codes)
    usable = np.ones(frames, bool) if valid is None else valid
    closed = target[usable & (codes[:, 0] <= np.quantile(codes[usable, 0], QUIET_QUANTILE))].mean(0)
    pools = [pool[usable[pool]] for pool in _pools(frames, shape.members)]
    sizes = features.channels, features.window, shape.attention_frames, codes.shape[1], len(pools)
    encoder = AudioEncoder(*sizes, DROPOUT["two-stage"])
    optimizer = torch.optim.AdamW(encoder.parameters(), 2e-3, weight_decay=0.05)
    steps = min(epochs * frames // BATCH, MOST_STEPS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng((seed, 3))
    for step in range(steps):
        index = torch.from_numpy(np.stack([rng.choice(pool, BATCH) for pool in pools]))
        variant = torch.from_numpy(rng.integers(0, len(SHIFTS), index.shape))
        windows = _augment(variants[variant, index], quiet, rng)
        wanted = target[index]
        silent = torch.from_numpy(rng.random(index.shape) < SILENCE_SHARE)
        windows[silent] = quiet + 0.1 * torch.randn_like(windows[silent])
        wanted = torch.where(silent[..., None], closed, wanted)
        squares = (encoder(windows) - wanted) ** 2
        closed_share = torch.sigmoid((CLOSED_BELOW - wanted[..., 0]) / CLOSED_BLUR)
        loss = squares.mean() + CLOSED_WEIGHT * (closed_share * squares[..., 0]).mean() / squares.shape[-1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress and step % 20 == 0:
            progress(step / steps, float(loss.detach()))
    encoder.eval()
    with torch.no_grad():
        predicted = torch.cat([encoder(part) for part in variants[SHIFTS.index(0)].split(512)], 1).numpy()
    return Hearing(encoder.kept(list(range(shape.members))), _unseen(predicted, pools, shape.members, frames))


def calibrate(calibration: Calibration, unseen: np.ndarray, true: np.ndarray) -> None:
    """Fit a calibration to codes [T, C] predicted without having seen them, and the true ones."""
    skill = np.array([pearson(heard, said) for heard, said in zip(unseen.T, true.T, strict=True)])
    # what is not really heard must not be amplified
    calibration.fit(unseen, true, MATCHED * np.clip(skill / FULLY_HEARD, 0, 1), CLOSING)


def _pools(frames: int, members: int) -> list[np.ndarray]:
    """Training frames of each member: all for the first `members`, then everything but one fold and its margins."""
    pools = [np.arange(frames)] * members
    for low, high in folds(frames):
        keep = np.r_[0 : max(0, low - GAP_FRAMES), min(frames, high + GAP_FRAMES) : frames]
        pools += [keep] * MEMBERS_PER_FOLD
    return pools


def folds(frames: int) -> list[tuple[int, int]]:
    """[first, after the last) of each fold."""
    edges = np.linspace(0, frames, FOLDS + 1).astype(int)
    return list(zip(edges[:-1], edges[1:], strict=True))


def _unseen(predicted: np.ndarray, pools: list[np.ndarray], members: int, frames: int) -> np.ndarray:
    unseen = np.empty(predicted.shape[1:], np.float32)
    for fold, (low, high) in enumerate(folds(frames)):
        first = members + fold * MEMBERS_PER_FOLD
        unseen[low:high] = predicted[first : first + MEMBERS_PER_FOLD, low:high].mean(0)
    return unseen


def _augment(windows: torch.Tensor, quiet: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Noise, a tilt per band and a gain for each example [M, B, F, W, C]: other voices, rooms and levels."""
    shape = windows.shape
    per_band = torch.randn(*shape[:2], 1, 1, shape[-1]) * BAND_OFFSET
    per_example = torch.randn(*shape[:2], 1, 1, 1) * GAIN
    return windows + NOISE * torch.randn(shape) + per_band + per_example
