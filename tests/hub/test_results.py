"""What the board shows: rows by filter, marks with ties, exports, and nothing from outside its folder."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from hub.comparison import built_in
from hub.exports import export, short
from hub.plots import frontier, quality_against_speed
from hub.results import Results
from hub.tabs.board import ANY, View, printed, provenance
from pgstalker.errors import ConfigError
from tests.hub.test_comparison import write

ALL = (ANY,) * 6


def test_rows_are_chosen_by_facet_and_by_words(results):
    assert len(results.choose({"dataset": "drawn", "setting": "self", "device": "cpu"})) == 3
    assert [row["method"] for row in results.choose({}, "TALKING two-stage")] == ["talking-gaussian"]
    assert results.choose({"composite": "gt_torso"}) == [] and results.choose({}, "nobody") == []
    assert results.values("setting") == ["self"] and results.values("composite") == ["full_frame"]


def test_numbers_are_numbers_and_columns_without_any_are_left_out(results):
    table = results.table(results.rows, ["Fidelity", "Speed"])
    assert list(table.columns[:5]) == ["Method", "Dataset", "Beside the head", "Rank", "Clips"]
    assert set(table["Beside the head"]) == {"whole frame"}
    assert table["PSNR ↑"].dtype == float and table["PSNR ↑"][0] > table["PSNR ↑"][1]
    assert "PSNR_FACE ↑" not in table and "Training, s" not in table


def test_ties_share_their_mark(results):
    table = results.table(results.rows)
    marks = results.marks(results.rows, table)
    assert [marks.get((line, "SSIM ↑")) for line in range(3)] == ["best", "best", "second"]
    assert [marks.get((line, "PSNR ↑")) for line in range(3)] == ["best", "second", None]
    assert not results.marks(results.rows[:1], results.table(results.rows[:1])), "one alone is not the best"


def test_exports_hold_what_is_on_the_screen(results):
    view = View(results)
    name, text = view.text("csv", *ALL, "", ["Fidelity"])
    assert name == "leaderboard.csv" and text.splitlines()[0].startswith("Method,Dataset,Beside the head,Rank,Clips,")
    assert len(text.splitlines()) == 4
    rows, table = results.rows, results.table(results.rows, ["Fidelity"])
    markdown, tex = (export(results, rows, table, form) for form in ("md", "tex"))
    assert "| ---: |" in markdown and markdown.count("**") == 6, "one best PSNR and two best SSIM"
    assert r"self-full\_frame" in tex and r"\textbf{" in tex and tex.count(r"\\") == 4


def test_a_stranger_s_text_stays_text_in_an_export(results):
    row = results.rows[0] | {"title": "a\\b^c~d|e\n<img>[x](y) `z` **w**"}
    table = results.table([row], ["Fidelity"])
    markdown, tex = (export(results, [row], table, form) for form in ("md", "tex"))
    assert r"| a\\b^c~d\|e &lt;img>\[x](y) \`z\` \*\*w\*\* |" in markdown and len(markdown.splitlines()) == 3
    assert r"a\textbackslash{}b\textasciicircum{}c\textasciitilde{}d|e \textless{}img\textgreater{}{[}x]" in tex


def test_large_numbers_are_whole_and_small_ones_have_four_digits():
    assert [short(value) for value in (13500.0, 9000.0, 132.74, 0.818, 0, -0.12734)] == [
        "13,500", "9000", "132.7", "0.818", "0", "-0.1273",
    ]  # fmt: skip


def test_the_view_filters_and_says_how_many(results):
    view = View(results)
    _, count = view.show("drawn", *ALL[1:], "still", ["Fidelity"])
    assert "1 of 3 rows" in count
    assert "No runs match" in view.show("elsewhere", *ALL[1:], "", [])[1]


def test_without_a_board_it_says_how_to_make_one(tmp_path):
    empty = Results(tmp_path)
    assert not empty.is_compiled and empty.reported, "printed figures need no board"
    assert "python -m leaderboard regenerate" in View(empty).count([])
    assert empty.clips == {} and quality_against_speed(empty, [], "psnr") is None


def test_a_foreign_board_and_a_path_out_of_the_folder_are_refused(tmp_path, results):
    (tmp_path / "board.json").write_text(json.dumps({"schema": "pgstalker-board/9"}))
    with pytest.raises(ConfigError, match="pgstalker-board/9, not pgstalker-board/1; run"):
        Results(tmp_path)
    (tmp_path / "board.json").write_text("{")
    with pytest.raises(ConfigError, match="is no JSON"):
        Results(tmp_path)
    with pytest.raises(ConfigError, match="leads out of"):
        results.inside("../../etc/hostname")


def test_printed_figures_stay_apart(results):
    table = printed(results, "self")
    assert "30.75" in table and "ER-NeRF" in table and "41.77" not in table
    assert "30.75" not in View(results).show(*ALL, "", ["Fidelity"])[0]


def test_an_experiment_says_what_to_know_of_it_in_words(results):
    about, drawing, table = View(results).experiment("fusion")
    assert about.startswith("What does gating add?") and "- on one clip" in about and drawing is not None
    assert re.findall(r"<button[^>]*>(.*?)<", table) == ["Fusion", "PSNR mouth low", "Steps", "Agrees"]
    assert re.findall(r"<td[^>]*>(.*?)<", table)[:4] == ["gated", "31", "13,500", "yes"]


def test_the_frontier_holds_whom_nobody_beats_in_both():
    points = [(100, 20.0), (50, 30.0), (40, 25.0), (10, 31.0)]
    assert frontier(points, {"direction": "higher"}) == [(100, 20.0), (50, 30.0), (10, 31.0)]
    assert frontier(points, {"direction": "lower"}) == [(100, 20.0)]
    assert frontier(points, {"direction": "target", "target": 25.0}) == [(100, 20.0), (40, 25.0)]


def test_lines_hold_only_rows_that_compare_and_copies_have_no_speed(results):
    rows = [dict(row) for row in results.rows]
    rows.append(rows[0] | {"dataset": "filmed", "title": "Elsewhere"})
    figure = quality_against_speed(results, rows, "psnr")
    points = {line.name: list(line.text) for line in figure.data if "markers" in line.mode}
    assert {name.partition(",")[0]: len(texts) for name, texts in points.items()} == {"drawn": 2, "filmed": 1}
    assert not any("Still frame" in texts for texts in points.values())
    fronts = [line for line in figure.data if line.mode == "lines"]
    assert len(fronts) == 2 and {len(front.x) for front in fronts} == {1}, "PGSTalker is faster and better"


def test_usual_rows_come_first_and_an_unusual_one_is_in_no_plot(results, tmp_path):
    board = json.loads((results.folder / "board.json").read_text())
    first = next(row for row in board["rows"] if row["method"] == "pgstalker")
    usual = board["protocols"][first["protocol"]]
    board["protocols"]["an-h264"] = usual | {"id": "an-h264", "codec": "h264_q8"}
    board["rows"].append(first | {"protocol": "an-h264"})
    (tmp_path / "board.json").write_text(json.dumps(board))
    with_codec = Results(tmp_path)
    assert [row["protocol"] for row in with_codec.rows if row["method"] == "pgstalker"][-1] == "an-h264"
    plots = [quality_against_speed(one, one.rows, "psnr") for one in (results, with_codec)]
    assert plots[0].to_json() == plots[1].to_json()


def changed(results, folder, change) -> Results:
    """The results with their rows changed, in a folder of their own that holds the same files."""
    board = json.loads((results.folder / "board.json").read_text())
    change(board["rows"])
    (folder / "board.json").write_text(json.dumps(board))
    for part in ("media", "measured"):
        shutil.copytree(results.folder / part, folder / part)
    return Results(folder)


def test_videos_of_another_size_are_a_clip_of_their_own(results, tmp_path):
    def add(rows):
        rows[1] |= {"size": 512}
        rows[2] |= {"size": None}

    made = changed(results, tmp_path, add)
    write(tmp_path / "media" / "drawn" / "one" / "truth@512.mp4")
    assert list(made.clips) == ["drawn/one", "drawn/two", "drawn/one, 512 px", "drawn/two, 512 px"]
    assert list(made.clips["drawn/one"].videos) == ["PGSTalker", "Still frame"]
    assert made.clips["drawn/one, 512 px"].truth.name == "truth@512.mp4"
    assert made.clips["drawn/two, 512 px"].truth is None


def opened(results, number: int) -> tuple:
    """What View.open says of the row of that number."""

    class Event:
        index = number

    return View(results).open(Event(), *ALL, "", ["Fidelity"])


def test_two_rows_of_one_label_open_their_own_video(results, tmp_path):
    made = changed(results, tmp_path, lambda rows: rows[1].update(title="PGSTalker", variant="", preset="slow"))
    assert [row["title"] for row in made.rows[:2]] == ["PGSTalker"] * 2
    for number, row in enumerate(made.rows):
        *_, sample, (clip, name), _ = opened(made, number)
        assert sample.value["path"].endswith(f"{row['method']}.mp4")
        assert str(made.clips[clip].records[name]).endswith(row["clips"][0]["record"])


def test_without_a_truth_nothing_is_compared_with_it(results, tmp_path):
    made = changed(results, tmp_path, lambda rows: None)
    for clip in ("one", "two"):
        (tmp_path / "media" / "drawn" / clip / "truth.mp4").unlink()
    *_, sample, picked, button = opened(made, 0)
    assert sample.visible and picked is None and not button.visible


def test_media_out_of_the_folder_are_left_out_with_a_warning(results, tmp_path, caplog):
    out = "../" + results.folder.name + "/media/drawn/one/truth.mp4"
    made = changed(results, tmp_path, lambda rows: rows[0]["clips"][0].update(media=out))
    assert "PGSTalker" not in made.clips["drawn/one"].videos and "PGSTalker" in made.clips["drawn/two"].videos
    assert f"{out} leads out of" in caplog.text and opened(made, 0)[4] == ["drawn/two", "PGSTalker"]


def test_what_lies_behind_a_row(results):
    class Event:
        index = 0

    view = View(results)
    _, facts, clips, sample, picked, _ = view.open(Event(), *ALL, "talking", ["Fidelity"])
    assert "TalkingGaussian" in facts and "sha256" in facts and "120 s" in facts
    assert "arXiv" in facts and "differences from the paper</summary><ol><li>" in facts and "whole frame" in facts
    assert clips.count("<tr>") == 3 and "…" in clips
    assert picked == ["drawn/one", "TalkingGaussian (audio_training=two-stage)"]
    assert sample.value["path"].endswith("talking-gaussian.mp4")


def test_a_row_says_which_groups_its_rank_is_the_mean_of(results):
    row = results.rows[0] | {"overall": 1.25, "group_ranks": {"lip": 1.5, "fidelity": 1.0}}
    assert "1.25: mean of lips 1.5, fidelity 1</td>" in provenance(results, row)
    assert "Rank</th><td>–" in provenance(results, row | {"overall": None, "group_ranks": {}})


def test_a_submitted_row_says_who_made_it(results, tmp_path):
    made = changed(results, tmp_path, lambda rows: rows[0].update(source="submitted"))
    path = tmp_path / made.rows[0]["clips"][0]["record"]
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"operator": {"generated_by": "A. <Name>"}}))
    facts = provenance(made, made.rows[0])
    assert "Made by</th><td>A. &lt;Name&gt;" in facts and "computed by the submitter" in facts
    assert "Made by" not in provenance(made, made.rows[1]) and "submitter" not in provenance(made, made.rows[1])


def test_the_committed_board_is_shown_whole():
    """Every row of what `leaderboard report` compiled: a line in the table, what lies behind it, videos to compare."""
    results = Results()
    view = View(results)
    assert results.is_compiled and results.rows
    for number, row in enumerate(results.rows):

        class Event:
            index = number

        _, facts, clips, *_ = view.open(Event(), *ALL, "", ["Fidelity"])
        assert row["title"] in facts and all(clip["clip"] in clips for clip in row["clips"])
    for clip in results.clips.values():
        name = next(iter(clip.videos))
        assert built_in(results, clip.id, name, name).frames > 0
    for entry in results.experiments:
        view.experiment(entry["id"])
