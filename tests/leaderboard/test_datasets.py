"""Datasets: what they declare, clips that are not what was written down, folders of one's own."""

from __future__ import annotations

import json

import pytest

from leaderboard.datasets import Clip, clips_of, dataset, discover
from leaderboard.datasets.dataset import Expected
from pgstalker.errors import ConfigError, MediaError


def test_each_declares_itself():
    assert set(discover()) == {"hdtf", "lieu", "macron", "may", "obama", "presenters", "real-clips"}
    for name, found in discover().items():
        assert found.id == name and found.title and found.where and "1/11" in found.split
        for clip in found.clips():
            assert clip.identity and clip.audio_id and clip.where
            assert name == "presenters" or not clip.is_redistributable, "pictures of real people do not ship"


def test_the_committed_presenters_are_what_the_manifest_says():
    for clip in clips_of("presenters", ("mira", "olu")):
        assert clip.digest() == clip.sha256


def test_a_clip_that_is_another_one_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"1")
    clip = Clip("a", "a", tmp_path / "a.mp4", "a", "from the shelf", sha256="0" * 64)
    with pytest.raises(MediaError, match=r"is not the clip 'a' \(its sha256 is 6b86b273ff34.*from the shelf"):
        clip.digest()
    with pytest.raises(MediaError, match=r"clip 'b' is not at .*: from the shelf"):
        Clip("b", "b", tmp_path / "b.mp4", "b", "from the shelf").digest()


def test_what_papers_have_is_compared(write, faces):
    expected = Expected(size=(512, 512), fps=25, seconds=(10, 20))
    assert list(expected.differences(write("a.mp4", faces))) == [
        "it is 176x176 px, papers have 512x512",
        "it lasts 2 s, papers have 10 to 20 s",
    ]


def test_a_folder_without_manifest_is_its_videos(tmp_path):
    for name in ("my clip.mp4", "other.mov", "notes.txt"):
        (tmp_path / name).touch()
    assert [clip.id for clip in dataset(f"folder:{tmp_path}").clips()] == ["my-clip", "other"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is no JSON"),
        ("[]", "needs"),
        (json.dumps({"clips": [{"id": "a"}]}), "needs id and file"),
        (json.dumps({"clips": [{"id": "../a", "file": "a.mp4"}]}), "is no file's name"),
        (json.dumps({"clips": [{"id": "a", "file": 5}]}), "file of 'a' is 5; give text"),
        (json.dumps({"clips": [{"id": "a", "file": "a.mp4", "sha256": 7}]}), "sha256 of 'a' is 7; give text"),
        (json.dumps({"clips": [{"id": "a", "file": "a.mp4", "redistributable": "no"}]}), "give true or false"),
        (json.dumps({"name": "a/b", "clips": []}), "is no folder's name"),
        (json.dumps({"clips": [{"id": "a", "file": "a.mp4"}] * 2}), "names the clip 'a' twice"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_line(tmp_path, content, complaint):
    (tmp_path / "clips.json").write_text(content)
    with pytest.raises(ConfigError, match=complaint):
        dataset(f"folder:{tmp_path}")


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="is no folder"):
        dataset(f"folder:{tmp_path / 'nowhere'}")
