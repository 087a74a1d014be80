"""Two results frame by frame: the table is that of the statistics, the video has all three and the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leaderboard.board.series import Entry
from leaderboard.inspection import comparing
from leaderboard.inspection.shelf import Evidence, Shelf
from leaderboard.records import read_record, write_record
from leaderboard.scoring import ScoreRequest, score
from leaderboard.statistics import compare
from pgstalker.errors import ConfigError, MediaError
from pgstalker.media import probe, read_audio, read_frames, write_wav
from tests.leaderboard.drawn import draw, openings

FRAMES, CLIPS, CAPTION_PX = 30, 7, 16


def damaged(frames: np.ndarray, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(frames + noise * rng.standard_normal(frames.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder: methods good and bad on seven clips, made of one scored pair by shifting its values."""
    from pgstalker.media import VideoWriter

    folder = tmp_path_factory.mktemp("comparing")
    truth = np.stack([draw(opening) for opening in openings(FRAMES)])
    for name, frames in (("truth", truth), ("good", damaged(truth, 4, 1)), ("bad", damaged(truth, 9, 2))):
        with VideoWriter(folder / f"{name}.mkv", 176, 176, codec="ffv1") as writer:
            for frame in frames:
                writer.write(frame)
    for name in ("good", "bad"):
        path = folder / f"{name}.json"
        score(ScoreRequest(folder / f"{name}.mkv", folder / "truth.mkv", metrics=("psnr", "flicker")), path)
        for clip in range(CLIPS):
            record, series = read_record(path)
            rng = np.random.default_rng(clip)
            series = {key: values + rng.normal(0, 0.2, len(values)) for key, values in series.items()}
            record["method"], record["clip"]["dataset"], record["clip"]["id"] = {"id": name}, "toy", f"c{clip}"
            for key, values in series.items():
                record["metrics"][key]["value"] = float(np.mean(values))
            write_record(record, series, folder / f"measured/{name}/r1/toy/c{clip}/self-full_frame-lossless-v1.json")
    return folder


@pytest.fixture
def shelf(results, tmp_path):
    return Shelf(results, tmp_path)


def test_over_enough_clips_a_difference_is_shown(shelf):
    (pairs,) = comparing.pairs_of(shelf, "good", "bad", None).values()
    assert len(pairs) == CLIPS
    found = {line.key: line for line in comparing.table(pairs)}
    psnr = found["psnr"]
    sides = ({p.clip: side.series["psnr"] for p in pairs for side in (getattr(p, n),)} for n in "ab")
    expected, outcome = compare(*sides, tested=len(found)), psnr.comparison
    assert (outcome.difference, outcome.ci95, outcome.p) == (expected.difference, expected.ci95, expected.p)
    assert psnr.better == "first" and outcome.difference == pytest.approx(psnr.first - psnr.second)
    assert outcome.p_holm == pytest.approx(len(found) * outcome.p) and outcome.is_different
    assert found["flicker"].better == "first" and found["flicker"].comparison.difference < 0, "lower is better"
    told = "\n".join(comparing.lines(list(found.values()), ("good", "bad")))
    assert "A is better; p 0.0" in told and "over 7 clips" in told
    assert any("not scored" in line and "ssim" in line for line in comparing.blank(pairs))


def test_one_clip_has_an_interval_and_no_p(shelf):
    (pairs,) = comparing.pairs_of(shelf, "good/r1", "bad/r1", "toy/c3").values()
    (line, *_) = found = comparing.table(pairs)
    outcome = line.comparison
    assert outcome.p_holm is None and "not testable" in outcome.verdict and outcome.ci95 is not None
    assert "A is better on these frames; not testable: 1 clip, 7 are the least" in "\n".join(
        comparing.lines(found, ("good", "bad"))
    )


def test_a_clip_under_two_protocols_is_one_clip_of_two_tables(results, tmp_path):
    """Not two clips: copies of one measurement would make anything significant."""
    other, name = tmp_path / "results", "self-full_frame-lossless-v1"
    for method in ("good", "bad"):
        place = Path(f"measured/{method}/r1/toy/c0")
        (other / place).mkdir(parents=True)
        for protocol in (name, "self-gt_torso-lossless-v1", "self-full_frame-h264_q8-v1"):
            record, series = read_record(results / place / f"{name}.json")
            write_record(record, series, other / place / f"{protocol}.json")
    groups = comparing.pairs_of(Shelf(other, tmp_path), "good", "bad", None)
    assert len(groups) == 3 and all([pair.clip for pair in pairs] == ["c0"] for pairs in groups.values())
    assert f"toy, {name}, 176 px" in groups
    assert {line.comparison.clips for pairs in groups.values() for line in comparing.table(pairs)} == {1}


def test_a_bare_name_means_the_method_without_switches_and_without_a_codec(results, tmp_path):
    other, name = tmp_path / "results", "self-full_frame-lossless-v1"
    over_truth = [f"self-gt_torso-{codec}-v1" for codec in ("h264_q8", "lossless")]
    rows = {"r1": [name], "r1+torso=gt": over_truth, "r1+audio_training=two-stage": [name]}
    for revision, protocols in rows.items():
        place = other / f"measured/good/{revision}/toy/c0"
        place.mkdir(parents=True)
        for protocol in protocols:
            write_record(*read_record(results / f"measured/good/r1/toy/c0/{name}.json"), place / f"{protocol}.json")
    shelf = Shelf(other, tmp_path)
    assert {path.parts[-4] for path in shelf.records("good")} == {"r1", "r1+torso=gt"}
    assert len(shelf.records("good/r1+audio_training=two-stage")) == 1
    with pytest.raises(ConfigError, match=r"gt_torso-lossless-v1\.json are not at hand"):
        shelf.find("good/r1+torso=gt", "toy/c0")
    with pytest.raises(ConfigError, match="name one: METHOD/REVISION"):
        shelf.find("good", "toy/c0")
    assert [key.split(", ")[1] for key in comparing.pairs_of(shelf, "good", "good", None)][-1].count("h264_q8") == 1


