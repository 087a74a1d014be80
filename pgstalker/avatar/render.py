"""Frames of an avatar into a video with its sound, one frame in memory at a time, and a receipt of what it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pgstalker import __version__
from pgstalker.avatar.drive import drive_from_audio, drive_from_subject, held_still
from pgstalker.devices import one_torch_thread
from pgstalker.errors import AvatarError
from pgstalker.media import Destination, FrameQueue, VideoWriter, read_audio
from pgstalker.provenance import COMMENT, Label, Marks, sign
from pgstalker.subject import Subject, torso_over
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Drive

if TYPE_CHECKING:
    from pgstalker.avatar.format import Avatar
    from pgstalker.models.talker import Talker
    from pgstalker.player import Player

Progress = Callable[[str, float, dict[str, Any]], None]
"""Called with the stage ("listen", "render"), its share done in [0, 1] and numbers to show: frame, of."""


class RenderCancelled(Exception):
    """The caller's flag was raised; no file is left behind."""


@one_torch_thread()
def render_video(
    avatar: Avatar,
    drive: Drive,
    audio: np.ndarray | str | Path,
    out: str | Path | Destination,
    *,
    marks: Marks | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    backgrounds: Iterator[np.ndarray] | None = None,
) -> dict[str, Any]:
    """Write the drive's frames with `audio` (a media file, or samples [S] at 16 kHz) as H.264 and AAC.

    marks: label and credentials, here none where not asked for: what is judged is judged without them. backgrounds:
    true frames [H, W, 3] under the head, for avatars trained with torso=gt. Returns the receipt. Raises
    RenderCancelled soon after cancelled() turns true; `out` appears only when it is complete."""
    marks = marks or Marks(label=False, credentials=False)
    place = out if isinstance(out, Destination) else Destination(out)
    started = time.perf_counter()
    size, seconds = avatar.talker.size, {"render": 0.0, "encode": 0.0}
    sound = (audio, SAMPLE_RATE_HZ) if isinstance(audio, np.ndarray) else audio
    options: dict[str, Any] = {} if backgrounds is None else {"backgrounds": backgrounds}
    frames = avatar.talker.render(drive, **options)
    label = Label(size, size) if marks.label else None
    try:
        with (
            VideoWriter(place, size, size, audio=sound, comment=COMMENT, preset="veryfast") as writer,
            FrameQueue(writer) as queue,  # drawing goes on while ffmpeg takes the last frames
        ):
            for done in range(len(drive)):
                if cancelled is not None and cancelled():
                    raise RenderCancelled(f"stopped after {done} of {len(drive)} frames")
                before = time.perf_counter()
                frame = next(frames)
                seconds["render"] += time.perf_counter() - before
                queue.write(frame if label is None else label.stamp(frame))
                if progress is not None:
                    progress("render", (done + 1) / len(drive), {"frame": done + 1, "of": len(drive)})
    finally:
        frames.close()
    elapsed = time.perf_counter() - started
    seconds["encode"] = elapsed - seconds["render"]  # what drawing had to wait for, the writer's opening and closing
    credentials = sign(place.path) if marks.credentials else "none: not asked for"
    return {
        "frames": len(drive),
        "seconds": round(len(drive) / FPS, 2),
        "size": place.size or size,
        "stage_seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "render_frames_per_second": round(len(drive) / max(seconds["render"], 1e-9), 1),
        "frames_per_second": round(len(drive) / elapsed, 1),
        "device": str(avatar.talker.device),
        "backend": _backend(avatar.talker),
        "label": marks.label,
        "credentials": credentials,
        "program": f"pgstalker {__version__}",
    }


def _backend(talker: Talker | Player) -> str:
    """What draws this talker, for the receipt."""
    from pgstalker.player import Player

    if isinstance(talker, Player):
        return "numba"
    from pgstalker.rendering import choose_backend

    return choose_backend(talker.device, "auto")


def render_audio(
    avatar: Avatar,
    audio: str | Path,
    out: str | Path | Destination,
    *,
    seed: int = 0,
    pose: Literal["own", "still"] = "own",
    marks: Marks | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Let the avatar say a media file: ceil(25 * seconds) frames, with that same sound in the video. The receipt.

    pose: the head moves as in its own training video, or is held still. Labelled and signed, unless `marks` says
    otherwise."""
    if avatar.talker.config.torso == "gt":
        raise AvatarError("this avatar was trained with torso=gt and has no shoulders of its own; use --subject")
    if progress is not None:
        progress("listen", 0.0, {})
    started = time.perf_counter()
    drive = drive_from_audio(avatar, read_audio(audio), seed=seed)
    if pose == "still":
        drive = held_still(drive)
    listening = time.perf_counter() - started
    receipt = render_video(avatar, drive, audio, out, marks=marks or Marks(), progress=progress, cancelled=cancelled)
    receipt["stage_seconds"] = {"listen": round(listening, 3), **receipt["stage_seconds"]}
    receipt["frames_per_second"] = round(len(drive) / sum(receipt["stage_seconds"].values()), 1)
    return receipt | {"seed": seed, "pose": pose}


def render_subject(
    avatar: Avatar,
    subject: str | Path,
    out: str | Path,
    *,
    frames: Literal["held-out", "train", "all"] = "held-out",
    mouth: Literal["audio", "tracked"] = "audio",
    torso: Literal["tracked", "predicted"] = "tracked",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Re-render a part of a prepared subject with its own pose, eyes and sound; its pictures may be gone. The receipt.

    Only an avatar trained with torso=gt needs the pictures, for the torso it does not model. Raises SubjectError."""
    source = Subject.load(subject)
    drive, samples = drive_from_subject(avatar, source, frames, mouth=mouth, torso=torso)
    backgrounds = true_torsos(avatar, source, frames)
    return render_video(avatar, drive, samples, out, progress=progress, backgrounds=backgrounds)


def plate_picture(avatar: Avatar) -> np.ndarray:
    """The background plate [H, W, 3] float32 in [0, 1], whichever kind of talker holds it."""
    channels = (channel.cpu() if hasattr(channel, "cpu") else channel for channel in avatar.talker.plate)
    return np.stack([np.asarray(channel) for channel in channels], -1)


def true_torsos(avatar: Avatar, subject: Subject, frames: str) -> Iterator[np.ndarray] | None:
    """Backgrounds [H, W, 3] uint8 for an avatar without a torso of its own (torso=gt); None for all others."""
    if avatar.talker.config.torso != "gt":
        return None
    start = subject.train_frames if frames == "held-out" else 0
    size = avatar.talker.size
    plate = plate_picture(avatar)
    pairs = zip(subject.read_frames(size=size, start=start), subject.read_labels(size=size, start=start), strict=True)
    return (torso_over(plate, picture, labels) for picture, labels in pairs)
