"""The background plate: what is behind the person, from training frames alone."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pgstalker.types import Label

SAMPLES = 60
FEWEST_SIGHTINGS = 3
MARGIN = 1 / 64
"""Share of the side by which the person is grown, so that hair and soft edges stay out of the plate."""


def background_plate(frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """frames [T, H, W, 3] uint8, labels [T, H, W] -> plate [H, W, 3] float32 in [0, 1].

    Per pixel the median over the frames in which it is background; what is never seen is filled from its edges.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, SAMPLES).astype(int))
    side = labels.shape[1]
    reach = max(1, round(side * MARGIN))
    disc = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= reach
    seen = np.stack([~ndimage.binary_dilation(labels[t] != Label.BACKGROUND, disc) for t in chosen])
    known = seen.sum(0) >= min(FEWEST_SIGHTINGS, len(chosen))
    plate = np.zeros((*labels.shape[1:], 3), np.float32)
    stack = frames[chosen]
    for top in range(0, side, 64):  # bands bound the memory of the masked median
        band = slice(top, top + 64)
        masked = np.ma.masked_array(stack[:, band], np.repeat(~seen[:, band, :, None], 3, 3))
        plate[band] = np.ma.median(masked, axis=0).filled(0)
    # In steps of 1/255, as avatars store it: what was trained over is what is played.
    return np.rint(inpaint(plate / 255, known) * 255) / np.float32(255)


def inpaint(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill picture [H, W, C] where known [H, W] is False: nearest known value, then relaxed to a smooth surface."""
    if known.all() or not known.any():
        return picture if known.any() else np.full_like(picture, 0.5)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled = picture[tuple(nearest)]
    for sigma in np.geomspace(picture.shape[0] / 8, 1, 8):
        smooth = ndimage.gaussian_filter(filled, (sigma, sigma, 0), mode="nearest")
        filled = np.where(known[..., None], picture, smooth)
    return filled.astype(np.float32)
