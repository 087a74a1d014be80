"""Where a result loses: its error by region, its worst frames beside the truth, its lags, and where the lips fail.

survey (faces, lag) -> frames in step: squared error by label -> worst frames -> text and a sheet
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard import inputs
from leaderboard.faces import FaceTrack, Observer, mediapipe_observer
from leaderboard.inspection.shelf import Evidence
from leaderboard.metrics.closure import CLOSED
from pgstalker.errors import ConfigError
from pgstalker.measures import MAX_PSNR_DB, lip_aperture, pearson
from pgstalker.types import FPS, Label

REGIONS = {
    "plate": (Label.BACKGROUND,),
    "torso": (Label.TORSO,),
    "face": (Label.FACE, Label.EYES),
    "hair": (Label.HAIR,),
    "lips": (Label.LIPS, Label.MOUTH),
}
GROUP_OF = np.zeros(len(Label), int)
for number, members in enumerate(REGIONS.values()):
    GROUP_OF[list(members)] = number
WORST, APART = 6, 12
"""Frames shown, and the least distance between them, less in a clip of a few seconds."""
LIP_LAGS = 6
OFF = 0.05
"""Lips are lost in a frame whose opening differs from the truth's by more than this share of the eyes' distance."""


@dataclass(frozen=True)
class Part:
    """Of one region: its share of all squared error and of all pixels, and its own PSNR in dB."""

    error_share: float
    area_share: float
    psnr_db: float


@dataclass(frozen=True)
class Loss:
    """Frames first .. last in which the lips are not the truth's: openings in eyes' distances."""

    first: int
    last: int
    shown: float
    true: float


@dataclass(frozen=True)
class Explanation:
    """frame_db and lips_db [T]: PSNR of each frame and of its lips (NaN where none are seen). lag_db: lag to PSNR of
    small pictures. lip_r: lag to correlation of the openings, positive where the prediction is late; {} where faces
    could not be tracked."""

    name: str
    regions: dict[str, Part]
    frame_db: np.ndarray
    lips_db: np.ndarray
    worst: list[int]
    lag: int
    lag_db: dict[int, float]
    lip_r: dict[int, float]
    lost: list[Loss]
    faceless: int


def explain(
    evidence: Evidence, sheet: Path | None = None, observer: AbstractContextManager[Observer] | None = None
) -> Explanation:
    """Look at every frame; write a sheet of the worst ones where a path is given.

    Raises ConfigError without a truth, MediaError for videos that do not belong together, WeightsError where faces
    cannot be tracked."""
    if evidence.truth is None:
        raise ConfigError(f"{evidence.name} has no truth to be compared with; give --gt VIDEO")
    own, true = inputs.open_sides(evidence.prediction, evidence.truth, resample=False)
    assert true is not None, "a truth was given"
    with observer or mediapipe_observer() as looks:
        mine, its = inputs.survey(own, looks), inputs.survey(true, looks)
    inputs.check_counts(mine.frames, its.frames, cut=False)
    count = min(mine.frames, its.frames)
    assert mine.faces is not None and its.faces is not None, "an observer looked"
    lag, decibels = inputs.best_lag(mine.thumbs, its.thumbs)
    squares, pixels = _by_region(evidence, own, true, its.faces, count)
    lips = list(REGIONS).index("lips")
    frame_db = _decibels(squares.sum(1), pixels.sum(1))
    lips_db = np.where(pixels[:, lips] > 0, _decibels(squares[:, lips], np.maximum(1, pixels[:, lips])), np.nan)
    seen = (mine.faces.is_seen[:count]) & (its.faces.is_seen[:count])
    opening, its_opening = (lip_aperture(track.landmarks_px[:count]) for track in (mine.faces, its.faces))
    found = Explanation(
        name=evidence.name,
        regions=_parts(squares.sum(0), pixels.sum(0)),
        frame_db=frame_db,
        lips_db=lips_db,
        worst=_worst(frame_db, lips_db),
        lag=lag,
        lag_db=decibels,
        lip_r=_lip_lags(opening, its_opening, seen),
        lost=_lost(opening, its_opening, seen),
        faceless=int((~mine.faces.is_seen[:count]).sum()),
    )
    if sheet is not None:
        from leaderboard.inspection.sheet import write_sheet

        write_sheet(sheet, found, own, true, its.faces)
    return found


def _by_region(
    evidence: Evidence, own: inputs.Side, true: inputs.Side, faces: FaceTrack, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Squared error and number of RGB values of each frame and region: [T, R] int64 both."""
    squares, pixels = np.zeros((count, len(REGIONS)), np.int64), np.zeros((count, len(REGIONS)), np.int64)
    labels = evidence.labels() if evidence.labels is not None else _labelled(true, faces)
    for index, ((frame, truth), label) in enumerate(zip(inputs.pairs(own, true, (0, 0), count), labels, strict=False)):
        if label.shape != frame.shape[:2]:
            raise ConfigError(f"the labels are {label.shape[1]}x{label.shape[0]} px, the frames {frame.shape[1]}")
        assert truth is not None, "there is a truth"
        groups = GROUP_OF[label].ravel()
        error = ((frame.astype(np.int32) - truth) ** 2).sum(-1).ravel()
        squares[index] = np.bincount(groups, error, len(REGIONS))
        pixels[index] = 3 * np.bincount(groups, minlength=len(REGIONS))
    if not pixels[-1].any():
        raise ConfigError(f"there are labels for fewer than {count} frames; prepare the subject again")
    return squares, pixels


