"""What is explained is what was planted: an error in one region, a lag, a mouth that stays shut."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from leaderboard.inspection.explain import OFF, REGIONS, explain, lines
from leaderboard.inspection.sheet import ROWS
from leaderboard.inspection.shelf import Evidence, Shelf
from leaderboard.scoring import ScoreRequest, score
from pgstalker.errors import ConfigError
from pgstalker.types import Label
from tests.leaderboard.drawn import MOUTH, SIDE, draw, openings

FRAMES = 40


def labels():
    """Background above, torso below, a face, and lips where they are drawn."""
    label = np.full((SIDE, SIDE), Label.BACKGROUND, np.uint8)
    label[150:] = Label.TORSO
    label[20:60, 40:136] = Label.HAIR
    label[60:150, 40:136] = Label.FACE
    label[int(MOUTH) - 15 : int(MOUTH) + 15, 60:116] = Label.LIPS
    for _ in range(FRAMES):
        yield label


@pytest.fixture
def truth(write):
    return write("truth.mkv", np.stack([draw(opening) for opening in openings(FRAMES)]))


def evidence(write, frames, truth) -> Evidence:
    return Evidence("made", write("pred.mkv", frames), truth, labels=labels)


def test_an_error_is_found_where_it_lies(write, truth, eyes, tmp_path):
    frames = np.stack([draw(opening) for opening in openings(FRAMES)])
    frames[:, 155:, :, 0] ^= 16
    frames[7, 155:, :, 0] ^= 64
    found = explain(evidence(write, frames, truth), tmp_path / "sheet.png", observer=eyes)
    assert found.regions["torso"].error_share == 1 and found.regions["face"].error_share == 0
    assert sum(part.area_share for part in found.regions.values()) == pytest.approx(1)
    error = np.square(frames.astype(float) - np.stack([draw(o) for o in openings(FRAMES)]))
    whole = error[:, 150:].mean() / 255**2
    assert found.regions["torso"].psnr_db == pytest.approx(-10 * np.log10(whole))
    assert found.worst[0] == 7 and found.lag == 0 and found.lost == [] and found.faceless == 0
    assert found.lip_r[0] == pytest.approx(1)
    told = "\n".join(lines(found))
    assert "torso  100.0%" in told and "worst frames: 7 (0.28 s" in told
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 200 * len(ROWS) and sheet.width > 200 * len(found.worst)


def test_lips_that_stay_shut_and_gape_are_named(write, truth, eyes):
    track = openings(FRAMES)
    shown = track.copy()
    shown[10:20], shown[30] = 0, track[30] + 12
    found = explain(evidence(write, np.stack([draw(opening) for opening in shown]), truth), observer=eyes)
    off = np.abs(shown - track) / 60 > OFF + 0.02
    lost = {frame for loss in found.lost for frame in range(loss.first, loss.last + 1)}
    assert set(np.flatnonzero(off)) <= lost and lost <= {*range(10, 20), 30}
    told = "\n".join(lines(found))
    assert "gaping" in told and ("shut" in told)
    assert found.regions["lips"].error_share > 0.9


def test_late_lips_and_pictures_are_told_with_their_lag(write, truth, eyes):
    late = np.stack([draw(opening) for opening in np.roll(openings(FRAMES), 3)])
    found = explain(evidence(write, late, truth), observer=eyes)
    assert max(found.lip_r, key=found.lip_r.get) == 3 == found.lag


def test_without_a_truth_or_enough_labels_it_says_so(write, truth, eyes):
    frames = np.stack([draw(opening) for opening in openings(FRAMES)])
    with pytest.raises(ConfigError, match="give --gt"):
        explain(Evidence("made", truth), observer=eyes)
    short = Evidence("made", write("pred.mkv", frames), truth, labels=lambda: list(labels())[:5])
    with pytest.raises(ConfigError, match="labels for fewer than 40 frames"):
        explain(short, observer=eyes)


def test_labels_of_every_region_are_counted():
    assert sorted(label for members in REGIONS.values() for label in members) == sorted(Label)


# ---- finding the frames of a result


@pytest.fixture
def shelf(write, truth, tmp_path) -> Shelf:
    """A runner's folders with one method on one clip."""
    frames = np.stack([draw(opening) for opening in openings(FRAMES)])
    shelf = Shelf(tmp_path / "results", tmp_path / "work")
    place = "made/r1/toy/clip"
    run = shelf.work / "runs" / place
    for folder in (run, shelf.work / "truths"):
        folder.mkdir(parents=True)
    write("pred.mkv", frames).rename(run / "prediction.mkv")
    truth.rename(shelf.work / "truths" / "truth.mkv")
    told = {"method": {"id": "made", "revision": "r1"}, "clip": {"dataset": "toy", "id": "clip"}}
    request = ScoreRequest(run / "prediction.mkv", shelf.work / "truths" / "truth.mkv", metrics=("psnr",), labels=told)
    path = shelf.results / "measured" / place / "self-full_frame-lossless-v1.json"
    score(request, path)
    return shelf


def test_a_record_or_a_method_leads_to_its_frames(shelf, truth):
    for what in ("made", "made/r1", str(next(shelf.results.rglob("*.json")))):
        found = shelf.find(what)
        assert (
            found.name == "made [r1]" and found.record["clip"]["id"] == "clip" and len(found.series["psnr"]) == FRAMES
        )
        assert found.truth == shelf.work / "truths" / "truth.mkv" and found.labels is None
    for what, words in (
        ("other", "no file and has no record"),
        ("/x/y", "does not exist"),
        ("a.mp4", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=words):
            shelf.find(what)
    (shelf.work / "runs/made/r1/toy/clip/prediction.mkv").write_bytes(b"other")
    with pytest.raises(ConfigError, match="sha256 differs"):
        shelf.find("made")
    (shelf.work / "runs/made/r1/toy/clip/prediction.mkv").unlink()
    with pytest.raises(ConfigError, match="not at hand"):
        shelf.find("made")


def test_labels_come_from_the_runs_subject(shelf, tmp_path):
    from pgstalker.subject import Subject
    from pgstalker.synthetic import make_subject

    subject = Subject.load(make_subject(tmp_path / "toon", seconds=2.0, size=64))
    stages = {"prepare": {"subject": str(subject.folder)}, "perform": {"stride": 2}}
    (shelf.work / "runs/made/r1/toy/clip/run.json").write_text(json.dumps({"stages": stages}))
    found = list(shelf.find("made").labels())
    expected = list(subject.read_labels(size=SIDE, start=subject.train_frames))[::2]
    np.testing.assert_array_equal(found, expected)
