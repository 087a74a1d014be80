"""The presenter's performance - head, eyes, mouth and shoulders over time - written as a subject folder."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import Delaunay

from pgstalker import __version__, measures
from pgstalker.errors import ConfigError, SubjectError
from pgstalker.landmarks import MESH_POINTS
from pgstalker.media import VideoWriter, write_wav
from pgstalker.subject import AUDIO, FRAMES, LABELS, SHEET, TRACKS, SubjectTracks, sha256_of, write_manifest
from pgstalker.synthetic.drawing import DISTANCE_CM, Look, Presenter, project
from pgstalker.synthetic.face import Face
from pgstalker.synthetic.voice import Speech, babble
from pgstalker.types import FPS, SAMPLE_RATE_HZ, TORSO_MOTION, Camera

FOCAL_OVER_SIDE = 2.34375
BLINK_SHAPE = np.array([0.15, 0.65, 1.0, 1.0, 0.8, 0.5, 0.25, 0.1], np.float32)
SHEET_FRAMES = 8
LABEL_COLOURS = np.array(
    [[40, 60, 60], [60, 90, 160], [235, 190, 160], [90, 60, 70], [200, 80, 90], [90, 20, 40], [250, 250, 250]], np.uint8
)


@dataclass(frozen=True)
class Performance:
    """What the presenter does in T frames. camera_from_head [T, 4, 4]; blink [T] in [0, 1]; torso as Drive.torso."""

    camera_from_head: np.ndarray
    blink: np.ndarray
    torso: np.ndarray
    speech: Speech


def perform(seconds: float, seed: int) -> Performance:
    """A slow look around, a blink now and then, shoulders that follow a little, and babble."""
    speech = babble(seconds, seed)
    frames = round(seconds * FPS)
    rng = np.random.default_rng(seed + 1)
    time_s = np.arange(frames) / FPS

    def sway(amplitude: float, period_s: float) -> np.ndarray:
        """Two sines of incommensurate periods, together within +-amplitude."""
        a, b = rng.uniform(0, 2 * np.pi, 2)
        slow, fast = 2 * np.pi * time_s / period_s, 2 * np.pi * time_s / (period_s * 0.382)
        return amplitude * (0.7 * np.sin(slow + a) + 0.3 * np.sin(fast + b))

    nod = 0.006 * speech.opening[:frames]
    pitch, yaw, roll = sway(0.05, 5.3) + nod, sway(0.12, 7.1), sway(0.04, 6.1)
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, :3, :3] = _rotations(pitch, yaw, roll)
    shift = np.stack([sway(0.7, 8.3), -4.0 + sway(0.4, 5.9), DISTANCE_CM + sway(1.2, 9.7)], 1)
    poses[:, :3, 3] = shift
    torso = np.zeros((frames, TORSO_MOTION), np.float32)
    torso[:, 0] = 0.3 * shift[:, 0] * FOCAL_OVER_SIDE / DISTANCE_CM + sway(0.004, 9.1)
    torso[:, 1] = sway(0.006, 4.1)
    torso[:, 3] = sway(0.008, 7.7)
    return Performance(poses, _blinks(frames, rng), torso, speech)


def make_subject(folder: str | Path, *, seconds: float = 16.0, size: int = 256, seed: int = 0) -> Path:
    """Write the presenter as a subject folder of `size` x `size` px; the folder appears when it is complete.

    Raises ConfigError on an impossible size or length, SubjectError where the folder exists."""
    folder = Path(folder)
    if size % 2 or not 32 <= size <= 1024:
        raise ConfigError(f"size {size} is not possible; give an even number from 32 to 1024")
    if not 2 <= seconds <= 600:
        raise ConfigError(f"{seconds:g} s is not possible; give 2 to 600 seconds")
    if folder.exists():
        raise SubjectError(f"{folder} exists already; remove it or choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        _write(partial, folder.name, perform(seconds, seed), size)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write(folder: Path, name: str, performance: Performance, size: int) -> None:
    camera = Camera(FOCAL_OVER_SIDE * size, size, size, size / 2, size / 2)
    presenter, face, speech = Presenter(camera), Face(), performance.speech
    frames = len(performance.camera_from_head)
    landmarks = np.empty((frames, 478, 3), np.float32)
    sheet = []
    with ExitStack() as stack:
        pictures = stack.enter_context(VideoWriter(folder / FRAMES, size, size, crf=10))
        labels = stack.enter_context(VideoWriter(folder / LABELS, size, size, codec="ffv1", gray=True))
        for t, pose in enumerate(performance.camera_from_head):
            opening, blink = float(max(speech.opening[t], 0)), float(performance.blink[t])
            points = face.points(opening, float(speech.spread[t]), blink)
            picture, label = presenter.draw(Look(pose, points, opening, blink, performance.torso[t]))
            pictures.write(picture)
            labels.write(label)
            flat = project(points, pose, camera)
            landmarks[t] = flat
            if t % max(1, frames // SHEET_FRAMES) == 0:
                sheet.append(np.concatenate([picture, LABEL_COLOURS[label]], 0))
    write_wav(folder / AUDIO, speech.samples, SAMPLE_RATE_HZ)
    Image.fromarray(np.concatenate(sheet[:SHEET_FRAMES], 1)).save(folder / SHEET)
    _tracks(performance, landmarks, frames * 10 // 11).save(folder / TRACKS)
    write_manifest(folder, _manifest(name, folder, camera, frames))


def _tracks(performance: Performance, landmarks: np.ndarray, train: int) -> SubjectTracks:
    openness = measures.eye_aspect_ratio(landmarks)
    blink = np.clip((1 - openness / np.median(openness[:train])) / 0.6, 0, 1)
    vertices = Face().points(0.0, 0.0, 0.0)[:MESH_POINTS]
    return SubjectTracks(
        camera_from_head=performance.camera_from_head,
        landmarks_px=landmarks,
        valid=np.ones(len(landmarks), bool),
        blink=blink.astype(np.float32),
        aperture=measures.lip_aperture(landmarks).astype(np.float32),
        mouth_width=measures.mouth_width(landmarks).astype(np.float32),
        jaw=measures.jaw_opening(landmarks).astype(np.float32),
        torso_motion=performance.torso,
        torso_confidence=np.ones(len(landmarks), np.float32),
        head_vertices=vertices.astype(np.float32),
        head_triangles=Delaunay(vertices[:, :2]).simplices.astype(np.int32),
    )


def _manifest(name: str, folder: Path, camera: Camera, frames: int) -> dict:
    size = camera.width
    return {
        "source": {"name": f"{name}, drawn by pgstalker.synthetic", "sha256": sha256_of(folder / FRAMES),
                   "width": size, "height": size, "fps": FPS, "seconds": frames / FPS},
        "camera": asdict(camera),
        "frames": frames,
        "train_frames": frames * 10 // 11,
        "crop": {"x": 0, "y": 0, "side": size},
        "audio": {"lag_frames": 0, "lag_confidence": 1.0, "lag_applied": False},
        "torso_tracked": True,
        "camera_motion_px": 0.0,
        "quality": {},
        "warnings": [],
        "created_by": f"pgstalker {__version__}",
    }  # fmt: skip


def _rotations(pitch: np.ndarray, yaw: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """[T, 3, 3]: roll after pitch after yaw, angles [T] in rad about x, y and z."""

    def about(axis: int, angle: np.ndarray) -> np.ndarray:
        turn = np.tile(np.eye(3), (len(angle), 1, 1))
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn[:, a, a] = turn[:, b, b] = np.cos(angle)
        turn[:, b, a], turn[:, a, b] = np.sin(angle), -np.sin(angle)
        return turn

    return about(2, roll) @ about(0, pitch) @ about(1, yaw)


def _blinks(frames: int, rng: np.random.Generator) -> np.ndarray:
    blink = np.zeros(frames, np.float32)
    at = int(rng.uniform(0.8, 1.6) * FPS)
    while at + len(BLINK_SHAPE) < frames:
        blink[at : at + len(BLINK_SHAPE)] = BLINK_SHAPE
        at += int(rng.uniform(1.8, 4.0) * FPS)
    return blink
