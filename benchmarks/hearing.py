"""How well does a subject's own sound tell its mouth? Trains the hearing alone, draws nothing; one JSON line.

    python benchmarks/hearing.py SUBJECT [--audio mel] [--seeds 3] [--attention-frames 2] [--epochs 60]

cross_validated: the whole clip, every frame predicted by members that never saw it, calibrated on the other folds.
held_out: trained on the training part, judged on the held-out part, heard three ways: as the training recording is,
as any other recording (whole), and as a stream. r is the aperture's correlation with the tracked one, chance its 95th
percentile over circular shifts; amplitude the ratio of standard deviations; closure_f1 is of aperture below its 20th
percentile on the part that was learnt from, closure_chance what guessing as often gives. Means over seeds;
intervals of 95 % by bootstrap over blocks of a second, less where there are only seconds. silence: aperture as a share
of the outer eye corners' distance.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

import numpy as np
import torch

from pgstalker.audio import create_features, voice_gate
from pgstalker.audio.features import quiet_features
from pgstalker.audio.gate import rested
from pgstalker.audio.streaming import MelStream, stream_whole
from pgstalker.devices import one_torch_thread
from pgstalker.measures import circular_shift_null, pearson
from pgstalker.models.audio_encoder import neighbours
from pgstalker.models.calibration import Calibration
from pgstalker.models.config import TalkerConfig
from pgstalker.models.mouth_code import MouthBasis
from pgstalker.subject import Subject
from pgstalker.training.hearing import Hearing, calibrate, folds, train_hearing
from pgstalker.types import FPS, SAMPLE_RATE_HZ

CLOSED_QUANTILE = 0.2
BLOCK_FRAMES, LEAST_BLOCKS, RESAMPLES = FPS, 8, 1000
Measure = Callable[[np.ndarray, np.ndarray], float]
"""Of predicted and true aperture [T]."""


def amplitude(predicted: np.ndarray, true: np.ndarray) -> float:
    return float(predicted.std() / true.std())


def closure_f1(predicted: np.ndarray, true: np.ndarray, threshold: float) -> float:
    """F1 of frames whose aperture is at most `threshold`; 0 where neither has one."""
    heard, closed = predicted <= threshold, true <= threshold
    return float(2 * (heard & closed).sum() / max(heard.sum() + closed.sum(), 1))


def closure_chance(predicted: np.ndarray, true: np.ndarray, threshold: float) -> float:
    """The F1 of closing as often, at any time."""
    heard, closed = (predicted <= threshold).mean(), (true <= threshold).mean()
    return float(2 * heard * closed / max(heard + closed, 1e-9))


def judge(predictions: list[np.ndarray], true: np.ndarray, threshold: float) -> dict:
    """predictions, one per seed, and true aperture [T] -> means over seeds, with intervals."""
    measures: dict[str, Measure] = {
        "r": pearson,
        "amplitude": amplitude,
        "closure_f1": lambda p, t: closure_f1(p, t, threshold),
    }
    result: dict = {"frames": len(true)}
    for name, measure in measures.items():
        result[name] = round(float(np.mean([measure(p, true) for p in predictions])), 3)
        result[f"{name}_interval"] = interval(measure, predictions, true)
    result["chance_r"] = round(circular_shift_null(predictions[0], true), 3)
    result["closure_chance"] = round(float(np.mean([closure_chance(p, true, threshold) for p in predictions])), 3)
    return result


def interval(measure: Measure, predictions: list[np.ndarray], true: np.ndarray) -> list[float]:
    """95 % interval of the mean over seeds: blocks drawn with replacement, round the end (Politis and Romano 1992)."""
    block = int(np.clip(len(true) // LEAST_BLOCKS, 5, BLOCK_FRAMES))
    starts = np.random.default_rng(0).integers(0, len(true), (RESAMPLES, -(-len(true) // block)))
    values = []
    for row in starts:
        frames = (row[:, None] + np.arange(block)).ravel() % len(true)
        values.append(np.mean([measure(p[frames], true[frames]) for p in predictions]))
    return [round(float(value), 3) for value in np.quantile(values, [0.025, 0.975])]


def cross_validated(hearing: Hearing, codes: np.ndarray) -> np.ndarray:
    """Aperture [T] of members that never saw the frame, calibrated on the folds that it is not in."""
    predicted = np.empty(len(codes))
    for low, high in folds(len(codes)):
        others = np.r_[0:low, high : len(codes)]
        calibration = Calibration(codes.shape[1])
        calibrate(calibration, hearing.unseen_codes[others], codes[others])
        predicted[low:high] = calibration(torch.from_numpy(hearing.unseen_codes[low:high]))[:, 0].numpy()
    return predicted


class Ear:
    """A trained and calibrated hearing: features [T, window, channels] -> codes [T, C]."""

    def __init__(self, hearing: Hearing, codes: np.ndarray, attention_frames: int):
        self.encoder, self.attention_frames = hearing.encoder, attention_frames
        self.calibration = Calibration(codes.shape[1])
        calibrate(self.calibration, hearing.unseen_codes, codes)

    @torch.inference_mode()
    def __call__(self, features: np.ndarray) -> np.ndarray:
        windows = neighbours(torch.from_numpy(features), self.attention_frames)
        return self.calibration(self.encoder(windows).mean(0)).numpy()


def ways_to_hear(features, samples: np.ndarray, frames: int, trained: np.ndarray) -> dict[str, np.ndarray]:
    ways = {
        "own": features.extract(samples, frames, trained),
        "whole": features.extract(samples, frames, features.adapt(samples, trained)),
    }
    if math.isfinite(features.look_ahead_ms):
        ways["stream"] = stream_whole(samples, frames, trained, features=features).features
    return ways


def silence(ear: Ear, features, trained: np.ndarray, basis: MouthBasis, codes: np.ndarray) -> dict:
    """Apertures at rest, in two seconds of silence and of noise at -30 dBFS, as an avatar driven by them has them."""
    mean, deviation = basis.aperture
    rest = ear(quiet_features(features, trained))[0]
    result = {
        "tracked_closed": float(np.quantile(codes[:, 0], 0.05) * deviation + mean),
        "tracked_median": float(np.median(codes[:, 0]) * deviation + mean),
        "rest": float(rest[0] * deviation + mean),
    }
    noise = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ) * 10 ** (-30 / 20)
    for name, sound in {"silent": 0 * noise, "noisy": noise}.items():
        sound = sound.astype(np.float32)
        heard = ear(features.extract(sound, 2 * FPS, features.adapt(sound, trained)))
        gated = rested(heard, rest, voice_gate(sound, 2 * FPS))
        for kind, track in ((f"{name}_ungated", heard), (name, gated)):
            aperture = track[:, 0] * deviation + mean
            result[f"{kind}_mean"], result[f"{kind}_std"] = float(aperture.mean()), float(aperture.std())
    return {name: round(value, 4) for name, value in result.items()}


@one_torch_thread()
def measure(subject: Subject, audio: str, seeds: int, attention_frames: int, epochs: int) -> dict:
    """All figures of one subject; reads no picture."""
    tracks, samples, train = subject.tracks, subject.read_audio(), subject.train_frames
    config = TalkerConfig(subject.size, subject.camera.focal_px, audio=audio, attention_frames=attention_frames)
    features, total = create_features(audio), subject.frames_count
    part = samples[: train * SAMPLE_RATE_HZ // FPS]
    bases = [MouthBasis.fit(tracks.landmarks_px[:n][tracks.valid[:n]], config.code_size) for n in (total, train)]
    all_codes, codes = (basis.encode(tracks.landmarks_px) for basis in bases)
    trained = features.measure(part)
    ways = ways_to_hear(features, samples, total, trained)
    folded: list[np.ndarray] = []
    heard: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    for seed in range(seeds):
        whole = train_hearing(features, samples, all_codes, config, epochs, seed, valid=tracks.valid)
        folded.append(cross_validated(whole, all_codes))
        learnt = train_hearing(features, part, codes[:train], config, epochs, seed, valid=tracks.valid[:train])
        ear = Ear(learnt, codes[:train], attention_frames)
        for way, windows in ways.items():
            heard[way].append(ear(windows)[train:, 0])
    ahead = attention_frames - 1 - attention_frames // 2
    thresholds = [float(np.quantile(c[:, 0], CLOSED_QUANTILE)) for c in (all_codes, codes[:train])]
    return {
        "look_ahead_ms": MelStream(trained, features=features).look_ahead_ms + ahead * 1000 / FPS
        if math.isfinite(features.look_ahead_ms)
        else None,
        "cross_validated": judge(folded, all_codes[:, 0], thresholds[0]),
        "held_out": {way: judge(tracks_, codes[train:, 0], thresholds[1]) for way, tracks_ in heard.items()},
        "silence": silence(ear, features, trained, bases[1], codes[:train]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("subject", type=Path)
    parser.add_argument("--audio", default="mel")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--attention-frames", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    subject, started = Subject.load(arguments.subject), time.monotonic()
    result = {
        "clip": arguments.subject.stem,
        **{k: v for k, v in vars(arguments).items() if k != "subject"},
    }
    result |= measure(subject, arguments.audio, arguments.seeds, arguments.attention_frames, arguments.epochs)
    result |= {"seconds": round(time.monotonic() - started, 1), "machine": platform.machine(), "cpus": os.cpu_count()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
