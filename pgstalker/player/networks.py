"""What of an avatar's networks does not change from frame to frame, computed once; and their plain numpy form.

A branch's network is: static rows of a Gaussian and the frame's control vector make HIDDEN features f; then
h = relu(W f + b), deformation = S f + O h + c, in cm (position), quaternion units and log scale.

    gated             f = sigmoid(g(x) + control) mixes what is heard with s(x)
    concat, torso     f = relu(s(x) + control)
    region-attention  f = relu(s(x) + control matrix @ attention(x))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pgstalker.models import layout
from pgstalker.models.config import TalkerConfig
from pgstalker.player.numba_network import ADDED, ATTENDED, BAKED, GATED

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Network:
    """static [N, rows] float32; weight [H, H] and bias [H] of the hidden layer; straight and out [outputs, H] and
    shift [outputs] of the deformation. Of a baked branch: static [N, vectors * outputs], the rest empty."""

    kind: int
    static: np.ndarray
    outputs: int
    weight: np.ndarray
    bias: np.ndarray
    straight: np.ndarray
    out: np.ndarray
    shift: np.ndarray
    extra: int = 0

    @property
    def width(self) -> int:
        """HIDDEN features, or the number of stored deformations."""
        return self.static.shape[1] // self.outputs if self.kind == BAKED else len(self.bias)


def deformation(network: Network, control: np.ndarray) -> np.ndarray:
    """[N, outputs] for one frame's control vector: the plain twin of numba_network.move, before the pose."""
    static, width = network.static, network.width
    if network.kind == BAKED:
        return np.tensordot(control, static.reshape(len(static), width, network.outputs), (0, 1))
    if network.kind == GATED:
        gate = 1 / (1 + np.exp(-(static[:, :width] + control[:width])))
        f = static[:, width:] + gate * (control[width:] - static[:, width:])
    elif network.kind == ADDED:
        f = np.maximum(static + control, 0)
    else:
        f = np.maximum(static[:, :width] + static[:, width:] @ control.reshape(network.extra, width), 0)
    hidden = np.maximum(f @ network.weight.T + network.bias, 0)
    return f @ network.straight.T + hidden @ network.out.T + network.shift


def head_network(config: TalkerConfig, state: State, branch: str, reach: np.ndarray) -> Network:
    """The network of "face" or "mouth"; reach [outputs]: what an output of 1 means."""
    name, width = f"{branch}.fusion", layout.HIDDEN
    x = triplane_features(
        state[f"{branch}.triplane.planes"],
        state[f"{branch}.cloud.means"],
        state[f"{branch}.triplane.low"],
        state[f"{branch}.triplane.high"],
    )
    extra = 0
    if config.fusion == "gated":
        kind, static = GATED, [_linear(state, f"{name}.gate_spatial", x), _linear(state, f"{name}.spatial", x)]
    elif config.fusion == "concat":
        kind, static = ADDED, [_linear(state, f"{name}.spatial", x)]
    else:
        kind, weight = ATTENDED, state[f"{name}.fuse.weight"][:, : x.shape[1]]
        audio = _linear(state, f"{name}.attend_audio.2", np.maximum(_linear(state, f"{name}.attend_audio.0", x), 0))
        eyes = _linear(state, f"{name}.attend_eyes.2", np.maximum(_linear(state, f"{name}.attend_eyes.0", x), 0))
        static = [x @ weight.T + state[f"{name}.fuse.bias"], audio, np.maximum(eyes, 0)]
        extra = audio.shape[1] + eyes.shape[1]
    head = f"{branch}.head"
    network = Network(
        kind=kind,
        static=np.concatenate(static, 1).astype(np.float32),
        outputs=len(reach),
        weight=state[f"{head}.hidden.weight"],
        bias=state[f"{head}.hidden.bias"],
        straight=state[f"{head}.straight.weight"] * reach[:, None],
        out=state[f"{head}.out.weight"] * reach[:, None],
        shift=state[f"{head}.out.bias"] * reach,
        extra=extra,
    )
    assert network.width == width
    return network


