"""Which rays a training step casts, and what they are to show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pgstalker.nerf.rays import HEAD_LABELS, pixel_centres
from pgstalker.training.data import TrainingData
from pgstalker.types import Label

SHARES = {"head": 0.6, "mouth": 0.2, "around": 0.2}
"""Of the rays: on the head, in the mouth's box, and in the head's box grown by AROUND of the picture's side."""
AROUND = 0.06

_IS_HEAD = np.isin(np.arange(256), HEAD_LABELS)
_IS_FACE = np.isin(np.arange(256), [label for label in HEAD_LABELS if label != Label.HAIR])


@dataclass(frozen=True)
class Batch:
    """R pixels of one frame: pixels [R, 2] px, target and background [R, 3] in [0, 1], is_head and is_face [R] bool;
    patch: (rows, columns) where the pixels are those of a rectangle."""

    frame: int
    pixels: Tensor
    target: Tensor
    background: Tensor
    is_head: Tensor
    is_face: Tensor
    patch: tuple[int, int] | None = None


class Batches:
    """Draws pixels of training frames; the background is the true torso over the plate."""

    def __init__(self, data: TrainingData, device: torch.device):
        self.data, self.device, self.side = data, device, data.labels.shape[1]
        self.plate = (data.plate * 255 + 0.5).astype(np.uint8).reshape(-1, 3)

    def scattered(self, frame: int, rays: int, rng: np.random.Generator) -> Batch:
        """Rays all over the head and round it."""
        labels, count = self.data.labels[frame].ravel(), {name: int(rays * share) for name, share in SHARES.items()}
        head = np.flatnonzero(_IS_HEAD[labels])
        top, bottom, left, right = self.data.mouth_boxes[frame]
        chosen = [_rectangle(rng, count["mouth"], (top, bottom, left, right), self.side)]
        if len(head):
            chosen.append(rng.choice(head, count["head"]))
            rows, columns = np.divmod(head, self.side)
            reach = int(AROUND * self.side)
            box = rows.min() - reach, rows.max() + reach + 1, columns.min() - reach, columns.max() + reach + 1
            chosen.append(_rectangle(rng, count["around"], tuple(np.clip(box, 0, self.side)), self.side))
        return self._batch(frame, np.concatenate(chosen))

    def mouth(self, frame: int, rays: int, rng: np.random.Generator) -> Batch:
        """The mouth's box, every n-th row and column of it from a random one on, so that it is about `rays` at most."""
        top, bottom, left, right = (int(edge) for edge in self.data.mouth_boxes[frame])
        stride = max(1, round(((bottom - top) * (right - left) / rays) ** 0.5))
        rows = np.arange(top + rng.integers(stride), bottom, stride)
        columns = np.arange(left + rng.integers(stride), right, stride)
        return self._batch(frame, np.add.outer(rows * self.side, columns).ravel(), (len(rows), len(columns)))

    def below(self, frame: int, rays: int, rng: np.random.Generator) -> Batch:
        """Pixels that no head hides, half of them on the torso; over the plate alone."""
        labels = self.data.labels[frame].ravel()
        torso, background = np.flatnonzero(labels == Label.TORSO), np.flatnonzero(labels == Label.BACKGROUND)
        chosen = [rng.choice(places, rays // 2) for places in (torso, background) if len(places)]
        batch = self._batch(frame, np.concatenate(chosen))
        plate = self._colours(self.plate[np.concatenate(chosen)])
        return Batch(frame, batch.pixels, batch.target, plate, batch.is_head, batch.is_face)

    def _batch(self, frame: int, indices: np.ndarray, patch: tuple[int, int] | None = None) -> Batch:
        labels = self.data.labels[frame].ravel()[indices]
        target = self.data.pictures[frame].reshape(-1, 3)[indices]
        return Batch(
            frame,
            torch.from_numpy(pixel_centres(indices, self.side)).to(self.device),
            self._colours(target),
            self._colours(self.data.torso_background(frame).reshape(-1, 3)[indices]),
            torch.from_numpy(_IS_HEAD[labels]).to(self.device),
            torch.from_numpy(_IS_FACE[labels]).to(self.device),
            patch,
        )

    def _colours(self, colours: np.ndarray) -> Tensor:
        return torch.from_numpy(colours).to(self.device).float() / 255


def _rectangle(rng: np.random.Generator, count: int, box: tuple[int, ...], side: int) -> np.ndarray:
    """count random flat indices within box (top, bottom, left, right)."""
    top, bottom, left, right = box
    return rng.integers(top, bottom, count) * side + rng.integers(left, right, count)
