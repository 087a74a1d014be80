"""Frames and samples into files that every player opens."""

from __future__ import annotations

import re
import tempfile
import wave
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, Self

import numpy as np

from pgstalker.errors import ConfigError, MediaError
from pgstalker.files import replacing
from pgstalker.media import ffmpeg
from pgstalker.media.decode import AUDIO_FROM_ZERO, video_filters
from pgstalker.media.probe import probe
from pgstalker.types import FPS

# Conversion and tags say the same, so that browsers and our own decoder see the colours that were written.
BT709_FILTER = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int"
BT709_TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
EVEN_SIDES = "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0"  # 4:2:0 has no odd sides: a last odd row or column is left out
# What AAC and every player take. Through integers, because ffmpeg mixes channels to floats without keeping them <= 1.
STEREO_48K = "aformat=sample_fmts=s32:sample_rates=48000:channel_layouts=mono|stereo"
# Cut into pieces of 0.4 s, each playable when it is written; if nobody can take it any more, the video itself goes on.
LIVE = "f=mp4:movflags=+empty_moov+default_base_moof:frag_duration=400000:flush_packets=1:onfail=ignore"
SIZES_PX = (64, 2048)
FASTSTART = ("-movflags", "+faststart")  # the index goes in front: playback starts before the whole file is there


