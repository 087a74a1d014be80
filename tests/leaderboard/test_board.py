"""The compiled board: who ranks where, who is paired with whom, and what is not compared."""

from __future__ import annotations

import copy
import csv
import io
import json

import numpy as np
import pytest

from leaderboard.board.compiled import compile_board, title_of
from leaderboard.board.placing import _shared, ranking_figures
from leaderboard.board.ranking import RANKS_MEAN
from leaderboard.board.rows import Row, read_rows
from leaderboard.board.series import Entry, aligned, paired, unlike
from leaderboard.metrics import cells
from leaderboard.protocol import Protocol
from leaderboard.records import read_record, write_record
from leaderboard.report.escapes import md, plain
from leaderboard.report.tables import clips_of, csv_of, latex_of, markdown_of, readme_of
from leaderboard.scoring import ScoreRequest, score

PROTOCOL = Protocol("self", "gt_torso")
FIGURES = ("psnr", "flicker")
PLACE = {"dataset": "toons", "protocol": PROTOCOL.id, "size": 176}


@pytest.fixture
def land(tmp_path, write, faces, eyes):
    """land(method, clip, noise, stride=1, truth=faces) scores noisy faces into tmp_path / results."""

    def land(method: str, clip: str, noise: float, stride: int = 1, truth: np.ndarray = faces, side: int = 176) -> None:
        rng = np.random.default_rng(len(method + clip))
        damaged = np.clip(truth + rng.normal(0, noise, truth.shape), 0, 255).astype(np.uint8)
        pair = [write(f"{name}.mkv", part[::stride, :side, :side]) for name, part in (("p", damaged), ("t", truth))]
        about = {"id": method, "revision": "r", "variant": "", "preset": "quick", "size": side, "seed": 0}
        labels = {
            "method": about | {"title": method.upper(), "kind": "gaussians", "device": "cpu", "train_seconds": 10.0},
            "clip": {"dataset": "toons", "id": clip, "stride": stride},
            "speed": {"stages": {"frame": {"fps_median": 50.0}}, "peak_memory_mb": 100.0},
        }
        place = tmp_path / "results" / "measured" / method / f"r{side}" / "toons" / clip / f"{PROTOCOL.id}.json"
        request = ScoreRequest(*pair, protocol=PROTOCOL, metrics=FIGURES, stride=stride, labels=labels)
        score(request, place, observer=eyes)

    return land


def board_of(tmp_path) -> dict:
    return compile_board(tmp_path / "results")


def test_the_better_one_ranks_first_and_is_paired_on_the_same_frames(land, tmp_path):
    for clip in ("anna", "bert"):
        land("pgstalker", clip, 2)
        land("other", clip, 12, stride=3)
    board = board_of(tmp_path)
    other, own = board["rows"]
    assert (own["ranks"]["psnr"], other["ranks"]["psnr"]) == (1.0, 2.0)
    assert own["group_ranks"] == {"fidelity": 1.0, "lip": 1.0} and own["overall"] == 1.0
    assert [clip["frames"] for clip in other["clips"]] == [20, 20] and other["values"]["flicker"] is None
    pair = next(pair for pair in board["paired"] if pair["cell"] == "psnr")
    assert pair["first"]["method"] == "pgstalker" and pair["second"]["method"] == "other"
    assert pair["difference"] == pytest.approx(own["values"]["psnr"] - other["values"]["psnr"], abs=0.05)
    assert 0 < pair["ci95"][0] < pair["difference"] < pair["ci95"][1]
    assert pair["verdict"] == "not testable: 2 clips, 7 are the least for 2 figures; different on these frames"
    assert pair["p_holm"] is None and own["overall_ci95"] is None
    assert board["tables"] == [PLACE | {"clips": ["anna", "bert"], "scope": "frames", "ranked": 2}]
    speed = "one number per clip, and 2 clips; 6 are the least to compare by"
    assert PLACE | {"row": None, "cell": "render_fps", "reason": speed} in board["left_out"]
    assert own["speed"]["render_fps"] == 50 and own["train_seconds"] == 10 and own["device"]


def test_what_differs_by_chance_ties(land, tmp_path):
    for clip in ("anna", "bert"):
        land("pgstalker", clip, 5)
        land("similar", clip, 5)
    assert [row["ranks"]["psnr"] for row in board_of(tmp_path)["rows"]] == [1.0, 1.0]


