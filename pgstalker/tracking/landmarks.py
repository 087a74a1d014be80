"""MediaPipe FaceLandmarker, tracking from frame to frame but never smoothing."""

from __future__ import annotations

import contextlib

import numpy as np

from pgstalker.tracking.native_log import silenced
from pgstalker.weights import model_file

# In video mode MediaPipe smooths over time (one-euro filter): lips lag by half a frame and open up to 15 % less. With
# timestamps this far apart the filter is the identity while its tracking, which is steadier than detection, remains.
TIMESTAMP_STEP_MS = 1_000_000


class FaceLandmarker:
    """478 landmarks per face. Frames given to `track` must follow each other in time, unless is_video is False: then
    each picture is looked at by itself, as a judge should.

    max_faces > 1 detects anew in each frame (MediaPipe's behaviour): use it to count faces only. has_expression makes
    `examine` tell blendshapes too.
    Raises WeightsError where face_landmarker.task cannot be had.
    """

    def __init__(self, max_faces: int = 1, is_video: bool = True, has_expression: bool = False):
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model_file("face_landmarker.task"))),
            running_mode=vision.RunningMode.VIDEO if is_video else vision.RunningMode.IMAGE,
            num_faces=max_faces,
            output_face_blendshapes=has_expression,
        )
        self._is_video = is_video
        self._frames = 0
        with silenced():
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
            self.track(np.zeros((64, 64, 3), np.uint8))  # the graph's threads talk until it has run once

    def track(self, image: np.ndarray) -> list[np.ndarray]:
        """uint8 [H, W, 3] RGB to a list of [478, 3] float32: x, y px (pixel centres at +0.5), z in the same unit."""
        return [landmarks for landmarks, _ in self.examine(image)]

    def examine(self, image: np.ndarray) -> list[tuple[np.ndarray, dict[str, float]]]:
        """Each face's landmarks, as `track` gives them, and with has_expression its blendshapes by name in [0, 1]."""
        import mediapipe

        height, width = image.shape[:2]
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        if self._is_video:
            result = self._landmarker.detect_for_video(picture, self._frames * TIMESTAMP_STEP_MS)
            self._frames += 1
        else:
            result = self._landmarker.detect(picture)
        scale = np.array([width, height, width], np.float32)  # MediaPipe's z is in widths
        faces = [np.array([[p.x, p.y, p.z] for p in face], np.float32) * scale for face in result.face_landmarks]
        shapes = [{s.category_name: s.score for s in face} for face in result.face_blendshapes or [()] * len(faces)]
        return list(zip(faces, shapes, strict=True))

    def close(self) -> None:
        """Release the graph: left to the interpreter's exit, MediaPipe raises in __del__."""
        self._landmarker.close()

    def __enter__(self) -> FaceLandmarker:
        return self

    def __exit__(self, *error) -> None:
        with contextlib.suppress(RuntimeError):
            self.close()
