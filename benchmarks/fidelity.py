"""How close is an avatar to its own clip's last part? Prepare, train, render, compare; one JSON line.

    python benchmarks/fidelity.py CLIP [--preset quick] [--size 256] [--set fusion=concat ...] [--work FOLDER]

The truth is the clip itself (its last frames, cropped as the subject was and resized by area), not the subject's
copy; no test frame is dropped or shifted. Four drives are compared, all with the test part's own head pose and eyes:
heard audio or the tracked mouth, tracked torso motion or the one predicted from head pose; with --other-audio a fifth,
whose lips should match by chance alone. A sheet of the ten worst
frames beside their truth is written into the work folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
import resource
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

import numpy as np

from leaderboard.places import ROOT
from leaderboard.source import commit
from pgstalker.audio import voice_gate
from pgstalker.avatar import Avatar, drive_from_subject, true_torsos
from pgstalker.landmarks import EYE_CORNERS
from pgstalker.measures import circular_shift_null, lip_aperture, pearson, psnr
from pgstalker.media import probe, read_audio, read_frames
from pgstalker.subject import Subject, sha256_of
from pgstalker.training.data import mouth_boxes
from pgstalker.types import Label

REGIONS = {
    Label.BACKGROUND: "plate",
    Label.TORSO: "torso",
    Label.FACE: "face",
    Label.HAIR: "hair",
    Label.LIPS: "lips",
    Label.MOUTH: "lips",
    Label.EYES: "face",
}
HEAD_UP, HEAD_DOWN, HEAD_SIDE = 0.35, 0.05, 0.20
WORST = 10


def whole_clip(clip: Path, subject: Subject, size: int) -> np.ndarray:
    """The clip's own frames [T, size, size, 3] uint8 on the subject's clock and crop."""
    crop, fps, frames = (subject.manifest[name] for name in ("crop", "fps", "frames"))
    box = (crop["x"], crop["y"], crop["side"], crop["side"])
    start = crop.get("start_frame", 0)
    return np.stack(list(read_frames(clip, size=(size, size), fps=fps, crop=box, start=start, count=frames)))


def head_boxes(landmarks: np.ndarray, side: int) -> np.ndarray:
    """[T, 4] int: top, bottom, left, right of the landmarks' box, grown by HEAD_UP of its height upward, and so on."""
    low, high = landmarks[..., :2].min(1), landmarks[..., :2].max(1)
    grow = high - low
    top, bottom = low[:, 1] - HEAD_UP * grow[:, 1], high[:, 1] + HEAD_DOWN * grow[:, 1]
    left, right = low[:, 0] - HEAD_SIDE * grow[:, 0], high[:, 0] + HEAD_SIDE * grow[:, 0]
    return np.clip(np.stack([top, bottom, left, right], 1), 0, side).astype(int)


