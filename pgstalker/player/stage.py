"""Networks and resting Gaussians laid out for the kernel numba_network.move, and the Gaussians that it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pgstalker.player import numba_network as kernel
from pgstalker.player.networks import Network
from pgstalker.rendering.numba_runtime import aligned_empty, share

LANES, TILE, POSE = kernel.LANES, kernel.TILE, kernel.POSE


class Scene(NamedTuple):
    """Gaussians of all branches in camera space: means [N, 3] cm, quats [N, 4] of any norm, scales [N, 3] cm."""

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True)
class Branch:
    """means [N, 3] cm, quats [N, 4], scales [N, 3] cm at rest, in the head frame or (torso) in camera space."""

    network: Network
    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    is_head: bool


class Stage:
    """All branches of one avatar, resident; scene is where move() puts them."""

    def __init__(self, branches: list[Branch]):
        table = np.zeros((len(branches), kernel.FIELDS), np.int64)
        rest: list[np.ndarray] = []
        static: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        basis: list[np.ndarray] = []
        first = block = control = 0
        for row, branch in zip(table, branches, strict=True):
            network, count = branch.network, len(branch.means)
            outputs = -(-network.outputs // TILE) * TILE
            rows = _static_rows(network, outputs)
            row[kernel.KIND], row[kernel.WIDTH], row[kernel.OUTPUTS] = network.kind, network.width, outputs
            row[kernel.EXTRA], row[kernel.COUNT], row[kernel.FIRST] = network.extra, count, first
            row[kernel.FIRST_BLOCK], row[kernel.IS_HEAD] = block, branch.is_head
            place = basis if network.kind == kernel.BAKED else static
            row[kernel.STATIC_AT], row[kernel.STATIC_ROWS] = sum(part.size for part in place), rows.shape[1]
            row[kernel.WEIGHTS_AT], row[kernel.CONTROL_AT] = sum(part.size for part in weights), control
            rest.append(_in_blocks(np.concatenate([branch.means, branch.quats, branch.scales], 1)))
            place.append(_in_blocks(rows))
            weights.append(_flat_weights(network, outputs))
            first, block = first + count, block - (-count // LANES)
            control += POSE + _control_size(network)
        self.branches, self.blocks = branches, block
        self._table = table
        halves = (_joined(basis).view(np.uint32) >> 16).astype(np.uint16)  # networks.baked_network has rounded it
        self._avatar = _joined(rest), _joined(static), _joined(weights), halves
        self._control = aligned_empty((control,))
        self.scene = Scene(*(aligned_empty((first, columns)) for columns in (3, 4, 3)))

    def move(self, poses: list[np.ndarray], controls: list[np.ndarray]) -> Scene:
        """One frame, in arrays that the next one overwrites.

        Per branch, pose [16]: rotation by rows, translation, the rotation's quaternion; control: the network's."""
        np.concatenate([part for pair in zip(poses, controls, strict=True) for part in pair], out=self._control)
        for row, control in zip(self._table, controls, strict=True):
            if row[kernel.KIND] == kernel.GATED:  # the kernel's sigmoid is 1 / (1 + 2^x)
                gate = slice(row[kernel.CONTROL_AT] + POSE, row[kernel.CONTROL_AT] + POSE + len(control) // 2)
                self._control[gate] *= -kernel.LOG2_E
        share(kernel.move, self.blocks, self._table, self._avatar, self._control, tuple(self.scene))
        return self.scene


def _static_rows(network: Network, outputs: int) -> np.ndarray:
    if network.kind == kernel.GATED:
        return np.concatenate(
            [network.static[:, : network.width] * -kernel.LOG2_E, network.static[:, network.width :]], 1
        )
    if network.kind == kernel.BAKED:
        vectors = network.static.reshape(len(network.static), network.width, network.outputs)
        padded = np.pad(vectors, ((0, 0), (0, 0), (0, outputs - network.outputs)))
        return padded.reshape(len(vectors), network.width * outputs)
    return network.static


def _control_size(network: Network) -> int:
    factor = {kernel.GATED: 2, kernel.ATTENDED: network.extra}
    return network.width * factor.get(network.kind, 1)


def _flat_weights(network: Network, outputs: int) -> np.ndarray:
    if network.kind == kernel.BAKED:
        return np.zeros(0, np.float32)
    head = np.zeros((2 * network.width + 1, outputs), np.float32)
    head[: network.width, : network.outputs] = network.straight.T
    head[network.width : -1, : network.outputs] = network.out.T
    head[-1, : network.outputs] = network.shift
    assert network.width % 8 == 0 and network.width * LANES <= kernel.MOST
    return np.concatenate([network.weight.T.ravel(), network.bias, head.ravel()])


def _in_blocks(rows: np.ndarray) -> np.ndarray:
    """[N, R] -> [ceil(N / 16), R, 16]: every row of a block is one vector; what is missing at the end is zero."""
    blocks = -(-len(rows) // LANES)
    padded = np.zeros((blocks * LANES, rows.shape[1]), np.float32)
    padded[: len(rows)] = rows
    return np.ascontiguousarray(padded.reshape(blocks, LANES, rows.shape[1]).transpose(0, 2, 1))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    flat = aligned_empty((sum(part.size for part in parts),))
    if parts:
        np.concatenate([part.ravel() for part in parts], out=flat)
    return flat