def _parts(squares: np.ndarray, pixels: np.ndarray) -> dict[str, Part]:
    """Of sums [R] over all frames."""
    decibels = _decibels(squares, np.maximum(1, pixels))
    shares, areas = squares / max(1, squares.sum()), pixels / pixels.sum()
    return {n: Part(float(shares[i]), float(areas[i]), float(decibels[i])) for i, n in enumerate(REGIONS)}


def _labelled(side: inputs.Side, faces: FaceTrack) -> Iterator[np.ndarray]:
    """Labels of a video that no subject was made of, as `prepare` would make them."""
    from pgstalker.tracking.masks import label_frames

    seen = np.flatnonzero(faces.is_seen)
    if not len(seen):
        raise ConfigError("no face was found in the truth, so that there are no regions")
    nearest = seen[np.abs(seen[None] - np.arange(len(faces))[:, None]).argmin(1)]
    return label_frames(side.frames(), faces.landmarks_px[nearest])


def _decibels(squares: np.ndarray, values: np.ndarray) -> np.ndarray:
    return -10 * np.log10(np.maximum(squares / (values * 255.0**2), 10 ** (-MAX_PSNR_DB / 10)))


def _worst(frame_db: np.ndarray, lips_db: np.ndarray) -> list[int]:
    """The frames of the largest error, then those of the worst lips, WORST in all and APART from each other."""
    chosen: list[int] = []
    apart = max(1, min(APART, len(frame_db) // (2 * WORST)))
    for track, most in ((frame_db, WORST // 2), (lips_db, WORST)):
        for index in np.argsort(np.where(np.isfinite(track), track, np.inf), kind="stable"):
            if len(chosen) >= most or not np.isfinite(track[index]):
                break
            if all(abs(index - other) >= apart for other in chosen):
                chosen.append(int(index))
    return chosen


def _lip_lags(own: np.ndarray, true: np.ndarray, seen: np.ndarray) -> dict[int, float]:
    """Lag in frames to r of the openings; pairs in which either face is unseen are left out."""
    found = {}
    for lag in range(-LIP_LAGS, LIP_LAGS + 1):
        late, early = slice(max(0, lag), len(own) + min(0, lag)), slice(max(0, -lag), len(own) - max(0, lag))
        both = seen[late] & seen[early]
        if both.sum() > 2 * LIP_LAGS:
            found[lag] = round(pearson(own[late][both], true[early][both]), 4)
    return found


def _lost(own: np.ndarray, true: np.ndarray, seen: np.ndarray) -> list[Loss]:
    """Runs of frames with lost lips, the worst first."""
    is_off = seen & (np.abs(own - true) > OFF)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_off.astype(int), [0]])))
    runs = [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2])]
    runs.sort(key=lambda run: -float(np.abs(own - true)[run[0] : run[1]].sum()))
    return [Loss(a, b - 1, float(own[a:b].mean()), float(true[a:b].mean())) for a, b in runs]


def lines(found: Explanation, most: int = 8) -> list[str]:
    """For people."""
    told = [f"{found.name}: {len(found.frame_db)} frames, mean {found.frame_db.mean():.2f} dB"]
    told.append("  where the squared error lies: region, its share, share of the picture, its own PSNR")
    for name, part in sorted(found.regions.items(), key=lambda item: -item[1].error_share):
        told.append(f"    {name:<6} {part.error_share:6.1%} {part.area_share:6.1%} {part.psnr_db:7.2f} dB")
    shown = {lag: value for lag, value in found.lag_db.items() if abs(lag) <= 2}
    told.append(
        f"  best lag of the pictures {found.lag:+d}: " + ", ".join(f"{k:+d} {v:.2f} dB" for k, v in shown.items())
    )
    if found.lip_r:
        best = max(found.lip_r, key=lambda lag: (found.lip_r[lag], -abs(lag)))
        told.append(f"  best lag of the lips {best:+d}: r {found.lip_r[best]:.3f}, at 0 r {found.lip_r.get(0, 0):.3f}")
    told.append(
        f"  worst frames: {', '.join(f'{f} ({f / FPS:.2f} s, {found.frame_db[f]:.1f} dB)' for f in found.worst)}"
    )
    total = sum(loss.last - loss.first + 1 for loss in found.lost)
    told.append(f"  the lips are lost in {total} frames (opening off by more than {OFF:.0%} of the eyes' distance)")
    for loss in found.lost[:most]:
        what = "shut" if loss.shown < CLOSED <= loss.true else ("gaping" if loss.shown > loss.true else "too small")
        span = f"{loss.first}" if loss.first == loss.last else f"{loss.first}-{loss.last}"
        told.append(f"    {span:<9} {what}: {loss.shown:.3f} where the truth has {loss.true:.3f}")
    if found.faceless:
        told.append(f"  no face was found in {found.faceless} frames of it")
    return told