def test_rows_of_another_truth_do_not_compare(land, faces, tmp_path):
    land("pgstalker", "anna", 2)
    land("other", "anna", 12, truth=faces[:, ::-1].copy())
    board = board_of(tmp_path)
    assert all(row["ranks"] == {} and row["overall"] is None for row in board["rows"]) and board["paired"] == []
    told = {"row": None, "cell": "psnr", "reason": "anna: its rows were compared with different truths"}
    assert PLACE | told in board["left_out"]


def test_pictures_of_other_sizes_do_not_compare(land, tmp_path):
    land("pgstalker", "anna", 2)
    land("other", "anna", 12, side=128)
    board = board_of(tmp_path)
    assert [row["overall"] for row in board["rows"]] == [None, None], "one alone has no rank"
    assert {(line["size"], line["reason"]) for line in board["left_out"]} == {
        (128, "nobody else has anna"), (176, "nobody else has anna"),
    }  # fmt: skip


def test_a_row_that_lacks_a_clip_is_shown_and_not_compared(land, tmp_path):
    from leaderboard.report.page import against_speed

    for clip in ("anna", "bert"):
        land("pgstalker", clip, 2)
        land("other", clip, 12)
    land("narrow", "anna", 5)
    board = board_of(tmp_path)
    narrow, other, own = board["rows"]
    assert (own["ranks"]["psnr"], other["ranks"]["psnr"]) == (1, 2), "the others rank over both clips"
    assert not narrow["is_compared"] and narrow["overall"] is None and narrow["ranks"] == {}
    assert own["is_compared"] and narrow["values"]["psnr"] == pytest.approx(narrow["clips"][0]["values"]["psnr"])
    why = "it lacks bert, so that its means do not compare"
    assert PLACE | {"row": "narrow [r176]", "cell": None, "reason": why} in board["left_out"]
    text = f"{narrow['values']['psnr']:.2f}"
    assert f"| 1 of 2 | – | ({text}) |" in readme_of(board)
    assert f"1 of 2 & -- & ({text}) & " in latex_of(board)
    markdown = markdown_of(board)
    assert f"- not ranked: narrow [r176]: {why}" in markdown and "| PGSTALKER (r176) | 1 | 1 |" in markdown
    lead = f"| PGSTALKER (r176) less OTHER (r176) | {own['values']['psnr'] - other['values']['psnr']:+.2f} ["
    assert lead in readme_of(board) and "No row has SSIM" in readme_of(board)
    assert "they hold for these frames only" in markdown and RANKS_MEAN in markdown and RANKS_MEAN in readme_of(board)
    lines = csv.DictReader(io.StringIO(csv_of(board)))
    told = {(line["method"], line["is_compared"]) for line in lines}
    assert told == {("narrow", "False"), ("other", "True"), ("pgstalker", "True")}
    (trace,) = against_speed(board, board["rows"]).data
    assert trace.marker.symbol == ("circle-open", "circle", "circle")


def test_one_method_on_more_clips_does_not_move_the_others_out(land, tmp_path):
    for method in ("pgstalker", "other", "third"):
        land(method, "anna", 5)
    land("pgstalker", "bert", 5)
    board = board_of(tmp_path)
    assert [table["clips"] for table in board["tables"]] == [["anna"]]
    own = next(row for row in board["rows"] if row["method"] == "pgstalker")
    assert own["is_compared"] and len(own["clips"]) == 2 and clips_of(board, own) == "1 (2 scored)"
    assert own["values"]["psnr"] == pytest.approx(own["clips"][0]["values"]["psnr"]), "the mean that compares"
    land("other", "bert", 5)
    board = board_of(tmp_path)
    assert [table["clips"] for table in board["tables"]] == [["anna", "bert"]], "two of three have both"
    assert "third [r176]" in [line["row"] for line in board["left_out"]]


def test_costs_are_of_the_clips_that_the_means_are_of(land, tmp_path):
    for clip in ("anna", "bert"):
        land("pgstalker", clip, 2)
    land("other", "anna", 12)
    (path,) = (tmp_path / "results").glob("measured/pgstalker/*/toons/bert/*.json")
    path.write_text(path.read_text().replace('"train_seconds": 10.0', '"train_seconds": 99.0'))
    board = board_of(tmp_path)
    own = board["rows"][1]
    assert own["clips_meant"] == 1 and len(own["clips"]) == 2 and own["train_seconds"] == 10
    lines = [line for line in csv.DictReader(io.StringIO(csv_of(board))) if line["method"] == "pgstalker"]
    assert next((line["clip"], int(line["frames"])) for line in lines) == ("all", own["clips"][0]["frames"])


