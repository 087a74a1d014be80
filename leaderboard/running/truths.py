"""What a performance is compared with: the clip's own frames, and the sound that was to be said.

The truth is the clip itself, cropped as its subject was and scaled by area: not the subject's copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.datasets import Clip
from pgstalker.errors import MediaError
from pgstalker.media import VideoWriter, read_audio, read_frames, write_wav
from pgstalker.subject import Subject
from pgstalker.types import FPS, SAMPLE_RATE_HZ

SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS


@dataclass(frozen=True)
class Truth:
    """The held-out part of a clip, every stride-th frame of it, at `side` px."""

    clip: Clip
    subject: Subject
    side: int
    stride: int = 1

    @property
    def first(self) -> int:
        return self.subject.train_frames

    @property
    def count(self) -> int:
        return self.subject.frames_count - self.first

    @property
    def frames_count(self) -> int:
        return -(-self.count // self.stride)

    def frames(self, late: int = 0) -> Iterator[np.ndarray]:
        """uint8 [side, side, 3], each `late` frames before its time. Raises MediaError where the clip ends early."""
        found = 0
        for index, frame in enumerate(self._stored(self.first - late, self.count)):
            if index % self.stride == 0:
                found += 1
                yield frame
        if found < self.frames_count:
            raise MediaError(
                f"{self.clip.path.name} gave {found} of {self.frames_count} held-out frames; prepare it anew"
            )

    def _stored(self, first: int, count: int) -> Iterator[np.ndarray]:
        if self.clip.is_prepared:
            return self.subject.read_frames(size=self.side, start=first, count=count)
        crop = self.subject.manifest["crop"]
        box = (crop["x"], crop["y"], crop["side"], crop["side"])
        start = crop.get("start_frame", 0) + first
        return read_frames(self.clip.path, size=(self.side, self.side), fps=FPS, crop=box, start=start, count=count)

    def samples(self) -> np.ndarray:
        """float32 [S] at 16 kHz: what is said in the held-out part."""
        return self.subject.read_audio()[self.first * SAMPLES_PER_FRAME :]

    def write(self, path: Path) -> Path:
        """The frames as a lossless video, 25 a second whatever the stride; one that is there already is kept."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(path, self.side, self.side, codec="ffv1") as writer:
                for frame in self.frames():
                    writer.write(frame)
        return path


def write_sound(path: Path, samples: np.ndarray) -> Path:
    """16-bit WAV of float samples [S] at 16 kHz; one that is there already is kept."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, samples, SAMPLE_RATE_HZ)
    return path


def spoken(path: Path, frames: int) -> np.ndarray:
    """A sound file as float32 [S] at 16 kHz, repeated or cut to so many frames. Raises MediaError."""
    return np.resize(read_audio(path), frames * SAMPLES_PER_FRAME)