def head_control(config: TalkerConfig, state: State, branch: str, audio: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Control vectors [T, ...] of "face" or "mouth" for embedded code audio [T, A] and eyes [T, EYES]."""
    name = f"{branch}.fusion"
    both = np.concatenate([audio, eyes], 1)
    if config.fusion == "gated":
        heard = _linear(state, f"{name}.audio", audio) + eyes @ state[f"{name}.eyes.weight"].T
        return np.concatenate([both @ state[f"{name}.gate_control.weight"].T, heard], 1)
    if config.fusion == "concat":
        return both @ state[f"{name}.control.weight"].T
    weight = state[f"{name}.fuse.weight"][:, -both.shape[1] :]
    return (both[:, :, None] * weight.T[None]).reshape(len(both), -1)


def baked_network(state: State, branch: str) -> Network:
    """The baked form of "face" or "mouth": combinations of stored deformations in place of the network."""
    basis = _rounded(state[f"bake.{branch}{layout.BASIS}"].astype(np.float32))
    none = np.zeros((0, 0), np.float32)
    return Network(
        kind=BAKED,
        static=basis.reshape(len(basis), basis.shape[1] * basis.shape[2]),
        outputs=basis.shape[2],
        weight=none,
        bias=none.ravel(),
        straight=none,
        out=none,
        shift=none.ravel(),
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    """The nearest float32 whose lower half is zero: bfloat16, as the kernel keeps it."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def bake_features(state: State, inputs: np.ndarray) -> np.ndarray:
    """What a baked branch's coefficients are linear in: 1, mouth code and eyes [T, C + EYES], ReLU features of them."""
    bent = np.maximum(inputs @ state["bake.weight"].T + state["bake.bias"], 0)
    return np.concatenate([np.ones((len(inputs), 1), np.float32), inputs, bent], 1)


def baked_control(state: State, branch: str, code: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Coefficients [T, vectors] of the stored deformations."""
    return bake_features(state, np.concatenate([code, eyes], 1)) @ state[f"bake.{branch}.coefficients"]


def embed(state: State, code: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Mouth code [T, C] and eyes [T, EYES] to the control vector [T, C + EMBEDDING]."""
    hidden = np.maximum(_linear(state, "embed.net.0", np.concatenate([code, eyes], 1)), 0)
    return np.concatenate([code, np.tanh(_linear(state, "embed.net.2", hidden))], 1)


def torso_network(state: State) -> Network:
    """The torso's residual as a network; only place is static."""
    offset = (state["torso.cloud.means"] - state["torso.centre"]) / 10
    place = np.concatenate([offset, np.sin(3 * offset)], 1)
    weight = state["torso.residual.0.weight"]
    reach = np.float32(layout.TORSO_REACH_CM)
    out = state["torso.residual.4.weight"] * reach
    return Network(
        kind=ADDED,
        static=place @ weight[:, : place.shape[1]].T + state["torso.residual.0.bias"],
        outputs=len(out),
        weight=state["torso.residual.2.weight"],
        bias=state["torso.residual.2.bias"],
        straight=np.zeros_like(out),
        out=out,
        shift=state["torso.residual.4.bias"] * reach,
    )


def torso_control(state: State, pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Control vectors [T, TORSO_HIDDEN] for standardised pose [T, POSE] and motion [T, TORSO_MOTION]."""
    limit = layout.POSE_LIMIT
    standard = np.clip((motion - state["torso.motion_mean"]) / state["torso.motion_scale"], -limit, limit)
    both = np.concatenate([pose, standard], 1)
    return both @ state["torso.residual.0.weight"][:, -both.shape[1] :].T


def torso_affine(state: State, motion: np.ndarray, focal_over_side: float) -> np.ndarray:
    """Matrices [T, 3, 3] that lay resting torso points (camera space) where the tracked motion [T, 4] has them.

    Every point keeps its depth and turns about where the line of sight through the centre meets that depth."""
    dx, dy, stretch, turn = (motion - state["torso.motion_mean"]).T
    along, across = (1 + stretch) * np.cos(turn) - 1, (1 + stretch) * np.sin(turn)
    x, y = state["torso.centre"][:2] / state["torso.centre"][2]
    matrices = np.tile(np.eye(3), (len(motion), 1, 1))
    matrices[:, 0, 0] += along
    matrices[:, 1, 1] += along
    matrices[:, 0, 1] -= across
    matrices[:, 1, 0] += across
    matrices[:, 0, 2] += dx / focal_over_side - along * x + across * y
    matrices[:, 1, 2] += dy / focal_over_side - across * x - along * y
    return matrices


def triplane_features(planes: np.ndarray, means: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Features [N, 3 C] of planes [3, R, R, C] at means [N, 3]; the torch twin is TriPlane.forward."""
    unit = np.clip((means - low) / (high - low) * 2 - 1, -1, 1)
    last = planes.shape[1] - 1
    texel = (unit + 1) * np.float32(0.5 * last)
    lower = np.minimum(texel.astype(int), last - 1)
    share = (texel - lower).astype(np.float32)
    features = []
    for plane, (u, v) in zip(planes, ((0, 1), (1, 2), (0, 2)), strict=True):
        column, row, right, below = lower[:, u], lower[:, v], share[:, u, None], share[:, v, None]
        above = (1 - right) * plane[row, column] + right * plane[row, column + 1]
        beneath = (1 - right) * plane[row + 1, column] + right * plane[row + 1, column + 1]
        features.append((1 - below) * above + below * beneath)
    return np.concatenate(features, 1)


def _linear(state: State, name: str, x: np.ndarray) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]
