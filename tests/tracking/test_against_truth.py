"""Tracking against exact truth: a few seconds of a presenter whose every pose is known."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from pgstalker import media
from pgstalker.errors import WeightsError
from pgstalker.types import FPS, SAMPLE_RATE_HZ

ROOT = Path(__file__).parents[2]
PRESENTER = ROOT / "sample_data" / "presenters" / "mira"
FIRST, SECONDS = 100, 6


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What is recovered from a short piece of the committed clip."""
    from pgstalker.tracking import prepare
    from pgstalker.weights import model_file

    if not PRESENTER.is_dir():
        pytest.skip("sample_data/presenters is not there; run: make sample-data")
    try:
        model_file("face_landmarker.task")
    except WeightsError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("truth")
    clip, count = PRESENTER / "clip.mp4", SECONDS * FPS
    samples = media.read_audio(clip)[FIRST * SAMPLE_RATE_HZ // FPS :][: SECONDS * SAMPLE_RATE_HZ]
    with media.VideoWriter(folder / "piece.mp4", 512, 512, audio=(samples, SAMPLE_RATE_HZ), crf=12) as writer:
        for frame in media.read_frames(clip, start=FIRST, count=count):
            writer.write(frame)
    subject = prepare(folder / "piece.mp4", folder / "subject")
    spec = importlib.util.spec_from_file_location("tracking_truth", ROOT / "benchmarks" / "tracking_truth.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    with np.load(PRESENTER / "truth.npz", allow_pickle=False) as truth:
        return program.compare(subject, dict(truth), FIRST)


def test_the_face_is_found_and_the_head_turns_as_it_did(found):
    assert found["face_found"] >= 0.99
    assert found["rotation_median_deg"] < 2.0 and found["offset_deg"] < 12.0


def test_lips_and_lids_move_as_they_did(found):
    assert found["aperture_r"] >= 0.9 and found["mouth_width_r"] > 0.5
    assert abs(found["lag_frames"]) <= 0.5


def test_landmarks_lie_on_the_true_ones(found):
    assert found["eyes_px_median"] < 8.0