def test_a_submitted_row_without_a_figure_takes_it_from_nobody(land, tmp_path):
    for name, noise in (("pgstalker", 2), ("other", 12), ("theirs", 5), ("whole", 5)):
        land(name, "anna", noise)
    results = tmp_path / "results"
    for name in ("theirs", "whole"):
        (results / "submitted").mkdir(exist_ok=True)
        (results / "measured" / name).rename(results / "submitted" / name)
    (path,) = results.glob("submitted/theirs/*/toons/anna/*.json")
    record = json.loads(path.read_text())
    record["metrics"]["psnr"] |= {"status": "failed", "value": None, "ci95": None, "ci": None, "reason": "left out"}
    path.write_text(json.dumps(record))
    board = board_of(tmp_path)
    ranks = {row["method"]: row["ranks"].get("psnr") for row in board["rows"]}
    assert ranks == {"other": 3, "pgstalker": 1, "theirs": None, "whole": 2}
    why = "it has no psnr of anna, as every row made here has"
    assert PLACE | {"row": "theirs [r176]", "cell": None, "reason": why} in board["left_out"]
    assert "| THEIRS (r176, submitted) |" in readme_of(board)


def test_what_strangers_write_breaks_no_table(land, tmp_path):
    land("pgstalker", "anna", 2)
    land("other", "anna", 12)
    board = board_of(tmp_path)
    board["rows"][0]["title"] = "Fast | 50$ \\input{x}\n<img> [a](b)"
    for text in (readme_of(board), markdown_of(board)):
        assert r"Fast \| 50$ \\input{x} &lt;img> \[a](b)" in text and "<img" not in text
    assert r"Fast | 50\$ \textbackslash{}input\{x\}" in latex_of(board)
    assert plain(md(board["rows"][0]["title"])) == "Fast | 50$ \\input{x} <img> [a](b)"


def test_clips_that_no_two_share():
    rows = {(name, "r", "d", "p"): Row(entries={f"of {name}": Entry({}, {}, "")}) for name in "abc"}
    assert _shared(rows) == ["of a"] and _shared({}) == []


def test_clips_that_two_share_though_neither_has_them_alone():
    blank = Entry({}, {}, "")
    rows = {("a", "r", "d", "p"): Row({"x": blank, "y": blank}), ("b", "r", "d", "p"): Row({"y": blank, "z": blank})}
    assert _shared(rows) == ["y"]


def test_a_variant_stands_beside_its_method_over_the_clips_of_both():
    from leaderboard.report.page import ablations

    def row(method, variant, protocol, **psnr):
        revision = "r" + f"+{variant}" * bool(variant)
        told = {"method": method, "title": method, "kind": "nerf", "variant": variant, "revision": revision}
        clips = [{"clip": clip, "values": {"psnr": value}} for clip, value in psnr.items()]
        return told | {"protocol": protocol, "clips": clips, "source": "measured"}

    board = {"protocols": {name: {"composite": name, "setting": "self", "codec": "lossless"} for name in ("a", "b")}}
    rows = [
        row("one", "", "a", anna=30.0, bert=20.0),
        row("one", "hearing=other", "a", anna=31.0, bert=22.0, carl=99.0),
        row("one", "fusion=plain", "a", bert=19.5),
        row("one", "hearing=other", "b", anna=50.0),
        row("two", "hearing=other", "a", anna=50.0),
    ]
    (bars,) = ablations(board, rows).data
    assert dict(zip(bars.x, bars.y)) == {"hearing=other, 2 clips": 1.5, "fusion=plain, 1 clip": -0.5}


def test_how_the_mouth_looks_is_the_lips_matter():
    figures = ranking_figures()
    assert figures["psnr_mouth"].group == figures["lmd_mp"].group == "lip" and figures["psnr"].group == "fidelity"
    assert "psnr_face" not in figures


