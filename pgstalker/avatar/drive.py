"""What moves an avatar: sound alone, or a prepared subject.

Driven by sound the head follows the poses of its own training frames forward and back again, turning gently at the
ends, so neither position nor velocity jumps and no pose is left that the model never saw. Blinks are the person's own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pgstalker.audio.gate import voice_gate
from pgstalker.errors import AvatarError, ConfigError
from pgstalker.media import frames_to_cover
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Drive

if TYPE_CHECKING:
    from pgstalker.avatar.format import Avatar
    from pgstalker.subject import Subject

TURN_FRAMES = 25.0
"""How long the head takes to turn back at an end of the track: one second."""

BLINK_PAUSE_S = (2.0, 6.0)
BLINK_REACH = 4
"""Frames on either side of the deepest one that belong to a blink."""
BLINK_THRESHOLD = 0.4
BLINK_SHAPE = np.array([0.0, 0.25, 0.7, 0.95, 1.0, 0.8, 0.5, 0.25, 0.1], np.float32)
"""[2 * BLINK_REACH + 1] for people who did not blink: eyes close faster than they open."""


def drive_from_audio(avatar: Avatar, samples: np.ndarray, *, seed: int = 0) -> Drive:
    """Samples [S] float32, 16 kHz mono -> ceil(25 * seconds) frames of head, eyes, torso and hearing.

    The same seed gives the same motion. Raises AvatarError where there is no sample."""
    if not len(samples):
        raise AvatarError("there is no sound to say (0 samples); give a longer recording")
    frames = frames_to_cover(len(samples), SAMPLE_RATE_HZ)
    rng = np.random.default_rng(seed)
    position = ping_pong(frames, len(avatar.idle), start=rng.uniform(0, 2 * len(avatar.idle)))
    torso = None if avatar.idle.torso is None else _between(avatar.idle.torso, position).astype(np.float32)
    return Drive(
        camera_from_head=poses_between(avatar.idle.camera_from_head, position),
        eyes=blinks(avatar.idle.blink, frames, rng),
        torso=torso,
        audio=avatar.talker.hear(samples, frames),
        gate=voice_gate(samples, frames),
    )


def drive_from_subject(
    avatar: Avatar,
    subject: Subject,
    frames: Literal["held-out", "train", "all"] = "held-out",
    *,
    mouth: Literal["audio", "tracked"] = "audio",
    torso: Literal["tracked", "predicted"] = "tracked",
) -> tuple[Drive, np.ndarray]:
    """A part of a prepared subject as a drive, and the samples [S] float32 (16 kHz mono) of that part.

    Head pose and eyes are the tracked ones; no picture of the subject is read."""
    if mouth == "tracked" and avatar.talker.config.audio_training == "end-to-end":
        raise ConfigError("an avatar trained with audio_training=end-to-end has no mouth code to track; let it hear")
    part = {
        "held-out": slice(subject.train_frames, subject.frames_count),
        "train": slice(0, subject.train_frames),
        "all": slice(0, subject.frames_count),
    }[frames]
    samples, tracks = subject.read_audio(), subject.tracks
    is_own = subject.manifest["source"]["sha256"] == avatar.provenance.get("subject_sha256")
    is_tracked = torso == "tracked" and subject.manifest["torso_tracked"]
    whole = Drive(
        camera_from_head=tracks.camera_from_head,
        eyes=tracks.blink,
        torso=tracks.torso_motion if is_tracked else None,
        # heard as a whole, so that the first frame of the part knows what was said just before it
        audio=avatar.talker.hear(samples, subject.frames_count, own_recording=is_own) if mouth == "audio" else None,
        mouth_code=avatar.talker.mouth_basis.encode(tracks.landmarks_px) if mouth == "tracked" else None,
        # what this mouth does in the pauses of its own recording has been learnt
        gate=None if is_own or mouth == "tracked" else voice_gate(samples, subject.frames_count),
    )
    per_frame = SAMPLE_RATE_HZ // FPS
    return whole[part], samples[part.start * per_frame : part.stop * per_frame]


def held_still(drive: Drive) -> Drive:
    """The same speech and blinks, the head and the shoulders held where they begin."""
    poses = np.repeat(drive.camera_from_head[:1], len(drive), 0)
    torso = None if drive.torso is None else np.repeat(drive.torso[:1], len(drive), 0)
    return replace(drive, camera_from_head=poses, torso=torso)


def ping_pong(frames: int, length: int, start: float = 0.0) -> np.ndarray:
    """Positions [frames] in a track of `length` frames: one step a frame, forward and back, from phase `start`.

    At either end the speed falls from 1 to -1 along a cosine of TURN_FRAMES frames; always within [0, length - 1]."""
    last = length - 1
    turn = min(TURN_FRAMES, last * np.pi / 2)
    if turn == 0:
        return np.zeros(frames)
    overshoot = turn / np.pi
    straight = last - 2 * overshoot
    phase = (start + np.arange(frames)) % (2 * (straight + turn))
    back = phase >= straight + turn
    phase = np.where(back, phase - straight - turn, phase)
    turning = overshoot * np.sin(np.pi * (phase - straight) / turn)
    way = overshoot + np.where(phase < straight, phase, straight + turning)
    return np.clip(np.where(back, last - way, way), 0, last)


def poses_between(poses: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Rigid motions [K, 4, 4] at fractional positions [T]: rotations on the shortest arc, translations linear."""
    from scipy.spatial.transform import Rotation, Slerp

    between = np.tile(np.eye(4), (len(position), 1, 1))
    rotations = Rotation.from_matrix(poses[:, :3, :3])
    turned = (
        rotations[np.zeros(len(position), int)] if len(poses) == 1 else Slerp(range(len(poses)), rotations)(position)
    )
    between[:, :3, :3] = turned.as_matrix()
    between[:, :3, 3] = _between(poses[:, :3, 3], position)
    return between


