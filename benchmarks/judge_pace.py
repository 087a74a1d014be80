"""How long the judge takes: some frames of a clip beside themselves through H.264, with every metric; one JSON line.

    python benchmarks/judge_pace.py [CLIP] [--frames 250] [--size 512]

LPIPS and SyncNet run too, on random weights in the files' real format: their values mean nothing, their time is that of
the published ones. LPIPS and FLIP look at every fifth frame, as by default.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

from leaderboard.places import ROOT
from leaderboard.protocol import Protocol
from leaderboard.scoring import ScoreRequest, score
from leaderboard.source import commit
from leaderboard.syncnet import FILE
from pgstalker.media import VideoWriter, read_audio, read_frames
from pgstalker.performance import processor
from pgstalker.training.perceptual import BACKBONE
from pgstalker.types import FPS, SAMPLE_RATE_HZ

CLIP = ROOT / "sample_data" / "presenters" / "mira" / "clip.mp4"


def random_weights(folder: Path) -> Path:
    """Of AlexNet and SyncNet, as their files hold them."""
    import torch
    from syncnet_python import SyncNetModel

    from pgstalker.torch_compat import load_torchvision

    torch.manual_seed(0)
    torch.save(load_torchvision().models.AlexNet().state_dict(), folder / BACKBONE)
    torch.save(SyncNetModel().state_dict(), folder / FILE)
    return folder


def measure(clip: Path, frames: int, size: int) -> dict:
    """seconds of one scoring, how many cells it filled, and which it left blank."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        samples = read_audio(clip)[: frames * SAMPLE_RATE_HZ // FPS]
        sound = (samples, SAMPLE_RATE_HZ)
        with (
            VideoWriter(folder / "truth.mkv", size, size, audio=sound, codec="ffv1") as truth,
            VideoWriter(folder / "mine.mp4", size, size, audio=sound, crf=30) as mine,
        ):
            for frame in islice(read_frames(clip, size=(size, size)), frames):
                truth.write(frame)
                mine.write(frame)
        request = ScoreRequest(
            folder / "mine.mp4",
            folder / "truth.mkv",
            protocol=Protocol("self", "full_frame"),
            weights=random_weights(folder),
            device="cpu",
        )
        record = score(request, folder / "scores.json")
    blank = sorted(key for key, cell in record["metrics"].items() if cell["status"] != "ok")
    return {
        "frames": record["counts"]["n_used"],
        "size": size,
        "seconds": record["seconds"],
        "cells": len(record["metrics"]) - len(blank),
        "blank": blank,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip", type=Path, nargs="?", default=CLIP)
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--size", type=int, default=512)
    arguments = parser.parse_args()
    told = {"benchmark": "judge_pace", "date": datetime.date.today().isoformat(), "commit": commit(ROOT)}
    told |= {"cpu": processor(), "cores": os.cpu_count()}
    print(json.dumps(told | measure(arguments.clip, arguments.frames, arguments.size)))


if __name__ == "__main__":
    main()