def test_a_method_ties_with_itself(shelf):
    (pairs,) = comparing.pairs_of(shelf, "good", "good", None).values()
    assert {line.better for line in comparing.table(pairs)} == {""}


def test_what_was_not_judged_alike_is_refused(shelf):
    ((pair,),) = comparing.pairs_of(shelf, "good", "bad", "toy/c0").values()
    for change, words in (
        (lambda r: r["inputs"]["truth"].update(frame_md5="0" * 32), "different truths"),
        (lambda r: r["metrics"]["psnr"].update(impl="mine"), "psnr was computed by"),
        (lambda r: r["counts"].update(n_used=12), "30 frames against 12"),
        (lambda r: r["clip"].update(size=[88, 88]), "176x176 px against 88x88 px"),
    ):
        record, series = read_record(shelf.records("bad", "toy/c0")[0])
        change(record)
        with pytest.raises(ConfigError, match=words):
            comparing.table([comparing.Pair("toy/c0", pair.a, Entry(record, series, ""))])
    with pytest.raises(ConfigError, match=r"share no clip|has no record"):
        comparing.pairs_of(shelf, "good", "bad", "toy/c99")


def test_a_video_of_both_beside_the_truth_with_sound(results, tmp_path):
    samples = (0.3 * np.sin(2 * np.pi * 300 * np.arange(16_000 * 2) / 16_000)).astype(np.float32)
    write_wav(tmp_path / "sound.wav", samples, 16_000)
    sides = [Evidence(n, results / f"{n}.mkv", results / "truth.mkv", tmp_path / "sound.wav") for n in ("good", "bad")]
    out = comparing.video_of(tmp_path / "both.mp4", *sides)
    video = probe(out).require_video()
    assert (video.width, video.height, video.frames) == (3 * 176, 176 + CAPTION_PX, FRAMES)
    heard = read_audio(out)
    assert abs(len(heard) / 16_000 - FRAMES / 25) < 0.1 and np.abs(heard).max() > 0.2
    for index, row in enumerate(read_frames(out)):
        if index in (0, 17, 29):
            for number, name in enumerate(("truth", "good", "bad")):
                expected = list(read_frames(results / f"{name}.mkv"))[index].astype(float)
                part = row[CAPTION_PX:, number * 176 : (number + 1) * 176]
                assert np.abs(part - expected).mean() < 12, (index, name)
    assert not list(tmp_path.glob(".*")) and not list(tmp_path.glob("*.m4a"))


def test_videos_of_different_size_are_refused(results, tmp_path, write):
    small = write("small.mkv", np.zeros((5, 64, 64, 3), np.uint8))
    with pytest.raises(MediaError, match=r"A: a: 176x176 px, 25 frames/s; B: b: 64x64"):
        comparing.video_of(tmp_path / "x.mp4", Evidence("a", results / "good.mkv"), Evidence("b", small))


def test_records_are_compared_by_what_they_say_alone(results, tmp_path, capsys):
    from leaderboard.__main__ import main

    own = [str(results / f"{name}.json") for name in ("good", "bad")]
    places = ["--results", str(results / "nothing"), "--work", str(tmp_path)]
    assert main(["compare", *own, *places]) == 0
    assert "psnr" in capsys.readouterr().out
    assert main(["compare", *own, *places, "--video", str(tmp_path / "v.mp4")]) == 2
    assert "give the video itself, with --gt" in capsys.readouterr().err
    assert main(["compare", *own, *places, "--video", str(tmp_path)]) == 2
    assert "give a file's name that ends in .mp4" in capsys.readouterr().err


def test_a_figure_that_neither_has_is_no_matter(shelf):
    ((pair,),) = comparing.pairs_of(shelf, "good", "bad", "toy/c0").values()
    record, series = read_record(shelf.records("bad", "toy/c0")[0])
    record["metrics"]["psnr"]["weights_sha256"] = "0" * 64
    with pytest.raises(ConfigError, match=r"psnr was computed by .* and by .*, weights 000000000000"):
        comparing.table([comparing.Pair("toy/c0", pair.a, Entry(record, series, ""))])
    record["metrics"]["psnr"] |= {"status": "failed", "value": None}
    assert [line.key for line in comparing.table([comparing.Pair("toy/c0", pair.a, Entry(record, series, ""))])]


def test_the_command_prints_the_table(results, tmp_path, capsys):
    from leaderboard.__main__ import main

    arguments = ["compare", "good", "bad", "--results", str(results), "--work", str(tmp_path)]
    assert main(arguments) == 0
    assert "A = good, B = bad" in capsys.readouterr().out
    assert main([*arguments, "--video", str(tmp_path / "v.mp4")]) == 2
    assert "are not at hand" in capsys.readouterr().err
    assert main(["explain", "nobody", "--results", str(results)]) == 2
