"""Zips of strangers: what leads out, hides its size or is damaged is refused in one line."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from leaderboard.submission.archive import is_unsafe, unpack
from leaderboard.submission.submit import SCHEMA_ERROR, lint
from pgstalker.errors import ConfigError


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/etc/out", "C:/out", "C:out", "..\\out", "a\\b", "", ".", "nul\0", "a. ", "a\nb"]
)
def test_names_that_lead_out_are_unsafe(name):
    assert is_unsafe(name)


def test_plain_names_are_safe():
    assert not any(map(is_unsafe, ("method.json", "records/a/b/c.json", "a..b/c", "quick-256-s0+torso=gt/x.npz")))


def hostile(path: Path, name: str, data: bytes = b"x", mode: int = 0, times: int = 1) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for _ in range(times):
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            file.writestr(entry, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("leads out", {"name": "../../escaped"}),
        ("leads out", {"name": "/tmp/escaped"}),
        ("is a link", {"name": "link", "data": b"/etc/passwd", "mode": stat.S_IFLNK | 0o777}),
        ("is a link or no plain file", {"name": "pipe", "mode": stat.S_IFIFO | 0o666}),
        ("times when unpacked", {"name": "bomb", "data": bytes(30 << 20)}),
        ("twice", {"name": "same", "times": 2}),
    ],
)
def test_hostile_zips_are_refused(words, settings, board, tmp_path):
    path = hostile(tmp_path / "hostile.zip", **settings)
    checks = lint(path, board)
    assert not checks[0].is_met and checks[0].error == SCHEMA_ERROR and words in checks[0].reason
    assert all(not check.is_met and "not looked at" in check.reason for check in checks[1:])
    with pytest.raises(ConfigError):
        unpack(path, tmp_path / "room" / "inner")
    assert not (tmp_path / "escaped").exists() and not Path("/tmp/escaped").exists()


def test_what_the_header_hides_is_counted(board, tmp_path):
    """A header that says 10 bytes of a file that holds more."""
    path = hostile(tmp_path / "lie.zip", "small", np.random.default_rng(0).bytes(5000))
    raw = bytearray(path.read_bytes())
    central = raw.rfind(b"PK\x01\x02")
    raw[central + 24 : central + 28] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(ConfigError):
        unpack(path, tmp_path / "room")
    with pytest.raises(ConfigError, match="holds 0 MB; at most 0 MB"):
        unpack(hostile(tmp_path / "large.zip", "large", bytes(2000)), tmp_path / "other", most_bytes=1000)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_contents_that_cannot_be_unpacked_are_said(method, board, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("method.json", np.random.default_rng(0).bytes(5000))
    raw = bytearray(path.read_bytes())
    raw[60:2000] = bytes(1940)
    path.write_bytes(raw)
    reason = lint(path, board)[0].reason
    assert "a.zip cannot be unpacked" in reason and "\n" not in reason


def test_a_name_in_no_alphabet_is_said(board, tmp_path):
    path = hostile(tmp_path / "a.zip", "\N{GREEK SMALL LETTER PI}.json")
    path.write_bytes(path.read_bytes().replace("\N{GREEK SMALL LETTER PI}".encode(), b"\xff\xfe"))
    assert "a.zip cannot be unpacked" in lint(path, board)[0].reason


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"no zip"])
def test_what_is_no_zip_is_said(content, board, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    assert "cannot be unpacked" in lint(tmp_path / "a.zip", board)[0].reason
    assert "cannot be unpacked" in lint(tmp_path / "absent.zip", board)[0].reason
