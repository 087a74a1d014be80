"""Two results held against each other: they belong together or one line says why not; curves, differences, files."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from hub.comparison import TRUTH, Comparison, Side, built_in, measured, playable, verdict
from hub.tabs.compare import BOARD, OWN, Duel
from leaderboard.metrics import cells
from pgstalker.errors import ConfigError, MediaError
from pgstalker.media import VideoWriter, probe
from tests.hub.boards import FRAMES, SIDE

OTHER = "TalkingGaussian (audio_training=two-stage)"


@pytest.fixture
def pair(results) -> Comparison:
    return built_in(results, "drawn/one", "PGSTalker", OTHER)


def write(path, frames=10, side=SIDE, fps=25.0, codec="libx264"):
    with VideoWriter(path, side, side, fps=fps, codec=codec) as writer:
        for shade in range(frames):
            writer.write(np.full((side, side, 3), 9 * shade, np.uint8))
    return path


def test_players_get_both_videos_the_truth_and_curves(pair):
    value = pair.players(start=4)
    assert value["frames"] == FRAMES and value["start"] == 4 and list(value["curves"])[:2] == ["psnr", "ssim"]
    assert value["truth"]["file"]["path"].endswith("truth.mp4") and value["b"]["title"] == OTHER
    assert len(value["curves"]["psnr"]["a"]) == FRAMES
    json.dumps(value, allow_nan=False)


def test_differences_are_paired_and_have_an_interval(pair):
    rows = {row["key"]: row for row in pair.differences()}
    row = rows["psnr"]
    assert row["difference"] == pytest.approx(row["a"] - row["b"]) and row["difference"] > 0
    assert row["ci95"][0] < row["difference"] < row["ci95"][1] and row["verdict"] == "A better"


def test_a_method_ties_with_itself(results):
    same = built_in(results, "drawn/one", "PGSTalker", "PGSTalker").differences()
    assert {row["verdict"] for row in same} <= {"tie", "equal"} and same


def test_the_verdict_goes_by_the_figure_s_direction():
    figures = {key: figure for key, (_, figure, _) in cells().items()}
    assert verdict(figures["psnr"], 30, 29, (0.5, 1.5)) == "A better"
    assert verdict(figures["flicker"], 3.0, 2.0, (0.5, 1.5)) == "B better"
    assert verdict(figures["psnr"], 30, 29, (-0.5, 1.5)) == "tie"
    assert verdict(figures["psnr"], 30, 29, None) == "A nearer the best"


def test_what_does_not_belong_together_is_one_line(tmp_path):
    first = Side("a", write(tmp_path / "a.mp4"))
    with pytest.raises(MediaError, match=r"a\.mp4 is 64x64 px and big\.mp4 80x80; scale"):
        Comparison.of(first, Side("b", write(tmp_path / "big.mp4", side=80)), None)
    with pytest.raises(MediaError, match=r"25 frames/s and fast\.mp4 30; convert"):
        Comparison.of(first, Side("b", write(tmp_path / "fast.mp4", fps=30)), None)
    assert Comparison.of(first, Side("b", write(tmp_path / "long.mp4", frames=14)), None).frames == 10


def test_an_unknown_clip_or_method_is_refused(results):
    for clip, method in (("../etc", "PGSTalker"), ("drawn/one", "nobody"), ("drawn/one", "../truth")):
        with pytest.raises(ConfigError, match="choose one from the list"):
            built_in(results, clip, method, TRUTH)


def test_browsers_get_a_copy_where_they_might_not_play_the_file(tmp_path):
    fine = Side("a", write(tmp_path / "a.mp4"))
    assert playable(fine, tmp_path) is fine
    other = playable(Side("b", write(tmp_path / "b.mkv", codec="ffv1")), tmp_path)
    assert probe(other.shown).require_video().codec == "h264" and other.path.suffix == ".mkv"


def test_zip_and_side_by_side_hold_all_three(pair, tmp_path):
    with zipfile.ZipFile(pair.archive(tmp_path / "all.zip")) as file:
        assert sorted(file.namelist()) == ["a.mp4", "b.mp4", "differences.csv", "per_frame.json", "truth.mp4"]
        assert "psnr,dB,higher," in file.read("differences.csv").decode()
    info = probe(pair.video(tmp_path / "row.mp4"))
    assert info.video.width == 3 * SIDE and info.video.frames == FRAMES and info.audio is not None
    assert {path.name for path in tmp_path.iterdir()} == {"all.zip", "row.mp4"}, "nothing half-written is left"


def test_one_s_own_videos_are_measured_like_the_command_line_does(results, tmp_path):
    clip = results.clips["drawn/one"]
    sides = [Side(name, clip.videos[name]) for name in ("PGSTalker", OTHER)]
    own = Comparison.of(*sides, Side(TRUTH, clip.truth))
    stages = []
    done = measured(own, ("psnr",), {}, tmp_path, lambda stage, share: stages.append(stage))
    assert done.a.values["psnr"] == built_in(results, "drawn/one", "PGSTalker", OTHER).a.values["psnr"]
    assert {stage[0] for stage in stages} == {"A", "B"}


def test_bad_input_is_told_beside_it_and_before_the_queue(results, tmp_path):
    duel = Duel(results)
    text = tmp_path / "words.mp4"
    text.write_text("no video")
    good, big = write(tmp_path / "good.mp4"), write(tmp_path / "big.mp4", side=80)

    def complaints(*inputs):
        return [check["message"] for check in duel.validate(*inputs) if not check["is_valid"]]

    assert complaints(BOARD, "nowhere", None, None, None, None, None) == ["Choose a clip from the list."]
    assert "missing here" in complaints(OWN, None, None, None, str(good), None, None)[0]
    assert "cannot be read" in complaints(OWN, None, None, None, str(good), str(text), None)[0]
    assert "64x64" in complaints(OWN, None, None, None, str(good), str(big), None)[0]
    assert complaints(OWN, None, None, None, str(good), str(good), None) == []


def test_the_same_link_gives_the_same_comparison_and_nothing_else(results):
    class Request:
        def __init__(self, **query):
            self.query_params = query

    duel = Duel(results)
    good = {"tab": "compare", "clip": "drawn/two", "a": "PGSTalker", "b": TRUTH, "frame": "7"}
    clip, _, b, session, players, *_ = duel.opened_by_link(Request(**good))
    assert clip == "drawn/two" and b["value"] == TRUTH and players["start"] == 7
    assert session.comparison.clip == "drawn/two"
    for wrong in ({"clip": "/etc/passwd"}, {"a": "nobody"}, {"tab": "board"}):
        assert duel.opened_by_link(Request(**{**good, **wrong}))[3] == {"__type__": "update"}
    assert duel.opened_by_link(Request(**{**good, "frame": "9999"}))[4]["start"] == 0


def test_one_frame_shows_errors_and_mouths(pair, monkeypatch, tmp_path):
    from leaderboard.inspection import evidence

    monkeypatch.setattr(evidence, "_observer", lambda: (None, "no landmarker here"))
    videos = {"A": pair.a.path, "B": pair.b.path, TRUTH: pair.truth.path}
    found = evidence.look_at(videos, TRUTH, 3)
    assert list(found.errors) == ["A", "B"] and found.errors["B"].mean() > found.errors["A"].mean()
    assert found.mouths["A"].shape == (256, 256, 3) and "no landmarker here" in found.note
    with pytest.raises(MediaError, match="no frame 1000"):
        evidence.look_at(videos, TRUTH, 999)


def test_the_error_picture_is_black_for_none_and_bright_for_much():
    from leaderboard.inspection.evidence import RAMP, error_map

    grey = np.full((4, 4, 3), 100, np.uint8)
    assert (error_map(grey, grey) == RAMP[0]).all()
    assert (error_map(grey + 90, grey) == RAMP[-1]).all()
    assert error_map(grey + 30, grey).mean() < error_map(grey + 40, grey).mean()
