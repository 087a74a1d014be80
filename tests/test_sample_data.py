"""sample_data/: what the manifest says, and the program that says what changed."""

import json
from pathlib import Path

import numpy as np
import pytest

from pgstalker import media
from pgstalker.subject import sha256_of
from pgstalker.types import FPS
from tools.make_sample_data import report

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"


@pytest.fixture(scope="module")
def manifest():
    if not (SAMPLE_DATA / "manifest.json").is_file():
        pytest.skip("sample_data/ is not there; run: make sample-data")
    return json.loads((SAMPLE_DATA / "manifest.json").read_text())


def test_the_manifest_lists_every_file_and_no_other(manifest):
    there = {path.relative_to(SAMPLE_DATA).as_posix() for path in SAMPLE_DATA.rglob("*") if path.is_file()}
    assert there == manifest["files"].keys() | {"manifest.json"}
    assert all(sha256_of(SAMPLE_DATA / name) == digest for name, digest in manifest["files"].items())


def test_each_thing_has_its_terms_and_its_command(manifest):
    assert len(manifest["presenters"]) >= 2 and manifest["presenters"].keys() == manifest["avatars"].keys()
    for kind in ("presenters", "avatars", "speech"):
        for entry in manifest[kind].values():
            assert entry["licence"] == "CC0-1.0" and entry["made_with"]
    assert len({entry["language"].partition("-")[0] for entry in manifest["speech"].values()}) >= 2


def test_truth_is_as_long_as_its_clip(manifest):
    for entry in manifest["presenters"].values():
        info = media.probe(SAMPLE_DATA / entry["clip"])
        assert info.video.fps == FPS == entry["fps"] and (info.video.width, info.video.height) == (512, 512)
        assert 40 <= info.duration_s <= 60 and info.audio is not None
        with np.load(SAMPLE_DATA / entry["truth"], allow_pickle=False) as truth:
            frames = len(truth["camera_from_head"])
            assert frames == info.video.frames
            assert truth["landmarks"].shape == (frames, len(truth["names"]), 3)
            assert truth["aperture"].shape == truth["blink"].shape == (frames,)
            assert truth["phones"].shape == (len(truth["ipa"]), 2)
            turn = truth["camera_from_head"][:, :3, :3]
            np.testing.assert_allclose(
                turn @ turn.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turn.shape), atol=1e-9
            )


def test_a_difference_is_said(capsys):
    assert report({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == 0
    assert "as it was" in capsys.readouterr().out
    assert report({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == 1
    assert capsys.readouterr().out.split("\n")[:3] == ["gone     a", "differs  b", "new      c"]
