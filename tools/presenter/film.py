"""A presenter's performance made into a clip with its exact truth. Resumes after any stop: finished stretches stay."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pgstalker.errors import ConfigError
from pgstalker.files import replacing
from pgstalker.media import VideoWriter, read_frames
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from tools.presenter.cast import perform_role
from tools.presenter.figure import Figure, Look, Pose
from tools.presenter.looks import find_look, studio_of
from tools.presenter.parts import LANDMARKS
from tools.presenter.performance import Performance
from tools.presenter.stage import Stage

STRETCH = 50  # frames in one file, lossless
FLIP = np.diag([1.0, -1.0, -1.0])  # the stage's axes (y up, z to the viewer) to OpenCV's


def film(name: str, folder: Path, *, size: int = 512, frames: int | None = None, crf: int = 20) -> Path:
    """Draw presenter `name` into folder/NAME.mp4 with folder/NAME.truth.npz; returns the clip's path.

    Stretches of frames are kept in folder/NAME.parts until the clip is whole; a second call goes on where the first
    stopped, and refuses (ConfigError) to mix parts of another look, script, size or program.
    """
    from tqdm import tqdm

    look = find_look(name)
    performance = perform_role(name)
    count = min(frames or performance.frames, performance.frames)
    parts = folder / f"{name}.parts"
    _claim(parts, {"look": asdict(look), "size": size, "program": program_digest(), "frames": performance.frames})
    missing = [start for start in range(0, count, STRETCH) if not _stretch(parts, start).exists()]
    if missing:
        stage = Stage(studio_of(look), size)
        figure = Figure(look, stage)
        for start in tqdm(missing, desc=f"drawing {name}", unit="stretch", mininterval=2.0):
            with VideoWriter(_stretch(parts, start), size, size, codec="ffv1") as writer:
                for index in range(start, min(start + STRETCH, count)):
                    writer.write(figure.draw(Pose(**performance.frame(index))))
        stage.close()
    clip = folder / f"{name}.mp4"
    samples = performance.samples[: int(count / FPS * SAMPLE_RATE_HZ)]
    with VideoWriter(clip, size, size, audio=(samples, SAMPLE_RATE_HZ), crf=crf) as writer:
        for frame in _drawn(parts, count):
            writer.write(frame)
    save_truth(folder / f"{name}.truth.npz", look, performance, size, count)
    shutil.rmtree(parts)
    return clip


def program_digest() -> str:
    """sha256 over the programs, shaders and looks that decide a frame."""
    folder = Path(__file__).parent
    files = sorted([*folder.glob("*.py"), *folder.glob("shaders/*"), *folder.glob("scripts/*")])
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _claim(parts: Path, spec: dict) -> None:
    """Start or resume a folder of stretches."""
    parts.mkdir(parents=True, exist_ok=True)
    mark, text = parts / "film.json", json.dumps(spec, sort_keys=True)
    if mark.exists() and mark.read_text() != text:
        raise ConfigError(f"{parts} holds frames of another look, size or program: remove it to start anew")
    if not mark.exists():
        with replacing(mark) as temporary:
            temporary.write_text(text)


def _stretch(parts: Path, start: int) -> Path:
    return parts / f"{start:05d}.mkv"


def _drawn(parts: Path, count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, STRETCH):
        yield from read_frames(_stretch(parts, start))


# ---- truth


def save_truth(path: Path, look: Look, performance: Performance, size: int, count: int) -> None:
    """What is known exactly about each frame:

    camera_from_head [T, 4, 4] (OpenCV axes, cm; the head frame's origin is the stage's), landmarks [T, M, 3]: pixels
    and depth in cm of parts.LANDMARKS and both eyeballs, in the order of `names`; aperture and mouth_width [T] over
    the distance of the outer eye corners at rest; blink [T]; phones [P, 2] s with `ipa`; fps; focal_px.
    """
    figure = Figure.sketch(look)
    poses = [Pose(**performance.frame(index)) for index in range(count)]
    eye = np.array(studio_of(look).eye)
    focal_px = studio_of(look).focal * size
    heads = [figure.skeleton.head_matrix(pose) for pose in poses]
    names = [*LANDMARKS, "right_eyeball", "left_eyeball"]
    world = np.array([figure.landmarks(pose) for pose in poses])
    camera = (world - eye) @ FLIP
    pixels = camera[..., :2] / camera[..., 2:] * focal_px + size / 2
    place = {name: number for number, name in enumerate(names)}
    local = np.array([figure.landmarks(Pose(pose.units)) for pose in poses])
    span = np.linalg.norm(figure.marks["right_eye_outer"] - figure.marks["left_eye_outer"])

    def distance(a: str, b: str) -> np.ndarray:
        return np.linalg.norm(local[:, place[a]] - local[:, place[b]], axis=1) / span

    blink = np.array([np.mean([p.units.get(f"eyeBlink{s}", 0.0) for s in ("Left", "Right")]) for p in poses])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            names=np.array(names),
            camera_from_head=np.array([_camera_from_head(head, eye) for head in heads]),
            landmarks=np.concatenate([pixels, camera[..., 2:]], axis=-1).astype(np.float32),
            aperture=distance("upper_lip", "lower_lip").astype(np.float32),
            mouth_width=distance("right_corner", "left_corner").astype(np.float32),
            blink=blink.astype(np.float32),
            phones=np.array([(p.start_s, p.end_s) for p in performance.phones], np.float64).reshape(-1, 2),
            ipa=np.array([phone.ipa for phone in performance.phones]),
            fps=FPS,
            focal_px=focal_px,
        )


def _camera_from_head(head: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """The stage's world-from-head to OpenCV's camera-from-head, both [4, 4]."""
    matrix = np.eye(4)
    matrix[:3, :3] = FLIP @ head[:3, :3] @ FLIP
    matrix[:3, 3] = FLIP @ (head[:3, 3] - eye)
    return matrix
