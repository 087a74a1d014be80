"""Two results held against each other: they belong together or one line says why not; curves, differences, files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from hub.comparison import TRUTH, Comparison, Side, built_in, measured, playable, verdict
from hub.results import Results
from hub.tabs.compare import BOARD, OWN, Duel, Session, build
from leaderboard.board.series import paired, read_entry
from leaderboard.metrics import cells
from leaderboard.records import read_record
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


def sides(first, second, steps=(1, 1), starts=((0, 0), (0, 0))) -> Comparison:
    """Two sides with a PSNR per frame, no videos needed."""
    made = [
        Side(name, Path(f"{name}.mp4"), None, {"psnr": float(np.mean(values))}, {"psnr": values}, {"psnr": step}, start)
        for name, values, step, start in zip("ab", (first, second), steps, starts)
    ]
    return Comparison(*made, None, 25.0, 100, (SIDE, SIDE))


def test_who_draws_few_frames_is_paired_on_those():
    truth = 30 + np.sin(np.arange(96) / 9)
    made = sides(truth[::8] + 1, truth, steps=(8, 1))
    (row,) = made.differences()
    assert row["difference"] == pytest.approx(1) and row["ci95"] == pytest.approx((1, 1))
    curve = made.players()["curves"]["psnr"]
    assert curve["stride"] == 8 and len(curve["a"]) == len(curve["b"]) == 12
    assert np.allclose(np.subtract(curve["a"], curve["b"]), 1, atol=1e-4)


def test_shifted_sides_are_paired_by_the_truth_s_frames_and_drawn_from_their_own_start():
    truth = 30 + np.sin(np.arange(96) / 9)
    made = sides(truth[:90] + 1, truth[4:], starts=((3, 0), (0, 4)))
    (row,) = made.differences()
    assert row["difference"] == pytest.approx(1) and row["ci95"] == pytest.approx((1, 1))
    assert made.players()["curves"]["psnr"]["starts"] == {"a": 3, "b": 0}
    strided = sides(truth[::5] + 1, truth[3::8], steps=(5, 8), starts=((0, 0), (0, 3)))
    assert strided.differences()[0]["ci95"] == pytest.approx((1, 1)), "at 35 and 75 of the truth"
    never = sides(truth[::4], truth[1::4] - 1, steps=(4, 4), starts=((0, 0), (0, 1)))
    assert never.differences()[0]["ci95"] is None and never.differences()[0]["verdict"] == "A nearer the best"


def test_a_record_s_stride_counts(results):
    clip = results.clips["drawn/one"]
    record, series = read_record(clip.records["PGSTalker"])
    record["clip"] |= {"stride": 8, "starts": [1, 2]}
    record["metrics"]["psnr"]["stride"] = 5
    side = Side.of_record("A", clip.videos["PGSTalker"], record, series)
    assert side.steps["psnr"] == 40 and side.steps["ssim"] == 8 and side.starts == (8, 16)


def test_every_committed_video_stands_beside_the_truth_and_the_first():
    results = Results()
    for clip in results.clips.values():
        first, *others = clip.videos
        for name in [*others, *([TRUTH] if clip.truth else [])]:
            made = built_in(results, clip.id, first, name)
            assert made.fps == 25 and made.frames > 90, (clip.id, name)


def test_committed_rows_are_paired_as_the_board_pairs_them():
    results = Results()
    clip = results.clips["presenters/mira"]
    entries = [read_entry(clip.records[name], results.folder) for name in ("PGSTalker", "AD-NeRF")]
    made = [Side.of_record(entry.path, Path(entry.path), entry.record, entry.series) for entry in entries]
    assert made[1].steps["psnr"] == 8
    rows = {row["key"]: row for row in Comparison(*made, None, 25.0, 98, (256, 256)).differences()}
    for line in paired(*({"mira": entry} for entry in entries), ["psnr", "lmd_mp", "flip"]):
        assert rows[line.key]["ci95"] == pytest.approx(line.comparison.ci95)


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


def test_measuring_both_can_be_stopped_while_it_waits(results, monkeypatch):
    monkeypatch.setattr("hub.comparison.score", lambda *arguments: pytest.fail("it was to stop"))
    clip, visitor, duel = results.clips["drawn/one"], SimpleNamespace(session_hash="abc"), Duel(results)
    sides = [Side(name, path) for name, path in list(clip.videos.items())[:2]]
    asked = Session(Comparison.of(*sides, Side(TRUTH, clip.truth))), False, [], visitor
    assert all(check["is_valid"] for check in duel.expect(*asked))
    duel.stop(visitor)
    assert "Stopped. Nothing was kept." in duel.measure(*asked)[-1]


def test_the_address_is_of_what_is_shown(results):
    duel, clip = Duel(results), results.clips["drawn/two"]
    assert duel.named(Session(built_in(results, "drawn/two", OTHER, TRUTH))) == ["drawn/two", OTHER, TRUTH]
    own = Side("mine", clip.truth)
    with pytest.raises(gr.Error, match="no address"):
        duel.named(Session(Comparison.of(own, own, None)))
    with pytest.raises(gr.Error, match="no comparison yet"):
        duel.named(None)


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


def test_the_lists_of_a_clip_answer_to_the_visitor_alone(results):
    """A link and the board set clip, A and B together: `change` would put the first two back."""
    with gr.Blocks() as page:
        build(results)
    (event,) = [event for event in page.fns.values() if getattr(event.fn, "__name__", "") == "methods"]
    assert [name for _, name in event.targets] == ["input"]


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
