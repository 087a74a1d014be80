"""What a made video says about itself: words to read, and credentials that show a change and go with a copy."""

from __future__ import annotations

import stat
import subprocess
import sys

import numpy as np
import pytest

from pgstalker import provenance
from pgstalker.avatar import render_audio, render_subject
from pgstalker.errors import MediaError, PgsError
from pgstalker.media import VideoWriter, read_frames, write_wav
from pgstalker.provenance import CREDENTIALS, GENERATED, ROOT, Label, Marks, read_credentials, root_certificate, sign

GREY = 110


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PGSTALKER_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "talk.mp4"
    with VideoWriter(path, 64, 64) as writer:
        for shade in range(100, 110):
            writer.write(np.full((64, 64, 3), shade, np.uint8))
    return path


@pytest.mark.parametrize("ground", [0, GREY, 255])
@pytest.mark.parametrize("size", [256, 512, 1080])
def test_the_label_reads_on_any_ground_and_covers_little(size, ground):
    frame = np.full((size, size, 3), ground, np.uint8)
    label = Label(size, size)
    stamped = label.stamp(frame)
    changed = (stamped != frame).any(-1)
    assert (frame == ground).all() and changed.mean() < 0.025
    rows, columns = np.nonzero(changed)
    assert rows.min() > 0.88 * size and columns.min() > 0.6 * size
    inside = stamped[label.box].astype(int)
    assert inside.max() > 220 and inside.max() - np.median(inside) > 100  # white letters against their pill


def test_the_label_fits_a_picture_smaller_than_itself():
    assert Label(16, 16).stamp(np.zeros((16, 16, 3), np.uint8)).max() > 100


def test_credentials_are_read_back_and_trusted_with_the_root(video, config):
    frames = np.stack(list(read_frames(video)))
    assert read_credentials(video) is None
    assert sign(video) == "self-signed (C2PA)"
    np.testing.assert_array_equal(np.stack(list(read_frames(video))), frames)
    found = read_credentials(video)
    assert found["state"] == "Valid" and found["source_type"] == GENERATED
    assert found["problems"] == ["signingCredential.untrusted"]
    trusted = read_credentials(video, trust=root_certificate())
    assert trusted["state"] == "Trusted" and not trusted["problems"]
    assert (config / ROOT).read_bytes() == root_certificate() and b"PRIVATE" not in root_certificate()


def test_the_key_is_made_once_and_is_the_owners_alone(video, config):
    sign(video)
    key = config / CREDENTIALS
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    sign(video)
    assert key.read_bytes() == before and {path.name for path in config.iterdir()} == {CREDENTIALS, ROOT}


def test_a_changed_byte_is_seen(video):
    sign(video)
    content = bytearray(video.read_bytes())
    at = content.index(b"mdat") + 200
    content[at] ^= 0xFF
    video.write_bytes(content)
    found = read_credentials(video)
    assert found["state"] == "Invalid" and "assertion.bmffHash.mismatch" in found["problems"]


def test_a_copy_by_ffmpeg_has_none(video, tmp_path):
    sign(video)
    copy = tmp_path / "copy.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", video, "-c", "copy", copy], check=True)
    assert read_credentials(copy) is None


def test_what_cannot_be_signed_is_one_line(tmp_path, video, config):
    words = tmp_path / "words.mp4"
    words.write_text("no video")
    with pytest.raises(MediaError, match=r"words\.mp4 cannot carry content credentials"):
        sign(words)
    assert words.read_text() == "no video"
    (config / CREDENTIALS).write_text("nothing")
    with pytest.raises(PgsError, match="delete it to have a new one made"):
        sign(video)
    (config / CREDENTIALS).unlink()
    (config / CREDENTIALS).mkdir()
    with pytest.raises(PgsError, match="set PGSTALKER_CONFIG"):
        sign(video)


def test_without_the_library_the_video_stays_and_it_is_said(video, monkeypatch):
    monkeypatch.setattr(provenance, "find_spec", lambda name: None)
    before = video.read_bytes()
    assert "c2pa-python is not installed" in sign(video) and video.read_bytes() == before
    with pytest.raises(PgsError, match="pip install c2pa-python"):
        read_credentials(video)


def test_a_speech_is_labelled_and_signed_unless_the_owner_says_otherwise(tiny_avatar, tone, tmp_path):
    write_wav(tmp_path / "speech.wav", tone, 16_000)
    videos = {}
    for name, marks in (("marked", None), ("plain", Marks(label=False, credentials=False))):
        receipt = render_audio(tiny_avatar, tmp_path / "speech.wav", tmp_path / f"{name}.mp4", marks=marks)
        videos[name] = np.stack(list(read_frames(tmp_path / f"{name}.mp4"))).astype(int)
        assert receipt["label"] is (name == "marked")
        assert (read_credentials(tmp_path / f"{name}.mp4") is not None) is (name == "marked")
    rows, columns = Label(64, 64).box
    gap = np.abs(videos["marked"] - videos["plain"]).mean((0, 3))
    assert gap[rows, columns].mean() > 20
    gap[rows, columns] = 0
    assert gap.mean() < 2


def test_what_is_judged_is_not_labelled(tiny_avatar, tmp_path):
    from pgstalker.synthetic import make_subject

    subject = make_subject(tmp_path / "toon", seconds=2.0, size=64)
    receipt = render_subject(tiny_avatar, subject, tmp_path / "out.mp4", frames="held-out")
    assert receipt["label"] is False and read_credentials(tmp_path / "out.mp4") is None


def test_importing_it_loads_nothing_heavy():
    program = "import pgstalker.provenance, sys; print(bool({'c2pa', 'cryptography', 'PIL'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )
