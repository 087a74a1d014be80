"""A subject as training needs it: uint8 pictures, tracks, boxes, and which frame comes next.

Pictures and labels take 4 bytes a pixel: 0.5 GB for 20 s at 512 px, 7.1 GB for 5 minutes. Where they are more than
HELD_BYTES they lie in a file that is mapped into memory, so that the system keeps of them what it has room for.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pgstalker.landmarks import EYE_CORNERS, LIPS_OUTER
from pgstalker.subject import Subject, torso_over
from pgstalker.training.plate import background_plate
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Drive

MOUTH_HALF_WIDTH, MOUTH_HALF_HEIGHT = 0.5, 0.38
"""Of the distance between the outer eye corners."""
RARE_EVERY = 5
"""Every so many steps a frame is drawn evenly over how far the mouth is open, or the eyes are shut."""
BUCKETS = 8
HELD_BYTES, TORSO_BYTES = 2 << 30, 1 << 29


@dataclass
class TrainingData:
    """Training frames only, T of them: pictures [T, H, W, 3] and labels [T, H, W] uint8; tracks; sound; the head's
    surface (vertices [468, 3] cm, triangles [F, 3]); valid [T] bool: the face was seen, nothing is interpolated."""

    pictures: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    drive: Drive
    aperture: np.ndarray
    samples: np.ndarray
    surface: tuple[np.ndarray, np.ndarray]
    torso_tracked: bool
    valid: np.ndarray

    @classmethod
    def load(cls, folder: Path, size: int) -> TrainingData:
        """From a prepared subject. Landmarks [T, 478, 3] come in px of `size`."""
        subject = Subject.load(folder)
        count, tracks = subject.train_frames, subject.tracks
        shape = (size, size)
        pictures, labels = _room((count, *shape, 3), folder), _room((count, *shape), folder)
        for target, source in ((pictures, subject.read_frames), (labels, subject.read_labels)):
            for frame, image in enumerate(source(size=size, count=count)):
                target[frame] = image
        samples = subject.read_audio()
        return cls(
            pictures=pictures,
            labels=labels,
            landmarks=tracks.landmarks_px[:count] * (size / subject.camera.width),
            drive=Drive(tracks.camera_from_head[:count], tracks.blink[:count], tracks.torso_motion[:count]),
            aperture=tracks.aperture[:count],
            samples=samples[: count * SAMPLE_RATE_HZ // FPS],
            surface=(tracks.head_vertices, tracks.head_triangles),
            torso_tracked=bool(subject.manifest["torso_tracked"]),
            valid=tracks.valid[:count],
        )

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def plate(self) -> np.ndarray:
        return background_plate(self.pictures, self.labels)

    @cached_property
    def mouth_boxes(self) -> np.ndarray:
        """[T, 4] int: top, bottom, left, right of each frame's mouth, inside the picture and at least 2 px a side."""
        side = self.pictures.shape[1]
        eyes = self.landmarks[:, EYE_CORNERS, :2]
        unit = np.median(np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1))
        return mouth_boxes(self.landmarks, unit, side)

    def picture(self, frame: int, device: torch.device) -> Tensor:
        """[3, H, W] float32 in [0, 1]."""
        return (torch.from_numpy(self.pictures[frame]).to(device).permute(2, 0, 1).float() / 255).contiguous()

    def torso_background(self, frame: int) -> np.ndarray:
        """The true torso over the plate, for torso=gt: [H, W, 3] uint8; kept while there is room."""
        if frame in self._torsos:
            return self._torsos[frame]
        torso = torso_over(self.plate, self.pictures[frame], self.labels[frame])
        if len(self._torsos) * torso.nbytes < TORSO_BYTES:
            self._torsos[frame] = torso
        return torso

    @cached_property
    def _torsos(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def _usable(self) -> np.ndarray:
        """Frames that pictures are learnt from: where pose and mouth are interpolated they are not the picture's."""
        return np.flatnonzero(self.valid)

    @cached_property
    def _buckets(self) -> list[list[np.ndarray]]:
        """Per measure, frames in BUCKETS equal ranges of it; empty ranges are left out, so a bucket always has one."""
        result, usable = [], self._usable
        for track in (self.aperture[usable], self.drive.eyes[usable]):
            edges = np.linspace(track.min(), track.max() + 1e-6, BUCKETS + 1)
            groups = [usable[(track >= a) & (track < b)] for a, b in zip(edges, edges[1:], strict=False)]
            result.append([group for group in groups if len(group)])
        return result

    def frame_at(self, step: int, seed: int) -> int:
        """Which frame step trains on: a function of (step, seed) alone, so that a resumed run goes the same way."""
        if step % RARE_EVERY == 0:
            rng = np.random.default_rng((seed, 1, step))
            buckets = self._buckets[(step // RARE_EVERY) % 2]
            return int(rng.choice(buckets[rng.integers(len(buckets))]))
        epoch, place = divmod(step, len(self._usable))
        return int(np.random.default_rng((seed, 0, epoch)).permutation(self._usable)[place])


def _room(shape: tuple[int, ...], folder: Path) -> np.ndarray:
    """uint8 [shape] to write to: in memory, or in a nameless file of `folder`, which ends with this process."""
    if np.prod(shape, dtype=np.int64) <= HELD_BYTES:
        return np.empty(shape, np.uint8)
    place = folder if os.access(folder, os.W_OK) else None  # a folder for temporary files may itself lie in memory
    with tempfile.TemporaryFile(dir=place) as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


def mouth_boxes(landmarks: np.ndarray, interocular_px: float, side: int) -> np.ndarray:
    """Boxes [T, 4] int (top, bottom, left, right) round the lips, clamped to the picture."""
    centre = landmarks[:, LIPS_OUTER, :2].mean(1)
    reach = interocular_px * np.array([MOUTH_HALF_WIDTH, MOUTH_HALF_HEIGHT])
    low = np.clip(centre - reach, 0, side - 2).astype(int)
    high = np.maximum(np.clip(centre + reach, 2, side).astype(int), low + 2)
    return np.stack([low[:, 1], high[:, 1], low[:, 0], high[:, 0]], 1)
