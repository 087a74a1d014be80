"""SyncNet scored as its authors score it (Chung and Zisserman 2016), with our own decoding, crop and streaming.

The network is the package syncnet-python's; its own pipeline is not used, because it remuxes the video and thereby
shifts it against an AAC sound by one or two frames. On the same crops and sound the numbers here are those of
`SyncNetInstance.evaluate`, which keeps the whole clip in memory.

    lips:  5 frames of a 224 px crop, BGR 0..255, at 25 fps -> [1024]
    sound: 20 MFCC vectors at 100 Hz, 0.2 s at 16 kHz        -> [1024]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.faces import FaceTrack
from pgstalker.landmarks import MESH_POINTS
from pgstalker.types import FPS, SAMPLE_RATE_HZ
from pgstalker.weights import told_apart

FILE = "syncnet_v2.model"
SOURCE = "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model"
PUBLISHED = ("961e8696", "5442")
"""How the published file's sha256 begins and ends; its publisher prints no more."""

SIDE = 224
FRAMES = 5
MFCC_PER_FRAME, MFCC_PER_WINDOW, MFCC_STEP = 4, 20, SAMPLE_RATE_HZ // 100
MFCC_LENGTH = SAMPLE_RATE_HZ // 40
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
PRE_EMPHASIS = 0.97
MOST_SHIFT = 15
MARGIN = 0.4
BORDER = 110
MEDIAN_TAPS = 13
LEAST_FRAMES = MEDIAN_TAPS // 2 + 1
"""Beyond its ends a clip counts as zeros for the running median: of fewer frames these are the majority everywhere."""
CHUNK = 8


@dataclass(frozen=True)
class SyncScore:
    """offset in frames (positive: the sound comes early), confidence, least distance; distances [n, 31] behind them."""

    offset: int
    confidence: float
    distance: float
    distances: np.ndarray


def load_network(path: Path, device: str) -> Any:
    """The network in evaluation mode. Raises WeightsError where the file is not SyncNet's."""
    import torch
    from syncnet_python import SyncNetModel

    network = SyncNetModel()
    with told_apart(path, f"SyncNet's {FILE}", SOURCE):
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).to(device)


def crop_boxes(track: FaceTrack) -> np.ndarray:
    """[T, 3] centre x, centre y and half side of the face in px, held steady as the authors do: gaps are bridged by
    straight lines, then a running median of 13 frames. T is LEAST_FRAMES or more."""
    from scipy.signal import medfilt

    mesh = track.landmarks_px[:, :MESH_POINTS, :2]
    low, high = mesh.min(1), mesh.max(1)
    boxes = np.concatenate([(low + high) / 2, (high - low).max(1, keepdims=True) / 2], 1).astype(np.float64)
    seen = np.flatnonzero(track.is_seen)
    steady = [medfilt(np.interp(np.arange(len(boxes)), seen, values[seen]), MEDIAN_TAPS) for values in boxes.T]
    return np.stack(steady, 1)


def crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] to [224, 224, 3]: half a side above the centre, 1.8 below, 1.4 left and right; grey outside."""
    import torch

    x, y, half = box
    pad = int(half * (1 + 2 * MARGIN))
    top, bottom = int(y + pad - half), int(y + pad + half * (1 + 2 * MARGIN))
    left, right = int(x + pad - half * (1 + MARGIN)), int(x + pad + half * (1 + MARGIN))
    padded = np.pad(frame, ((pad, pad), (pad, pad), (0, 0)), constant_values=BORDER)
    picture = torch.from_numpy(np.ascontiguousarray(padded[max(0, top) : bottom, max(0, left) : right]))
    planes = picture.permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(planes, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return small[0].permute(1, 2, 0).round().to(torch.uint8).numpy()


def window_count(frames: int, samples: int) -> int:
    """How many windows of 5 frames have both picture and sound."""
    return min(frames, samples // SAMPLES_PER_FRAME) - FRAMES


def lip_features(network: Any, frames: Iterator[np.ndarray], windows: int, device: str) -> Any:
    """[windows, 1024] from uint8 [224, 224, 3] RGB crops, CHUNK windows at a time.

    Only the first layer looks at more than one frame, so the 5-frame windows need not be copied out.
    """
    import torch

    found, held = [], []
    done = 0
    for frame in frames:
        if done == windows:
            break
        held.append(frame)
        wanted = min(CHUNK, windows - done)
        if len(held) == wanted + FRAMES - 1:
            stack = torch.from_numpy(np.stack(held)[..., ::-1].copy()).to(device).float()  # BGR
            maps = network.netcnnlip(stack.permute(3, 0, 1, 2)[None])  # [1, 512, wanted, 1, 1]
            found.append(network.netfclip(maps[0, :, :, 0, 0].T).cpu())
            done += wanted
            held = held[wanted:]
    assert done == windows, f"{done} of {windows} windows: the crops end too early"
    return torch.cat(found)


def mfcc(samples: np.ndarray, windows: int) -> np.ndarray:
    """[4 windows + 16, 13] of float32 samples in [-1, 1] at 16 kHz, on the scale of 16-bit integers that the network
    was taught on: its first value is log energy."""
    from python_speech_features import mfcc as block_mfcc

    integers = np.round(np.clip(samples, -1, 1) * 32767).astype(np.float64)
    emphasised = np.append(integers[:1], integers[1:] - PRE_EMPHASIS * integers[:-1])
    vectors = MFCC_PER_FRAME * (windows - 1) + MFCC_PER_WINDOW
    found = []
    for first in range(0, vectors, 6000):
        last = min(vectors, first + 6000) - 1
        block = emphasised[first * MFCC_STEP : last * MFCC_STEP + MFCC_LENGTH]
        found.append(block_mfcc(block, SAMPLE_RATE_HZ, preemph=0)[: last - first + 1])
    return np.concatenate(found)


def sound_features(network: Any, samples: np.ndarray, windows: int, device: str) -> Any:
    """[windows, 1024]."""
    import torch

    vectors = torch.from_numpy(mfcc(samples, windows)).float()
    pieces = vectors.T.unfold(1, MFCC_PER_WINDOW, MFCC_PER_FRAME).permute(1, 0, 2)[:, None]  # [windows, 1, 13, 20]
    found = [network.forward_aud(piece.to(device)).cpu() for piece in pieces.split(64)]
    return torch.cat(found)


def distances(lips: Any, sound: Any) -> np.ndarray:
    """[n, 31]: distance of each window's lips to the sound MOST_SHIFT windows earlier, ..., later.

    Beyond the ends the sound is a zero vector, as in the original."""
    import torch

    padded = torch.nn.functional.pad(sound, (0, 0, MOST_SHIFT, MOST_SHIFT))
    shifts = [
        torch.nn.functional.pairwise_distance(lips, padded[shift : shift + len(lips)])
        for shift in range(2 * MOST_SHIFT + 1)
    ]
    return torch.stack(shifts, 1).numpy()


def summary(table: np.ndarray) -> tuple[int, float, float]:
    """Offset, confidence and least distance of distances [n, 31]."""
    mean = table.mean(0)
    best = int(mean.argmin())
    return MOST_SHIFT - best, float(np.median(mean) - mean[best]), float(mean[best])


def score(network: Any, frames: Iterator[np.ndarray], samples: np.ndarray, windows: int, device: str) -> SyncScore:
    """Score crops [224, 224, 3] uint8 RGB at 25 fps against float32 samples at 16 kHz that begin with them."""
    import torch

    assert windows >= 1, "six frames with sound at least"
    with torch.inference_mode():
        lips = lip_features(network, frames, windows, device)
        table = distances(lips, sound_features(network, samples, windows, device))
    return SyncScore(*summary(table), table)
