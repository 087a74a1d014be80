"""The compiled board: who ranks where, who is paired with whom, and what is not compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leaderboard.board.compiled import compile_board, title_of
from leaderboard.metrics import cells
from leaderboard.protocol import Protocol
from leaderboard.scoring import ScoreRequest, score

PROTOCOL = Protocol("self", "gt_torso")
FIGURES = ("psnr", "flicker")


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
    assert own["group_ranks"] == {"fidelity": 1.0} and own["overall"] == 1.0
    assert [clip["frames"] for clip in other["clips"]] == [20, 20] and other["values"]["flicker"] is None
    pair = next(pair for pair in board["paired"] if pair["cell"] == "psnr")
    assert pair["first"]["method"] == "pgstalker" and pair["second"]["method"] == "other"
    assert pair["difference"] == pytest.approx(own["values"]["psnr"] - other["values"]["psnr"], abs=0.05)
    assert 0 < pair["ci95"][0] < pair["difference"] < pair["ci95"][1]
    assert pair["verdict"] == "not testable: 2 clips, 6 are the least" and pair["p_holm"] is None
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
    place = {"dataset": "toons", "protocol": PROTOCOL.id, "size": 176, "cell": "psnr"}
    assert place | {"reason": "anna: its rows were compared with different truths"} in board["left_out"]


def test_pictures_of_other_sizes_do_not_compare(land, tmp_path):
    land("pgstalker", "anna", 2)
    land("other", "anna", 12, side=128)
    assert [row["ranks"]["psnr"] for row in board_of(tmp_path)["rows"]] == [1.0, 1.0]


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
    content = {"id": "fusion", "title": "Which fusion?", "question": "Does the gate help?", "table": table}
    (folder / "fusion.json").write_text(json.dumps(content | {"plot": "fusion.plot.json"}))
    board = board_of(tmp_path)
    assert "| fusion | PSNR |\n|---|---|\n| gated | 31.0 |\n| concat | – |" in markdown_of(board)
    page = page_of(board, tmp_path / "results")
    assert 'Plotly.newPlot("experiment-fusion",' in page and "Does the gate help?" in page