def blinks(seen: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Eyes [frames] float32 that blink every two to six seconds, as deep and in the shape of the blinks `seen` [K].

    A person who never closed the eyes in training only narrows them as far as was seen: the model knows no more."""
    rest = float(np.median(seen))
    shape, depth = own_blink(seen)
    eyes = np.full(frames, rest, np.float32)
    at = rng.uniform(1.0, BLINK_PAUSE_S[1]) * FPS
    while at < frames:
        first = int(at)
        part = shape[: frames - first]
        eyes[first : first + len(part)] = rest + (depth - rest) * part
        at += rng.uniform(*BLINK_PAUSE_S) * FPS
    return np.clip(eyes, 0, 1)


def own_blink(seen: np.ndarray) -> tuple[np.ndarray, float]:
    """The person's usual blink: shape [2 * BLINK_REACH + 1] from 0 to 1 and depth; where none was seen, an average
    shape as deep as the eyes ever closed."""
    rest = np.median(seen)
    padded = np.pad(seen, BLINK_REACH, constant_values=rest)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * BLINK_REACH + 1)
    is_peak = (seen > max(BLINK_THRESHOLD, rest + 0.2)) & (seen == windows.max(1))
    events = windows[is_peak]
    if not len(events):
        return BLINK_SHAPE, float(seen.max())
    depth = float(np.median(events[:, BLINK_REACH]))
    shape = np.clip((np.median(events, axis=0) - rest) / (depth - rest), 0, 1)
    shape *= np.minimum(1, np.minimum(np.arange(1, len(shape) + 1), np.arange(len(shape), 0, -1)) / 2)  # ends at rest
    return shape.astype(np.float32), depth


def _between(track: np.ndarray, position: np.ndarray) -> np.ndarray:
    """track [K, D] at fractional positions [T], linear: within what the track holds."""
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(track) - 1)
    share = (position - low)[:, None]
    return (1 - share) * track[low] + share * track[high]
