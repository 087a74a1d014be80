"""The mouth code: what the lips do, in a few numbers measured from landmarks.

Landmarks are laid over the subject's mean head (similarity Procrustes over rigid points), so that head pose drops out;
lips and chin then vary along a handful of principal axes. code = [lip aperture, PC1 .. PCk], each standardised on the
training frames.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pgstalker.landmarks import CHIN, LIPS_INNER, LIPS_OUTER, MOUTH_CORNERS, NOSE_BRIDGE_TO_CHIN, RIGID
from pgstalker.measures import lip_aperture

MOUTH = LIPS_OUTER + LIPS_INNER + CHIN
DEPTH_WEIGHT = 0.5
"""MediaPipe's depth is its weakest coordinate."""
LIMIT = 4.0


@dataclass(frozen=True)
class MouthBasis:
    """reference [34, 3] mean rigid points; mean [144], axes [k, 144], scale [k] of the aligned mouth; aperture [2]."""

    reference: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    scale: np.ndarray
    aperture: np.ndarray

    @classmethod
    def fit(cls, landmarks: np.ndarray, code_size: int) -> MouthBasis:
        """From landmarks [T, 478, 3] px of training frames only. code_size counts the aperture."""
        reference = landmarks[:, RIGID].astype(np.float64).mean(0)
        reference -= reference.mean(0)
        shapes = _align(landmarks, reference)
        mean = shapes.mean(0)
        _, _, axes = np.linalg.svd(shapes - mean, full_matrices=False)
        axes = axes[: code_size - 1]
        coefficients = (shapes - mean) @ axes.T
        aperture = lip_aperture(landmarks)
        return cls(
            reference=reference,
            mean=mean,
            axes=axes,
            scale=coefficients.std(0) + 1e-9,
            aperture=np.array([aperture.mean(), aperture.std() + 1e-9]),
        )

    def encode(self, landmarks: np.ndarray) -> np.ndarray:
        """Landmarks [T, 478, 3] px -> codes [T, code_size] float32, clipped to +-LIMIT standard deviations."""
        aperture = (lip_aperture(landmarks) - self.aperture[0]) / self.aperture[1]
        coefficients = (_align(landmarks, self.reference) - self.mean) @ self.axes.T / self.scale
        return np.clip(np.column_stack([aperture, coefficients]), -LIMIT, LIMIT).astype(np.float32)

    def lips(self, codes: np.ndarray) -> np.ndarray:
        """What codes [T, C] mean: aperture (share of the eyes' distance), width and chin's height (px of the mean head)
        [T, 3], as audio.sync compares them with sound."""
        aperture = codes[:, 0] * self.aperture[1] + self.aperture[0]
        shape = (self.mean + (codes[:, 1:] * self.scale) @ self.axes).reshape(len(codes), len(MOUTH), 3)
        left, right = (shape[:, MOUTH.index(corner)] * (1, 1, 1 / DEPTH_WEIGHT) for corner in MOUTH_CORNERS)
        chin = shape[:, MOUTH.index(NOSE_BRIDGE_TO_CHIN[1]), 1]
        return np.stack([aperture, np.linalg.norm(left - right, axis=1), chin], 1)

    @staticmethod
    def shapes(code_size: int) -> dict[str, tuple[int, ...]]:
        """The shape of every array, for an empty one that is about to be loaded."""
        k, mouth = code_size - 1, 3 * len(MOUTH)
        return {"reference": (len(RIGID), 3), "mean": (mouth,), "axes": (k, mouth), "scale": (k,), "aperture": (2,)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name).astype(np.float32) for field in fields(self)}


def _align(landmarks: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mouth points [T, 144] after the similarity that lays the rigid points over `reference` (Umeyama 1991)."""
    points = landmarks.astype(np.float64)
    rigid = points[:, RIGID]
    centre = rigid.mean(1, keepdims=True)
    left, singular, right = np.linalg.svd((rigid - centre).transpose(0, 2, 1) @ reference)
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * sign[:, None]) @ right
    scale = (singular * sign).sum(1) / ((rigid - centre) ** 2).sum((1, 2))
    aligned = scale[:, None, None] * ((points[:, MOUTH] - centre) @ rotation)
    aligned[..., 2] *= DEPTH_WEIGHT
    return aligned.reshape(len(aligned), -1)
