"""What `prepare` recovers from a presenter's clip against its exact truth; prints one JSON line.

python benchmarks/tracking_truth.py SUBJECT TRUTH.npz [--first FRAME]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pgstalker.subject import Subject


def compare(subject: Subject, truth: dict[str, np.ndarray], first: int = 0) -> dict:
    """Errors over the frames of a subject whose frame 0 is frame `first` of the clip.

    Rotations are compared after one constant turn between the two head frames, whose zeros are drawn differently, is
    taken out; its size is reported as offset_deg. Apertures are correlated: their scale depends on which lip points
    are meant.
    """
    tracks, frames = subject.tracks, subject.manifest["frames"]
    span = slice(first, first + frames)
    found = Rotation.from_matrix(tracks.camera_from_head[:, :3, :3])
    known = Rotation.from_matrix(truth["camera_from_head"][span, :3, :3])
    offset = (found.inv() * known).mean()
    error = np.degrees((found * offset * known.inv()).magnitude())
    return {
        "frames": frames,
        "face_found": float(tracks.valid.mean()),
        "warnings": subject.manifest["warnings"],
        "rotation_median_deg": round(float(np.median(error)), 3),
        "rotation_p95_deg": round(float(np.percentile(error, 95)), 3),
        "offset_deg": round(float(np.degrees(offset.magnitude())), 2),
        "aperture_r": _correlation(tracks.aperture, truth["aperture"][span]),
        "mouth_width_r": _correlation(tracks.mouth_width, truth["mouth_width"][span]),
        "blink_r": _correlation(tracks.blink, truth["blink"][span]),
        "eyes_px_median": round(float(np.median(_eye_corners(tracks.landmarks_px, truth, span))), 2),
        "lag_frames": _picture_lag(tracks.aperture, truth["aperture"][span]),
        "audio_lag": subject.manifest["audio"],
    }


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return round(float(np.corrcoef(a, b)[0, 1]), 4)


def _eye_corners(landmarks: np.ndarray, truth: dict, span: slice) -> np.ndarray:
    """Distance in pixels between tracked and true outer eye corners [T, 2]."""
    names = truth["names"].tolist()
    right, left = (truth["landmarks"][span, names.index(f"{side}_eye_outer"), :2] for side in ("right", "left"))
    return np.stack([np.linalg.norm(landmarks[:, 33, :2] - right, axis=1),
                     np.linalg.norm(landmarks[:, 263, :2] - left, axis=1)], axis=1)  # fmt: skip


def _picture_lag(found: np.ndarray, known: np.ndarray, reach: int = 5) -> float:
    """By how many frames the tracked aperture runs behind the true one, by the peak of a parabola through r(lag)."""
    lags = np.arange(-reach, reach + 1)
    inner = slice(reach, len(known) - reach)
    r = np.array([np.corrcoef(np.roll(found, -lag)[inner], known[inner])[0, 1] for lag in lags])
    best = int(np.clip(r.argmax(), 1, len(r) - 2))
    a, b, c = r[best - 1 : best + 2]
    return round(float(lags[best] + 0.5 * (a - c) / (a - 2 * b + c)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    with np.load(options.truth, allow_pickle=False) as truth:
        result = compare(Subject.load(options.subject), dict(truth), options.first)
    print(json.dumps({"subject": options.subject.name, **result}))


if __name__ == "__main__":
    main()
