"""The talker's networks and poses as one numba kernel: what drives a frame in, Gaussians before the camera out.

Sixteen Gaussians are one block, and every number of theirs is one vector. Per block, nothing leaves the first cache:

    static rows, control ──► f (HIDDEN vectors) ──► h = relu(W f + b) ──► d = S f + O h + c ──► moved, posed Gaussians

f is made in one of three ways, which are the three fusions; the torso's residual is the second. A baked branch skips
all that: d is a combination of stored deformations. The plain twin is networks.deformation.
"""

from __future__ import annotations

import math

import numpy as np

from pgstalker.rendering import numba_simd as v
from pgstalker.rendering.numba_runtime import fast_kernel, inlined

f32 = np.float32
LANES = 16
GATED, ADDED, ATTENDED, BAKED = range(4)

# One row of `table` per branch; AT: where the branch begins in a flat array.
KIND, WIDTH, OUTPUTS, EXTRA, COUNT, FIRST, FIRST_BLOCK, STATIC_AT, STATIC_ROWS, WEIGHTS_AT, CONTROL_AT, IS_HEAD = range(
    12
)
FIELDS = 12
# What a Gaussian is at rest, and what comes out: rows of a block.
REST = 10
POSE = 16  # rotation (9), translation (3), the rotation's quaternion (4): the head of a branch's control
TILE = 5  # outputs computed together
MOST = 64 * LANES

LOG2_E = f32(math.log2(math.e))
EXP2_LIMIT = f32(60)


@inlined
def _gated(static, at, control, c, width, f):
    """f = s + sigmoid(gate) (heard - s); the gate's halves come negated and in base 2."""
    one, high, low = v.splat(f32(1)), v.splat(EXP2_LIMIT), v.splat(-EXP2_LIMIT)
    for k in range(width):
        gate = v.add(v.load(static, at + k * LANES), v.spread(control, c + k))
        gate = v.reciprocal(v.add(one, v.exp2(v.larger(v.smaller(gate, high), low))))
        place = v.load(static, at + (width + k) * LANES)
        v.store(f, k * LANES, v.fma(gate, v.sub(v.spread(control, c + width + k), place), place))


@inlined
def _added(static, at, control, c, width, f):
    """f = relu(s + control)."""
    zero = v.splat(f32(0))
    for k in range(width):
        v.store(f, k * LANES, v.larger(v.add(v.load(static, at + k * LANES), v.spread(control, c + k)), zero))


@inlined
def _attended(static, at, control, c, width, extra, f):
    """f = relu(s + A attention), A [extra, width] made of this frame's control."""
    zero = v.splat(f32(0))
    for j in range(width):
        total = v.load(static, at + j * LANES)
        for k in range(extra):
            total = v.fma(v.spread(control, c + k * width + j), v.load(static, at + (width + k) * LANES), total)
        v.store(f, j * LANES, v.larger(total, zero))


@inlined
def _hidden(f, weights, w, width, h):
    """h = relu(W f + b), eight rows at a time; weights from w: W by columns [width, width], then b."""
    zero, bias = v.splat(f32(0)), w + width * width
    for j in range(0, width, 8):
        b = bias + j
        a0, a1, a2, a3 = (
            v.spread(weights, b),
            v.spread(weights, b + 1),
            v.spread(weights, b + 2),
            v.spread(weights, b + 3),
        )
        a4, a5, a6, a7 = (
            v.spread(weights, b + 4), v.spread(weights, b + 5), v.spread(weights, b + 6), v.spread(weights, b + 7)
        )  # fmt: skip
        at = w + j
        for k in range(width):
            x = v.load(f, k * LANES)
            a0, a1 = v.fma(v.spread(weights, at), x, a0), v.fma(v.spread(weights, at + 1), x, a1)
            a2, a3 = v.fma(v.spread(weights, at + 2), x, a2), v.fma(v.spread(weights, at + 3), x, a3)
            a4, a5 = v.fma(v.spread(weights, at + 4), x, a4), v.fma(v.spread(weights, at + 5), x, a5)
            a6, a7 = v.fma(v.spread(weights, at + 6), x, a6), v.fma(v.spread(weights, at + 7), x, a7)
            at += width
        y = j * LANES
        v.store(h, y, v.larger(a0, zero))
        v.store(h, y + 16, v.larger(a1, zero))
        v.store(h, y + 32, v.larger(a2, zero))
        v.store(h, y + 48, v.larger(a3, zero))
        v.store(h, y + 64, v.larger(a4, zero))
        v.store(h, y + 80, v.larger(a5, zero))
        v.store(h, y + 96, v.larger(a6, zero))
        v.store(h, y + 112, v.larger(a7, zero))


