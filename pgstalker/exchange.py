"""What a method outside this program is given and gives back: plain pictures, sound and numbers in a folder.

    exchange.json    schema, kind ("train" or "performance"), frames, size, fps, and the camera of that size: focal_px,
                     center_x_px, center_y_px
    tracks.npz       one row per frame: camera_from_head [T, 4, 4] cm, OpenCV axes; eyes [T] 0 open .. 1 closed;
                     torso [T, 4] where it could be tracked; moments [T], where in the sound the frame lies, in frames
    audio.wav        16 kHz mono: of the training frames, or the whole recording that is to be said
    plate.png        what is behind the person
    frames/          train: 000000.png .. the pictures; performance: where the answer goes
    labels/          train: one grey picture a frame, values of types.Label
    backgrounds/     performance over the true torso: what the head is to be drawn over, one picture a frame

Held-out pictures are in neither kind, so that nobody can learn them. tracks.npz of "train" also holds landmarks_px
[T, 478, 3], valid [T] bool, head_vertices [468, 3] and head_triangles as subject.SubjectTracks has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker.errors import ConfigError, MediaError
from pgstalker.media import probe, read_frames, write_wav
from pgstalker.method import Performance
from pgstalker.subject import Subject
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Camera

if TYPE_CHECKING:
    from pgstalker.training.data import TrainingData

SCHEMA = "pgstalker-exchange/1"
DECLARATION, TRACKS, AUDIO, PLATE = "exchange.json", "tracks.npz", "audio.wav", "plate.png"
FRAMES, LABELS, BACKGROUNDS = "frames", "labels", "backgrounds"
LOSSLESS = ("ffv1", "png", "huffyuv", "ffvhuff", "rawvideo", "utvideo")
VIDEOS = (".mkv", ".avi", ".mov", ".nut")


def write_training(folder: Path, data: TrainingData, subject: Subject) -> None:
    """The training part of a subject, at the size of `data`."""
    size, tracks = data.pictures.shape[1], subject.tracks
    rows: dict[str, Any] = {
        "camera_from_head": data.drive.camera_from_head,
        "eyes": data.drive.eyes,
        "moments": np.arange(len(data)),
        "landmarks_px": data.landmarks,
        "valid": data.valid,
        "head_vertices": tracks.head_vertices,
        "head_triangles": tracks.head_triangles,
    }
    if data.torso_tracked:
        rows["torso"] = data.drive.torso
    folder.mkdir(parents=True)
    _pictures(folder / FRAMES, data.pictures)
    _pictures(folder / LABELS, data.labels)
    _finish(folder, "train", rows, data.samples, subject.camera.scaled(size))
    save_picture(folder / PLATE, np.rint(data.plate * 255).astype(np.uint8))


def write_performance(folder: Path, performance: Performance, plate: np.ndarray, over_torso: bool) -> None:
    """A performance in the size of `plate` [H, W, 3] uint8; over_torso: with the true torso behind each frame."""
    rows: dict[str, Any] = {
        "camera_from_head": performance.camera_from_head,
        "eyes": performance.eyes,
        "moments": performance.moments,
    }
    if (torso := performance.torso) is not None:
        rows["torso"] = torso
    folder.mkdir(parents=True)
    (folder / FRAMES).mkdir()
    if over_torso:
        _pictures(folder / BACKGROUNDS, performance.torsos(plate.astype(np.float32) / 255))
    _finish(folder, "performance", rows, performance.samples, performance.subject.camera.scaled(len(plate)))
    save_picture(folder / PLATE, plate)


def _finish(folder: Path, kind: str, rows: dict[str, Any], samples: np.ndarray, camera: Camera) -> None:
    np.savez(folder / TRACKS, **rows)
    write_wav(folder / AUDIO, samples, SAMPLE_RATE_HZ)
    declaration = {
        "schema": SCHEMA,
        "kind": kind,
        "frames": len(rows["eyes"]),
        "size": camera.width,
        "fps": FPS,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "camera": {"focal_px": camera.focal_px, "center_x_px": camera.center_x_px, "center_y_px": camera.center_y_px},
    }
    (folder / DECLARATION).write_text(json.dumps(declaration, indent=1) + "\n")


def _pictures(folder: Path, pictures: Iterable[np.ndarray]) -> None:
    folder.mkdir()
    for number, picture in enumerate(pictures):
        save_picture(folder / f"{number:06d}.png", picture)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """uint8 [H, W, 3] or [H, W] as a PNG."""
    from PIL import Image

    Image.fromarray(picture).save(path, compress_level=1)


def load_picture(path: Path) -> np.ndarray:
    """uint8 [H, W, 3]. Raises MediaError for what is no RGB picture of 8 bits."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            mode, pixels = picture.mode, np.asarray(picture)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise MediaError(f"{path.name} is no readable picture ({type(error).__name__}); write RGB PNG") from error
    if mode != "RGB":
        raise MediaError(f"{path.name} is a picture of mode {mode}; write RGB of 8 bits a channel")
    return pixels


def read_answer(folder: Path, count: int, size: int, whose: str) -> Iterator[np.ndarray]:
    """The frames that `whose` command left in `folder`, uint8 [size, size, 3]: *.png in the order of their names, or
    one lossless video. Raises MediaError for another count or size, with both numbers, and for a codec that loses."""
    found = sorted(folder.glob("*.png"))
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in (*VIDEOS, ".mp4"))
    if bool(found) == bool(videos) or len(videos) > 1:
        there_are = f"{len(found)} PNG and {len(videos)} videos"
        raise MediaError(f"{whose} left {there_are}; it must leave {count} PNG or one lossless video")
    if found:
        if len(found) != count:
            raise MediaError(f"{whose} left {len(found)} frames where {count} were asked for")
        pictures: Iterator[np.ndarray] = map(load_picture, found)
    else:
        codec = probe(videos[0]).require_video().codec
        if codec not in LOSSLESS:
            raise MediaError(f"{whose} left {videos[0].name} in {codec}, which loses; write PNG or FFV1")
        pictures = read_frames(videos[0])
    seen = 0
    for picture in pictures:
        if picture.shape != (size, size, 3):
            raise MediaError(
                f"frame {seen} of {whose} is {picture.shape[1]}x{picture.shape[0]} px where {size}x{size} was asked for"
            )
        seen += 1
        if seen <= count:
            yield picture
    if seen != count:
        raise MediaError(f"{whose} left {seen} frames where {count} were asked for")


def declaration(folder: Path) -> dict[str, Any]:
    """exchange.json of a folder. Raises ConfigError for another thing."""
    try:
        content = json.loads((folder / DECLARATION).read_text("utf-8"))
        schema = content["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder} is no exchange folder ({type(error).__name__}); let the program write it"
        ) from error
    if schema != SCHEMA:
        raise ConfigError(f"{folder} is {schema}, not {SCHEMA}; update the program that reads it")
    return content
