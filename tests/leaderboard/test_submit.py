"""Submissions: the example passes, each rule can be broken, hostile zips are refused, ranks are the board's."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaderboard.board.compiled import compile_board
from leaderboard.inspection.shelf import Shelf
from leaderboard.metrics import discover
from leaderboard.records import read_record, write_record
from leaderboard.submission.archive import unpack
from leaderboard.submission.pack import EXAMPLE, Entry, drawn, example, measured_entries, pack_submission
from leaderboard.submission.submit import DUPLICATE_ERROR, SCHEMA_ERROR, SHA_ERROR, accept, lint, preview
from leaderboard.workbench import described
from pgstalker.errors import ConfigError

PROTOCOL = "self-full_frame-lossless-v1"
RECORD = f"records/example/one/{PROTOCOL}.json"
SERIES = f"records/example/one/{PROTOCOL}.npz"
VIDEO = f"predictions/example/one/{PROTOCOL}.mkv"


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    return example(tmp_path_factory.mktemp("submission") / "example.zip")


@pytest.fixture
def changed(packed, tmp_path):
    """changed(edit, vouch=True) -> the example after edit({name: bytes}); run.json then vouches for what is in it."""

    def changed(edit, vouch: bool = True) -> Path:
        with zipfile.ZipFile(packed) as file:
            content = {name: file.read(name) for name in file.namelist()}
        edit(content)
        if vouch and "run.json" in content:
            run = json.loads(content["run.json"])
            run["files"] = {
                name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name != "run.json"
            }
            content["run.json"] = json.dumps(run).encode()
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in content.items():
                file.writestr(name, data)
        return path

    return changed


def broken(path: Path, board: Path) -> list[tuple[str, str | None, str]]:
    """Rules that are not met and were looked at."""
    return [(c.rule, c.error, c.reason) for c in lint(path, board) if not c.is_met and "not looked at" not in c.reason]


def json_edit(name: str, action):
    """An edit of one JSON file."""

    def edit(content):
        value = json.loads(content[name])
        action(value)
        content[name] = json.dumps(value).encode()

    return edit


def test_the_example_passes_every_rule(packed, board):
    checks = lint(packed, board)
    assert [check.rule for check in checks] == [
        "archive", "layout", "schema", "hashes", "counts", "values", "protocol", "duplicates",
    ]  # fmt: skip
    assert all(check.is_met and check.error is None and check.reason for check in checks)


def in_record(action):
    return json_edit(RECORD, action)


def in_metric(name: str, **values):
    return in_record(lambda record: record["metrics"][name].update(values))


def in_video(**values):
    return in_record(lambda record: record["inputs"]["prediction"].update(values))


def without(prefix: str):
    return lambda content: [content.pop(name) for name in list(content) if name.startswith(prefix)]


def with_nan(content):
    content[RECORD] = content[RECORD].replace(b'"seconds": ', b'"seconds": NaN, "x": ')


def without_series(content):
    """As if there were only means: they could be compared with nothing frame by frame."""
    content.pop(SERIES)
    in_record(lambda record: record.update(per_frame=None))(content)


def with_unknown_metric(record):
    record["metrics"]["beauty"] = record["metrics"]["psnr"]


def with_other_weights(record):
    cell = record["metrics"]["psnr"] | {"impl": discover()["lpips"].implementation(), "unit": "", "direction": "lower"}
    record["metrics"]["lpips"] = cell | {"weights_sha256": "0" * 64, "details": {"is_published_file": True}}


def in_series(**more):
    """An edit of the per-frame values, for which the record vouches."""

    def edit(content):
        with np.load(io.BytesIO(content[SERIES])) as file:
            series = dict(file) | {key: np.asarray(values, np.float32) for key, values in more.items()}
        packed = io.BytesIO()
        np.savez_compressed(packed, **series)
        content[SERIES] = packed.getvalue()
        digest = hashlib.sha256(content[SERIES]).hexdigest()
        in_record(lambda record: record.update(per_frame_sha256=digest))(content)

    return edit


def under_the_id(name: str):
    """As if it were all of another method."""

    def edit(content):
        for file in list(content):
            if file.startswith("records/") and file.endswith(".json"):
                json_edit(file, lambda record: record["method"].update(id=name))(content)
        json_edit("method.json", lambda method: method.update(id=name))(content)

    return edit


@pytest.mark.parametrize(
    ("rule", "error", "words", "edit"),
    [
        ("layout", SCHEMA_ERROR, "method.json is missing", without("method.json")),
        ("layout", SCHEMA_ERROR, "has no prediction", without(VIDEO)),
        ("layout", SCHEMA_ERROR, "notes.txt does not belong", lambda c: c.update({"notes.txt": b"hello"})),
        ("layout", SCHEMA_ERROR, "there is no record", without("records")),
        ("schema", SCHEMA_ERROR, "description/1 at kind", json_edit("method.json", lambda m: m.update(kind="x"))),
        ("schema", SCHEMA_ERROR, "not of the schema", json_edit("run.json", lambda m: m.update(schema="x/1"))),
        ("schema", SCHEMA_ERROR, "metrics/psnr/value", in_metric("psnr", value="good")),
        ("schema", SCHEMA_ERROR, "holds NaN", with_nan),
        ("schema", SCHEMA_ERROR, "is no record", in_record(lambda r: r.update(per_frame="../../../method.npz"))),
        ("schema", SCHEMA_ERROR, "is no record", lambda c: c.update({SERIES: b"PK"})),
        ("hashes", SHA_ERROR, "made of another video", in_video(sha256="0" * 64)),
        (
            "counts",
            SHA_ERROR,
            "more than 24 frames, the record says 24",
            in_record(lambda r: r["counts"].update(n_pred=24)),
        ),
        ("counts", SHA_ERROR, "shows other frames", in_video(frame_md5="0" * 32)),
        ("counts", SHA_ERROR, "99 frames were judged of 25", in_record(lambda r: r["counts"].update(n_used=99))),
        ("counts", SHA_ERROR, "has 25 frames, the record says 30", in_record(lambda r: r["counts"].update(n_pred=30))),
        (
            "counts",
            SHA_ERROR,
            "is 96x96 px, 25 frames/s, the record says 90x90",
            in_record(lambda r: r["clip"].update(size=[90, 90])),
        ),
        ("values", SCHEMA_ERROR, "psnr has 25 values in 25 frames, the record 12", in_metric("psnr", n=12)),
        ("values", SCHEMA_ERROR, "psnr has the interval", in_metric("psnr", ci95=[1.0, 2.0])),
        ("values", SCHEMA_ERROR, "psnr has the direction 'lower', here", in_metric("psnr", direction="lower")),
        ("values", SCHEMA_ERROR, "psnr has 5 values per frame; 25 frames give 25", in_series(psnr=np.full(5, 40.0))),
        ("values", SCHEMA_ERROR, "psnr has 0 values in 25", in_series(psnr=np.full(25, np.nan))),
        (
            "values",
            SCHEMA_ERROR,
            "lacks 24 of 25 values; at most 5% may",
            lambda c: (
                in_series(psnr=np.float32([60.0, *[np.nan] * 24]))(c),
                in_metric("psnr", n=1, n_missing=24, value=60.0, ci95=None, ci=None)(c),
            ),
        ),
        ("schema", SCHEMA_ERROR, "holds an infinite value", in_series(psnr=np.float32([np.inf, *[40.0] * 24]))),
        (
            "values",
            SCHEMA_ERROR,
            r"lpips was computed with weights \(sha256 0000.* not the published file",
            in_record(with_other_weights),
        ),
        (
            "protocol",
            SCHEMA_ERROR,
            "prediction was resampled from 88x88 px.* without --resample",
            in_record(
                lambda r: r["warnings"].append("the prediction was resampled from 88x88 px, 50 frames/s to 96x96 px")
            ),
        ),
        (
            "duplicates",
            DUPLICATE_ERROR,
            "shows the truth's own frames",
            in_record(lambda r: r["inputs"]["truth"].update(frame_md5=r["inputs"]["prediction"]["frame_md5"])),
        ),
        ("duplicates", DUPLICATE_ERROR, "pgstalker is a method of this program", under_the_id("pgstalker")),
        ("duplicates", DUPLICATE_ERROR, "truth-late is a method of this program", under_the_id("truth-late")),
        ("schema", SCHEMA_ERROR, "description/1 at id", json_edit("method.json", lambda m: m.update(id="example\n"))),
        ("schema", SCHEMA_ERROR, "submission/1 at revision", json_edit("run.json", lambda m: m.update(revision="r\n"))),
        ("values", SCHEMA_ERROR, "psnr is 39, but its frames' mean is", in_metric("psnr", value=39)),
        ("values", SCHEMA_ERROR, r"ssim is 2, outside \[", in_metric("ssim", value=2)),
        ("values", SCHEMA_ERROR, "is a mean over frames, and has no values per frame", without_series),
        ("values", SCHEMA_ERROR, "no metric of this version", in_record(with_unknown_metric)),
        ("values", SCHEMA_ERROR, "was computed by mine", in_metric("psnr", impl="mine")),
        ("protocol", SCHEMA_ERROR, "version 7", in_record(lambda r: r["protocol"].update(version=7))),
        ("protocol", SCHEMA_ERROR, "must bear that name", in_record(lambda r: r["protocol"].update(codec="h264_q8"))),
        ("protocol", SCHEMA_ERROR, "record is of example/three", in_record(lambda r: r["clip"].update(id="three"))),
        ("protocol", SCHEMA_ERROR, "without --align", in_record(lambda r: r["clip"].update(starts=[3, 0]))),
        ("protocol", SCHEMA_ERROR, "22 of the truth's 25 frames", in_record(lambda r: r["counts"].update(n_used=22))),
        ("protocol", SCHEMA_ERROR, "method.json of another", json_edit("method.json", lambda m: m.update(id="mine"))),
    ],
)
def test_each_rule_can_be_broken(rule, error, words, edit, changed, board):
    found = broken(changed(edit), board)
    assert any(r == rule and e == error and re.search(words, reason) for r, e, reason in found), found
    assert all("\n" not in reason for _, _, reason in found)


@pytest.mark.parametrize(
    "title", ["", "a|b", "<b>", "[x](y)", "{{x}}", "\\input", "$x$", "two\nlines", "ends\n", "a\u202eb", "x" * 61]
)
def test_a_title_is_plain_words(title, changed, board):
    found = broken(changed(json_edit("method.json", lambda method: method.update(title=title))), board)
    assert found[0][:2] == ("schema", SCHEMA_ERROR) and "description/1 at title" in found[0][2]


def test_a_plain_title_passes(changed, board):
    titles = ("Éva's model v2.1 (fast), 60 %", "说话人 & co: a_b/c*", "x" * 60)
    for title in titles:
        assert not broken(changed(json_edit("method.json", lambda method, t=title: method.update(title=t))), board)


def test_hours_of_black_are_refused_before_they_are_decoded(changed, board, monkeypatch):
    from leaderboard import inputs
    from leaderboard.submission import submit

    monkeypatch.setattr(inputs, "read_frames", lambda *_, **__: pytest.fail("it was decoded"))
    long = submit.probe(Path(__file__).parents[2] / "sample_data/presenters/mira/clip.mp4")
    monkeypatch.setattr(submit, "probe", lambda path: replace(long, path=path, duration_s=4 * 3600.0))
    (found, *_) = broken(changed(lambda content: None), board)
    assert found[0] == "counts" and "lasts 14400 s; at most 300 s" in found[2]


def test_no_more_frames_are_decoded_than_the_record_says(changed, board, monkeypatch):
    from leaderboard import inputs

    read = []
    frames = inputs.read_frames
    monkeypatch.setattr(inputs, "read_frames", lambda path: (read.append(path) or frame for frame in frames(path)))
    broken(changed(in_record(lambda record: record["counts"].update(n_pred=3))), board)
    assert sum("one" in path.parts for path in read) == 4


def test_a_truth_of_fewer_frames_is_the_boards_only_where_the_record_says_so(packed, changed, board, tmp_path):
    """AD-NeRF's rows hold every eighth frame."""
    keep(packed, board, tmp_path, "still-frame", "r1", worsen=1)
    for path in board.rglob("*.json"):
        content = json.loads(path.read_text())
        content["clip"]["stride"] = 8
        path.write_text(json.dumps(content))
    found = broken(packed, board)
    words = "its truth is the board's of one frame in 8 at 96 px, and it says one frame in 1 at 96 px"
    assert {rule for rule, _, _ in found} == {"hashes"} and words in found[0][2]
    both = [RECORD, RECORD.replace("/one/", "/two/")]
    strided = changed(lambda c: [json_edit(name, lambda r: r["clip"].update(stride=8))(c) for name in both])
    assert broken(strided, board) == []


