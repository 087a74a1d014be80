"""Where the face is in each frame: landmarks and expression, seen picture by picture, and the regions they give.

Both sides are looked at in MediaPipe's image mode: its video mode moves the same lips by 1.3 px at 512 px.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pgstalker.landmarks import EYE_CORNERS, MESH_POINTS, MOUTH_CORNERS

POINTS = 478
MOUTH_BOX = 1.4
"""Side of the square mouth box in widths of the mouth."""
FACE_MARGIN = 0.15
"""What the face box adds to the landmarks' box on each side, of its longer side: the mesh ends at the hairline."""
MOST_LOST = 0.05
"""Share of frames without a face beyond which a figure that needs it is not given."""


class Observer(Protocol):
    """Looks at pictures one by one."""

    def examine(self, image: np.ndarray) -> list[tuple[np.ndarray, dict[str, float]]]:
        """uint8 [H, W, 3] RGB to the faces in it: landmarks [478, 3] px, and blendshapes by name in [0, 1]."""


def mediapipe_observer() -> AbstractContextManager[Observer]:
    """MediaPipe's landmarker in image mode. Raises WeightsError where its file is not at hand."""
    from pgstalker.tracking.landmarks import FaceLandmarker

    return FaceLandmarker(is_video=False, has_expression=True)


@dataclass(frozen=True)
class FaceTrack:
    """A face over time: landmarks_px [T, 478, 3] float32 and blendshapes [T, B] float32, NaN where none was seen."""

    landmarks_px: np.ndarray
    blendshapes: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, faces: Iterable[tuple[np.ndarray, dict[str, float]] | None]) -> FaceTrack:
        """One entry per frame, None where no face was seen."""
        faces = list(faces)
        names = next((tuple(face[1]) for face in faces if face is not None), ())
        landmarks = np.full((len(faces), POINTS, 3), np.nan, np.float32)
        blendshapes = np.full((len(faces), len(names)), np.nan, np.float32)
        for frame, face in enumerate(faces):
            if face is not None:
                landmarks[frame], blendshapes[frame] = face[0], [face[1][name] for name in names]
        return cls(landmarks, blendshapes, names)

    def __len__(self) -> int:
        return len(self.landmarks_px)

    @property
    def is_seen(self) -> np.ndarray:
        """[T] bool."""
        return np.isfinite(self.landmarks_px[:, 0, 0])

    @property
    def eye_distance_px(self) -> float:
        """Median distance of the outer eye corners in the picture's plane."""
        eyes = self.landmarks_px[self.is_seen][:, EYE_CORNERS, :2]
        return float(np.median(np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)))

    def box(self, region: str, index: int, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Top, bottom, left, right px of the face or mouth within a picture of `size` (width, height), or None."""
        points = self.landmarks_px[index, :, :2]
        if not np.isfinite(points[0, 0]):
            return None
        if region == "mouth":
            corners = points[MOUTH_CORNERS]
            reach = MOUTH_BOX / 2 * np.linalg.norm(corners[0] - corners[1])
            low, high = corners.mean(0) - reach, corners.mean(0) + reach
        else:
            mesh = points[:MESH_POINTS]
            low, high = mesh.min(0), mesh.max(0)
            margin = FACE_MARGIN * (high - low).max()
            low, high = low - margin, high + margin
        left, top = np.clip(np.round(low), 0, size).astype(int)
        right, bottom = np.clip(np.round(high), 0, size).astype(int)
        return (int(top), int(bottom), int(left), int(right)) if right > left and bottom > top else None
