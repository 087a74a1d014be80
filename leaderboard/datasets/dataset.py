"""What a dataset declares, and a clip that is checked before it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgstalker.errors import MediaError
from pgstalker.subject import MANIFEST, sha256_of

SPLIT = "first 10/11 to learn from, last 1/11 held out"
PLACE = "PGSTALKER_DATASETS"


@dataclass(frozen=True)
class Clip:
    """One person talking. path: a video, or a subject folder that `prepare` made of one.

    sha256 is that of the video, None where nobody wrote it down. is_redistributable: pictures made from it may ship.
    where: how people come by it. Clips of one audio_id say the same.
    """

    id: str
    identity: str
    path: Path
    audio_id: str
    where: str
    sha256: str | None = None
    is_redistributable: bool = False

    @property
    def is_at_hand(self) -> bool:
        return self.path.is_file() or self.is_prepared

    @property
    def is_prepared(self) -> bool:
        return (self.path / MANIFEST).is_file()

    def require(self) -> None:
        """Raises MediaError, with how to come by it, where the clip is not at hand."""
        if not self.is_at_hand:
            raise MediaError(f"clip '{self.id}' is not at {self.path}: {self.where}")

    def digest(self) -> str:
        """sha256 of the video, or of a prepared subject's manifest, which holds those of its files.

        Raises MediaError where the clip is not at hand or is not the one that was written down."""
        self.require()
        found = sha256_of(self.path / MANIFEST if self.is_prepared else self.path)
        if self.sha256 not in (None, found):
            raise MediaError(
                f"{self.path} is not the clip '{self.id}' (its sha256 is {found[:12]}..., not {self.sha256[:12]}...); "
                f"put the original back: {self.where}"
            )
        return found


@dataclass(frozen=True)
class Expected:
    """What papers say of a clip: (width, height) px, frames/s, and seconds, about."""

    size: tuple[int, int]
    fps: float
    seconds: tuple[float, float]

    def differences(self, path: Path) -> Iterator[str]:
        """In what a video differs from that, in words; MediaError where it cannot be read."""
        from pgstalker.media import probe

        info = probe(path)
        video = info.require_video()
        if (video.width, video.height) != self.size:
            yield f"it is {video.width}x{video.height} px, papers have {self.size[0]}x{self.size[1]}"
        if abs(video.fps - self.fps) > 0.01:
            yield f"it has {video.fps:g} frames/s, papers have {self.fps:g}"
        if not self.seconds[0] <= info.duration_s <= self.seconds[1]:
            yield f"it lasts {info.duration_s:.0f} s, papers have {self.seconds[0]:.0f} to {self.seconds[1]:.0f} s"


@dataclass(frozen=True)
class Dataset:
    """The declaration of one file. clips() lists what there is or could be; it opens no video.

    where: how people come by it; expected: what its videos should be; paper: where it was first used.
    """

    id: str
    title: str
    where: str
    clips: Callable[[], tuple[Clip, ...]]
    paper: str = ""
    expected: Expected | None = None
    split: str = SPLIT


def literature(name: str, identity: str, source: str) -> tuple[Callable[[], tuple[Clip, ...]], str]:
    """(clips, where) of a dataset of one video that users fetch themselves into $PGSTALKER_DATASETS/name/."""
    where = f"{source}; cut to the person's square and put as {name}/{name}.mp4 into the folder ${PLACE} names"

    def clips() -> tuple[Clip, ...]:
        return (Clip(name, identity, datasets_folder() / name / f"{name}.mp4", f"{name}-own", where),)

    return clips, where


def datasets_folder() -> Path:
    """Where users keep the literature's videos."""
    return Path(os.environ.get(PLACE) or Path.home() / "pgstalker-datasets")
