"""Frames that went through ffmpeg's JPEG encoder, as programs see them that unpack a video into pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pgstalker.errors import MediaError
from pgstalker.media import ffmpeg
from pgstalker.media.probe import probe

START, END = b"\xff\xd8", b"\xff\xd9"
BLOCK = 1 << 16


def read_jpeg_frames(path: str | Path) -> Iterator[np.ndarray]:
    """Stream a video's stored frames, uint8 [H, W, 3] RGB, as `ffmpeg -i VIDEO %06d.jpg` would have left them.

    ffmpeg's default rate control makes each picture depend on those before, so it runs on one thread. No file is
    written. Raises MediaError.
    """
    from PIL import Image

    probe(path).require_video()
    arguments = ["-threads", "1", *ffmpeg.INPUT_OPTIONS, "-i", ffmpeg.url(path), "-map", "0:V:0", "-threads", "1"]
    arguments += ["-pix_fmt", "yuvj420p", "-vsync", "passthrough", "-f", "image2pipe", "-c:v", "mjpeg", "pipe:1"]
    with ffmpeg.Process(arguments) as process:
        for picture in _pictures(process):
            yield np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
        if process.finish() != 0:
            raise MediaError(f"{Path(path).name} cannot be decoded: {process.complaint()}")


def _pictures(process: ffmpeg.Process) -> Iterator[bytes]:
    """One JPEG after the other. Within one an end marker cannot occur: the encoder stuffs every 0xff of its data."""
    waiting = bytearray()
    while True:
        block = bytearray(BLOCK)
        length = process.readinto(block)
        waiting += block[:length]
        while (end := waiting.find(END)) >= 0:
            assert waiting.startswith(START), "a stream of JPEG pictures"
            yield bytes(waiting[: end + 2])
            del waiting[: end + 2]
        if length < BLOCK:
            return