def test_only_frames_that_both_judged_are_paired(land, tmp_path):
    """Without its per-frame values a record is not compared, least of all with the first frame of the others."""
    land("pgstalker", "anna", 2)
    land("other", "anna", 12)
    path = next((tmp_path / "results").glob("measured/other/*/*/*/*.json"))
    path.write_text(path.read_text().replace(f'"{path.stem}.npz"', "null"))
    rows = {key[0]: row.entries["anna"] for key, row in read_rows(tmp_path / "results").items()}
    assert aligned(rows, "psnr") == {} and unlike(rows.values(), "psnr") == "some of its rows have no values per frame"
    assert paired({"anna": rows["pgstalker"]}, {"anna": rows["other"]}, ("psnr",)) == []
    told = {"row": None, "cell": "psnr", "reason": "anna: some of its rows have no values per frame"}
    assert PLACE | told in board_of(tmp_path)["left_out"] and board_of(tmp_path)["paired"] == []


def test_one_number_of_other_frames_is_not_paired(land, tmp_path):
    land("pgstalker", "anna", 2)
    (row,) = read_rows(tmp_path / "results").values()
    entry = row.entries["anna"]
    sparse = copy.deepcopy(entry.record)
    sparse["clip"]["stride"] = 4
    rows = {"a": entry, "b": Entry(sparse, entry.series, "")}
    assert aligned(rows, "flicker_ratio") == {} and len(aligned({"a": entry, "b": entry}, "flicker_ratio")) == 2
    assert unlike(rows.values(), "flicker_ratio") == "its rows were judged on different frames"
    assert {len(values) for values in aligned(rows, "psnr").values()} == {15}


def test_no_figures_asked_for_are_none(land, tmp_path):
    land("pgstalker", "anna", 2)
    (row,) = read_rows(tmp_path / "results").values()
    assert paired(row.entries, row.entries, ()) == []
    assert {line.key for line in paired(row.entries, row.entries)} >= {"psnr", "flicker"}


def test_speeds_rank_with_enough_clips_on_one_machine(land, tmp_path):
    for method, fps in (("pgstalker", 70.0), ("other", 50.0)):
        land(method, "c0", 6)
        path = next((tmp_path / "results").glob(f"measured/{method}/*/*/c0/*.json"))
        record, series = read_record(path)
        for clip in range(6):
            record["clip"]["id"], record["speed"]["stages"]["frame"]["fps_median"] = f"c{clip}", fps + clip
            write_record(record, series, path.parents[1] / f"c{clip}" / path.name)
    board = board_of(tmp_path)
    other, own = board["rows"]
    assert own["group_ranks"]["speed"] == 1 and other["group_ranks"]["speed"] == 2
    assert own["overall_ci95"][0] <= own["overall"] <= own["overall_ci95"][1] and board["tables"][0]["scope"] == "clips"
    record["env"]["cpu"] = "Z80"
    write_record(record, series, path.parents[1] / "c0" / path.name)
    told = {"row": None, "cell": "render_fps", "reason": "its rows were timed on several machines"}
    assert PLACE | told in board_of(tmp_path)["left_out"]


def test_every_cell_has_a_name_for_people():
    titles = [title_of(key) for key in cells()]
    assert len(set(titles)) == len(titles)
    assert title_of("lmd_mp") == "LMD (MediaPipe)" and title_of("ssim_face") == "SSIM face"


def test_experiments_stand_on_board_and_page(land, tmp_path):
    from plotly.graph_objects import Bar, Figure

    from leaderboard.report.page import page_of
    from leaderboard.report.tables import markdown_of

    land("pgstalker", "anna", 2)
    folder = tmp_path / "results" / "experiments"
    folder.mkdir()
    (folder.parent / "fusion.plot.json").write_text(Figure(Bar(x=["gated"], y=[31.0])).to_json())
    table = [{"fusion": "gated", "PSNR": 31.0}, {"fusion": "concat", "PSNR": None}]
    table = [line | {"is_told": False, "blank": None} for line in table]
    content = {"id": "fusion", "title": "Which fusion?", "question": "Does the gate help?", "table": table}
    content["notes"] = ["gains are over gated"]
    (folder / "fusion.json").write_text(json.dumps(content | {"plot": "fusion.plot.json"}))
    board = board_of(tmp_path)
    lines = ["| fusion | PSNR | is told |", "|---|---|---|", "| gated | 31.0 | no |", "| concat | – | no |"]
    assert "\n".join(lines) in markdown_of(board)
    assert "Does the gate help? Gains are over gated." in markdown_of(board)
    page = page_of(board, tmp_path / "results")
    assert 'Plotly.newPlot("experiment-fusion",' in page and "Does the gate help? Gains" in page
