"""The board from nothing, with settings that take seconds; killed, damaged and failing runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaderboard.board.compiled import compile_board, text_of
from leaderboard.inspection.shelf import Shelf
from leaderboard.records import read_record, write_record
from leaderboard.report import END, START, stale, write
from leaderboard.running import performing
from leaderboard.running.regenerate import Wish, regenerate
from leaderboard.running.runner import FAILURE, StageDied, _apart, note_failure, run
from leaderboard.running.stages import STAGES, Run, judge
from leaderboard.running.tasks import Places, Task
from leaderboard.running.verify import _retrained, rescore, retrain, verify
from pgstalker.errors import AvatarError, ConfigError
from pgstalker.method import method

ROOT = Path(__file__).parents[2]
SIZE = 64
METHODS = ("still-frame", "oracle-frame", "truth-late")
RECORD = "still-frame/quick-64-s0/toons/anna/self-full_frame-lossless-v1.json"
TIMINGS = ("speed", "train_seconds", "train_peak_memory_mb")


def without_weights(patch, folder: Path) -> None:
    for name in ("PGSTALKER_MODELS", "PGSTALKER_CACHE", "TORCH_HOME"):
        patch.setenv(name, str(folder))
    patch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def wish(toons):
    return Wish(datasets=(toons,), methods=METHODS, size=SIZE, device="cpu")


@pytest.fixture(scope="module")
def whole(wish, tmp_path_factory):
    """(places, outcomes, lines) of a run that nobody disturbed; not to be changed."""
    folder, lines = tmp_path_factory.mktemp("whole"), []
    with pytest.MonkeyPatch.context() as patch:
        without_weights(patch, folder)
        places = Places(folder / "work", folder / "results")
        outcomes = regenerate(wish, places, isolated=False, say=lines.append)
    return places, outcomes, lines


@pytest.fixture
def copied(whole, tmp_path):
    """Places with the same files, to be damaged."""
    import shutil

    shutil.copytree(whole[0].work, tmp_path / "work")
    shutil.copytree(whole[0].results, tmp_path / "results")
    return Places(tmp_path / "work", tmp_path / "results")


def untimed(board: dict) -> dict:
    """A board without what two runs of the same frames differ in."""
    return board | {"rows": [{k: v for k, v in row.items() if k not in TIMINGS} for row in board["rows"]]}


def row_of(board: dict, method_id: str) -> dict:
    return next(row for row in board["rows"] if row["method"] == method_id)


def test_the_board_is_made_from_nothing(whole):
    places, outcomes, lines = whole
    assert [outcome.reason for outcome in outcomes] == [None] * 6 and not any(o.was_there for o in outcomes)
    assert lines[0].startswith("[1/6] truth-late [quick-64-s0] on toons/anna: took ") and lines[0].endswith(" left")
    board = compile_board(places.results)
    assert [row["method"] for row in board["rows"]] == sorted(METHODS)
    still, oracle, late = (row_of(board, name) for name in ("still-frame", "oracle-frame", "truth-late"))
    assert [clip["clip"] for clip in still["clips"]] == ["anna", "bert"]
    assert still["values"]["psnr"] == pytest.approx(np.mean([clip["values"]["psnr"] for clip in still["clips"]]))
    assert oracle["values"]["psnr"] > still["values"]["psnr"]
    assert still["ci95"]["psnr"][0] <= still["values"]["psnr"] <= still["ci95"]["psnr"][1]
    assert not oracle["ranks"] and not late["ranks"], "who knows the answer does not rank"
    assert [(line["row"], line["reason"]) for line in board["left_out"]] == [
        ("still-frame [quick-64-s0]", "nobody else has anna, bert")
    ]
    assert still["speed"]["render_fps"] > 0 and late["speed"]["render_fps"] is None
    assert late["clips"][0]["warnings"] == [] or "late" in late["clips"][0]["warnings"][0]
    assert {clip["clip"]: bool(clip["media"]) for clip in still["clips"]} == {"anna": True, "bert": False}
    assert (places.results / still["clips"][0]["media"]).is_file()
    assert (places.results / "media/toons/anna/truth@64.mp4").is_file()
    assert not (places.results / "media/toons/bert").exists(), "pictures of bert may not ship"
    assert "lmd_mp" in still["clips"][0]["reasons"]


def test_a_second_run_finds_all_of_it_there(whole, wish):
    places, _, _ = whole
    before = text_of(compile_board(places.results))
    again = regenerate(wish, places, isolated=False, say=lambda line: None)
    assert all(outcome.was_there for outcome in again)
    assert text_of(compile_board(places.results)) == before


def test_killed_half_way_it_goes_on_to_the_same_board(whole, wish, toons, tmp_path, monkeypatch):
    """SIGKILL, by its own hand, right after the ninth stage was noted."""
    arguments = ["regenerate", "--dataset", toons, "--methods", *METHODS, "--size", str(SIZE), "--device", "cpu"]
    arguments += ["--engine", "here", "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    program = (
        "from tests.fault.mortal import die_after; die_after('leaderboard.running.stages:Run.note#9'); "
        f"from leaderboard.__main__ import main; main({arguments!r})"
    )
    without_weights(monkeypatch, whole[0].work.parent)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -9, killed.stderr
    places = Places(tmp_path / "work", tmp_path / "results")
    done = len(list(places.measured.rglob("*-v1.json")))
    assert 0 < done < 6
    outcomes = regenerate(wish, places, isolated=False, say=lambda line: None)
    assert sum(outcome.was_there for outcome in outcomes) == done
    assert untimed(compile_board(places.results)) == untimed(compile_board(whole[0].results))


def test_a_stage_of_its_own_process_is_measured_and_its_mishaps_are_told(copied, toons):
    whole = Run(Task("still-frame", toons, "anna", size=SIZE, device="cpu"), copied)
    assert whole.stages["perform"]["speed"]["peak_memory_mb"] is None, "memory of several stages is nobody's"
    _apart("perform", whole)
    assert whole.stages["perform"]["speed"]["peak_memory_mb"] > 20
    (whole.folder / "model" / "method.json").unlink()
    with pytest.raises(AvatarError, match="holds no trained still-frame"):
        _apart("perform", whole)


class Fatal:
    """Ends the process that it is sent to."""

    def __reduce__(self):
        return os._exit, (1,)


def test_the_death_of_a_stages_process_is_told():
    with pytest.raises(StageDied, match="its process died in the stage 'train'"):
        _apart("train", Fatal())


def test_records_are_never_overwritten(copied, toons):
    with pytest.raises(ConfigError, match="exists and records are never overwritten"):
        judge(Run(Task("still-frame", toons, "anna", size=SIZE, device="cpu"), copied), lambda *_: None)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[:500], "the record is damaged: "),
        (
            lambda text: text.replace('"seconds":', '"seconds": NaN, "were":'),
            "it holds NaN, which JSON does not know",
        ),
        (lambda text: text.replace("pgstalker-eval/1", "pgstalker-eval/9"), "the schema 'pgstalker-eval/9' is unknown"),
    ],
)
def test_a_damaged_record_is_one_blank_cell(copied, caplog, damage, reason):
    path = copied.measured / RECORD
    path.write_text(damage(path.read_text()))
    board = compile_board(copied.results)
    anna, bert = row_of(board, "still-frame")["clips"]
    assert anna["values"]["psnr"] is None and reason in anna["reasons"]["psnr"] and "\n" not in anna["reasons"]["psnr"]
    still = row_of(board, "still-frame")
    assert still["values"]["psnr"] == pytest.approx(bert["values"]["psnr"]), "the mean is that of what is left"
    assert len(caplog.records) == 1 and len(board["rows"]) == 3


def test_what_fails_is_blank_with_its_reason_and_the_rest_goes_on(whole, wish, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "broken.mp4").write_text("no video")
    places = Places(tmp_path / "work", tmp_path / "results")
    both = replace(
        wish, datasets=(*wish.datasets, f"folder:{folder}"), methods=("still-frame",), clips=("anna", "broken")
    )
    good, bad = regenerate(both, places, isolated=False, say=lambda line: None)
    assert good.record and not bad.record and "broken.mp4" in bad.reason and "\n" not in bad.reason
    row = next(row for row in compile_board(places.results)["rows"] if row["dataset"] == "clips")
    assert row["protocol"] == "unknown" and row["clips"][0]["reasons"]["psnr"] == bad.reason
    assert (places.measured / "still-frame/quick-64-s0/clips/broken" / FAILURE).is_file()


def test_nobody_in_the_picture_and_no_sound_are_one_line(shared, write, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (130, 128, 128, 3), np.uint8)
    write("noise.mp4", noise, audio=(rng.normal(0, 0.1, 83200), 16000))
    write("silent.mp4", noise[:130])
    places = Places(tmp_path / "work", tmp_path / "results")
    for clip in ("noise", "silent"):
        outcome = run(Task("still-frame", f"folder:{tmp_path}", clip, size=SIZE), places, isolated=False)
        assert outcome.reason and "\n" not in outcome.reason
        assert ("face" if clip == "noise" else "sound") in outcome.reason


def test_a_method_that_skips_frames_is_compared_with_the_same_ones(toons, tmp_path, monkeypatch):
    monkeypatch.setattr(performing, "method", lambda name: replace(method(name), test_stride=3))
    places = Places(tmp_path / "work", tmp_path / "results")
    outcome = run(Task("oracle-frame", toons, "anna", size=SIZE, device="cpu"), places, isolated=False)
    record, series = read_record(outcome.record)
    assert record["clip"]["stride"] == 3 and record["counts"]["n_used"] == len(series["psnr"]) == 3
    assert record["metrics"]["psnr"]["status"] == "ok"
    assert record["metrics"]["flicker"]["status"] == "not_applicable"
    assert record["metrics"]["flicker"]["reason"] == "one frame in 3 was rendered, and this needs every one"


def test_the_preset_of_small_machines_draws_every_fourth_frame(toons, tmp_path):
    places = Places(tmp_path / "work", tmp_path / "results")
    task = Task("oracle-frame", toons, "anna", preset="compare", size=SIZE, device="cpu")
    record, series = read_record(run(task, places, isolated=False).record)
    assert record["clip"]["stride"] == 4 and len(series["psnr"]) == 2


def test_a_performance_in_anothers_words_is_a_row_of_its_own(toons, tmp_path):
    places = Places(tmp_path / "work", tmp_path / "results")
    speech = ROOT / "sample_data/speech/english_man.wav"
    task = Task("nearest-frame", toons, "anna", size=SIZE, device="cpu", speech=speech)
    record, _ = read_record(run(task, places, isolated=False).record)
    assert record["clip"]["id"] == "anna@english_man" and record["inputs"]["truth"] is None
    assert record["protocol"]["setting"] == "cross" and record["counts"]["n_used"] == 279
    assert compile_board(places.results)["rows"][0]["clips"][0]["frames"] == 279


@pytest.mark.parametrize("who_comes_first", ["own words", "another's"])
def test_one_model_speaks_its_own_and_anothers_words(toons, tmp_path, monkeypatch, who_comes_first):
    places = Places(tmp_path / "work", tmp_path / "results")
    own = Task("nearest-frame", toons, "anna", size=SIZE, device="cpu")
    others = replace(own, speech=ROOT / "sample_data/speech/english_man.wav")
    first, second = (own, others) if who_comes_first == "own words" else (others, own)
    told, _ = read_record(run(first, places, isolated=False).record)

    def refuse(*_):
        raise ConfigError("trained again")

    for stage in ("prepare", "train"):
        monkeypatch.setitem(STAGES, stage, refuse)
    heard, _ = read_record(run(second, places, isolated=False).record)
    assert heard["method"]["checkpoint_sha256"] == told["method"]["checkpoint_sha256"] is not None
    assert {told["protocol"]["setting"], heard["protocol"]["setting"]} == {"self", "cross"}
    assert told["inputs"]["prediction"]["sha256"] != heard["inputs"]["prediction"]["sha256"]


def test_a_performance_is_judged_as_of_the_model_that_gave_it(toons, tmp_path):
    """The own words' folder may be removed, or learnt anew, after another's words were spoken."""
    import shutil

    places = Places(tmp_path / "work", tmp_path / "results")
    own = Task("nearest-frame", toons, "anna", size=SIZE, device="cpu")
    others = Run(replace(own, speech=ROOT / "sample_data/speech/english_man.wav"), places)
    for stage in ("prepare", "train"):
        STAGES[stage](others.learner, lambda *_: None)
    STAGES["perform"](others, lambda *_: None)
    told = others.stages["train"]
    shutil.rmtree(others.learner.folder)
    record, _ = read_record(run(others.task, places, isolated=False).record)
    assert record["method"]["checkpoint_sha256"] == told["checkpoint_sha256"]
    assert not others.model.exists(), "nothing was learnt anew"
    (verdict,) = verify(places, (), {"toons": toons})
    assert verdict.checked and not verdict.faults
    others.note("train", told)
    assert "perform" not in others.stages, "what was performed before is another model's"


def test_through_the_codec_of_the_papers_scripts_the_same_frames_are_scored_again(copied, toons):
    outcome = run(Task("oracle-frame", toons, "anna", size=SIZE, device="cpu", codec="h264_q8"), copied, isolated=False)
    lossy, _ = read_record(outcome.record)
    lossless, _ = read_record(outcome.record.with_name("self-full_frame-lossless-v1.json"))
    assert lossy["protocol"]["id"] == "self-full_frame-h264_q8-v1"
    assert lossy["inputs"]["prediction"]["sha256"] == lossless["inputs"]["prediction"]["sha256"]
    assert lossy["metrics"]["psnr"]["value"] != lossless["metrics"]["psnr"]["value"]
    assert len([row for row in compile_board(copied.results)["rows"] if row["method"] == "oracle-frame"]) == 2


def shift(path: Path, key: str, amount: float, **more) -> None:
    """Write a record whose cell has another value, all per-frame values and the interval moved with it."""
    record, series = read_record(path)
    told = record["metrics"][key]
    told["value"] += amount
    told["ci95"] = [bound + amount for bound in told["ci95"]]
    write_record(record | more, series | {key: series[key] + np.float32(amount)}, path)


def test_kept_predictions_bear_their_records_out(copied, toons):
    named = {"toons": toons}
    assert all(verdict.checked and not verdict.faults for verdict in verify(copied, ("still-frame",), named))
    shift(copied.measured / RECORD, "psnr", 0.5)
    (copied.work / "runs/still-frame/quick-64-s0/toons/bert/prediction.mkv").write_bytes(b"other")
    first, second = verify(copied, ("still-frame",), named)
    assert "differs: psnr was" in first.line() and "hash mismatch" in second.line()


def test_whatever_is_edited_in_a_record_is_found(copied, toons):
    path = copied.measured / RECORD
    content = json.loads(path.read_text())
    told = content["metrics"]
    told["psnr"]["value"] += 1
    told["ssim"]["ci95"] = [0.1, 0.2]
    told["flip"]["direction"] = "higher"
    told["flicker_ratio"]["ci95"] = [1, 2]
    told["flicker"] |= {"value": None, "status": "failed", "reason": "it was bad", "ci95": None, "ci": None}
    content["method"] |= {"title": "Mine", "kind": "nerf"}
    content["protocol"]["composite"] = "gt_torso"
    content["inputs"]["prediction"]["frame_md5"] = "0" * 32
    content["inputs"]["truth"] = None
    path.write_text(json.dumps(content))
    line = next(verify(copied, ("still-frame",), {"toons": toons})).line()
    for words in (
        "psnr is .*, but its frames' mean is",
        r"ssim has the interval \[0.1, 0.2\], but its frames give",
        "flip has the direction 'higher' and should have 'lower'",
        r"flicker_ratio had the interval \[1, 2\] and has",
        "there are per-frame values of flicker, which the record does not have",
        "flicker is blank and would be",
        "its method's title is 'Mine' and should be 'Still frame'",
        "its method's kind is 'nerf' and should be 'floor'",
        "its protocol's composite is 'gt_torso' and should be 'full_frame'",
        "the prediction's frames are others",
        "the truth is another one",
    ):
        assert re.search(words, line), words
    assert "differs: " in line and "\n" not in line


def test_whatever_is_edited_in_the_per_frame_values_is_found(copied, toons):
    path = copied.measured / RECORD
    record, series = read_record(path)
    other = path.parents[4] / RECORD.replace("still-frame", "oracle-frame")
    path.with_suffix(".npz").write_bytes(other.with_suffix(".npz").read_bytes())
    assert "its sha256 differs" in next(verify(copied, ("still-frame",), {"toons": toons})).line()
    series["psnr"] = series["psnr"] + np.float32(1)
    series["ssim"] = series["ssim"][:5]
    series["flicker"] = series["flicker"] + np.float32([0.5, -0.5, *[0] * (len(series["flicker"]) - 2)])
    write_record(record, series, path)
    line = next(verify(copied, ("still-frame",), {"toons": toons})).line()
    for words in (
        "psnr is .*, but its frames' mean is",
        "psnr was .* and is .* in entry 0 of its values per frame",
        "ssim has 5 values per frame; 7 frames give 7",
        "ssim had 5 values per frame and has 7",
        r"flicker was .* and is .* in entry 0 of its values per frame \(2 such\)",
    ):
        assert re.search(words, line), (words, line)


def test_a_record_in_another_methods_folder_is_found_where_nothing_is_kept_too(copied, toons):
    own = copied.measured / RECORD
    place = copied.measured / RECORD.replace("still-frame", "nearest-frame")
    place.parent.mkdir(parents=True)
    for suffix in (".json", ".npz"):
        place.with_suffix(suffix).write_bytes(own.with_suffix(suffix).read_bytes())
    for places in (copied, Places(copied.work / "none", copied.results)):
        (verdict,) = verify(places, ("nearest-frame",), {"toons": toons})
        assert "differs: it is the record of still-frame/" in verdict.line() and "lies as nearest-" in verdict.line()


def test_what_nothing_is_kept_of_is_made_again_beside_its_record(copied, toons, capsys):
    """As after cloning: records, and no work."""
    from leaderboard.__main__ import main

    record = copied.measured / RECORD
    before = record.read_bytes()
    where = ["--work", str(copied.work / "new"), "--results", str(copied.results)]
    asked = ["run", "still-frame", "--dataset", toons, "--clip", "anna", "--size", str(SIZE), "--device", "cpu", *where]
    assert main(["verify", "--methods", "still-frame", "--dataset", toons, *where]) == 1
    told = capsys.readouterr().err
    assert "none of 2 records could be checked" in told and "--again" in told and f"--size {SIZE}" in told
    assert main(asked) == 0 and "--again makes its frames anew" in capsys.readouterr().out
    assert not (copied.work / "new").exists()
    assert main([*asked, "--again"]) == 0 and f"{record}: holds" in capsys.readouterr().out
    assert record.read_bytes() == before
    assert Shelf(copied.results, copied.work / "new").find("still-frame", "toons/anna").truth.is_file()
    assert main(["verify", "--methods", "still-frame", "--dataset", toons, *where]) == 0
    assert main([*asked, "--again", "--seed", "3"]) == 2 and "has no record yet" in capsys.readouterr().err


def test_frames_made_again_that_differ_in_bits_are_known_as_such(copied, toons, caplog):
    """As on another machine: the record bears the hash of other frames, and figures close by."""
    record = copied.measured / RECORD
    content = json.loads(record.read_text())
    content["inputs"]["prediction"]["sha256"] = "0" * 64
    record.write_text(json.dumps(content))
    first, _ = verify(copied, ("still-frame",), {"toons": toons})
    assert first.line().endswith(": holds"), "the same frames in another file are the same frames"
    assert Shelf(copied.results, copied.work).find("still-frame", "toons/anna") and "made again" not in caplog.text
    content["inputs"]["prediction"]["frame_md5"] = "0" * 32
    shift(record, "psnr", 0.3, inputs=content["inputs"])
    first, _ = verify(copied, ("still-frame",), {"toons": toons})
    assert first.checked and not first.faults and "made again here" in first.line()
    assert Shelf(copied.results, copied.work).find("still-frame", "toons/anna") and "made again here" in caplog.text
    shift(record, "ssim", -0.02)
    assert "ssim was" in next(verify(copied, ("still-frame",), {"toons": toons})).line()
    (copied.work / "runs" / Path(RECORD).parent / "prediction.mkv").unlink()
    with pytest.raises(ConfigError, match="are not at hand; make them: python -m leaderboard run"):
        Shelf(copied.results, copied.work).find("still-frame", "toons/anna")


def test_another_clip_of_the_same_name_is_noticed(copied, toons, tmp_path):
    import shutil

    folder = tmp_path / "toons"
    shutil.copytree(toons.removeprefix("folder:"), folder)
    manifest = folder / "anna.subject" / "subject.json"
    manifest.write_text(manifest.read_text() + "\n")
    task = Task("still-frame", f"folder:{folder}", "anna", size=SIZE, device="cpu")
    outcome = run(task, copied, isolated=False)
    assert "anna.subject is another clip" in outcome.reason and "an id of its own" in outcome.reason
    board = row_of(compile_board(copied.results), "still-frame")
    assert board["clips"][0]["values"]["psnr"] is not None, "what was scored before stays scored"
    (copied.measured / RECORD).unlink()
    outcome = run(task, copied, isolated=False)
    assert "is another clip" in outcome.reason and "remove that folder" in outcome.reason
    board = row_of(compile_board(copied.results), "still-frame")
    assert "is another clip" in board["clips"][0]["reasons"]["psnr"]


def test_a_failure_beside_a_record_takes_nothing_from_it(copied, toons):
    note_failure(Run(Task("still-frame", toons, "anna", size=SIZE, device="cpu"), copied), "the disk was full")
    row = row_of(compile_board(copied.results), "still-frame")
    assert row["values"]["psnr"] is not None and len(row["clips"]) == 2


def test_retraining_tells_figures_between_0_and_1_apart():
    cell = {"unit": "", "value": 0.9, "details": {}}
    assert _retrained("ssim", cell) == _retrained("ssim_face", cell) == _retrained("lpips", cell) == 0.01
    assert _retrained("aperture_r", cell | {"unit": "r"}) == 0.1 and _retrained("psnr", cell | {"unit": "dB"}) == 0.5
    assert _retrained("lmd_mp_norm", cell | {"unit": "%", "value": 2.0}) == pytest.approx(0.16)
    assert _retrained("sync_ridge_lag", cell | {"unit": "frames", "details": {"is_believed": False}}) == np.inf


def test_a_damaged_record_is_not_drawn(copied, toons, monkeypatch, caplog):
    from leaderboard.running import verify as module

    task_of = module.task_of
    monkeypatch.setattr(module, "task_of", lambda record, _: task_of(record, {"toons": toons}))
    (copied.measured / RECORD).write_text("{")
    verdict = retrain(copied, seed=1, methods=("still-frame",), isolated=False)
    assert "toons/bert" in verdict.line() and "anna" in caplog.text and "is passed over" in caplog.text


def test_a_row_made_again_holds(copied, toons, monkeypatch):
    from leaderboard.running import verify as module

    task_of = module.task_of
    monkeypatch.setattr(module, "task_of", lambda record, _: task_of(record, {"toons": toons}))
    verdict = retrain(copied, seed=1, methods=("still-frame",), isolated=False)
    assert verdict.line().endswith("holds: made again from the clip on")


def test_weights_fill_what_was_blank_and_nothing_else(copied, toons, tmp_path):
    from tests.leaderboard.test_lpips import random_backbone

    record = copied.measured / RECORD
    before, _ = read_record(record)
    (tmp_path / "weights").mkdir()
    random_backbone(tmp_path / "weights")
    first, *_ = rescore(copied, tmp_path / "weights", ("still-frame",), {"toons": toons})
    after, series = read_record(record)
    assert first.note == "filled lpips" and after["amended"][0]["cells"] == ["lpips"]
    assert before["metrics"]["lpips"]["status"] == "weights_missing" and after["metrics"]["lpips"]["value"] > 0
    assert len(series["lpips"]) == 2 and "psnr" in series
    assert {k: v for k, v in after["metrics"].items() if k != "lpips"} == {
        k: v for k, v in before["metrics"].items() if k != "lpips"
    }


def test_the_report_is_the_same_each_time_and_knows_when_it_is_stale(copied, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{START}\n{END}\n\nThe end.\n")
    written = write(copied.results, tmp_path / "page.html", readme)
    texts = {path: path.read_bytes() for path in written}
    assert write(copied.results, tmp_path / "page.html", readme) == written
    assert {path: path.read_bytes() for path in written} == texts
    assert stale(copied.results, readme) == []
    assert (
        "- Truth, one frame late (quick-64-s0), anna: the prediction is 1 frame late"
        in (copied.results / "board.md").read_text()
    )
    assert "| Still frame (quick-64-s0) | whole frame | 2 |" in readme.read_text() and readme.read_text().endswith(
        "The end.\n"
    )
    page = (tmp_path / "page.html").read_text()
    assert "src=" not in page.partition("<h1>")[2] and "Plotly.newPlot(" in page
    (copied.measured / RECORD).unlink()
    assert stale(copied.results, readme)[0] == "board.json is stale"
