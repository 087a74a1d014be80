"""Pictures and sound in and out of files: the only package that starts ffmpeg and ffprobe."""

from pgstalker.media.decode import read_audio, read_frames
from pgstalker.media.encode import Destination, VideoWriter, frames_to_cover, normalise_video, write_wav
from pgstalker.media.frame_queue import FrameQueue
from pgstalker.media.limits import check_audio, check_video
from pgstalker.media.mjpeg import read_jpeg_frames
from pgstalker.media.probe import AudioStream, MediaInfo, VideoStream, probe

__all__ = [
    "AudioStream",
    "Destination",
    "FrameQueue",
    "MediaInfo",
    "VideoStream",
    "VideoWriter",
    "check_audio",
    "check_video",
    "frames_to_cover",
    "normalise_video",
    "probe",
    "read_audio",
    "read_frames",
    "read_jpeg_frames",
    "write_wav",
]
