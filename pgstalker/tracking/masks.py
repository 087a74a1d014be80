"""What each pixel shows: person and hair from two small networks, the face's parts from landmark polygons."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pgstalker.tracking import face_model
from pgstalker.tracking.native_log import silenced
from pgstalker.types import Label
from pgstalker.weights import model_file

HAIR_EVERY = 2  # frames: the hair network costs four times the person network, and hair moves slowly
FINER = 4  # sub-pixels a side in which polygons are drawn
AHEAD = 6  # frames in flight between reading and labelling


class Segmenter:
    """One of MediaPipe's two-class segmenters. Raises WeightsError where its file cannot be had."""

    def __init__(self, file_name: str, *, has_alpha: bool = False):
        from mediapipe.tasks.python import BaseOptions, vision

        self._has_alpha = has_alpha
        options = vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_path=str(model_file(file_name))),
            running_mode=vision.RunningMode.IMAGE,
            output_confidence_masks=True,
        )
        with silenced():
            self._segmenter = vision.ImageSegmenter.create_from_options(options)
            self.probability(np.zeros((64, 64, 3), np.uint8))  # its threads talk until it has run once

    def probability(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] RGB to float32 [H, W] in [0, 1]: how likely a pixel belongs to the class."""
        import mediapipe

        if self._has_alpha:  # the hair network takes its last answer as a fourth channel; zero means none
            image = np.dstack([image, np.zeros(image.shape[:2], np.uint8)])
        kind = mediapipe.ImageFormat.SRGBA if self._has_alpha else mediapipe.ImageFormat.SRGB
        picture = mediapipe.Image(image_format=kind, data=np.ascontiguousarray(image))
        # Published files differ: one channel, or background first and the class last.
        return self._segmenter.segment(picture).confidence_masks[-1].numpy_view().reshape(image.shape[:2]).copy()

    def close(self) -> None:
        self._segmenter.close()


def person_segmenter() -> Segmenter:
    return Segmenter("selfie_segmenter.tflite")


def hair_segmenter() -> Segmenter:
    return Segmenter("hair_segmenter.tflite", has_alpha=True)


def label_frames(frames: Iterable[np.ndarray], landmarks: np.ndarray) -> Iterator[np.ndarray]:
    """frames uint8 [H, W, 3] with landmarks [T, 478, 3] px to one uint8 [H, W] of Label per frame, streaming.

    Person and hair are medians over three frames, which takes out their flicker; polygons are exact per frame.
    """
    window: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=3)
    frame = 0
    for window_end in _with_last_repeated(_soft_masks(frames)):
        if not window:
            window.append(window_end)
        window.append(window_end)
        if len(window) == 3:
            person, hair = (_median(*(pair[kind] for pair in window)) for kind in (0, 1))
            yield label(person, hair, landmarks[frame])
            frame += 1


def label(person: np.ndarray, hair: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """person, hair float [H, W] in [0, 1], landmarks [478, 3] px to uint8 [H, W] of Label."""
    import cv2

    shape = person.shape
    is_person = _largest_part(person > 0.5)
    is_hair = cv2.morphologyEx(((hair > 0.5) & is_person).astype(np.uint8), cv2.MORPH_CLOSE, _disc(5, shape)) > 0
    oval = cv2.dilate(polygon(landmarks, face_model.OVAL, shape).astype(np.uint8), _disc(7, shape)) > 0
    labels = np.zeros(shape, np.uint8)
    labels[is_person] = Label.TORSO
    labels[_ears(is_person, oval, landmarks)] = Label.FACE
    labels[oval] = Label.FACE
    labels[is_hair] = Label.HAIR
    # Person above the eyes that is neither face nor hair: loose strands and hats.
    rows = np.arange(shape[0])[:, None]
    brow = landmarks[[face_model.RIGHT_EYE_OUTER, face_model.LEFT_EYE_OUTER], 1].min()
    labels[(labels == Label.TORSO) & (rows < brow)] = Label.HAIR
    labels[polygon(landmarks, face_model.LIPS_OUTER, shape)] = Label.LIPS
    labels[polygon(landmarks, face_model.LIPS_INNER, shape)] = Label.MOUTH
    for eye in (face_model.RIGHT_EYE, face_model.LEFT_EYE):
        labels[polygon(landmarks, eye, shape)] = Label.EYES
    return labels


def polygon(landmarks: np.ndarray, ring: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: pixels of which more than half lies inside the closed ring of landmarks [478, 2 or 3] px."""
    import cv2

    inside = np.zeros(shape, bool)
    corners = landmarks[ring, :2]
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, np.array(shape[::-1]) - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1, low + 1, shape[::-1])
    # OpenCV fills the outline too, half a pixel too much all around; on a finer grid that is an eighth.
    canvas = np.zeros(FINER * (high - low)[::-1], np.uint8)
    fine = FINER * (corners - low) - 0.5  # OpenCV's pixel centres are whole numbers
    cv2.fillPoly(canvas, [np.round(fine * 16).astype(np.int32)], 255, shift=4)
    share = cv2.resize(canvas, (high - low).tolist(), interpolation=cv2.INTER_AREA)
    inside[low[1] : high[1], low[0] : high[0]] = share > 127
    return inside


def _ears(is_person: np.ndarray, oval: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Person beside the oval, above the middle of the jaw."""
    import cv2

    reach = 0.275 * face_model.interocular(landmarks[:, :2])
    near = cv2.distanceTransform((~oval).astype(np.uint8), cv2.DIST_L2, 5) <= reach
    ear = landmarks[[face_model.RIGHT_EAR, face_model.LEFT_EAR], 1].mean()
    jaw = ear + 0.55 * (landmarks[face_model.CHIN, 1] - ear)
    return is_person & near & (np.arange(len(oval))[:, None] < jaw)


def _soft_masks(frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(person, hair) probability per frame; the two networks run side by side, hair on every second frame."""
    person_model, hair_model = person_segmenter(), hair_segmenter()
    with ThreadPoolExecutor(1) as person_thread, ThreadPoolExecutor(1) as hair_thread:
        try:
            queue: deque = deque()
            before = None
            for index, frame in enumerate(frames):
                person = person_thread.submit(person_model.probability, frame)
                hair = hair_thread.submit(hair_model.probability, frame) if index % HAIR_EVERY == 0 else None
                queue.append((person, hair))
                if len(queue) > AHEAD:
                    before = yield from _emit(queue, before)
            while queue:
                before = yield from _emit(queue, before)
        finally:
            person_thread.shutdown(cancel_futures=True)
            hair_thread.shutdown(cancel_futures=True)
            person_model.close()
            hair_model.close()


def _emit(queue: deque, before: np.ndarray | None):
    """Yield the oldest frame's masks; hair that was not computed lies between its neighbours. Returns its hair."""
    person, hair = queue.popleft()
    if hair is not None:
        known = hair.result()
        yield person.result(), known
        return known
    assert before is not None, "the first frame's hair is computed"
    after = next((later.result() for _, later in queue if later is not None), before)
    yield person.result(), 0.5 * (before + after)
    return before


def _with_last_repeated(items: Iterable) -> Iterator:
    last = None
    for last in items:
        yield last
    if last is not None:
        yield last


def _median(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a bool [H, W]: another person at the edge is no part of the portrait."""
    import cv2

    count, parts, sizes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count <= 1:
        return mask
    return parts == 1 + np.argmax(sizes[1:, cv2.CC_STAT_AREA])


def _disc(diameter_at_512: int, shape: tuple[int, int]) -> np.ndarray:
    import cv2

    side = max(1, round(diameter_at_512 * shape[0] / 512)) | 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
