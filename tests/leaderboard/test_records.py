"""Records keep to their schema, survive the disk, and hold no number that is none."""

from __future__ import annotations

import copy
import hashlib
import json
import zipfile

import numpy as np
import pytest

from leaderboard.board.reported import FOLDER, reported
from leaderboard.metrics import Reading, cells, discover
from leaderboard.protocol import Protocol
from leaderboard.records import cell, incoherent, read_record, write_record
from leaderboard.schema import FILES, load, validate
from leaderboard.statistics import widened
from pgstalker.errors import ConfigError


def some_cell(key: str, reading: Reading) -> dict:
    metric, figure, region = cells()[key]
    return cell(metric, figure, region, reading, seed=0, compares=True)


@pytest.fixture
def record() -> dict:
    psnr = some_cell("psnr", Reading.mean_of(np.array([30.0, 31.0, np.nan, 33.0])))
    lpips = some_cell("lpips", Reading(status="weights_missing", reason="put it there"))
    video = {"file": "a.mkv", "sha256": "0" * 64, "frame_md5": "1" * 32, "codec": "ffv1"}
    return {
        "schema": "pgstalker-eval/1",
        "id": "2f1c1a1e-0000-4000-8000-000000000000",
        "created": "2026-01-01T00:00:00+00:00",
        "source": "measured",
        "status": "ok",
        "tool": {"name": "t", "version": "1", "commit": None, "dirty": None},
        "protocol": {
            "id": "self-full_frame-lossless-v1",
            "version": 1,
            "setting": "self",
            "composite": "full_frame",
            "codec": "lossless",
        },
        "method": {"id": "m"},
        "clip": {"fps": 25.0, "size": [64, 48], "best_lag": 0, "starts": [0, 0]},
        "inputs": {"prediction": video, "truth": None, "audio": None},
        "counts": {"n_pred": 4, "n_gt": None, "n_used": 4, "n_face_missing": None, "n_face_missing_gt": None},
        "metrics": {"psnr": psnr, "lpips": lpips},
        "per_frame": None,
        "speed": None,
        "env": {
            "cpu": "c",
            "gpu": None,
            "ram_gb": None,
            "os": "o",
            "python": "3",
            "packages": {"torch": None},
            "threads": 2,
            "device": "cpu",
            "precision": "fp32",
            "seed": 0,
        },
        "seconds": 1.0,
        "warnings": [],
    }