def test_what_is_not_a_strangers_to_say_is_dropped(changed, board, tmp_path):
    def edit(record):
        record["clip"] |= {"media": "../../../../etc/passwd", "is_redistributable": True}
        record["method"] |= {"title": "<b>", "variant": "|", "train_frames": 7}

    accept(changed(in_record(edit)), board)
    record, _ = read_record(board / "submitted" / EXAMPLE["id"] / "r1" / RECORD.removeprefix("records/"))
    assert "media" not in record["clip"] and "is_redistributable" not in record["clip"]
    assert record["clip"]["identity"] == "one" and record["method"]["title"] == EXAMPLE["title"]
    assert "variant" not in record["method"] and record["method"]["train_frames"] == 7


def test_what_does_not_pass_has_no_preview(changed, board):
    with pytest.raises(ConfigError, match=r"E-SUB-SCHEMA: values: example/one/.*: psnr is 39"):
        preview(changed(in_metric("psnr", value=39)), board)


def test_a_file_that_run_json_does_not_vouch_for(changed, board):
    def edit(content):
        content["method.json"] = content["method.json"].replace(b"drawn ball", b"drawn face")

    assert broken(changed(edit, vouch=False), board)[0][:2] == ("hashes", SHA_ERROR)


def keep(packed: Path, board: Path, tmp_path: Path, method: str, revision: str, worsen: float = 0.0) -> None:
    """Put the example's records on the board as those of `method`, with every figure worse by so much."""
    unpacked = tmp_path / f"unpacked-{method}-{revision}"
    unpack(packed, unpacked)
    for path in sorted(unpacked.glob("records/*/*/*.json")):
        record, series = read_record(path)
        record["method"]["id"] = method
        if worsen:
            series = {"psnr": series["psnr"] - worsen, "ssim": series["ssim"] - worsen / 100}
            for key, values in series.items():
                record["metrics"][key]["value"] = float(np.mean(values))
            record["inputs"]["prediction"]["frame_md5"] = hashlib.md5(f"{path}{method}".encode()).hexdigest()
        place = board / "measured" / method / revision / path.relative_to(unpacked / "records")
        write_record(record, series, place)


