"""Hearing without torch: features of a recording to the mouth code. The torch twin is Talker.code.

A frame's feature does not depend on its neighbours, so it is computed once and attended to by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pgstalker.models.config import TalkerConfig
from pgstalker.models.layout import FEATURE, WIDTH

State = Mapping[str, np.ndarray]
BLOCK = 512
"""Frames worked on at a time, so that a long recording takes little memory."""


def heard_code(config: TalkerConfig, state: State, features: np.ndarray) -> np.ndarray:
    """Mouth code [T, C] float32 heard in features [T, window, channels], the mean of all members."""
    if not len(features):
        return np.zeros((0, config.code_size), np.float32)
    blocks = [_frame_features(config, state, features[at : at + BLOCK]) for at in range(0, len(features), BLOCK)]
    feature = np.concatenate(blocks, 1)
    score = feature @ state["hearing.score.weight"] + state["hearing.score.bias"]
    half = config.attention_frames // 2
    around = np.arange(len(features))[:, None] + np.arange(-half, config.attention_frames - half)
    around = np.clip(around, 0, len(features) - 1)
    attention = score[:, around, 0] + state["hearing.position"]
    attention = np.exp(attention - attention.max(-1, keepdims=True))
    attention /= attention.sum(-1, keepdims=True)
    pooled = np.einsum("mtf,mtfk->mtk", attention, feature[:, around])
    code = (pooled @ state["hearing.code.weight"] + state["hearing.code.bias"]).mean(0)
    if config.audio_training == "end-to-end":
        return np.tanh(code)
    return calibrate(code, state["calibration.heard"], state["calibration.true"])


def calibrate(code: np.ndarray, heard: np.ndarray, true: np.ndarray) -> np.ndarray:
    """[T, C] by the piecewise linear maps heard [C, K] -> true [C, K]; slope 1 beyond the outermost knots."""
    inside = np.clip(code, heard[:, 0], heard[:, -1])
    mapped = [np.interp(column, *knots) for column, *knots in zip(inside.T, heard, true, strict=True)]
    return (np.stack(mapped, 1) + code - inside).astype(np.float32)


def _frame_features(config: TalkerConfig, state: State, features: np.ndarray) -> np.ndarray:
    """[members, T, FEATURE] of features [T, window, channels]: two convolutions of step 2 and a linear layer."""
    members, frames = config.members, len(features)
    x = np.broadcast_to(features, (members, *features.shape))
    for name in ("narrow", "narrower"):
        weight = state[f"hearing.{name}.weight"].reshape(members, WIDTH, -1)
        bias = state[f"hearing.{name}.bias"].reshape(members, 1, WIDTH)
        x = _gelu(_convolve(x, weight, bias))
    x = x.transpose(0, 1, 3, 2).reshape(members, frames, -1)  # a channel's steps side by side
    assert x.shape[2] == WIDTH * -(-features.shape[1] // 4)
    feature = _gelu(x @ state["hearing.feature.weight"] + state["hearing.feature.bias"])
    assert feature.shape == (members, frames, FEATURE)
    return feature


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x [M, T, steps, C], weight [M, out, 3 C] (a channel's taps side by side) -> [M, T, ceil(steps / 2), out]."""
    members, frames, _, channels = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    taps = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=2)[:, :, ::2]
    taps = taps.reshape(members, -1, 3 * channels)
    return (taps @ weight.transpose(0, 2, 1) + bias).reshape(members, frames, -1, weight.shape[1])


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return x * 0.5 * (1 + erf(x * np.float32(np.sqrt(0.5))))
