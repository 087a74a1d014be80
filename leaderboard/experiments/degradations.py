"""Clips made worse on purpose, the same way each time: what a phone in a bad room would have filmed.

light   dim, warm, from one side, and flickering      noise   of a sensor turned up too far
codec   a messenger's bitrate                         shake   a hand that holds the camera
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from leaderboard.datasets import Clip
from pgstalker.errors import ConfigError
from pgstalker.media import VideoWriter, probe, read_frames
from pgstalker.subject import FRAMES, MANIFEST, sha256_of
from pgstalker.types import FPS

KINDS = ("light", "noise", "codec", "shake")
DIM, SLOPE, FLICKER, WARM = 0.42, 0.25, 0.06, (1.0, 0.92, 0.78)
READ_NOISE, SHOT_NOISE = 6.0, 0.7
"""Grey levels, and grey levels per root of a level."""
LOW_CRF, HIGH_CRF = 38, 14
SHAKE_SHARE, SHAKE_DEGREES, ZOOM = 0.012, 0.8, 1.05


def degrade(clip: Clip, kind: str, target: Path, seed: int = 0) -> Path:
    """Write the clip made worse; one that is there is kept. A prepared subject becomes another in which only the
    pictures differ, so that its tracks are those of the clear ones.

    Raises ConfigError for an unknown kind, and for shaking a subject, whose tracks would be wrong."""
    if kind not in KINDS:
        raise ConfigError(f"degradation '{kind}' is unknown; use some of: {', '.join(KINDS)}")
    if target.exists():
        return target
    if not clip.is_prepared:
        video = probe(clip.path).require_video()
        fps = None if not video.has_variable_rate else FPS
        _write(clip.path, target, kind, seed, clip.path, fps)
        return target
    if kind == "shake":
        raise ConfigError(f"{clip.id} is prepared already and its tracks would not fit a shake; give the video")
    return _prepared(clip.path, target, kind, seed)


def _prepared(source: Path, target: Path, kind: str, seed: int) -> Path:
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    shutil.copytree(source, partial)
    (partial / FRAMES).unlink()
    _write(source / FRAMES, partial / FRAMES, kind, seed, None, None)
    manifest = json.loads((partial / MANIFEST).read_text("utf-8"))
    manifest["files"][FRAMES] = sha256_of(partial / FRAMES)
    manifest["source"]["name"] += f", {kind}"
    manifest["source"]["sha256"] = manifest["files"][FRAMES]
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    partial.rename(target)
    return target


def _write(source: Path, target: Path, kind: str, seed: int, audio: Path | None, fps: float | None) -> None:
    video = probe(source).require_video()
    crf = LOW_CRF if kind == "codec" else HIGH_CRF
    pictures = read_frames(source, fps=fps)
    target.parent.mkdir(parents=True, exist_ok=True)
    rate = fps or video.fps
    with VideoWriter(target, video.width, video.height, fps=rate, audio=audio, crf=crf, preset="veryfast") as writer:
        for picture in worse(pictures, kind, seed):
            writer.write(picture)


def worse(pictures: Iterator[np.ndarray], kind: str, seed: int = 0) -> Iterator[np.ndarray]:
    """uint8 [H, W, 3] pictures as they would have been filmed; codec leaves them to the encoder."""
    change: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
        "light": _light,
        "noise": _noise,
        "shake": _shake,
    }
    for index, picture in enumerate(pictures):
        yield change[kind](picture, index, seed) if kind in change else picture


def _light(picture: np.ndarray, index: int, seed: int) -> np.ndarray:
    across = np.linspace(0, 1, picture.shape[1], dtype=np.float32)[None, :, None]
    flicker = 1 + FLICKER * np.sin(2 * np.pi * index / 7.3 + seed)
    lit = picture * ((DIM + SLOPE * across) * flicker) * np.array(WARM, np.float32)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def _noise(picture: np.ndarray, index: int, seed: int) -> np.ndarray:
    grain = np.random.default_rng((seed, index)).standard_normal(picture.shape, np.float32)
    level = picture.astype(np.float32)
    return np.clip(np.rint(level + grain * (READ_NOISE + SHOT_NOISE * np.sqrt(level))), 0, 255).astype(np.uint8)


def _shake(picture: np.ndarray, index: int, seed: int) -> np.ndarray:
    """Turned and moved as a hand does, with sines of incommensurate periods, and enlarged so that no edge shows."""
    from PIL import Image

    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, (3, 2))
    wave = np.sin(index / FPS * 2 * np.pi * np.array([[0.9, 2.3], [1.1, 2.7], [0.7, 1.9]]) + phases) @ (0.7, 0.3)
    height, width = picture.shape[:2]
    angle = np.radians(SHAKE_DEGREES * wave[2])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / ZOOM
    centre = np.array([width, height]) / 2
    offset = centre - turn @ centre + SHAKE_SHARE * min(width, height) * wave[:2]
    rows = (*turn[0], offset[0], *turn[1], offset[1])
    moved = Image.fromarray(picture).transform((width, height), Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC)
    return np.asarray(moved)
