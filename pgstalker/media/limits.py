"""How long and how large a person's file may be. The page applies these; the command line may pass its own."""

from __future__ import annotations

from pgstalker.errors import MediaError
from pgstalker.media.probe import MediaInfo

MAX_UPLOAD_BYTES = 500 * 1024**2
MAX_VIDEO_S = 300
MAX_AUDIO_S = 600
MAX_SIDE_PX = 4096
MAX_DECODED_AUDIO_S = 7200  # 460 MB at 16 kHz


def check_video(info: MediaInfo, max_seconds: float = MAX_VIDEO_S) -> None:
    """Raise MediaError with the value and the remedy where a video is absent, too long or too large."""
    video = info.require_video()
    _check_bytes(info)
    _check_length(info, max_seconds)
    if max(video.width, video.height) > MAX_SIDE_PX:
        raise MediaError(
            f"{info.path.name} is {video.width}x{video.height} px; at most {MAX_SIDE_PX} px a side, scale it down"
        )


def check_audio(info: MediaInfo, max_seconds: float = MAX_AUDIO_S) -> None:
    """Raise MediaError with the value and the remedy where sound is absent, too long or too large."""
    info.require_audio()
    _check_bytes(info)
    _check_length(info, max_seconds)


def _check_bytes(info: MediaInfo) -> None:
    size = info.path.stat().st_size
    if size > MAX_UPLOAD_BYTES:
        raise MediaError(
            f"{info.path.name} has {size / 1024**2:.0f} MB; at most {MAX_UPLOAD_BYTES // 1024**2} MB, compress it"
        )


def _check_length(info: MediaInfo, max_seconds: float) -> None:
    if info.duration_s > max_seconds + 1:  # containers round up
        raise MediaError(f"{info.path.name} lasts {info.duration_s:.0f} s; at most {max_seconds:g} s, cut it")