def box_psnr(images: np.ndarray, truths: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """PSNR per frame [T] inside each frame's box."""
    return np.array([psnr(i[a:b, c:d], t[a:b, c:d]) for i, t, (a, b, c, d) in zip(images, truths, boxes, strict=True)])


def apertures(images: np.ndarray) -> np.ndarray:
    """Lip aperture [T] seen by the landmarker on each picture by itself, enlarged to 512 px; NaN where no face is."""
    from PIL import Image

    from pgstalker.tracking.landmarks import FaceLandmarker

    values = np.full(len(images), np.nan)
    with FaceLandmarker(is_video=False) as landmarker:
        for frame, image in enumerate(images):
            large = Image.fromarray(image).resize((512, 512), Image.Resampling.BICUBIC)
            faces = landmarker.track(np.asarray(large))
            if faces:
                values[frame] = lip_aperture(faces[0][None])[0]
    return values


def floors(truths: np.ndarray, train: int, heads: np.ndarray) -> dict:
    """The train mean, and the best training frame picked knowing the answer (the oracle)."""
    pictures, tests = truths[:train], truths[train:]
    mean = pictures.mean(0, dtype=np.float64)
    oracle, oracle_head = [], []
    for test, (a, b, c, d) in zip(tests, heads, strict=True):
        wholes, boxes = [], []
        for picture in pictures:  # one at a time: all at once would take gigabytes
            squares = np.square(np.subtract(picture, test, dtype=np.float32))
            wholes.append(squares.mean())
            boxes.append(squares[a:b, c:d].mean())
        oracle.append(min(wholes))
        oracle_head.append(min(boxes))
    return {
        "mean_frame_db": _db(np.square(tests - mean).mean((1, 2, 3))),
        "oracle_db": _db(np.array(oracle)),
        "oracle_head_db": _db(np.array(oracle_head)),
    }


def _db(mean_squares: np.ndarray) -> float:
    return round(float(np.mean(-10 * np.log10(mean_squares / 255**2))), 2)


def error_shares(images: np.ndarray, truths: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Share of all squared error that lies in each region."""
    squares = ((images.astype(np.float32) - truths) ** 2).sum(-1)
    total = squares.sum()
    shares: dict[str, float] = {}
    for label, name in REGIONS.items():
        shares[name] = shares.get(name, 0.0) + float(squares[labels == label].sum() / total)
    return {name: round(share, 3) for name, share in shares.items()}


@dataclass(frozen=True)
class Truth:
    """The test part: pictures [T, H, W, 3] uint8, labels [T, H, W], head and mouth boxes [T, 4], lip aperture [T]."""

    pictures: np.ndarray
    labels: np.ndarray
    heads: np.ndarray
    mouths: np.ndarray
    aperture: np.ndarray

    @classmethod
    def of(cls, pictures: np.ndarray, subject: Subject, size: int) -> Truth:
        start = subject.train_frames
        landmarks = subject.tracks.landmarks_px[start:] * (size / subject.camera.width)
        eyes = landmarks[:, EYE_CORNERS, :2]
        unit = float(np.median(np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)))
        labels = np.stack(list(subject.read_labels(size=size, start=start)))
        boxes = head_boxes(landmarks, size), mouth_boxes(landmarks, unit, size)
        return cls(pictures[start:], labels, *boxes, apertures(pictures[start:]))

    def judge(self, images: np.ndarray) -> dict:
        """All figures of the pictures that one drive gave."""
        seen = apertures(images)
        both = np.isfinite(seen) & np.isfinite(self.aperture)
        result = {
            "whole_db": round(float(psnr(images, self.pictures).mean()), 2),
            "head_db": round(float(box_psnr(images, self.pictures, self.heads).mean()), 2),
            "mouth_db": round(float(box_psnr(images, self.pictures, self.mouths).mean()), 2),
            "faces_lost": int((~both).sum()),
            "error_shares": error_shares(images, self.pictures, self.labels),
        }
        if both.sum() > 10:
            ours, real = seen[both], self.aperture[both]
            result["aperture_r"] = round(float(pearson(ours, real)), 3)
            result["aperture_r_null95"] = round(float(circular_shift_null(ours, real)), 3)
            result["aperture_amplitude"] = round(float(ours.std() / real.std()), 3)
        return result


def worst_frames(images: np.ndarray, truths: np.ndarray, path: Path) -> None:
    """A sheet: truth, rendered, four times the difference, for the ten worst frames."""
    from PIL import Image

    order = np.argsort([psnr(i, t) for i, t in zip(images, truths, strict=True)])[:WORST]
    rows = []
    for frame in np.sort(order):
        difference = np.clip(np.abs(images[frame].astype(int) - truths[frame]) * 4, 0, 255).astype(np.uint8)
        rows.append(np.concatenate([truths[frame], images[frame], difference], 1))
    rows += [np.zeros_like(rows[0])] * (len(rows) % 2)
    pairs = [np.concatenate(rows[i : i + 2], 1) for i in range(0, len(rows), 2)]
    Image.fromarray(np.concatenate(pairs)).save(path)


def measure(avatar: Avatar, subject: Subject, clip: Path, folder: Path, other_audio: Path | None = None) -> dict:
    """Render the test part under every drive and compare it with the clip."""
    size = avatar.talker.size
    pictures = whole_clip(clip, subject, size)
    truth = Truth.of(pictures, subject, size)
    result = {"test_frames": len(truth.pictures), **floors(pictures, subject.train_frames, truth.heads)}
    drives = {
        f"{mouth}_mouth_{torso}_torso": drive_from_subject(avatar, subject, "held-out", mouth=mouth, torso=torso)[0]
        for mouth in (("audio",) if avatar.talker.config.audio_training == "end-to-end" else ("audio", "tracked"))
        for torso in ("tracked", "predicted")
    }
    own = drives["audio_mouth_tracked_torso"]
    if other_audio is not None:
        other = read_audio(other_audio)
        heard, gate = avatar.talker.hear(other, len(own)), voice_gate(other, len(own))
        drives["other_audio"] = replace(own, audio=heard, gate=gate)
    for name, drive in drives.items():
        started = time.monotonic()
        images = np.stack(list(avatar.talker.render(drive, backgrounds=true_torsos(avatar, subject, "held-out"))))
        seconds = time.monotonic() - started
        result[name] = truth.judge(images) | {"render_fps": round(len(images) / seconds, 1)}
        if drive is own:
            worst_frames(images, truth.pictures, folder / "worst.png")
    return result


def is_of(subject_folder: Path, clip: Path) -> bool:
    """Whether the work folder holds a subject of this very clip."""
    if not (subject_folder / "subject.json").exists():
        return False
    return Subject.load(subject_folder).manifest["source"]["sha256"] == sha256_of(clip)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", nargs="*", default=[], metavar="SWITCH=VALUE")
    parser.add_argument(
        "--other-audio", type=Path, help="another clip's sound at the same poses: lips should not match"
    )
    parser.add_argument("--work", type=Path, default=Path("work/fidelity"))
    arguments = parser.parse_args()

    from pgstalker.tracking import prepare
    from pgstalker.training import TrainingRequest, train

    folder = arguments.work / arguments.clip.stem
    subject_folder = folder / "subject"
    result = {"clip": arguments.clip.name, "preset": arguments.preset, "set": arguments.set}
    if not is_of(subject_folder, arguments.clip):
        started = time.monotonic()
        prepare(arguments.clip, subject_folder)
        result["prepare_seconds"] = round(time.monotonic() - started, 1)
    started = time.monotonic()
    request = TrainingRequest(
        preset=arguments.preset,
        size=arguments.size,
        steps=arguments.steps,
        device=arguments.device,
        switches=dict(pair.split("=", 1) for pair in arguments.set),
        seed=arguments.seed,
    )
    avatar = train(subject_folder, folder / "avatar", request)
    result["train_seconds"] = round(time.monotonic() - started, 1)
    result |= {name: avatar.provenance[name] for name in ("size", "steps", "gaussians", "device", "cpus", "threads")}
    result |= measure(avatar, Subject.load(subject_folder), arguments.clip, folder, arguments.other_audio)
    result |= {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "commit": commit(ROOT)}
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if probe(arguments.clip).video.fps != Subject.load(subject_folder).manifest["fps"]:
        result["note"] = "the clip's frame rate was changed to 25"
    print(json.dumps(result))


if __name__ == "__main__":
    main()
