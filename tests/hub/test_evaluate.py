"""Judging a video on the page is what the command line does; where it would stand; submissions rule by rule."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace

import gradio as gr
import pytest

from hub.judging import JudgingStopped, check_files, clip_ids, judge, place_among
from hub.tabs.evaluate import NO_CLIP, SUBMIT, Judge, record_table, standing_table
from leaderboard.__main__ import main
from leaderboard.places import ROOT
from leaderboard.submission import STEPS
from leaderboard.submission.pack import EXAMPLE
from pgstalker.errors import MediaError
from tests.hub.boards import METRICS, video
from tests.hub.test_comparison import write

VISITOR = SimpleNamespace(session_hash="abc")
"""What the page's handlers need of a request."""
VOLATILE = {"id", "created", "seconds", "per_frame"}


@pytest.fixture
def files(results, tmp_path):
    return {"prediction": str(video(tmp_path / "mine.mp4", 4.0, 9)), "truth": str(results.clips["drawn/one"].truth)}


def test_the_record_is_the_command_line_s(files, tmp_path):
    judged = judge({**files, "audio": None}, {}, {}, METRICS)
    out = tmp_path / "cli.json"
    main(["score", "--pred", files["prediction"], "--gt", files["truth"], "--out", str(out), "--metrics", *METRICS])
    theirs = json.loads(out.read_text())
    assert {key: value for key, value in judged.record.items() if key not in VOLATILE} == {
        key: value for key, value in theirs.items() if key not in VOLATILE
    }


def test_it_is_placed_among_the_board_s_rows_of_its_clip(files, results):
    judged = judge({**files, "audio": None}, {}, {}, METRICS)
    rows = place_among(results, judged, "drawn/one")
    order = [row["title"] for row in sorted(rows, key=lambda row: -row["values"]["psnr"])]
    assert order[1] == "Your result" and len(order) == 4, "between noise of 2 and of 6"
    assert clip_ids(results) == ["drawn/one", "drawn/two"]
    judge_ = Judge(results)
    table = judge_.place(judged, "drawn/one")
    assert "Your result" in table and "pgs-best" in table
    assert judge_.place(judged, NO_CLIP) == "" == judge_.place(None, "drawn/one")


def test_what_does_not_rank_says_why():
    own = {"title": "Mine", "is_own": True, "overall": None, "ranks": {}, "values": {}}
    own |= {"left_out": ["<b>: nobody else has one"]}
    alone, other = standing_table([own]), own | {"title": "Theirs", "is_own": False, "left_out": []}
    assert "picture size" in alone and "leaderboard truth DATASET/CLIP --out FOLDER" in alone and "device" in alone
    for told in (alone, standing_table([own, other])):
        assert "<li>&lt;b&gt;: nobody else has one</li>" in told
    assert "<li>" not in standing_table([own | {"left_out": []}, other])


def test_a_result_of_another_size_hears_that_it_stands_alone(files, results, tmp_path):
    for name in files:
        write(tmp_path / f"{name}80.mp4", side=80)
    judged = judge({name: str(tmp_path / f"{name}80.mp4") for name in files}, {}, {}, METRICS)
    told = Judge(results).place(judged, "drawn/one")
    assert "Nobody else" in told and "your-result [now]: nobody else has one" in told


def test_a_measurement_can_be_stopped(files):
    with pytest.raises(JudgingStopped):
        judge({**files, "audio": None}, {}, {}, METRICS, stopped=lambda: True)


def test_a_measurement_can_be_stopped_while_it_waits(files, results, monkeypatch):
    monkeypatch.setattr("hub.judging.score", lambda *arguments: pytest.fail("it was to stop"))
    judge_, inputs = Judge(results), (files["prediction"], files["truth"], None, "full_frame", "lossless", [])
    assert all(check["is_valid"] for check in judge_.validate(*inputs, VISITOR))
    judge_.stop(VISITOR)
    *_, status, _ = judge_.measure(*inputs, VISITOR)
    assert "Stopped. Nothing was kept." in status
    judge_.stop(VISITOR)
    with judge_.stops.running(VISITOR) as stopped:
        assert not stopped(), "the next one goes on"
        judge_.stop(SimpleNamespace(session_hash="another"))
        assert not stopped()


def test_what_cannot_be_judged_is_said_beside_its_input(files, results, tmp_path):
    words = tmp_path / "words.mp4"
    words.write_text("no video")
    assert set(check_files(files["prediction"], str(words), files["prediction"])) == {"truth", "audio"}
    checks = Judge(results).validate(None, str(words), None, "full_frame", "lossless", [], VISITOR)
    assert [check["is_valid"] for check in checks] == [False, False, True, True, True, True]
    assert "drop it here" in checks[0]["message"] and "cannot be read" in checks[1]["message"]


def test_a_switch_of_the_command_line_is_named_as_the_box_to_tick(files, results, tmp_path):
    from hub import messages

    big = write(tmp_path / "big.mp4", side=80)
    with pytest.raises(MediaError) as caught:
        judge({"prediction": str(big), "truth": files["truth"]}, {}, {}, METRICS)
    assert "allow “resample” to scale" in messages.sentence(caught.value)


def test_blank_cells_say_why(files):
    record = judge({"prediction": files["prediction"], "truth": None}, {}, {}, ("psnr", "flicker")).record
    table = record_table(record)
    assert "does not apply: no truth video was given" in table and record["protocol"]["setting"] == "cross"


def test_the_saved_record_is_one_that_can_be_submitted(files, results, tmp_path):
    judge_ = Judge(results)
    with pytest.raises(gr.Error, match="press Measure first"):
        judge_.save_record(None, "drawn/one", "mine")
    judged = judge({**files, "audio": None}, {}, {}, METRICS)
    with pytest.raises(gr.Error, match="use small letters"):
        judge_.save_record(judged, "drawn/one", "My method")
    with zipfile.ZipFile(judge_.save_record(judged, "drawn/one", "mine")) as file:
        file.extractall(tmp_path)
    (tmp_path / "method.json").write_text(json.dumps(EXAMPLE | {"id": "mine"}))
    packing = ["--records", tmp_path / "scores.json", "--predictions", files["prediction"]]
    packing += ["--description", tmp_path / "method.json", "--results", results.folder]
    assert main(["submit", *map(str, [tmp_path / "mine.zip", *packing])]) == 0
    with zipfile.ZipFile(judge_.save_record(judged, NO_CLIP, "")) as file:
        assert "dataset" not in json.loads(file.read("scores.json"))["clip"]
    assert "dataset" not in judged.record["clip"]


def test_the_page_and_the_document_say_one_thing():
    assert STEPS in SUBMIT and f"```\n{STEPS}\n```" in (ROOT / "docs" / "submitting.md").read_text()


def test_a_submission_is_checked_rule_by_rule_and_previewed(results, tmp_path):
    judge_ = Judge(results)
    example = judge_.example()
    assert judge_.example() == example, "made once"
    rules, preview = judge_.lint(example)
    assert 'class="broken"' not in rules and rules.count("<li") >= 6 and "Nobody else" in preview
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    rules, preview = judge_.lint(str(broken))
    assert "E-SUB-SCHEMA" in rules and preview == ""
    with pytest.raises(gr.Error, match="no submission yet"):
        judge_.lint(None)