def frames_to_cover(samples: int, sample_rate_hz: int, fps: int = FPS) -> int:
    """The frames that the last sample needs to be seen: ceil(fps * samples / rate), without rounding errors."""
    return -(-samples * fps // sample_rate_hz)


def write_wav(path: str | Path, samples: np.ndarray, sample_rate_hz: int) -> None:
    """Write float samples [S] or [S, channels] in [-1, 1] (clipped) as 16-bit PCM; whole or not at all."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm.tobytes())


def normalise_video(
    source: str | Path,
    target: str | Path,
    *,
    fps: float = FPS,
    crop: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    crf: int = 12,
) -> None:
    """Rewrite a video with a constant rate, upright, with square pixels, cropped and scaled (Lanczos), without sound.

    Frame n shows time n / fps of the source, as read_frames(source, fps=fps) does. H.264 4:2:0 with the source's own
    colour matrix, near lossless at crf 12. `target` appears only when it is complete. Raises MediaError.
    """
    video = probe(source).require_video()
    filters = video_filters(video, size=size, fps=fps, crop=crop, scale_flags="lanczos")
    with replacing(target) as temporary:
        ffmpeg.run(
            [*ffmpeg.INPUT_OPTIONS, "-i", ffmpeg.url(source), "-map", "0:V:0"]
            + ["-vf", ",".join([*filters, EVEN_SIDES])]
            + [*_h264(crf), *FASTSTART, ffmpeg.url(temporary)],
            source,
        )


def _h264(crf: int) -> list[str]:
    return ["-c:v", "libx264", "-crf", str(crf), "-pix_fmt", "yuv420p"]


@dataclass(frozen=True)
class Destination:
    """Where a video goes: to `path`, whole or not at all, and to `live`, a file of the same streams that can be played
    while it grows and that whoever asked for it removes. size: side in px, where it is to be scaled.

    Raises ConfigError for a size outside SIZES_PX."""

    path: str | Path
    live: Path | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not SIZES_PX[0] <= self.size <= SIZES_PX[1]:
            raise ConfigError(f"size {self.size} is not possible; use {SIZES_PX[0]} to {SIZES_PX[1]} px")


@dataclass
class VideoWriter:
    """Writes frames, and sound if given, to a video file that appears under its name only when it is complete.

        with VideoWriter("talk.mp4", 512, 512, audio="speech.wav") as writer:
            for frame in frames:      # uint8 [H, W, 3] RGB, or [H, W] with gray=True
                writer.write(frame)

    audio is a media file or (samples float [S] or [S, channels], rate in Hz). It is written whole as AAC and never
    cut; the caller supplies frames_to_cover(...) frames. codec "libx264" is for players (yuv420p, index in front; an
    odd last row or column is left out); "ffv1" in an .mkv is lossless. Raises MediaError with ffmpeg's last line.
    """

    path: str | Path | Destination
    width: int
    height: int
    fps: float = FPS
    audio: str | Path | tuple[np.ndarray, int] | None = None
    crf: int = 18
    codec: Literal["libx264", "ffv1"] = "libx264"
    gray: bool = False
    comment: str | None = None
    preset: str = "medium"
    """x264's: how long it may search for a small file."""

    def __enter__(self) -> Self:
        self.frames = 0
        self._place = self.path if isinstance(self.path, Destination) else Destination(self.path)
        with ExitStack() as stack:
            self._temporary = stack.enter_context(replacing(self._place.path))
            self._process = stack.enter_context(ffmpeg.Process(self._arguments(stack), feeds=True))
            self._stack = stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one frame, uint8 [height, width, 3], or [height, width] where `gray` is set."""
        shape = (self.height, self.width) if self.gray else (self.height, self.width, 3)
        assert frame.shape == shape and frame.dtype == np.uint8, f"{frame.dtype} {frame.shape}, not uint8 {shape}"
        try:
            self._process.write(np.ascontiguousarray(frame).reshape(-1))
        except BrokenPipeError:
            self._fail()
        self.frames += 1

    def __exit__(self, kind, error, trace) -> None:
        with self._stack:  # ends ffmpeg, then renames the file, or removes it where something is raised in here
            if error is not None:
                raise error
            assert self.frames, "a video needs a frame"
            if self._process.finish() != 0:
                self._fail()

    def _fail(self) -> NoReturn:
        self._process.finish()
        raise MediaError(f"{Path(self._place.path).name} cannot be written: {self._process.complaint()}") from None

    def _arguments(self, stack: ExitStack) -> list[str]:
        pixels = "gray" if self.gray else "rgb24"
        arguments = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{self.width}x{self.height}", "-r", str(self.fps)]
        arguments += ["-i", "pipe:0"]
        if self.audio is not None:
            audio = _audio_file(self.audio, stack)
            arguments += [*ffmpeg.INPUT_OPTIONS, "-i", ffmpeg.url(audio), "-map", "0:v"]
            arguments += ["-map", "1:a:0", "-af", f"{AUDIO_FROM_ZERO},{STEREO_48K}", "-c:a", "aac", "-b:a", "192k"]
        if self.codec == "ffv1":
            arguments += ["-c:v", "ffv1", "-level", "3"]
        else:
            scale = "" if self._place.size is None else f"scale=-2:{self._place.size}:flags=lanczos+accurate_rnd,"
            filters = f"{scale}{EVEN_SIDES},{BT709_FILTER}"
            arguments += ["-vf", filters, *BT709_TAGS, *_h264(self.crf), "-preset", self.preset]
        if self._place.live is None and Path(self._place.path).suffix.lower() in (".mp4", ".mov"):
            arguments += FASTSTART
        if self.comment is not None:
            arguments += ["-metadata", f"comment={self.comment}"]
        if self._place.live is not None:
            outputs = f"[f=mp4:movflags=+faststart]{_tee(self._temporary)}|[{LIVE}]{_tee(self._place.live)}"
            sound = [] if self.audio is not None else ["-map", "0:v"]
            return [*arguments, *sound, "-flags", "+global_header", "-f", "tee", outputs]
        return [*arguments, ffmpeg.url(self._temporary)]


def _tee(path: Path) -> str:
    """A file's name as ffmpeg's tee muxer takes it literally."""
    return re.sub(r"([\\\\'|\[\]])", r"\\\1", ffmpeg.url(path))


def _audio_file(audio: str | Path | tuple[np.ndarray, int], stack: ExitStack) -> Path:
    """A file that holds `audio`; where it has to be written, `stack` removes it."""
    if not isinstance(audio, tuple):
        probe(audio).require_audio()
        return Path(audio)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pgstalker-")))
    write_wav(folder / "audio.wav", *audio)
    return folder / "audio.wav"
