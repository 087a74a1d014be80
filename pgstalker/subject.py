"""The subject folder: a prepared portrait video, self-describing, read by training and by re-rendering.

    subject.json   manifest: schema, source, camera, frames, split, crop, audio, quality, warnings, sha256 of each file
    frames.mp4     size x size at 25 fps, near lossless, no sound
    labels.mkv     lossless, values of types.Label
    tracks.npz     what SubjectTracks names
    audio.wav      16 kHz mono, as long as the frames
    sheet.png      for a person to judge

Reading needs numpy and ffmpeg only. The pictures are looked for when they are read, so that a folder whose frames were
deleted can still drive an avatar.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from pgstalker import media
from pgstalker.errors import SubjectError
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Camera, Label

SCHEMA, VERSION = "pgstalker-subject", 1
MANIFEST, FRAMES, LABELS, TRACKS, AUDIO, SHEET = (
    "subject.json", "frames.mp4", "labels.mkv", "tracks.npz", "audio.wav", "sheet.png"
)  # fmt: skip
BEHIND_CHIN, DARKENING = 0.1, 0.98
"""How far the torso goes on behind the chin, of the picture's height; its colour's share after each px of 512."""
NEEDED = ("camera", "fps", "frames", "train_frames", "torso_tracked", "files")


@dataclass(frozen=True)
class SubjectTracks:
    """One row per frame, T in all; px at the subject's size, pixel centres at +0.5.

    camera_from_head  [T, 4, 4] float64, cm
    landmarks_px      [T, 478, 3] float32, z in the same unit, relative
    valid             [T] bool: the face was seen whole; other rows are interpolated
    blink             [T] float32, 0 open .. 1 closed
    aperture, mouth_width, jaw   [T] float32, shares of the distance between the outer eye corners
    torso_motion      [T, 4] float32 as types.Drive.torso; zeros where the torso could not be tracked
    torso_confidence  [T] float32 in [0, 1]: correlation of the torso with its mean look, moved there
    head_vertices     [468, 3] float32: the canonical face mesh fitted to this person, head frame, cm
    head_triangles    [898, 3] int32
    """

    camera_from_head: np.ndarray
    landmarks_px: np.ndarray
    valid: np.ndarray
    blink: np.ndarray
    aperture: np.ndarray
    mouth_width: np.ndarray
    jaw: np.ndarray
    torso_motion: np.ndarray
    torso_confidence: np.ndarray
    head_vertices: np.ndarray
    head_triangles: np.ndarray

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class Subject:
    """A subject folder that has been checked. Make one with `Subject.load`."""

    folder: Path
    manifest: dict
    camera: Camera
    tracks: SubjectTracks

    @classmethod
    def load(cls, folder: str | Path) -> Subject:
        """Read and check a folder; SubjectError names the file that is missing, damaged, foreign or newer."""
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name in (TRACKS, AUDIO):
            _check_file(folder, name, manifest)
        return cls(folder, manifest, Camera(**manifest["camera"]), _read_tracks(folder, manifest["frames"]))

    @property
    def frames_count(self) -> int:
        return self.manifest["frames"]

    @property
    def train_frames(self) -> int:
        """Frames [0, train_frames) are for training; the rest is held out."""
        return self.manifest["train_frames"]

    @property
    def size(self) -> int:
        return self.camera.width

    def read_frames(self, size: int | None = None, start: int = 0, count: int | None = None) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] RGB, frames start .. start + count, area-averaged to `size` where given."""
        yield from self._read(FRAMES, size, start, count, gray=False, scale_flags="area")

    def read_labels(self, size: int | None = None, start: int = 0, count: int | None = None) -> Iterator[np.ndarray]:
        """uint8 [H, W] of types.Label, nearest neighbour where `size` is given."""
        yield from self._read(LABELS, size, start, count, gray=True, scale_flags="neighbor")

    def read_audio(self) -> np.ndarray:
        """float32 [S] mono at 16 kHz in [-1, 1], as long as the frames."""
        return media.read_audio(self.folder / AUDIO, SAMPLE_RATE_HZ)

    def _read(self, name: str, size: int | None, start: int, count: int | None, **options) -> Iterator[np.ndarray]:
        _check_file(self.folder, name, self.manifest)
        wanted = self.frames_count - start if count is None else count
        assert start >= 0 and 0 <= wanted <= self.frames_count - start, f"frames {start} + {wanted} are not in the clip"
        if not wanted:
            return
        scaled = (size, size) if size and size != self.size else None
        frames = 0
        for frame in media.read_frames(self.folder / name, size=scaled, start=start, count=wanted, **options):
            frames += 1
            yield frame
        if frames < wanted:
            raise SubjectError(f"{self.folder / name} ends after {start + frames} frames of {self.frames_count}")


