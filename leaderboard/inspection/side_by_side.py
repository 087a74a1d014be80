"""Several results in one video, beside each other under their names, with the sound of the first that has one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pgstalker.errors import MediaError
from pgstalker.files import replacing
from pgstalker.media import probe

CAPTION_SHARE = 0.09
"""Height of the line with the names, as a share of the picture's height."""


def side_by_side(videos: Mapping[str, Path], out: Path, audio: Path | None = None) -> None:
    """Write `out` (.mp4): the videos, by title, in one row, as long as the shortest, with the sound of `audio` or of
    the first video that has one. Composed by moviepy.

    Raises MediaError where one has no picture, or they differ in size or rate."""
    streams = {title: probe(path).require_video() for title, path in videos.items()}
    kinds = {(stream.width, stream.height, round(stream.fps, 2)) for stream in streams.values()}
    if len(kinds) > 1:
        found = "; ".join(f"{title}: {s.width}x{s.height} px, {s.fps:g} frames/s" for title, s in streams.items())
        raise MediaError(f"the videos differ ({found}); bring them to one size and rate")
    from moviepy import AudioFileClip, ImageClip, VideoFileClip, clips_array

    with ExitStack() as stack, replacing(out) as temporary:
        clips = [stack.enter_context(VideoFileClip(str(path))) for path in videos.values()]
        seconds = min(clip.duration for clip in clips)
        captions = [ImageClip(_caption(title, clip.w, clip.h)) for title, clip in zip(videos, clips)]
        sound = next((clip.audio for clip in clips if clip.audio is not None), None)
        if audio is not None:
            sound = stack.enter_context(AudioFileClip(str(audio)))
        whole = clips_array([[caption.with_duration(seconds) for caption in captions], clips]).with_duration(seconds)
        whole = whole.with_audio(None if sound is None else sound.with_duration(min(seconds, sound.duration)))
        whole = stack.enter_context(whole)
        whole.write_videofile(
            str(temporary), fps=clips[0].fps, codec="libx264", audio_codec="aac", preset="veryfast", logger=None,
            ffmpeg_params=["-crf", "16", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
            temp_audiofile_path=str(temporary.parent),
        )  # fmt: skip


def _caption(title: str, width: int, height: int) -> np.ndarray:
    """The title on a dark line, uint8 [h, width, 3]; h is even."""
    from PIL import Image, ImageDraw, ImageFont

    line = max(16, round(CAPTION_SHARE * height) // 2 * 2)
    picture = Image.new("RGB", (width, line), (24, 26, 26))
    ImageDraw.Draw(picture).text(
        (width / 2, line / 2), title, (235, 233, 228), ImageFont.load_default(0.55 * line), anchor="mm"
    )
    return np.asarray(picture)
