"""What outsiders are handed is what the runner scores against: the same frames, sound and poses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leaderboard.__main__ import main
from leaderboard.metrics import Reading, cells
from leaderboard.records import cell, read_record, write_record
from leaderboard.running.runner import run
from leaderboard.running.tasks import Places, Task
from leaderboard.submission.pack import EXAMPLE, Entry, pack_submission
from leaderboard.submission.submit import accept, lint
from pgstalker.errors import ConfigError
from pgstalker.media import VideoWriter, read_audio, read_frames
from pgstalker.subject import Subject

SIZE = 64


def test_a_stranger_can_obtain_the_truth_score_against_it_and_be_taken(toon, tmp_path, capsys):
    places = Places(tmp_path / "work", tmp_path / "results")
    where, out = ["--work", str(places.work), "--results", str(places.results)], tmp_path / "anna"
    asked = ["truth", f"{toon}/anna", "--out", str(out), "--size", str(SIZE)]
    assert main([*asked, "--work", str(tmp_path / "elsewhere"), "--results", str(tmp_path / "none")]) == 0
    assert "no record of toons/anna yet" in capsys.readouterr().out
    subject = Subject.load(f"{toon.removeprefix('folder:')}/anna.subject")
    first = subject.train_frames
    np.testing.assert_array_equal(list(read_frames(out / "truth.mkv")), list(subject.read_frames(start=first)))
    assert np.abs(read_audio(out / "sound.wav") - subject.read_audio()[first * 640 :]).max() < 1e-4
    with np.load(out / "poses.npz") as poses:
        np.testing.assert_array_equal(poses["camera_from_head"], subject.tracks.camera_from_head)
        np.testing.assert_array_equal(poses["eyes"], subject.tracks.blink)
        np.testing.assert_array_equal(poses["K"], subject.camera.matrix())
        assert poses["train_frames"] == first
    record, _ = read_record(run(Task("still-frame", toon, "anna", size=SIZE, device="cpu"), places, False).record)
    assert main([*asked, *where]) == 2, "nothing is overwritten"
    for path in out.iterdir():
        path.unlink()
    assert main([*asked, *where]) == 0 and "the very frames" in capsys.readouterr().out
    own = next(places.work.rglob("runs/still-frame/**/prediction.mkv"))
    late = ["--pred", str(own), "--gt", str(out / "truth.mkv"), "--audio", str(out / "sound.wav")]
    mine = ["--out", str(tmp_path / "mine.json"), "--clip", "toons/anna", "--method", "mine", "--metrics", "psnr"]
    assert main(["score", *late, *mine]) == 0
    again, _ = read_record(tmp_path / "mine.json")
    assert (
        again["metrics"]["psnr"] == record["metrics"]["psnr"]
        and again["inputs"]["truth"]["frame_md5"] == (record["inputs"]["truth"]["frame_md5"])
    )
    (tmp_path / "method.json").write_text(json.dumps(EXAMPLE | {"id": "mine"}))
    packing = ["--records", str(tmp_path / "mine.json"), "--predictions", str(own), "--results", str(places.results)]
    packing += ["--description", str(tmp_path / "method.json")]
    assert main(["submit", str(tmp_path / "mine.zip"), *packing]) == 2
    told = capsys.readouterr().err
    assert "these very frames as still-frame" in told, "the truth is the board's; only the frames are another's"


def test_what_is_taken_is_scored_again_where_the_clip_is_at_hand(toon, tmp_path, caplog):
    """Frames of noise that claim to be 60 dB from the truth, with everything else in order."""
    places, out = Places(tmp_path / "work", tmp_path / "results"), tmp_path / "anna"
    (places.results / "measured").mkdir(parents=True)
    where = ["--work", str(places.work), "--results", str(places.results)]
    assert main(["truth", f"{toon}/anna", "--out", str(out), "--size", str(SIZE), *where]) == 0
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "mine.mkv", SIZE, SIZE, codec="ffv1") as writer:
        for frame in read_frames(out / "truth.mkv"):
            writer.write(np.clip(frame + rng.normal(0, 8, frame.shape), 0, 255).astype(np.uint8))
    scoring = ["--pred", str(tmp_path / "mine.mkv"), "--gt", str(out / "truth.mkv"), "--out", str(tmp_path / "m.json")]
    assert main(["score", *scoring, "--clip", "toons/anna", "--method", "mine", "--metrics", "psnr", "ssim"]) == 0
    record, series = read_record(tmp_path / "m.json")
    metric, figure, region = cells()["psnr"]
    better = Reading.mean_of(series["psnr"] + np.float32(25))
    lie = record | {"metrics": record["metrics"] | {"psnr": cell(metric, figure, region, better, seed=0)}}
    write_record(lie, series | {"psnr": better.per_frame}, tmp_path / "lie.json")
    write_record(record, series, tmp_path / "true.json")
    zips = {}
    for name in ("lie", "true"):
        entry = Entry(tmp_path / f"{name}.json", tmp_path / "mine.mkv")
        zips[name] = pack_submission(tmp_path / f"{name}.zip", EXAMPLE | {"id": "mine"}, [entry], "r1", "me")
        assert all(check.is_met for check in lint(zips[name], places.results)), "the rules know no frames of the truth"
    named = {"toons": toon}
    with pytest.raises(ConfigError, match=r"E-SUB-SHA: scored again: toons/anna/.*: psnr was 5\d.* and is 3\d"):
        accept(zips["lie"], places.results, places.work, named)
    assert not (places.results / "submitted").exists()
    assert len(accept(zips["true"], places.results, places.work, named)) == 1
    assert "was not scored again" not in caplog.text
    with pytest.raises(ConfigError, match="duplicates"):
        accept(zips["true"], places.results, places.work, named)
    other = Places(tmp_path / "work", tmp_path / "elsewhere")
    assert accept(zips["lie"], other.results, other.work), "nobody can tell without the clip"
    assert "toons/anna/self-full_frame-lossless-v1 was not scored again" in caplog.text


def test_another_size_than_the_boards_and_what_is_no_clip_are_said(toon, tmp_path, capsys):
    places = Places(tmp_path / "work", tmp_path / "results")
    run(Task("still-frame", toon, "anna", size=SIZE, device="cpu"), places, isolated=False)
    asked = ["truth", "--out", str(tmp_path / "out"), "--work", str(places.work), "--results", str(places.results)]
    assert main([*asked, f"{toon}/anna", "--size", "48"]) == 2
    assert "another --size" in capsys.readouterr().err
    assert main([*asked, "anna"]) == 2 and "is not DATASET/CLIP" in capsys.readouterr().err
    assert main([*asked, f"{toon}/zoe"]) == 2 and "has no clip 'zoe'" in capsys.readouterr().err