def torso_over(plate: np.ndarray, picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The true torso and background of a frame, the plate where the head was: uint8 [H, W, 3].

    plate [H, W, 3] float32 in [0, 1], picture uint8 [H, W, 3], labels uint8 [H, W]. What methods that do not model the
    torso are drawn over (torso=gt). Neck and collar go on behind the chin, growing darker, so that a jaw that is drawn
    higher than the true one leaves no hole to the background (as TalkingGaussian's torso pictures do)."""
    is_torso = labels == Label.TORSO
    is_below_head = is_torso | (labels == Label.BACKGROUND)
    result = np.where(is_below_head[..., None], picture, (plate * 255 + 0.5).astype(np.uint8))
    height, width = labels.shape
    below = _first_below(is_below_head)
    y, x = np.nonzero(~is_below_head & (below == _first_below(is_torso)) & (below < height))
    near = below[y, x] - y <= BEHIND_CHIN * height
    y, x = y[near], x[near]
    source = np.minimum(below[y, x] + round(height / 128), height - 1)  # past the pixels that chin and collar share
    columns = np.clip(x[:, None] + np.arange(-2, 3), 0, width - 1)
    counts = is_torso[source[:, None], columns][..., None]
    colour = (picture[source[:, None], columns] * counts).sum(1) / np.maximum(counts.sum(1), 1)
    shade = DARKENING ** ((below[y, x] - y) * (512 / height))
    seen = counts.any((1, 2))
    result[y[seen], x[seen]] = (colour * shade[:, None])[seen]
    return result


def _first_below(mask: np.ndarray) -> np.ndarray:
    """[H, W] int: the first row at or below each pixel where mask [H, W] is, H where there is none."""
    height = len(mask)
    own = np.where(mask, np.arange(height, dtype=np.int16)[:, None], np.int16(height))
    return np.minimum.accumulate(own[::-1])[::-1]


def sha256_of(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: dict) -> None:
    """Complete the manifest with schema, fps and the hashes of the folder's files, and write it last."""
    files = {name: sha256_of(folder / name) for name in (FRAMES, LABELS, TRACKS, AUDIO, SHEET)}
    whole = {"schema": f"{SCHEMA}/{VERSION}", **manifest, "fps": FPS, "files": files}
    (folder / MANIFEST).write_text(json.dumps(whole, indent=1) + "\n")


def _read_manifest(folder: Path) -> dict:
    path = folder / MANIFEST
    if not path.is_file():
        raise SubjectError(
            f"{folder} is no subject folder (no {MANIFEST}); make one with: prepare VIDEO --out {folder}"
        )
    try:
        manifest = json.loads(path.read_text())
        schema, version = manifest["schema"].rsplit("/", 1)
        version = int(version)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SubjectError(f"{path} is damaged or not a subject's; prepare the video again") from None
    if schema != SCHEMA:
        raise SubjectError(f"{path} describes a {schema}, not a subject; give a folder made by prepare")
    if version > VERSION:
        raise SubjectError(f"{path} has version {version}, this program reads {VERSION}; update the program")
    missing = [key for key in NEEDED if key not in manifest]
    if missing:
        raise SubjectError(f"{path} is damaged ({missing[0]} is missing); prepare the video again")
    return manifest


def _check_file(folder: Path, name: str, manifest: dict) -> None:
    path = folder / name
    if not path.is_file():
        raise SubjectError(f"{path} is missing; prepare the video again")
    if sha256_of(path) != manifest["files"].get(name):
        raise SubjectError(f"{path} is damaged or was changed (its sha256 differs); prepare the video again")


def _read_tracks(folder: Path, frames: int) -> SubjectTracks:
    try:
        with np.load(folder / TRACKS, allow_pickle=False) as arrays:
            tracks = SubjectTracks(**{field.name: arrays[field.name] for field in fields(SubjectTracks)})
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
        raise SubjectError(f"{folder / TRACKS} is damaged; prepare the video again") from None
    if len(tracks.camera_from_head) != frames:
        raise SubjectError(f"{folder / TRACKS} has {len(tracks.camera_from_head)} frames, the manifest {frames}")
    return tracks