@inlined
def _store_tile(d, tile, a0, a1, a2, a3, a4):
    at = tile * TILE * LANES
    v.store(d, at, a0)
    v.store(d, at + 16, a1)
    v.store(d, at + 32, a2)
    v.store(d, at + 48, a3)
    v.store(d, at + 64, a4)


@inlined
def _head(f, h, weights, w, width, outputs, d):
    """d = S f + O h + c; weights from w: S and O by columns [2 width, outputs], then c; outputs in whole tiles."""
    for tile in range(outputs // TILE):
        at, bias = w + tile * TILE, w + 2 * width * outputs + tile * TILE
        a0, a1, a2 = v.spread(weights, bias), v.spread(weights, bias + 1), v.spread(weights, bias + 2)
        a3, a4 = v.spread(weights, bias + 3), v.spread(weights, bias + 4)
        for k in range(2 * width):
            x = v.load(f, k * LANES) if k < width else v.load(h, (k - width) * LANES)
            a0, a1 = v.fma(v.spread(weights, at), x, a0), v.fma(v.spread(weights, at + 1), x, a1)
            a2, a3 = v.fma(v.spread(weights, at + 2), x, a2), v.fma(v.spread(weights, at + 3), x, a3)
            a4 = v.fma(v.spread(weights, at + 4), x, a4)
            at += outputs
        _store_tile(d, tile, a0, a1, a2, a3, a4)


@inlined
def _combined(basis, at, control, c, vectors, outputs, d):
    """d = sum over the stored deformations of coefficient times deformation; basis [vectors, outputs], in halves: what
    this takes is memory's time, not arithmetic's."""
    zero = v.splat(f32(0))
    for tile in range(outputs // TILE):
        a0, a1, a2, a3, a4 = zero, zero, zero, zero, zero
        for k in range(vectors):
            x, row = v.spread(control, c + k), at + (k * outputs + tile * TILE) * LANES
            a0, a1 = v.fma(v.load_bfloat16(basis, row), x, a0), v.fma(v.load_bfloat16(basis, row + 16), x, a1)
            a2, a3 = v.fma(v.load_bfloat16(basis, row + 32), x, a2), v.fma(v.load_bfloat16(basis, row + 48), x, a3)
            a4 = v.fma(v.load_bfloat16(basis, row + 64), x, a4)
        _store_tile(d, tile, a0, a1, a2, a3, a4)


@inlined
def _turned(control, row, x, y, z):
    """One row of the pose's rotation times (x, y, z)."""
    at = row * 3
    return v.fma(v.spread(control, at), x, v.fma(v.spread(control, at + 1), y, v.mul(v.spread(control, at + 2), z)))


@inlined
def _posed(rest, at, d, pose, is_head, has_shape, out):
    """Rest [10 rows] and deformation d to camera space: out [10 rows]. Before the pose for the head, after it for the
    torso; has_shape: d also turns and stretches."""
    x, y, z = v.load(rest, at), v.load(rest, at + 16), v.load(rest, at + 32)
    dx, dy, dz = v.load(d, 0), v.load(d, 16), v.load(d, 32)
    if is_head:
        x, y, z = v.add(x, dx), v.add(y, dy), v.add(z, dz)
    px = v.add(_turned(pose, 0, x, y, z), v.spread(pose, 9))
    py = v.add(_turned(pose, 1, x, y, z), v.spread(pose, 10))
    pz = v.add(_turned(pose, 2, x, y, z), v.spread(pose, 11))
    if not is_head:
        px, py, pz = v.add(px, dx), v.add(py, dy), v.add(pz, dz)
    v.store(out, 0, px)
    v.store(out, 16, py)
    v.store(out, 32, pz)
    qw, qx, qy, qz = v.load(rest, at + 48), v.load(rest, at + 64), v.load(rest, at + 80), v.load(rest, at + 96)
    if has_shape:
        qw, qx = v.add(qw, v.load(d, 48)), v.add(qx, v.load(d, 64))
        qy, qz = v.add(qy, v.load(d, 80)), v.add(qz, v.load(d, 96))
    w, i, j, k = v.spread(pose, 12), v.spread(pose, 13), v.spread(pose, 14), v.spread(pose, 15)
    v.store(out, 48, v.neg_fma(k, qz, v.neg_fma(j, qy, v.neg_fma(i, qx, v.mul(w, qw)))))
    v.store(out, 64, v.neg_fma(k, qy, v.fma(j, qz, v.fma(i, qw, v.mul(w, qx)))))
    v.store(out, 80, v.fma(k, qx, v.fma(j, qw, v.neg_fma(i, qz, v.mul(w, qy)))))
    v.store(out, 96, v.fma(k, qw, v.neg_fma(j, qx, v.fma(i, qy, v.mul(w, qz)))))
    one, log2_e = v.splat(f32(1)), v.splat(LOG2_E)
    for c in range(3):
        scale = v.load(rest, at + (7 + c) * LANES)
        if has_shape:
            stretch = v.larger(v.smaller(v.load(d, (7 + c) * LANES), one), v.splat(f32(-1)))
            scale = v.mul(scale, v.exp2(v.mul(stretch, log2_e)))
        v.store(out, (7 + c) * LANES, scale)


@fast_kernel
def move(begin, end, table, avatar, control, scene):
    """Blocks [begin, end) of all branches: scene = (means [N, 3], quats [N, 4], scales [N, 3]), in camera space.

    avatar = (rest, static, weights, basis): what does not change, flat, in vectors, float32 and (basis) bfloat16;
    control: flat float32, this frame.
    table [branches, FIELDS] says where each branch has its part of them.
    """
    rest, static, weights, basis = avatar
    means, quats, scales = scene
    memory = np.empty(2 * MOST + 32 * LANES + LANES, np.float32)
    aligned = memory[v.alignment_skip(memory) :]
    f, h, d, out = aligned, aligned[MOST:], aligned[2 * MOST :], aligned[2 * MOST + 16 * LANES :]
    b = 0
    for block in range(begin, end):
        while b + 1 < table.shape[0] and block >= table[b + 1, FIRST_BLOCK]:
            b += 1
        kind, width, outputs = table[b, KIND], table[b, WIDTH], table[b, OUTPUTS]
        local = block - table[b, FIRST_BLOCK]
        at = table[b, STATIC_AT] + local * table[b, STATIC_ROWS] * LANES
        pose = control[table[b, CONTROL_AT] :]
        if kind == BAKED:
            _combined(basis, at, pose, POSE, width, outputs, d)
        else:
            if kind == GATED:
                _gated(static, at, pose, POSE, width, f)
            elif kind == ADDED:
                _added(static, at, pose, POSE, width, f)
            else:
                _attended(static, at, pose, POSE, width, table[b, EXTRA], f)
            w = table[b, WEIGHTS_AT]
            _hidden(f, weights, w, width, h)
            _head(f, h, weights, w + (width + 1) * width, width, outputs, d)
        _posed(rest, block * REST * LANES, d, pose, table[b, IS_HEAD] == 1, outputs == REST, out)
        first = table[b, FIRST] + local * LANES
        for lane in range(min(LANES, table[b, COUNT] - local * LANES)):
            for c in range(3):
                means[first + lane, c] = out[c * LANES + lane]
                scales[first + lane, c] = out[(7 + c) * LANES + lane]
            for c in range(4):
                quats[first + lane, c] = out[(3 + c) * LANES + lane]