def test_what_the_board_has_already_is_a_duplicate(packed, changed, board, tmp_path):
    keep(packed, board, tmp_path, EXAMPLE["id"], "r1", worsen=1)
    assert broken(packed, board)[0][:2] == ("duplicates", DUPLICATE_ERROR)
    assert "another revision" in broken(packed, board)[0][2]
    assert broken(changed(json_edit("run.json", lambda r: r.update(revision="r2"))), board) == []
    keep(packed, board, tmp_path, "still-frame", "r1")
    assert (
        "these very frames as still-frame"
        in broken(changed(json_edit("run.json", lambda r: r.update(revision="r2"))), board)[0][2]
    )


def test_one_video_for_two_clips_is_a_duplicate(changed, board):
    other = {name: name.replace("/one/", "/two/") for name in (RECORD, SERIES, VIDEO)}

    def edit(content):
        for name, target in other.items():
            content[target] = content[name]
        value = json.loads(content[other[RECORD]])
        value["clip"]["id"] = "two"
        content[other[RECORD]] = json.dumps(value).encode()

    assert broken(changed(edit), board)[0][:2] == ("duplicates", DUPLICATE_ERROR)


def test_another_truth_than_the_boards_is_said(packed, changed, board, tmp_path):
    keep(packed, board, tmp_path, "still-frame", "r1", worsen=1)
    edit = json_edit(RECORD, lambda r: r["inputs"]["truth"].update(frame_md5="0" * 32))
    assert any("not the board's" in reason for _, _, reason in broken(changed(edit), board))


