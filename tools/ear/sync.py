"""Fits pgstalker/audio/sync_ridge.npz: from mel to lips, pooled over the presenters and the corpus of the ear.

The presenters' lips are exact (tools.presenter), the corpus' too. Both are heard clean and damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pgstalker.audio import sync
from pgstalker.files import replacing
from pgstalker.types import FPS
from tools.ear.corpus import COLUMNS_HZ, TRACKS, is_held_out, labels, read_part
from tools.ear.rooms import damaged
from tools.presenter.cast import CAST, perform_role

DAMPING = 0.1
"""Of the mean variance of an input: times as many frames as there are."""


def fit(folder: Path, path: Path = sync.WEIGHTS) -> None:
    """Write the weights, and print how far they tell lips of held-out voices and how far those that they learnt."""
    gram, cross, frames, tests = np.zeros((sync.INPUTS, sync.INPUTS)), np.zeros((sync.INPUTS, sync.TRACKS)), 0, []
    for samples, mouth, is_test in recordings(folder):
        if is_test:
            tests.append((samples, mouth))
            continue
        heard, moved = sync.windows(samples, len(mouth)), sync.quick(mouth)
        heard -= heard.mean(0)
        gram, cross, frames = gram + heard.T @ heard, cross + heard.T @ moved, frames + len(mouth)
    weights = np.linalg.solve(gram + DAMPING * frames * np.eye(len(gram)), cross)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, weights=weights.astype(np.float32), frames=np.array(frames))
    found = [sync.sync_ridge(samples, mouth) for samples, mouth in tests]
    near = float(np.mean([abs(one.lag_frames) <= 1 for one in found]))
    print(f"{frames} frames; held-out voices: {len(found)} recordings, lag within 1 frame in {near:.0%},", end=" ")
    print(
        f"r {np.mean([one.correlation for one in found]):.2f}, believed {np.mean([o.is_believed for o in found]):.0%}"
    )


def recordings(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """(samples, mouth [T, 3], is it a held-out voice) of everything, clean and damaged by turns."""
    rng = np.random.default_rng(0)
    for name in sorted(CAST):
        said = perform_role(name)
        tracks, _ = labels(said.phones, said.samples)
        yield said.samples, mouth_of(tracks), is_held_out(CAST[name].voice)
    for path in sorted(folder.glob("speech_*.npz")):
        utterances = list(read_part(path))
        for index, said in enumerate(utterances):
            other = utterances[index - 1].samples
            samples = damaged(said.samples, other, rng) if index % 2 else said.samples
            yield samples, mouth_of(said.tracks), is_held_out(said.voice)


def mouth_of(tracks: np.ndarray) -> np.ndarray:
    """Tracks at 100 columns a second -> opening, width and jaw [T, 3] in the middles of whole video frames."""
    frames = len(tracks) * FPS // COLUMNS_HZ
    middles = np.arange(frames) * (COLUMNS_HZ // FPS) + COLUMNS_HZ // FPS // 2
    at = 0.5 * (tracks[middles - 1] + tracks[middles])
    gap, jaw, rounded, spread = (at[:, TRACKS.index(name)] for name in ("gap", "jaw", "round", "spread"))
    return np.stack([gap, spread - 0.5 * rounded, jaw], 1)
