"""Sharpen a region's motion by its pixels: direct alignment of a template (Lucas & Kanade 1981, with Huber weights).

Corner features fix the middle of a torso well but its scale and rotation badly; collar, lapels and folds, taken as they
look, fix all four numbers of the similarity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pgstalker.tracking.geometry import huber_weights

MAX_PIXELS = 3000  # the ones with the steepest template
LEAST_PIXELS, LEAST_SEEN_SHARE = 200, 0.5
STEPS = 8
FARTHEST_PX, FARTHEST_TURN = 8.0, 0.08  # an alignment that goes farther from its start has lost its way
LOST_LIKENESS, SEARCH_PX, SEARCH_STEP_PX = 0.6, 32, 4
COARSE_BLUR_PX, FINE_BLUR_PX = 2.5, 1.0
TEMPLATE_EVERY, TEMPLATE_LIKENESS = 5, 0.7  # frames; which ones the mean is made of


def align_region(
    gray: np.ndarray,
    mask: np.ndarray,
    visible_in: Callable[[int], np.ndarray],
    similarity: np.ndarray,
    reference: int,
    train: int,
) -> tuple[np.ndarray, np.ndarray]:
    """similarity [T, 2, 3] (reference px to frame px, OpenCV pixels) refined on gray uint8 [T, H, W].

    mask bool [H, W]: the region in the reference frame; visible_in(frame) bool [H, W]: where it may be seen.
    First the reference frame is the template, then the mean of the training frames brought onto it. Returns the motion
    and its likeness [T] in [0, 1]: the correlation of each frame with the template, 0 where too little of it is seen.
    """
    import cv2

    mask = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if mask.sum() < LEAST_PIXELS:
        return similarity, np.zeros(len(gray))
    coarse, fine = (_Template(_blurred(gray[reference], blur), mask) for blur in (COARSE_BLUR_PX, FINE_BLUR_PX))
    found, likeness = similarity.copy(), np.zeros(len(gray))
    for order in (range(reference, len(gray)), range(reference - 1, -1, -1)):
        for frame in order:
            image, visible = _blurred(gray[frame], COARSE_BLUR_PX), visible_in(frame).astype(np.float32)
            before = found[frame - order.step if frame != reference else reference]
            ends = [_align(image, visible, start, coarse) for start in (similarity[frame], before)]
            if max(likeness for _, likeness in ends) < LOST_LIKENESS:
                ends.append(_align(image, visible, _search(image, visible, before, coarse), coarse))
            rough, _ = max(ends, key=lambda end: end[1])
            end, likeness[frame] = _align(_blurred(gray[frame], FINE_BLUR_PX), visible, rough, fine)
            found[frame] = end if likeness[frame] >= LOST_LIKENESS else before
    side = gray.shape[1:][::-1]
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    alike = [frame for frame in range(0, train, TEMPLATE_EVERY) if likeness[frame] > TEMPLATE_LIKENESS]
    brought = [cv2.warpAffine(gray[frame], found[frame], side, flags=inverse) for frame in {*alike, reference}]
    mean = _Template(_blurred(np.mean(brought, axis=0), FINE_BLUR_PX), mask)
    for frame, image in enumerate(gray):
        visible = visible_in(frame).astype(np.float32)
        found[frame], likeness[frame] = _align(_blurred(image, FINE_BLUR_PX), visible, found[frame], mean)
    return found, likeness


class _Template:
    """Pixels to be found again: at [N, 2], around their center [2], and their gray values [N]."""

    def __init__(self, image: np.ndarray, mask: np.ndarray):
        rows, columns = np.nonzero(mask)
        steepness = np.hypot(*np.gradient(image))[rows, columns]
        chosen = np.sort(np.argsort(-steepness)[:MAX_PIXELS])
        self.at = np.stack([columns[chosen], rows[chosen]], axis=1).astype(np.float64)
        self.center = self.at.mean(0)
        self.values = image[rows[chosen], columns[chosen]]


def _align(image: np.ndarray, visible: np.ndarray, start: np.ndarray, template: _Template) -> tuple[np.ndarray, float]:
    """Gauss-Newton on (shift, cosine, sine) of one frame: the motion [2, 3] and its likeness, or the start's."""
    import cv2

    offset = template.at - template.center
    slopes = [cv2.Sobel(image, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    cosine, sine = start[0, 0], start[1, 0]
    shift = first_shift = start[:, :2] @ template.center + start[:, 2]
    for step in range(STEPS):
        at = (offset @ np.array([[cosine, sine], [-sine, cosine]]) + shift).astype(np.float32)
        is_seen = _at(visible, at) > 0.9
        if is_seen.sum() < LEAST_PIXELS:
            break
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
    end = np.column_stack([linear, shift - linear @ template.center])
    likeness, before = (_likeness(image, visible, motion, template) for motion in (end, start))
    turned = np.hypot(cosine - start[0, 0], sine - start[1, 0])
    strayed = np.linalg.norm(shift - first_shift) > FARTHEST_PX or turned > FARTHEST_TURN
    return (start, before) if strayed or likeness < before else (end, likeness)


def _search(image: np.ndarray, visible: np.ndarray, start: np.ndarray, template: _Template) -> np.ndarray:
    """The start [2, 3] shifted to where the picture looks most like the template: after a jump in the video."""
    reach = range(-SEARCH_PX, SEARCH_PX + 1, SEARCH_STEP_PX)
    starts = [start + np.array([[0, 0, x], [0, 0, y]]) for x in reach for y in reach]
    return max(starts, key=lambda motion: _likeness(image, visible, motion, template))


def _likeness(image: np.ndarray, visible: np.ndarray, motion: np.ndarray, template: _Template) -> float:
    at = (template.at @ motion[:, :2].T + motion[:, 2]).astype(np.float32)
    is_seen = _at(visible, at) > 0.9
    if is_seen.sum() < max(LEAST_PIXELS, LEAST_SEEN_SHARE * len(at)):
        return 0.0
    there, values = _at(image, at)[is_seen], template.values[is_seen]
    spread = there.std() * values.std()
    return float(np.clip(((there - there.mean()) * (values - values.mean())).mean() / spread, 0, 1)) if spread else 0.0


def _at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear values [N] of an image [H, W] at points [N, 2] float32; 0 outside."""
    import cv2

    return cv2.remap(image, points[:, None, 0], points[:, None, 1], cv2.INTER_LINEAR)[:, 0]


def _blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma_px)
