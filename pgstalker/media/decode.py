"""Frames and samples out of any file that ffmpeg reads, on one common clock that starts at 0."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pgstalker.errors import MediaError
from pgstalker.media import ffmpeg, limits
from pgstalker.media.probe import MediaInfo, VideoStream, probe
from pgstalker.types import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

AUDIO_FROM_ZERO = "aresample=async=1:first_pts=0"  # late sound is led in by silence, gaps are filled


def read_frames(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    crop: tuple[int, int, int, int] | None = None,
    start: int = 0,
    count: int | None = None,
    gray: bool = False,
    scale_flags: str = "area",
) -> Iterator[np.ndarray]:
    """Stream the pictures of a video: uint8 [H, W, 3] RGB, or [H, W] where `gray` is set; one frame in memory.

    crop (x, y, width, height) px of the picture as seen comes first, then size (width, height) with ffmpeg's
    `scale_flags`. fps repeats or drops frames by their timestamps from time 0 on; None gives each stored frame once.
    start and count number the frames so obtained. Fewer than count come where the video ends before.

    ffmpeg starts with the first frame asked for and is ended when the iterator is closed or forgotten.
    Raises MediaError at once for a file without video, and on the way for one that cannot be decoded.
    """
    info = probe(path)
    video = info.require_video()
    width, height = size or (crop[2:] if crop else (video.width, video.height))
    filters = video_filters(video, size=(width, height), fps=fps, crop=crop, scale_flags=scale_flags, start=start)
    filters.append("format=gray" if gray else "format=rgb24")
    arguments = [*ffmpeg.INPUT_OPTIONS, "-i", ffmpeg.url(path), "-map", "0:V:0", "-vf", ",".join(filters)]
    arguments += ["-vsync", "passthrough", "-f", "rawvideo"]
    if count is not None:
        arguments += ["-frames:v", str(count)]
    return _stream(info, [*arguments, "pipe:1"], (height, width) if gray else (height, width, 3))


def video_filters(
    video: VideoStream,
    *,
    size: tuple[int, int] | None,
    fps: float | None,
    crop: tuple[int, int, int, int] | None,
    scale_flags: str,
    start: int = 0,
) -> list[str]:
    """ffmpeg's filters for what read_frames describes. Turning the picture upright is ffmpeg's own first step."""
    filters = []
    if fps is not None:
        filters.append(f"fps={fps}:start_time=0")
    if start:
        filters.append(f"trim=start_frame={start}")
    if not video.has_square_pixels:
        filters += [f"scale={video.width}:{video.height}", "setsar=1"]
    if crop is not None:
        x, y, width, height = crop
        assert 0 <= x <= video.width - width and 0 <= y <= video.height - height, f"crop {crop} outside the picture"
        filters.append(f"crop={width}:{height}:{x}:{y}:exact=1")
    if size is not None:
        # Without these two flags swscale takes a fast path that repeats chroma samples and rounds down.
        filters.append(f"scale={size[0]}:{size[1]}:flags={scale_flags}+accurate_rnd+full_chroma_int")
    return filters


def _stream(info: MediaInfo, arguments: list[str], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    frames = 0
    with ffmpeg.Process(arguments) as process:
        while True:
            frame = np.empty(shape, np.uint8)
            if process.readinto(frame.reshape(-1)) < frame.nbytes:
                break
            frames += 1
            yield frame
        failed = process.finish() != 0
        complaint = process.complaint()
    if failed:
        raise MediaError(f"{info.path.name}: decoding stopped after {frames} frames: {complaint}")
    if complaint:
        log.warning("%s: %d frames decoded, but ffmpeg says: %s", info.path.name, frames, complaint)


def read_audio(path: str | Path, sample_rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """The sound of a file as float32 [S] mono in [-1, 1], sample 0 at the time of the video's frame 0.

    ffmpeg removes the encoder's priming samples. Raises MediaError where there is no sound, it cannot be decoded,
    or it is longer than limits.MAX_DECODED_AUDIO_S.
    """
    info = probe(path)
    info.require_audio()
    if info.duration_s > limits.MAX_DECODED_AUDIO_S:
        raise MediaError(
            f"{info.path.name} lasts {info.duration_s:.0f} s; at most {limits.MAX_DECODED_AUDIO_S} s are read, cut it"
        )
    arguments = [*ffmpeg.INPUT_OPTIONS, "-i", ffmpeg.url(path), "-map", "0:a:0", "-af", AUDIO_FROM_ZERO]
    arguments += ["-ac", "1", "-ar", str(sample_rate_hz), "-t", str(limits.MAX_DECODED_AUDIO_S)]
    # As integers, because ffmpeg mixes channels to floats without keeping them <= 1.
    samples = np.concatenate(list(_audio_blocks(info, [*arguments, "-f", "s32le", "pipe:1"], sample_rate_hz)))
    if len(samples) == 0:
        raise MediaError(f"{info.path.name}: its audio stream is empty; give a file with sound")
    return samples


def _audio_blocks(info: MediaInfo, arguments: list[str], sample_rate_hz: int) -> Iterator[np.ndarray]:
    with ffmpeg.Process(arguments) as process:
        while True:
            block = np.empty(10 * sample_rate_hz, np.int32)
            samples = process.readinto(block.view(np.uint8)) // 4
            yield block[:samples].astype(np.float32) / 2**31
            if samples < len(block):
                break
        if process.finish() != 0:
            raise MediaError(f"{info.path.name}: its sound cannot be decoded: {process.complaint()}")
