"""What a video must show to become a subject: each gate is one line that names the value seen and the remedy.

Gates raise SubjectError; what merely lowers the result is returned as a warning. Thresholds were measured on real
clips (good ones, and the same ones blurred, darkened, cut and covered).
"""

from __future__ import annotations

import numpy as np

from pgstalker.errors import SubjectError
from pgstalker.measures import SILENCE_DBFS, loudness_dbfs
from pgstalker.tracking.face_model import OVAL, interocular
from pgstalker.types import FPS

MIN_SECONDS, GOOD_SECONDS = 5.0, 30.0
MIN_EYES_PX, GOOD_EYES_PX = 40.0, 60.0
MIN_SIDE_PX = 400
SECOND_FACE_HEIGHT, SECOND_FACE_SHARE = 0.6, 0.1
INSIDE_SHARE = 0.97  # of the landmarks, for a frame to count
MIN_VALID_SHARE = 0.9
CUT_JUMP = 0.5  # face heights between two frames
MIN_LUMA, MIN_SHARPNESS, SOFT_SHARPNESS = 40.0, 8.0, 20.0
MAX_ROLL_DEG, MAX_YAW_DEG = 30.0, 45.0
MAX_FLOW_PX = 2.0  # per frame, at 512
MAX_CAMERA_PX = 6.0  # at 512


def check_length(name: str, frames: int) -> list[str]:
    """frames at 25 fps that have both picture and sound."""
    seconds = frames / FPS
    if seconds < MIN_SECONDS:
        raise SubjectError(f"{name} has {seconds:.1f} s of picture with sound; give at least {MIN_SECONDS:.0f} s")
    if seconds < GOOD_SECONDS:
        return [
            f"{seconds:.1f} s is short: the mouth learns from the speech it has seen; {GOOD_SECONDS:.0f} s are good"
        ]
    return []


def check_sound(name: str, samples: np.ndarray) -> None:
    """samples [S] in [-1, 1]."""
    level = loudness_dbfs(samples)
    if level < SILENCE_DBFS:
        raise SubjectError(f"{name}: audio is silent ({level:.0f} dBFS); record the voice with the picture")


def check_faces(name: str, faces: list[list[np.ndarray]]) -> list[str]:
    """faces: per sampled frame, the landmarks [478, 3] px of each face, in source px, largest first."""
    found = [sample for sample in faces if sample]
    if not found:
        raise SubjectError(f"no face found in {name} (0 of {len(faces)} frames); give a video of one person's face")
    crowded = [len(s) > 1 and face_height(s[1]) > SECOND_FACE_HEIGHT * face_height(s[0]) for s in faces]
    if np.mean(crowded) > SECOND_FACE_SHARE:
        raise SubjectError(
            f"two faces found in {name} ({np.mean(crowded):.0%} of frames); crop the video to one person"
        )
    eyes = float(np.median([interocular(sample[0][:, :2]) for sample in found]))
    if eyes < MIN_EYES_PX:
        raise SubjectError(
            f"face is too small ({eyes:.0f} px between the eyes); record closer, {GOOD_EYES_PX:.0f} px at least"
        )
    if eyes < GOOD_EYES_PX:
        return [f"face is small ({eyes:.0f} px between eyes); result will be soft"]
    return []


def check_crop(side: int) -> list[str]:
    if side < MIN_SIDE_PX:
        return [f"the head fills only {side} px of the video; result will be soft"]
    return []


def valid_frames(landmarks: np.ndarray, side_px: int) -> np.ndarray:
    """landmarks [T, 478, 3], NaN where no face was found, to [T] bool: the face is seen whole."""
    with np.errstate(invalid="ignore"):
        inside = ((landmarks[..., :2] >= 0) & (landmarks[..., :2] <= side_px)).all(-1)
    return inside.mean(1) >= INSIDE_SHARE


def check_valid(name: str, valid: np.ndarray) -> None:
    if valid.mean() < MIN_VALID_SHARE:
        raise SubjectError(
            f"face visible in only {valid.mean():.0%} of frames of {name}; give a video with the whole face in view"
        )


def luma_and_sharpness(image: np.ndarray, landmarks: np.ndarray, scale: float) -> tuple[float, float]:
    """Median brightness and variance of the Laplacian of the face. scale: what makes the picture's pixels those of a
    crop of 512 px."""
    import cv2

    low = np.maximum(landmarks[OVAL, :2].min(0).astype(int), 0)
    high = landmarks[OVAL, :2].max(0).astype(int)
    face = image[low[1] : high[1], low[0] : high[0]]
    if face.size == 0:
        return 0.0, 0.0
    gray = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    scaled = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return float(np.median(gray)), float(cv2.Laplacian(scaled, cv2.CV_64F).var())


def check_picture(luma: float, sharpness: float) -> list[str]:
    """Medians over sampled faces: luma 0..255, sharpness = variance of the Laplacian at 512 px."""
    if luma < MIN_LUMA:
        raise SubjectError(f"face is too dark (brightness {luma:.0f} of 255, at least {MIN_LUMA:.0f}); use more light")
    if sharpness < MIN_SHARPNESS:
        raise SubjectError(
            f"face is out of focus (sharpness {sharpness:.1f}, at least {MIN_SHARPNESS:.0f}); record it sharp"
        )
    if sharpness < SOFT_SHARPNESS:
        return [f"picture is soft (sharpness {sharpness:.1f}, good clips have 40 and more); result will be soft"]
    return []


def check_pose(degrees: np.ndarray) -> list[str]:
    """degrees [T, 3]: pitch, yaw, roll."""
    roll = float(np.median(degrees[:, 2]))
    if abs(roll) > MAX_ROLL_DEG:
        raise SubjectError(f"head is tilted by {roll:.0f} degrees; turn the video upright")
    turned = float(np.mean(np.abs(degrees[:, 1]) > MAX_YAW_DEG))
    if turned > 1 - MIN_VALID_SHARE:
        raise SubjectError(f"face is in profile in {turned:.0%} of frames; give a video that faces the camera")
    return [f"face is in profile in {turned:.1%} of frames; they are left out"] if turned else []


def check_flow(residual_px: float | None, size: int) -> None:
    limit = MAX_FLOW_PX * size / 512
    if residual_px is not None and residual_px > limit:
        raise SubjectError(
            f"head pose cannot be tracked (skin moves {residual_px:.1f} px a frame against it, at most {limit:.1f}); "
            "the face may be covered or the video edited"
        )


def check_camera(motion_px: float | None, size: int) -> list[str]:
    """motion_px: how far the background moves, or None where it shows nothing to follow."""
    if motion_px is None:
        return []
    limit = MAX_CAMERA_PX * size / 512
    if motion_px > limit:
        raise SubjectError(
            f"the camera moves ({motion_px:.0f} px, at most {limit:.0f}); use a tripod or stabilise the video"
        )
    return [f"the camera shakes by {motion_px:.1f} px"] if motion_px > limit / 3 else []


def face_height(landmarks: np.ndarray) -> float:
    """[478, 3] px to the height of the face oval in px."""
    return float(np.ptp(landmarks[OVAL, 1]))
