"""Frames and sound into one file, a receipt, and nothing left behind when it is stopped."""

from __future__ import annotations

import numpy as np
import pytest

from pgstalker.avatar import RenderCancelled, export_ply, render_audio, render_video
from pgstalker.avatar.drive import drive_from_audio
from pgstalker.errors import MediaError
from pgstalker.media import probe, read_audio, read_frames, write_wav


@pytest.fixture
def speech(tone, tmp_path):
    write_wav(tmp_path / "a tone.wav", tone, 16_000)
    return tmp_path / "a tone.wav"


def test_a_speech_becomes_a_video_with_its_sound(tiny_avatar, speech, tone, tmp_path):
    stages = []
    receipt = render_audio(
        tiny_avatar,
        speech,
        tmp_path / "out.mp4",
        progress=lambda *news: stages.append(news),
    )
    info = probe(tmp_path / "out.mp4")
    assert info.video.frames == receipt["frames"] == 38 and info.video.codec == "h264"
    assert info.audio.codec == "aac"
    assert len(read_audio(tmp_path / "out.mp4")) >= len(tone)
    assert stages[0] == ("listen", 0.0, {}) and stages[-1] == ("render", 1.0, {"frame": 38, "of": 38})
    assert set(receipt["stage_seconds"]) == {"listen", "render", "encode"} and receipt["frames_per_second"] > 0


def test_the_same_seed_gives_the_same_frames(tiny_avatar, tone, tmp_path):
    frames = []
    for name in ("a.mp4", "b.mp4"):
        render_video(tiny_avatar, drive_from_audio(tiny_avatar, tone, seed=2)[:5], tone, tmp_path / name)
        frames.append(np.stack(list(read_frames(tmp_path / name))))
    np.testing.assert_array_equal(*frames)


def test_stopping_leaves_nothing(tiny_avatar, speech, tmp_path):
    calls = []
    with pytest.raises(RenderCancelled, match="of 38 frames"):
        render_audio(tiny_avatar, speech, tmp_path / "out.mp4", cancelled=lambda: calls.append(0) or len(calls) > 4)
    assert [path.name for path in tmp_path.iterdir()] == [speech.name]


def test_a_text_file_is_refused(tiny_avatar, tmp_path):
    (tmp_path / "speech.wav").write_text("not sound")
    with pytest.raises(MediaError, match=r"speech\.wav"):
        render_audio(tiny_avatar, tmp_path / "speech.wav", tmp_path / "out.mp4")


def test_the_head_goes_out_as_ply(tiny_avatar, tmp_path):
    export_ply(tiny_avatar, tmp_path / "head.ply")
    header = (tmp_path / "head.ply").read_bytes()[:200]
    assert header.startswith(b"ply") and b"element vertex 170" in header
