"""What others need to be judged as the board's methods are: a clip's held-out part, its sound and its poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.inputs import open_sides, survey
from leaderboard.running.stages import Report, subject_of
from leaderboard.running.tasks import Places, Task
from leaderboard.running.truths import Truth, write_sound
from pgstalker.errors import ConfigError
from pgstalker.files import replacing
from pgstalker.subject import Subject

TRUTH, SOUND, POSES = "truth.mkv", "sound.wav", "poses.npz"


@dataclass(frozen=True)
class Handout:
    """clip: dataset/clip; frames: first and one past the last held-out frame; frame_md5: of truth.mkv, as records have
    it."""

    clip: str
    frames: tuple[int, int]
    frame_md5: str


def hand_out(dataset: str, clip: str, side: int, out: Path, places: Places, report: Report) -> Handout:
    """Prepare a clip as the runner does and write its truth at `side` px, the sound of the held-out part, and poses.

    Raises ConfigError for an unknown clip or where something lies there already, MediaError for one not at hand."""
    task = Task("truth", dataset, clip, size=side)
    task.find_clip().require()
    for name in (TRUTH, SOUND, POSES):
        if (out / name).exists():
            raise ConfigError(f"{out / name} exists already; remove it or give another folder")
    subject, _ = subject_of(task, places, report)
    truth = Truth(task.find_clip(), subject, side)
    write_sound(out / SOUND, truth.samples())
    _write_poses(out / POSES, subject, side)
    own, _ = open_sides(truth.write(out / TRUTH), None, resample=False)
    place = f"{task.dataset_id}/{clip}"
    return Handout(place, (truth.first, subject.frames_count), survey(own, None).frame_md5)


def _write_poses(path: Path, subject: Subject, side: int) -> None:
    """Of all T frames at 25 a second: camera_from_head [T, 4, 4] float64 in cm, OpenCV axes; eyes [T] float32, 0 open
    to 1 closed; K [3, 3] px at `side`; crop [x, y, side] px of the clip and its start_frame; train_frames, from which
    on frames are held out."""
    crop = subject.manifest.get("crop") or {}
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            camera_from_head=subject.tracks.camera_from_head,
            eyes=subject.tracks.blink,
            K=subject.camera.scaled(side).matrix(),
            crop=np.array([crop.get(name, 0) for name in ("x", "y", "side")]),
            start_frame=crop.get("start_frame", 0),
            train_frames=subject.train_frames,
        )
