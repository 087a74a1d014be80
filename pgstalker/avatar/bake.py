"""Baking: the head's learned deformation as a combination of a few stored ones.

    mouth codes and eyes of a training drive ─► networks ─► deformations [S, N, 10] ─► SVD ─► basis [vectors, N, 10]
    mouth code, eyes ─► ReLU features ─► ridge regression ─► coefficients [vectors]

A frame then takes a fraction of the arithmetic, and no network at all: what a browser can do. The full networks stay
in the avatar. What it costs is measured by benchmarks/bake_loss.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pgstalker.errors import ConfigError
from pgstalker.models import layout

if TYPE_CHECKING:
    from pgstalker.avatar.format import Avatar
    from pgstalker.player import Player
    from pgstalker.player.networks import Network
    from pgstalker.subject import Subject

VECTORS = 32
SNAPSHOTS, SAMPLES = 256, 4000
"""Whole deformations that the basis is made of; mouths that the coefficients are learnt from."""
WITNESSES = 1500
"""Gaussians from whose deformation a mouth's coefficients are read."""
RIDGE = 1e-3
JITTER = 0.15
"""Standard deviations of the mouth code: no drive comes back exactly."""


def bake(avatar: Avatar, subject: Subject | None = None, vectors: int = VECTORS, seed: int = 0) -> dict[str, Any]:
    """Bake the avatar in place (avatar.talker must be a Player); `vectors` deformations beside their mean.

    The training drive is the subject's; without one, mouths are drawn from what the avatar's calibration has seen.
    Returns per branch the share of motion that is lost. Raises ConfigError."""
    from pgstalker.player import Player
    from pgstalker.player.networks import bake_features

    if not isinstance(avatar.talker, Player):
        raise ConfigError("baking runs on the CPU; load the avatar with device cpu")
    if not 1 <= vectors < layout.BAKED_MOST:
        raise ConfigError(f"vectors {vectors} is not possible; give a number from 1 to {layout.BAKED_MOST - 1}")
    old = avatar.talker
    player = Player(replace(old.config, baked=0), {k: v for k, v in old.state_dict().items() if k[:5] != "bake."})
    rng = np.random.default_rng(seed)
    code, eyes = _mouths(avatar, subject, rng)
    state = player.state_dict()
    inputs = np.concatenate([code, eyes], 1)
    weight = rng.normal(size=(layout.BAKE_FEATURES, inputs.shape[1])) / (inputs.std(0) + 1e-3)
    weight /= np.sqrt(inputs.shape[1])
    bias = -(weight * inputs[rng.integers(len(inputs), size=len(weight))]).sum(1)  # each bends at a mouth that occurs
    state |= {"bake.weight": weight.astype(np.float32), "bake.bias": bias.astype(np.float32)}
    lost = {}
    for index, name in enumerate(("face", "mouth")):
        branch, controls = player.stage.branches[index], player.head_controls(code, eyes)[index]
        metric = _metric(player, name)
        basis, lost[f"{name}_basis"] = _basis(branch.network, controls[:SNAPSHOTS], metric, vectors)
        coefficients = _coefficients(branch.network, controls, basis, metric, rng)
        table, lost[f"{name}_regression"] = _regression(bake_features(state, inputs), coefficients)
        state[f"bake.{name}{layout.BASIS}"] = np.ascontiguousarray(basis.transpose(1, 0, 2), np.float16)
        state[f"bake.{name}.coefficients"] = table
    avatar.talker = Player(replace(player.config, baked=vectors + 1), state)
    return {name: round(float(share), 5) for name, share in lost.items()}


