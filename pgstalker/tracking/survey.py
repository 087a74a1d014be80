"""The first look at a video: faces five times a second, and where the picture is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from pgstalker import media
from pgstalker.tracking.landmarks import FaceLandmarker
from pgstalker.tracking.quality import CUT_JUMP, face_height
from pgstalker.types import FPS

SAMPLE_EVERY = 5  # frames at 25 fps
TILE_SHARE = 0.6  # of width and height: four overlapping tiles find faces too small for the whole picture


def sample_faces(path: Path, frames: int, report: Callable[[float], None]) -> list[list[np.ndarray]]:
    """Faces of every fifth frame (at 25 fps), largest first: lists of landmarks [478, 3] in source px.

    A video in whose whole pictures hardly a face is found is searched again in tiles.
    """
    samples = -(-frames // SAMPLE_EVERY)

    def pictures():
        return media.read_frames(path, fps=FPS / SAMPLE_EVERY, count=samples)

    with FaceLandmarker(max_faces=2) as landmarker:
        faces = []
        for image in pictures():
            faces.append(_by_height(landmarker.track(image)))
            report(len(faces) / samples)
        if sum(map(bool, faces)) < 0.5 * len(faces):
            tiled = [_by_height(_faces_in_tiles(image, landmarker)) for image in pictures()]
            faces = [whole or parts for whole, parts in zip(faces, tiled, strict=True)]
    return faces


def find_cuts(path: Path, faces: list[list[np.ndarray]]) -> list[int]:
    """Frames (at 25 fps) that begin a new scene: the face jumps from one frame to the next.

    Only where it moved much between two samples are the frames between them looked at.
    """
    cuts = []
    for index in range(1, len(faces)):
        if faces[index - 1] and faces[index] and is_jump(faces[index - 1][0], faces[index][0]):
            start = max(0, (index - 1) * SAMPLE_EVERY - 3)  # sampling rounds to the nearest frame
            with FaceLandmarker(max_faces=2) as landmarker:
                images = media.read_frames(path, fps=FPS, start=start, count=SAMPLE_EVERY + 7)
                seen = [_by_height(landmarker.track(image)) for image in images]
            found = [frame for frame, sample in enumerate(seen) if sample]
            pairs = zip(found, found[1:], strict=False)
            cuts += [start + b for a, b in pairs if is_jump(seen[a][0], seen[b][0])][:1]
    return cuts


def is_jump(before: np.ndarray, after: np.ndarray) -> bool:
    """Two landmark sets [478, 3]: the centre moves by over half a face height, or the face changes size by half."""
    heights = face_height(before), face_height(after)
    moved = np.linalg.norm(after[:, :2].mean(0) - before[:, :2].mean(0))
    return bool(moved > CUT_JUMP * heights[0] or max(heights) > 1.5 * min(heights))


def longest_scene(cuts: Iterable[int], frames: int) -> tuple[int, int]:
    """(first frame, number of frames) of the longest stretch between cuts."""
    bounds = [0, *cuts, frames]
    start, end = max(zip(bounds, bounds[1:], strict=False), key=lambda scene: scene[1] - scene[0])
    return start, end - start


def _faces_in_tiles(image: np.ndarray, landmarker: FaceLandmarker) -> list[np.ndarray]:
    height, width = image.shape[:2]
    high, wide = int(TILE_SHARE * height), int(TILE_SHARE * width)
    faces: list[np.ndarray] = []
    for top in (0, height - high):
        for left in (0, width - wide):
            for face in landmarker.track(image[top : top + high, left : left + wide]):
                face = face + np.array([left, top, 0], np.float32)
                if all(np.linalg.norm((face - other)[:, :2].mean(0)) > face_height(face) for other in faces):
                    faces.append(face)
    return faces


def _by_height(faces: list[np.ndarray]) -> list[np.ndarray]:
    return sorted(faces, key=face_height, reverse=True)
