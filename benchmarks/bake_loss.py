"""What baking costs: the held-out part of an avatar's own clip, played by the networks and by the bake; one JSON line.

    python benchmarks/bake_loss.py AVATAR SUBJECT [--vectors 32]

The truth is the subject's own pictures. db_lost is how much further from them the baked frames are; lip_error_change
how much larger (or smaller) the mean error of the lip aperture is, seen by the landmarker on rendered and true frames.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

import numpy as np

from benchmarks.fidelity import apertures
from pgstalker.avatar import Avatar, drive_from_subject, true_torsos
from pgstalker.avatar.bake import VECTORS, bake
from pgstalker.measures import psnr
from pgstalker.subject import Subject

REPEATS = 60


def played(avatar: Avatar, subject: Subject, drive) -> np.ndarray:
    return np.stack(list(avatar.talker.render(drive, backgrounds=true_torsos(avatar, subject, "held-out"))))


def milliseconds(avatar: Avatar, drive) -> float:
    """Median time in which the head of a frame is moved, in turns of all its frames."""
    player = avatar.talker
    inputs, times = list(player.inputs(player.controls(drive))), []
    for k in range(REPEATS):
        before = time.perf_counter()
        player.stage.move(*inputs[k % len(inputs)])
        times.append(time.perf_counter() - before)
    return round(statistics.median(times) * 1e3, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("avatar", type=Path)
    parser.add_argument("subject", type=Path)
    parser.add_argument("--vectors", type=int, default=VECTORS)
    arguments = parser.parse_args()
    avatar, subject = Avatar.load(arguments.avatar), Subject.load(arguments.subject)
    size = avatar.talker.size
    drive, _ = drive_from_subject(avatar, subject, "held-out")
    truth = np.stack(list(subject.read_frames(size=size, start=subject.train_frames)))
    lips = apertures(truth)
    result = {"benchmark": "bake_loss", "frames": len(truth), "size": size, "vectors": arguments.vectors}
    result["gaussians"] = sum(avatar.talker.config.counts.values())
    frames = {"networks": played(avatar, subject, drive)}
    move_ms = {"networks": milliseconds(avatar, drive)}
    started = time.monotonic()
    result["lost"] = bake(avatar, subject, arguments.vectors)
    result["bake_seconds"] = round(time.monotonic() - started, 1)
    frames["baked"] = played(avatar, subject, drive)
    move_ms["baked"] = milliseconds(avatar, drive)
    db = {kind: float(psnr(images, truth).mean()) for kind, images in frames.items()}
    lip_error = {kind: float(np.nanmean(np.abs(apertures(images) - lips))) for kind, images in frames.items()}
    result |= {
        "db": {kind: round(value, 3) for kind, value in db.items()},
        "db_lost": round(db["networks"] - db["baked"], 3),
        "db_between": round(float(psnr(frames["networks"], frames["baked"]).mean()), 2),
        "lip_error": {kind: round(value, 5) for kind, value in lip_error.items()},
        "lip_error_change": round(lip_error["baked"] / lip_error["networks"] - 1, 4),
        "move_ms": move_ms,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