def test_a_record_comes_back_as_it_was_and_twice_the_same_bytes(record, tmp_path):
    series = {"psnr": np.array([30.0, 31.0, np.nan, 33.0])}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_record(copy.deepcopy(record), series, tmp_path / name / "scores.json")
    for file in ("scores.json", "scores.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    found, values = read_record(tmp_path / "a" / "scores.json")
    digest = hashlib.sha256((tmp_path / "a" / "scores.npz").read_bytes()).hexdigest()
    assert found == record | {"per_frame": "scores.npz", "per_frame_sha256": digest}
    np.testing.assert_array_equal(values["psnr"], series["psnr"].astype(np.float32))


def test_a_cell_tells_mean_interval_and_what_it_left_out(record):
    psnr, lpips = record["metrics"]["psnr"], record["metrics"]["lpips"]
    assert psnr["value"] == pytest.approx(31.333333) and (psnr["n"], psnr["n_missing"]) == (3, 1)
    assert psnr["ci95"][0] < psnr["value"] < psnr["ci95"][1] and psnr["ci"] == "block1x4000t"
    assert psnr["comparable_to_papers"] and psnr["agg"] == "mean_frame"
    assert lpips["value"] is None and lpips["ci95"] is None and lpips["reason"] == "put it there"


def test_the_intervals_of_the_first_records_are_widened_when_they_are_read(record, tmp_path):
    for name, ci in (("now", "block1x4000t"), ("then", "block1x4000")):
        record["metrics"]["psnr"] |= {"ci": ci, "ci95": [31.0, 32.0]}
        write_record(copy.deepcopy(record), {}, tmp_path / f"{name}.json")
    now, then = (read_record(tmp_path / f"{name}.json")[0]["metrics"]["psnr"] for name in ("now", "then"))
    assert now["ci95"] == [31.0, 32.0]
    assert then["ci95"] == pytest.approx(widened(then["value"], (31.0, 32.0), 4), abs=1e-5) and then["ci"] == now["ci"]
    assert json.loads((tmp_path / "then.json").read_text())["metrics"]["psnr"]["ci95"] == [31.0, 32.0]


DAMAGE = {
    "metrics/psnr/value": None,
    "metrics/lpips/value": 0.0,
    "metrics/lpips/reason": "",
    "metrics/psnr/status": "fine",
    "metrics/psnr/ci95": [None, None],
    "metrics/psnr/ci": "block0x4000",
    "metrics/lpips/ci95": [1.0, 2.0],
    "metrics/lpips/ci": "block1x4000",
    "env/seed": -1,
    "protocol/composite": "half",
    "inputs/prediction/sha256": "abc",
    "inputs/prediction/frame_md5": None,
    "counts/n_used": -1,
    "clip/size": [64],
    "schema": "pgstalker-eval/2",
    "created": None,
}


@pytest.mark.parametrize("place", DAMAGE)
def test_what_does_not_fit_is_refused_with_its_place(place, record, tmp_path):
    validate(record)
    *way, last = place.split("/")
    target = record
    for step in way:
        target = target[step]
    target[last] = DAMAGE[place]
    with pytest.raises(ConfigError, match=way[0] if way else last):
        validate(record)
    with pytest.raises(ConfigError):
        write_record(record, {}, tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", '{"schema": "x"}', '{"schema": "pgstalker-eval/1", "seconds": NaN}', "[" * 100_000),
        *(
            '{"schema": "pgstalker-eval/1", "seconds": 1e999}',
            f'{{"schema": "pgstalker-eval/1", "seconds": {10**400}}}',
        ),
    ],
)
def test_a_damaged_file_is_said(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ConfigError, match=r"^[^\n]*$"):
        read_record(tmp_path / "a.json")


@pytest.mark.parametrize("ci", [None, "block1x4000", "block0x4000", "weekly"])
@pytest.mark.parametrize("bounds", [[None, None], [1.0], [1.0, None], "wide", [1e999, 2.0]])
def test_an_interval_that_is_none_is_said(ci, bounds, record, tmp_path):
    record["metrics"]["psnr"] |= {"ci": ci, "ci95": bounds}
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"^[^\n]*$"):
        read_record(tmp_path / "a.json")


def as_npy(path, values) -> None:
    """What numpy.save writes, under the name of what numpy.savez does."""
    with path.open("wb") as file:
        np.save(file, np.asarray(values))


@pytest.mark.parametrize(
    ("words", "write"),
    [
        ("not a zip file", lambda path: as_npy(path, np.ones(4, np.float32))),
        ("no list of float32 values", lambda path: np.savez(path, psnr=np.float32(1))),
        ("no list of float32 values", lambda path: np.savez(path, psnr=np.ones((2, 2), np.float32))),
        ("no list of float32 values", lambda path: np.savez(path, psnr=np.array(["high"]))),
        ("no list of float32 values", lambda path: np.savez(path, psnr=np.arange(4))),
        ("allow_pickle", lambda path: np.savez(path, psnr=np.array([{}], object))),
        ("holds an infinite value", lambda path: np.savez(path, psnr=np.float32([1, np.inf, 2, 3]))),
        ("holds 76 MB, at most 64 are read", lambda path: np.savez_compressed(path, psnr=np.zeros(20_000_000, "f4"))),
        ("has 300000 values, at most 250000", lambda path: np.savez_compressed(path, psnr=np.zeros(300_000, "f4"))),
        ("holds 80 MB, at most 64 are read", lambda path: zipped(path, "psnr.txt", bytes(80 << 20))),
        ("no list of float32 values", lambda path: zipped(path, "psnr.txt", b"30 31 33")),
        ("is no record of", lambda path: zipped(path, "psnr.npy", b"\x93NUMPY\x01\x00\x08\x00{'a': (\n")),
        ("is no record of", lambda path: zipped(path, "psnr.npy", b"\x93NUMPY\x01\x00\xff\xff")),
    ],
)
def test_per_frame_values_that_are_none_are_said(words, write, record, tmp_path):
    record["per_frame"] = "a.npz"
    (tmp_path / "a.json").write_text(json.dumps(record))
    write(tmp_path / "a.npz")
    with pytest.raises(ConfigError, match=rf"^[^\n]*{words}[^\n]*$"):
        read_record(tmp_path / "a.json")


def zipped(path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)


