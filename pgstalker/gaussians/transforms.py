"""Rotations as quaternions (w, x, y, z) and as matrices, differentiable, and whence a head is seen. Leading dimensions
are free."""

from __future__ import annotations

import torch
from torch import Tensor

from pgstalker.gaussians import VIEW_LIMIT, VIEW_UNIT


def quaternion_product(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product [..., 4]: the rotation b followed by the rotation a; norms multiply."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def matrix_from_quaternion(quaternion: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of quaternions [..., 4] of any norm but zero; the gradient passes the norm."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def quaternion_from_matrix(matrix: Tensor) -> Tensor:
    """Unit quaternions [..., 4], w >= 0, of rotation matrices [..., 3, 3].

    Of the four ways to divide, the one with the largest divisor is taken (Shepperd 1978), so no angle is singular.
    """
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    diagonal = torch.stack([trace, m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], -1)
    # row k is 4 q_k times the quaternion, for any k
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    ww, xx, yy, zz = (1 + 2 * diagonal - trace[..., None]).unbind(-1)
    rows = torch.stack(
        [torch.stack(r, -1) for r in ([ww, wx, wy, wz], [wx, xx, xy, xz], [wy, xy, yy, yz], [wz, xz, yz, zz])], -2
    )
    largest = diagonal.argmax(-1)[..., None, None].expand(*diagonal.shape[:-1], 1, 4)
    quaternion = torch.nn.functional.normalize(rows.gather(-2, largest).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def view_of(rotation: Tensor, translation: Tensor) -> Tensor:
    """Whence a head is seen, [..., 2]: x and y, in the head frame, of the unit vector from the head [R | t], R
    [..., 3, 3] and t [..., 3], towards the camera, in VIEW_UNITs and bounded by VIEW_LIMIT."""
    towards = -(rotation.mT @ translation[..., None])[..., 0]
    return (torch.nn.functional.normalize(towards, dim=-1)[..., :2] / VIEW_UNIT).clamp(-VIEW_LIMIT, VIEW_LIMIT)
