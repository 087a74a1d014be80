"""Frames through ffmpeg's JPEG encoder, without the files."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from pgstalker.errors import MediaError
from pgstalker.media import read_jpeg_frames


def test_the_pictures_are_those_that_ffmpeg_would_have_left(clip, tmp_path):
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", "1", "-i", str(clip), "-threads", "1"]
    subprocess.run([*command, "-pix_fmt", "yuvj420p", str(tmp_path / "%06d.jpg")], check=True)
    stored = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(tmp_path.glob("*.jpg"))]
    frames = list(read_jpeg_frames(clip))
    assert len(frames) == len(stored) == 50 and frames[0].shape == (48, 64, 3)
    assert all(np.array_equal(frame, other) for frame, other in zip(frames, stored))


def test_a_reader_that_stops_early_leaves_no_process(clip, ffmpegs):
    frames = read_jpeg_frames(clip)
    next(frames)
    frames.close()
    assert ffmpegs() == 0


def test_what_is_no_video_is_said(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        next(read_jpeg_frames(tmp_path / "text.mp4"))
