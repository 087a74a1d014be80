"""Sharpen a region's motion by its pixels: direct alignment of a template (Lucas & Kanade 1981, with Huber weights).

Corner features fix the middle of a torso well but its scale and rotation badly; collar, lapels and folds, taken as they
look, fix all four numbers of the similarity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pgstalker.tracking.geometry import huber_weights

MAX_PIXELS = 3000  # the ones with the steepest template
LEAST_PIXELS = 200
STEPS = 8
COARSE_BLUR_PX, FINE_BLUR_PX = 2.5, 1.0
TEMPLATE_EVERY = 5  # frames


def align_region(
    gray: np.ndarray, mask_of: Callable[[int], np.ndarray], similarity: np.ndarray, reference: int, train: int
) -> np.ndarray:
    """similarity [T, 2, 3] (reference px to frame px, OpenCV pixels) refined on gray uint8 [T, H, W].

    First the reference frame is the template, then the mean of the training frames brought onto it.
    """
    import cv2

    mask = cv2.erode(mask_of(reference).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if mask.sum() < LEAST_PIXELS:
        return similarity
    for blur in (COARSE_BLUR_PX, FINE_BLUR_PX):
        similarity = _align_all(gray, mask_of, similarity, _Template(_blurred(gray[reference], blur), mask), blur)
    side = gray.shape[1:][::-1]
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sparse = range(0, train, TEMPLATE_EVERY)
    brought = [cv2.warpAffine(gray[frame], similarity[frame], side, flags=inverse) for frame in sparse]
    mean = _Template(_blurred(np.mean(brought, axis=0), FINE_BLUR_PX), mask)
    return _align_all(gray, mask_of, similarity, mean, FINE_BLUR_PX)


class _Template:
    """Pixels to be found again: at [N, 2], around their center [2], and their gray values [N]."""

    def __init__(self, image: np.ndarray, mask: np.ndarray):
        rows, columns = np.nonzero(mask)
        steepness = np.hypot(*np.gradient(image))[rows, columns]
        chosen = np.sort(np.argsort(-steepness)[:MAX_PIXELS])
        self.at = np.stack([columns[chosen], rows[chosen]], axis=1).astype(np.float64)
        self.center = self.at.mean(0)
        self.values = image[rows[chosen], columns[chosen]]


def _align_all(gray, mask_of, similarity, template: _Template, blur: float) -> np.ndarray:
    return np.stack(
        [_align(_blurred(image, blur), mask_of(frame), similarity[frame], template) for frame, image in enumerate(gray)]
    )


def _align(image: np.ndarray, mask: np.ndarray, start: np.ndarray, template: _Template) -> np.ndarray:
    """Gauss-Newton on (shift, cosine, sine) of one frame; the start where the region is hidden."""
    import cv2

    offset = template.at - template.center
    visible = mask.astype(np.float32)
    slopes = [cv2.Sobel(image, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    cosine, sine = start[0, 0], start[1, 0]
    shift = start[:, :2] @ template.center + start[:, 2]
    for step in range(STEPS):
        at = (offset @ np.array([[cosine, sine], [-sine, cosine]]) + shift).astype(np.float32)
        is_seen = _at(visible, at) > 0.9
        if is_seen.sum() < LEAST_PIXELS:
            return start
        at, moved, values = at[is_seen], offset[is_seen], template.values[is_seen]
        seen, by_x, by_y = _at(image, at), _at(slopes[0], at), _at(slopes[1], at)
        # Light changes over the clip: compare up to brightness and contrast, once the start is near.
        gain = np.cov(values, seen)[0, 1] / values.var() if step else 1.0
        bias = seen.mean() - gain * values.mean() if step else 0.0
        residual = gain * values + bias - seen
        spread = 1.48 * np.median(np.abs(residual)) + 1e-3
        weights = huber_weights(np.abs(residual), 1.5 * spread) * (np.abs(residual) < 6 * spread)
        by_cosine = by_x * moved[:, 0] + by_y * moved[:, 1]
        by_sine = by_y * moved[:, 0] - by_x * moved[:, 1]
        jacobian = np.stack([by_x, by_y, by_cosine, by_sine], axis=1)
        weighted = (jacobian * weights[:, None]).T
        hessian = weighted @ jacobian
        change = np.linalg.solve(hessian + 1e-3 * np.diag(np.diag(hessian)) + 1e-9 * np.eye(4), weighted @ residual)
        shift, cosine, sine = shift + change[:2], cosine + change[2], sine + change[3]
        if np.abs(change[:2]).max() < 0.02:
            break
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, shift - linear @ template.center])


def _at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear values [N] of an image [H, W] at points [N, 2] float32; 0 outside."""
    import cv2

    return cv2.remap(image, points[:, None, 0], points[:, None, 1], cv2.INTER_LINEAR)[:, 0]


def _blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma_px)
