"""What of the check on a CUDA device can be checked without one: its command line, names, parts and files."""

from __future__ import annotations

import importlib.util
import json
import lzma
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def program():
    path = Path(__file__).parents[1] / "benchmarks" / "gpu_check.py"
    spec = importlib.util.spec_from_file_location("gpu_check", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folders(tmp_path):
    """A subject, an avatar and wheels that look right from outside."""
    for name, file in (("subject", "subject.json"), ("avatar", "config.json"), ("wheels", "gsplat-1.5.3.whl")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    (tmp_path / "none").mkdir()
    return tmp_path


def words(folders: Path, **changes: str | None) -> list[str]:
    given = {"subject": folders / "subject", "avatar": folders / "avatar", "wheels": folders / "wheels", **changes}
    return [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]


def test_a_right_command_line_is_taken(program, folders):
    given = program.arguments(words(folders))
    assert given.subject == folders / "subject" and given.stages == ["parity", "fidelity", "nerf", "bench"]
    assert (given.preset, given.jobs) == ("default", 16)
    assert program.arguments([*words(folders, subject=None), "--stages", "parity", "bench"]).subject is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": None}, "fidelity needs --subject"),
        ({"subject": "nowhere"}, "no prepared subject"),
        ({"avatar": "nowhere"}, "no avatar"),
        ({"wheels": "none"}, "no .whl file"),
        ({"preset": "best"}, "invalid choice: 'best'"),
        ({"stages": "lunch"}, "invalid choice: 'lunch'"),
        ({"seconds": "0"}, "must be more than 0"),
        ({"jobs": "0"}, "must be more than 0"),
    ],
    ids=str,
)
def test_a_wrong_one_ends_in_a_line(program, folders, capsys, change, message):
    with pytest.raises(SystemExit) as stopped:
        program.arguments(words(folders, **change))
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_names(program):
    assert program.slug("NVIDIA H200") == "nvidia-h200" == program.slug(" NVIDIA  H200 (SXM)")[:11]
    assert program.library_kind("2.11.0+cu130", (9, 0)).startswith("gsplat_torch-2-11-0-cu130_cp3")
    assert "_sm90_" in program.library_kind("2.11.0+cu130", (9, 0))


def test_a_library_travels_in_parts(program, tmp_path, monkeypatch):
    monkeypatch.setattr(program, "PART_BYTES", 1000)
    content = np.random.default_rng(0).integers(0, 256, 4500, np.uint8).tobytes()
    (tmp_path / "csrc.so").write_bytes(content)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "csrc.so.xz.009").write_bytes(b"of an earlier one")
    parts = program.pack(tmp_path / "csrc.so", tmp_path / "parts")
    assert len(parts) == 5 == len(list((tmp_path / "parts").iterdir()))
    assert all(part.stat().st_size <= 1000 for part in parts)
    (tmp_path / "there").mkdir()
    assert program.unpack(tmp_path / "parts", tmp_path / "there" / "csrc.so")
    assert (tmp_path / "there" / "csrc.so").read_bytes() == content
    assert not program.unpack(tmp_path / "nowhere", tmp_path / "there" / "other.so")
    parts[2].unlink()
    with pytest.raises(lzma.LZMAError):
        program.unpack(tmp_path / "parts", tmp_path / "there" / "csrc.so")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["csrc.so"]


def test_tests_that_skip_have_not_passed(program):
    assert program.parity_outcome(0, "....\n4 passed in 3.2s\n") == {"passed": True, "last_line": "4 passed in 3.2s"}
    assert not program.parity_outcome(0, "s\nSKIPPED no CUDA device\n4 skipped in 1s\n")["passed"]
    assert not program.parity_outcome(0, "1 passed, 1 skipped in 1s")["passed"]
    assert not program.parity_outcome(1, "1 failed in 1s")["passed"]


def test_results_are_written_by_device_and_kept_stage_by_stage(program, tmp_path):
    folder = tmp_path / "nvidia-h200"
    program.write(folder, {"device": "NVIDIA H200", "parity": {"passed": True}})
    program.write(folder, {"device": "NVIDIA H200", "bench": [{"stage": "frame"}, {"stage": "render"}]})
    whole = json.loads((folder / "gpu_check.json").read_text())
    assert whole == {"device": "NVIDIA H200", "parity": {"passed": True}}
    rows = [json.loads(line) for line in (folder / "bench_cuda.jsonl").read_text().splitlines()]
    assert rows == [{"stage": "frame"}, {"stage": "render"}]


def test_its_parity_tests_are_there(program):
    assert all((program.ROOT / path).is_file() for path in program.PARITY)
