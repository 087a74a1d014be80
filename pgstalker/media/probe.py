"""What a media file holds, asked of ffprobe before anything is decoded."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pgstalker import preflight
from pgstalker.errors import MediaError
from pgstalker.media import ffmpeg

# What ffprobe would also accept although it is no recording: lists that point at other files, and any text.
FOREIGN_FORMATS = {"applehttp", "concat", "dash", "hls", "imf", "sdp", "tty"}
TIMEOUT_S = 60


@dataclass(frozen=True)
class VideoStream:
    """Size in px as seen: after the rotation in the file's metadata and with square pixels.

    fps is the mean rate; frames is None where the container does not say. has_variable_rate is what the header tells
    (mp4 does, Matroska does not); decoding goes by the timestamps in any case.
    """

    width: int
    height: int
    fps: float
    frames: int | None
    codec: str
    has_variable_rate: bool
    has_square_pixels: bool = True


@dataclass(frozen=True)
class AudioStream:
    sample_rate_hz: int
    channels: int
    duration_s: float
    codec: str


@dataclass(frozen=True)
class MediaInfo:
    path: Path
    duration_s: float
    video: VideoStream | None
    audio: AudioStream | None

    def require_video(self) -> VideoStream:
        """The video stream. Raises MediaError where there is none."""
        if self.video is None:
            raise MediaError(f"{self.path.name} has no video stream; give a file with a picture")
        return self.video

    def require_audio(self) -> AudioStream:
        """The audio stream. Raises MediaError where there is none."""
        if self.audio is None:
            raise MediaError(f"{self.path.name} has no audio stream; give a file with sound")
        return self.audio


def probe(path: str | Path) -> MediaInfo:
    """Read the headers of a media file: its first video (cover pictures apart) and first audio stream.

    Raises MediaError where the file is absent, is no media or holds neither picture nor sound.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}; give a media file")
    if path.stat().st_size == 0:
        raise MediaError(f"{path.name} is empty (0 bytes); record or copy it again")
    report = json.loads(_ffprobe(path, "-show_format", "-show_streams", "-of", "json"))
    container = report.get("format", {})
    if FOREIGN_FORMATS & set(container.get("format_name", "").split(",")):
        raise MediaError(f"{path.name} is not a media file ({container['format_name']}); give a video or sound file")
    streams = report.get("streams", [])
    video = next((s for s in streams if s["codec_type"] == "video" and not s["disposition"]["attached_pic"]), None)
    audio = next((s for s in streams if s["codec_type"] == "audio"), None)
    if video is None and audio is None:
        raise MediaError(f"{path.name} holds neither picture nor sound; give a video or sound file")
    duration_s = float(container.get("duration", 0)) or _scan_duration(path)
    return MediaInfo(path, duration_s, video and _video_stream(video, path), audio and _audio_stream(audio, duration_s))


def _ffprobe(path: Path, *arguments: str) -> bytes:
    command = [preflight.program("ffprobe"), "-hide_banner", "-loglevel", "error", *ffmpeg.INPUT_OPTIONS]
    try:
        result = subprocess.run(
            [*command, *arguments, "-i", ffmpeg.url(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise MediaError(f"{path.name}: not understood within {TIMEOUT_S} s; convert it to mp4 first") from None
    if result.returncode:
        raise MediaError(f"{path.name} cannot be read as video or sound: {ffmpeg.last_line(result.stderr)}")
    return result.stdout


def _video_stream(stream: dict, path: Path) -> VideoStream:
    width, height = int(stream.get("width", 0)), int(stream.get("height", 0))
    if width == 0 or height == 0:
        raise MediaError(f"{path.name}: the picture size cannot be read; the file is damaged, copy or export it again")
    aspect = _ratio(stream.get("sample_aspect_ratio", "1:1").replace(":", "/")) or Fraction(1)
    width = round(width * aspect)
    if _rotation_degrees(stream) % 180 == 90:
        width, height = height, width
    mean_rate, base_rate = _ratio(stream.get("avg_frame_rate")), _ratio(stream.get("r_frame_rate"))
    fps = float(mean_rate or base_rate or 0)
    return VideoStream(
        width=width,
        height=height,
        fps=fps,
        frames=int(stream["nb_frames"]) if stream.get("nb_frames", "").isdigit() else None,
        codec=stream.get("codec_name", "unknown"),
        # One dropped frame in a hundred is still a constant rate; the base rate of a varying one is far off.
        has_variable_rate=base_rate is not None and abs(fps - float(base_rate)) > 0.01 * float(base_rate),
        has_square_pixels=aspect == 1,
    )


def _audio_stream(stream: dict, container_s: float) -> AudioStream:
    return AudioStream(
        sample_rate_hz=int(stream.get("sample_rate", 0)),
        channels=int(stream.get("channels", 0)),
        duration_s=float(stream.get("duration", 0)) or container_s,
        codec=stream.get("codec_name", "unknown"),
    )


def _rotation_degrees(stream: dict) -> int:
    """From the display matrix, or from the tag that older muxers wrote."""
    matrices = [entry for entry in stream.get("side_data_list", []) if "rotation" in entry]
    return round(float(matrices[0]["rotation"] if matrices else stream.get("tags", {}).get("rotate", 0)))


def _ratio(text: str | None) -> Fraction | None:
    """A Fraction out of "30000/1001"; None for "0/0", "N/A" and nothing."""
    try:
        return Fraction(text or 0) or None
    except (ValueError, ZeroDivisionError):
        return None


def _scan_duration(path: Path) -> float:
    """Seconds up to the end of the last packet, for files without a length, as browsers record them."""
    ends = [0.0]
    for line in _ffprobe(path, "-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0").splitlines():
        times = [float(field) for field in line.decode().split(",") if field not in ("", "N/A")]
        ends.append(sum(times[:2]))
    return max(ends)