def test_other_per_frame_values_than_were_written_are_said_and_older_records_are_read(record, tmp_path):
    own, other = np.float32([30, 31, np.nan, 33]), np.float32([30, 31, np.nan, 34])
    write_record(record, {"psnr": own}, tmp_path / "a.json")
    np.savez_compressed(tmp_path / "a.npz", psnr=other)
    with pytest.raises(ConfigError, match=r"a\.npz is not what was written beside it \(its sha256 differs\)"):
        read_record(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    content.pop("per_frame_sha256")
    (tmp_path / "a.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(read_record(tmp_path / "a.json")[1]["psnr"], other)


def told(record: dict, series: dict) -> str:
    return "; ".join(incoherent(record, series))


def test_cells_follow_from_their_per_frame_values(record):
    values = np.float32([*[30.0, 31.0, 33.0] * 10, np.nan])
    record["metrics"] = {"psnr": some_cell("psnr", Reading.mean_of(values))}
    record["counts"]["n_used"] = 31
    cell = record["metrics"]["psnr"]
    assert told(record, {"psnr": values}) == ""
    assert "psnr has 5 values per frame; 31 frames give 31" in told(record, {"psnr": values[:5]})
    assert "psnr has 31 values in 31 frames, the record 30 and 1 missing" in told(record, {"psnr": np.ones(31)})
    assert "has no values per frame" in told(record, {})
    assert "there are per-frame values of ssim" in told(record, {"psnr": values, "ssim": values})
    for change, words in (
        ({"stride": 3}, "psnr looked at one frame in 3, not in 1"),
        ({"value": 31.4}, "psnr is 31.4, but its frames' mean is 31.3333"),
        ({"ci95": [31.0, 32.0]}, r"psnr has the interval [31.0, 32.0], but its frames give"),
        ({"n": 20, "n_missing": 11}, "psnr lacks 11 of 31 values; at most 5% may lack"),
        ({"n": 0, "n_missing": 0}, "psnr lacks 0 of 0 values"),
    ):
        assert words in told({**record, "metrics": {"psnr": cell | change}}, {"psnr": values})
    nothing = np.full(31, np.nan, np.float32)
    assert "psnr has 0 values in 31 frames" in told(record, {"psnr": nothing})


def test_a_change_from_frame_to_frame_has_one_value_less(record):
    differences = np.float32(np.arange(9) % 3)
    record["metrics"] = {"flicker": some_cell("flicker", Reading.mean_of(differences))}
    record["counts"]["n_used"] = 10
    assert told(record, {"flicker": differences}) == ""
    record["counts"]["n_used"] = 9
    assert "flicker has 9 values per frame; 9 frames give 8" in told(record, {"flicker": differences})


def test_lost_per_frame_values_are_said(record, tmp_path):
    write_record(record, {"psnr": np.random.default_rng(0).random(400)}, tmp_path / "a.json")
    whole = (tmp_path / "a.npz").read_bytes()
    middle = whole[:300] + bytes(200) + whole[500:]
    for damaged in (b"PK", whole[:200], middle):
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"a\.json"):
            read_record(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("protocol", "side", "expected"),
    [
        (Protocol("self", "gt_torso"), 512, True),
        (Protocol("self", "gt_torso"), 256, False),
        (Protocol("self", "full_frame"), 512, False),
        (Protocol("cross", "gt_torso"), 512, False),
    ],
)
def test_only_what_papers_print_compares_with_papers(protocol, side, expected):
    metric = discover()["psnr"]
    made = cell(metric, metric.figures[0], "full", Reading.mean_of(np.ones(3)), 0, protocol.is_papers((side, side)))
    assert made["comparable_to_papers"] is expected


def test_the_schemas_are_schemas():
    from jsonschema import Draft202012Validator

    for name in FILES:
        Draft202012Validator.check_schema(load(name))


def test_reported_figures_bear_source_and_state():
    rows = reported()
    assert len(rows) == 40
    known = {"PGSTalker": 35.32, "AD-NeRF": 30.75}
    for method, value in known.items():
        assert any(row["method"] == method and row["metrics"].get("psnr") == value for row in rows)
    assert all(row["source"]["paper"] and row["verified"] for row in rows)
    assert [row["metrics"] for row in rows if row["verified"] == "no_number_found"] == [{}]
    assert {row["table"] for row in rows} == {"self", "cross"}


def test_a_damaged_file_of_reported_figures_is_said(tmp_path):
    content = json.loads((FOLDER / "self_driven.json").read_text())
    content["rows"][0]["metrics"]["psnr"] = "high"
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="rows/0/metrics/psnr"):
        reported(tmp_path)