def test_a_preview_ranks_it_among_the_others(packed, board, tmp_path):
    assert [row["source"] for row in preview(packed, board)] == ["submitted"]
    keep(packed, board, tmp_path, "still-frame", "r1", worsen=4)
    keep(packed, board, tmp_path, "pgstalker", "r1", worsen=-4)
    for knows_the_answer in ("oracle-frame", "truth-late"):
        keep(packed, board, tmp_path, knows_the_answer, "r1", worsen=-8)
    rows = preview(packed, board)
    assert [row["method"] for row in rows] == ["pgstalker", "example", "still-frame"]
    assert [row["is_own"] for row in rows] == [False, True, False]
    assert [row["ranks"]["psnr"] for row in rows] == [1, 2, 3]
    assert rows[1]["source"] == "submitted" and rows[0]["title"] == "PGSTalker"
    assert rows[1]["values"]["psnr"] - rows[2]["values"]["psnr"] == pytest.approx(4, abs=1e-4)
    assert [clip["clip"] for clip in rows[1]["clips"]] == ["one", "two"] and rows[1]["protocol"] == PROTOCOL


def test_a_preview_is_the_board_with_the_submission_on_it(packed, board, tmp_path):
    """The same ranks as when its records have been added, though they were made on other machines."""
    for method, worsen in (("still-frame", 4), ("pgstalker", -4)):
        keep(packed, board, tmp_path, method, "r1", worsen)
    for path in board.glob("measured/still-frame/*/*/*/*.json"):
        path.write_text(path.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    before = preview(packed, board)
    keep(packed, board, tmp_path, EXAMPLE["id"], "r9")
    after = {row["method"]: row for row in compile_board(board)["rows"]}
    for row in before:
        for name in ("ranks", "group_ranks", "overall", "values"):
            assert row[name] == after[row["method"]][name], (row["method"], name)


def test_a_submission_of_fewer_clips_than_the_board_has_is_told_why_it_does_not_rank(changed, packed, board, tmp_path):
    for method, worsen in (("still-frame", 4), ("pgstalker", -4)):
        keep(packed, board, tmp_path, method, "r1", worsen)
    two = [name.replace("/one/", "/two/") for name in (RECORD, SERIES, VIDEO)]
    rows = preview(changed(lambda content: [content.pop(name) for name in two]), board)
    assert rows[-1]["is_own"] and rows[-1]["overall"] is None and not rows[-1]["is_compared"]
    assert any("it lacks two" in line for line in rows[-1]["left_out"])
    assert [row["overall"] for row in rows[:-1]] == [1, 2]


def test_the_command_packs_checks_and_previews(tmp_path, board, capsys):
    from leaderboard.__main__ import main

    zip_file = str(tmp_path / "mine.zip")
    truth, own = (drawn(tmp_path / f"{name}.mkv", 0, noise) for name, noise in (("truth", 0.0), ("own", 5.0)))
    (tmp_path / "method.json").write_text(json.dumps(EXAMPLE | {"id": "mine", "title": "Mine"}))
    record, where = str(tmp_path / "own.json"), ["--results", str(board)]
    scoring = ["score", "--pred", str(own), "--gt", str(truth), "--out", record, "--metrics", "psnr", "ssim"]
    assert main([*scoring, "--clip", "example/one", "--method", "mine"]) == 0
    packing = ["submit", zip_file, "--records", record, "--predictions", str(own), *where]
    assert main(packing) == 2
    assert main([*packing, "--description", str(tmp_path / "method.json"), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.count("\npass") + told.startswith("pass") >= 8 and "<- this submission" in told and "psnr" in told
    assert main(["submit", zip_file, "--example", *where]) == 2, "it is not overwritten"
    assert main(["submit", zip_file, *where]) == 0
    assert main(["submit", str(tmp_path / "no.zip"), *where]) == 2
    assert "E-SUB-SCHEMA" in capsys.readouterr().err
    assert main([*scoring, "--clip", "one"]) == 2


def test_what_is_accepted_is_on_the_board_and_a_duplicate_from_then_on(packed, changed, board, tmp_path, capsys):
    from leaderboard.__main__ import main

    keep(packed, board, tmp_path, "still-frame", "r1", worsen=4)
    where = ["--results", str(board)]
    assert main(["submit", str(changed(in_metric("psnr", value=39))), "--accept", *where]) == 2
    assert not (board / "submitted").exists(), "what does not pass is not taken"
    assert main(["submit", str(packed), "--accept", *where]) == 0
    path = board / "submitted" / EXAMPLE["id"] / "r1" / RECORD.removeprefix("records/")
    record, series = read_record(path)
    assert f"{path}: taken" in capsys.readouterr().out and len(series["psnr"]) == 25
    assert record["source"] == "submitted" and record["method"]["title"] == "Example"
    assert record["operator"]["submission_sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert json.loads((board / "submitted" / EXAMPLE["id"] / "r1" / "method.json").read_text()) == EXAMPLE
    rows = {row["method"]: row for row in compile_board(board)["rows"]}
    assert rows["example"]["source"] == "submitted" and rows["example"]["title"] == "Example"
    assert rows["example"]["size"] == 96 and [clip["clip"] for clip in rows["example"]["clips"]] == ["one", "two"]
    assert {c[:2] for c in broken(packed, board)} == {("duplicates", DUPLICATE_ERROR)}
    other = changed(json_edit("run.json", lambda r: r.update(revision="r2")))
    assert "these very frames as example" in broken(other, board)[0][2]
    assert {row["method"] for row in contenders_of(other, board)} == {"example", "still-frame"}
    assert [p.name for p in Shelf(board, tmp_path).records("example", "example/one")] == [path.name]
    with pytest.raises(ConfigError, match="came with the submission"):
        Shelf(board, tmp_path).find("example", "example/one")


def contenders_of(path: Path, board: Path) -> list[dict]:
    """Where the records of a zip would stand, whatever the rules say."""
    from leaderboard.submission.standing import standing_of

    unpack(path, path.with_suffix(""))
    record, series = read_record(path.with_suffix("") / RECORD)
    return standing_of([(RECORD.removeprefix("records/").removesuffix(".json"), record, series)], EXAMPLE, "r9", board)


def test_a_damaged_record_of_the_board_is_passed_over(packed, board, tmp_path, caplog):
    keep(packed, board, tmp_path, "still-frame", "r1", worsen=1)
    next(board.rglob("*.json")).write_text("{")
    assert broken(packed, board) == [] and "is no record" in caplog.text


def test_what_went_through_the_papers_codec_can_be_submitted(board, tmp_path):
    from leaderboard.protocol import Protocol
    from leaderboard.scoring import ScoreRequest, score

    truth, own = (drawn(tmp_path / f"{name}.mkv", 0, noise) for name, noise in (("truth", 0.0), ("own", 5.0)))
    labels = {"method": {"id": "mine"}, "clip": {"dataset": "example", "id": "one"}}
    for codec in ("lossless", "h264_q8"):
        request = ScoreRequest(own, truth, protocol=Protocol(codec=codec), metrics=("psnr",), labels=labels)
        score(request, tmp_path / f"{codec}.json")
    entries = [Entry(tmp_path / f"{codec}.json", own) for codec in ("lossless", "h264_q8")]
    out = pack_submission(tmp_path / "mine.zip", EXAMPLE | {"id": "mine"}, entries, "r1", "me")
    assert broken(out, board) == []
    both = [read_record(entry.record)[0] for entry in entries]
    assert both[0]["metrics"]["psnr"]["value"] != both[1]["metrics"]["psnr"]["value"]
    keep_truth = board / "measured/other/r1/example/one/self-full_frame-lossless-v1.json"
    write_record(both[0] | {"inputs": both[0]["inputs"] | {"prediction": {
        **both[0]["inputs"]["prediction"], "frame_md5": "0" * 32}}}, {}, keep_truth)  # fmt: skip
    assert broken(out, board) == [], "the board's truth is the same file, whatever it went through"


def test_what_was_measured_here_is_packed_from_where_it_lies(packed, board, tmp_path):
    keep(packed, board, tmp_path, "still-frame", "r1")
    with pytest.raises(ConfigError, match="submit from where"):
        list(measured_entries(board, tmp_path / "runs", "still-frame", "r1"))
    for clip in ("one", "two"):
        place = tmp_path / "runs" / "still-frame" / "r1" / "example" / clip / "prediction.mkv"
        place.parent.mkdir(parents=True)
        place.write_bytes(
            (tmp_path / f"unpacked-still-frame-r1/predictions/example/{clip}/{PROTOCOL}.mkv").read_bytes()
        )
    found = list(measured_entries(board, tmp_path / "runs", "still-frame", "r1"))
    out = pack_submission(tmp_path / "own.zip", described("still-frame"), found, "r1", "me")
    assert [found[0] for found in broken(out, tmp_path / "elsewhere")] == ["duplicates"], "its id is not a stranger's"
    assert {rule for rule, _, _ in broken(out, board)} == {"duplicates"}
    assert all(check.is_met for check in lint(out, board, is_own=True)), "it is no duplicate of itself"
    with pytest.raises(ConfigError, match="holds no record"):
        list(measured_entries(board, tmp_path / "runs", "pgstalker", "r1"))


# ---- hostile archives
