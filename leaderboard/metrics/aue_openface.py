"""Action unit error from two OpenFace CSV files, which the user makes: OpenFace is not free for every use."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from leaderboard.case import Case, Failed, NotApplicable
from leaderboard.faces import MOST_LOST
from leaderboard.metrics.metric import Figure, Meter, Metric, Reading, TrackMeter

LOWER = ("10", "12", "14", "15", "17", "20", "23", "25", "26")
UPPER = ("01", "02", "04", "05", "06", "07", "09", "45")

TOTAL = Figure(
    "aue_openface",
    unit="intensity^2",
    direction="lower",
    bounds=(0, 17 * 25),
    meaning="sum over 17 action units of the mean squared difference of OpenFace's intensities",
)
LOWER_FACE = Figure("aue_openface_lower", "intensity^2", "lower", (0, 9 * 25), "the same, of the lower face's 9 units")
UPPER_FACE = Figure("aue_openface_upper", "intensity^2", "lower", (0, 8 * 25), "the same, of the upper face's 8 units")


def read_intensities(path: Path, frames: int) -> np.ndarray:
    """Intensities [frames, 17] in the order LOWER + UPPER of an OpenFace 2.2 CSV, NaN where it found no face.

    Rows are placed by their own frame number (from 1). Raises Failed for a file that is no such CSV.
    """
    columns = [f"AU{unit}_r" for unit in LOWER + UPPER]
    values = np.full((frames, len(columns)), np.nan)
    last = 0
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in rows.fieldnames or []]
            rows.fieldnames = names
            lacking = [name for name in ("frame", "success", *columns) if name not in names]
            if lacking:
                raise Failed(f"{path.name} has no column {lacking[0]}; make it with OpenFace's FeatureExtraction -aus")
            for row in rows:
                frame = int(float(row["frame"]))
                last = max(last, frame)
                if 1 <= frame <= frames and float(row["success"]) == 1:
                    values[frame - 1] = [float(row[column]) for column in columns]
    except (OSError, ValueError, TypeError, OverflowError, csv.Error) as error:
        raise Failed(f"{path.name} cannot be read as OpenFace's CSV: {error}") from error
    if abs(last - frames) > 1:
        raise Failed(f"{path.name} ends at frame {last}, the video at {frames}")
    return values


def begin(case: Case) -> Meter:
    if case.openface is None:
        raise NotApplicable("no OpenFace files; give --openface PRED.csv TRUTH.csv")
    lengths = case.lengths or (case.frames, case.frames)
    whole = [read_intensities(path, length) for path, length in zip(case.openface, lengths)]
    own, true = (track[start : start + case.frames] for track, start in zip(whole, case.starts))
    squares = np.square(own - true)
    lost = int(np.isnan(squares[:, 0]).sum())
    if lost > MOST_LOST * case.frames:
        raise Failed(f"OpenFace lost the face in {lost} of {case.frames} frames; at most {MOST_LOST:.0%} may be")

    def compute() -> dict[str, Reading]:
        return {
            TOTAL.id: Reading.mean_of(squares.sum(1)),
            LOWER_FACE.id: Reading.mean_of(squares[:, : len(LOWER)].sum(1)),
            UPPER_FACE.id: Reading.mean_of(squares[:, len(LOWER) :].sum(1)),
        }

    return TrackMeter(compute)


METRIC = Metric(
    id="aue_openface",
    figures=(TOTAL, LOWER_FACE, UPPER_FACE),
    reference="AUE of ER-NeRF and SyncTalk (OpenFace 2.2, Baltrusaitis et al. 2018); tested by hand on two small files",
    parameters="openface-csv,17-units,frame-aligned,success-only",
    begin=begin,
    pitfalls="comes of another program's files; frames that it lost are left out",
    needs=frozenset({"truth", "openface"}),
)