def _mouths(avatar: Avatar, subject: Subject | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mouth codes [SAMPLES, C] and eyes [SAMPLES, EYES] as they occur, in random order."""
    player: Any = avatar.talker
    size = player.config.code_size
    if subject is not None:
        part = slice(0, subject.train_frames)
        seen = [player.code(player.hear(subject.read_audio(), subject.frames_count, own_recording=True))[part]]
        if player.config.audio_training == "two-stage":
            seen.append(player.mouth_basis.encode(subject.tracks.landmarks_px[part]))
        pool = np.concatenate(seen)
        code = pool[rng.integers(len(pool), size=SAMPLES)] + JITTER * pool.std(0) * rng.normal(size=(SAMPLES, size))
    elif player.config.audio_training == "end-to-end":
        raise ConfigError(
            "an avatar trained with audio_training=end-to-end is baked with --subject, its training video"
        )
    else:
        knots = player.state_dict()["calibration.true"]
        level = rng.uniform(0, knots.shape[1] - 1, (SAMPLES, size))
        code = np.stack([np.interp(level[:, k], np.arange(knots.shape[1]), knots[k]) for k in range(size)], 1)
    blink = avatar.idle.blink
    eyes = np.clip(blink[rng.integers(len(blink), size=SAMPLES)] + 0.02 * rng.normal(size=SAMPLES), 0, 1)
    closing = rng.random(SAMPLES) < 0.2  # blinks are few, and seen
    eyes[closing] = rng.uniform(blink.min(), blink.max(), closing.sum())
    return code.astype(np.float32), eyes.astype(np.float32)[:, None]


def _metric(player: Player, branch: str) -> np.ndarray:
    """[N, outputs]: how far in cm what shows of a Gaussian moves for a deformation of 1."""
    cloud = player.cloud(branch)
    size = cloud["scales"].max(1, keepdims=True)
    shows = np.sqrt(cloud["opacities"])[:, None]
    position = np.ones((len(size), 3))
    if branch == "mouth":
        return (position * shows).astype(np.float32)
    turn = 2 * size / np.linalg.norm(cloud["quats"], axis=1, keepdims=True)
    return (np.concatenate([position, np.repeat(turn, 4, 1), cloud["scales"]], 1) * shows).astype(np.float32)


def _deformations(network: Network, controls: np.ndarray) -> np.ndarray:
    """[S, N, outputs] for control vectors [S, ...]."""
    from pgstalker.player.networks import deformation

    return np.stack([deformation(network, control) for control in controls]).astype(np.float32)


def _basis(network: Network, controls: np.ndarray, metric: np.ndarray, vectors: int) -> tuple[np.ndarray, float]:
    """[1 + vectors, N, outputs]: the mean deformation, then the principal ones under the metric; and the share of
    squared motion that they leave out."""
    seen = _deformations(network, controls)
    mean = seen.mean(0)
    seen -= mean
    weighted = (seen * metric).reshape(len(seen), -1)
    values, left = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
    left = left[:, ::-1][:, :vectors].astype(np.float32)
    basis = np.tensordot(left, seen, (0, 0)) * np.sqrt(np.float32(len(seen)))  # coefficients of about 1
    lost = 1 - values[::-1][:vectors].sum() / max(values.sum(), 1e-20)
    return np.concatenate([mean[None], basis]), lost


def _coefficients(
    network: Network, controls: np.ndarray, basis: np.ndarray, metric: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """[S, vectors] that bring the basis closest to the true deformation of some Gaussians, those that move most."""
    count = basis.shape[1]
    if not count:
        return np.zeros((len(controls), len(basis) - 1), np.float32)
    energy = np.square(basis[1:] * metric).sum((0, 2)) + 1e-12
    chosen = rng.choice(count, min(WITNESSES, count), replace=False, p=energy / energy.sum())
    some = replace(network, static=network.static[chosen])
    weight = metric[chosen]
    truth = ((_deformations(some, controls) - basis[0, chosen]) * weight).reshape(len(controls), -1)
    directions = (basis[1:, chosen] * weight).reshape(len(basis) - 1, -1)
    gram = directions @ directions.T
    gram += np.eye(len(gram), dtype=np.float32) * (1e-6 * np.trace(gram) / len(gram) + 1e-12)
    return np.linalg.solve(gram, directions @ truth.T).T


def _regression(features: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, float]:
    """Table [features, 1 + vectors] from bake_features to coefficients; and the share of their squares that it misses
    on a tenth left out."""
    features = features.astype(np.float64)

    def fit(rows: slice) -> np.ndarray:
        x = features[rows]
        penalty = RIDGE * np.diag(np.r_[0, np.square(x[:, 1:]).mean(0)]) * np.sqrt(len(x))
        return np.linalg.solve(x.T @ x + penalty + 1e-9 * np.eye(x.shape[1]), x.T @ coefficients[rows])

    kept = len(features) * 9 // 10
    missed = coefficients[kept:] - features[kept:] @ fit(slice(0, kept))
    share = np.square(missed).sum() / max(np.square(coefficients[kept:]).sum(), 1e-20)
    table = np.zeros((features.shape[1], coefficients.shape[1] + 1), np.float32)
    table[0, 0] = 1  # the mean
    table[:, 1:] = fit(slice(None))
    return table, float(share)
