"""From tile lists to pictures, and the way back: the second half of the CPU rasterizer's kernels. numba_play.py has
the picture to look at.

One tile is one task. A Gaussian is drawn where its alpha reaches 1/255 and
while the pixel's transmittance is still at least 1e-4 (gsplat stops before the Gaussian that would go below; the
pictures differ by less than 1e-4 of a colour). With dx, dy from the centre, the exponent is a sum of two squares,

    log2 alpha = log2 opacity - (skew dy + width dx)^2 - (height dy)^2,

the Cholesky form of the conic: it cannot lose its digits for needles as a dx^2 + 2 b dx dy + c dy^2 does.

The way back also runs front to back. With g the picture's gradient and C its colour, the light still to come behind
Gaussian k is g.C minus what the Gaussians up to k gave, so nothing but the picture is kept. Each (Gaussian, tile) pair
writes its nine sums to a slot of its own, the slots of one Gaussian lie side by side, and one thread adds them: no
races, and the same bits on every run and any number of threads.
"""

from __future__ import annotations

import numpy as np

from pgstalker.rendering import numba_projection as pr
from pgstalker.rendering import numba_simd as v
from pgstalker.rendering.numba_runtime import fast_kernel, inlined
from pgstalker.rendering.numba_tiles import (
    BLUE,
    CENTER_X,
    CENTER_Y,
    GREEN,
    HEIGHT,
    LOG2_ALPHA_LEAST,
    LOG2_OPACITY,
    OPACITY,
    RED,
    ROW_FIRST,
    ROW_LAST,
    SKEW,
    SPLAT,
    TILE_HEIGHT,
    TILE_WIDTH,
    WIDTH,
)

f32 = np.float32
ALPHA_MOST = f32(0.999)
TRANSMITTANCE_LEAST = f32(1e-4)
CAMERA_CHUNK = 256
SLOT = 12  # floats per (Gaussian, tile) slot; nine are used

# What a tile keeps for each of its rows, in vectors of 16 floats.
FORWARD_ROW, BACKWARD_ROW = 4 * 16, 5 * 16


def _exp2_coefficients(degree: int = 4, scale: float = 8.0) -> list[np.float32]:
    """q(p) with q(p)^8 = 2^p to 2e-5 for p in [-8, 0]: three squarings cost less than splitting off the exponent."""
    nodes = np.cos(np.pi * (np.arange(400) + 0.5) / 400) / 2 - 0.5
    fit = np.polynomial.chebyshev.Chebyshev.fit(nodes, 2.0**nodes, degree, domain=[-1, 0])
    return [f32(c / scale**k) for k, c in enumerate(map(float, fit.convert(kind=np.polynomial.Polynomial).coef))]


E0, E1, E2, E3, E4 = _exp2_coefficients()


@inlined
def alpha_of(power, transmittance):
    """The unlimited alpha 2^power where it reaches 1/255 and the pixel is not yet opaque, else 0."""
    q = v.fma(v.splat(E4), power, v.splat(E3))
    q = v.fma(q, power, v.splat(E2))
    q = v.fma(q, power, v.splat(E1))
    q = v.fma(q, power, v.splat(E0))
    q = v.mul(q, q)
    q = v.mul(q, q)
    q = v.mul(q, q)
    return v.keep_where(power, v.splat(LOG2_ALPHA_LEAST), transmittance, v.splat(TRANSMITTANCE_LEAST), q)


@inlined
def row_power(width_dx, skew, height, log2_opacity, dy):
    """log2 alpha along one row, and the two numbers whose squares it loses."""
    across = v.fma(skew, dy, width_dx)
    down = v.mul(height, dy)
    return v.neg_fma(across, across, v.neg_fma(down, down, log2_opacity)), across, down


@inlined
def is_opaque(state, row_floats):
    """Whether no pixel of the tile lets light of 1e-4 through."""
    most = v.load(state, 0)
    for y in range(1, TILE_HEIGHT):
        most = v.larger(most, v.load(state, row_floats * y))
    return v.lane_max(most) < TRANSMITTANCE_LEAST


@inlined
def new_state(row_floats, x0, y0, width, height):
    """Row states, 64-byte aligned: zeros, with transmittance 1 inside the picture and 0 (opaque) outside."""
    memory = np.zeros(row_floats * TILE_HEIGHT + 16, np.float32)
    state = memory[v.alignment_skip(memory) :]
    for y in range(min(TILE_HEIGHT, height - y0)):
        for x in range(min(TILE_WIDTH, width - x0)):
            state[row_floats * y + x] = f32(1)
    return state


@inlined
def blend_tile(splats, flat, ids, begin, end, x0, y0, state):
    """Draw the Gaussians ids[begin:end] into the tile at (x0, y0): its rows' transmittance, red, green, blue."""
    one = v.splat(f32(1))
    for k in range(begin, end):
        i = np.uint64(ids[k])
        if k + 4 < end:
            v.prefetch(flat, np.int64(ids[k + 4]) * SPLAT)
        dx = v.sub(v.lane_numbers(), v.splat(splats[i, CENTER_X] - (f32(x0) + f32(0.5))))
        width_dx = v.mul(v.splat(splats[i, WIDTH]), dx)
        skew, height = v.splat(splats[i, SKEW]), v.splat(splats[i, HEIGHT])
        log2_opacity = v.splat(splats[i, LOG2_OPACITY])
        red, green, blue = v.splat(splats[i, RED]), v.splat(splats[i, GREEN]), v.splat(splats[i, BLUE])
        first = max(np.int64(splats[i, ROW_FIRST]), y0)
        last = min(np.int64(splats[i, ROW_LAST]), y0 + TILE_HEIGHT - 1)
        dy = v.splat(f32(first) + f32(0.5) - splats[i, CENTER_Y])
        at = (first - y0) * FORWARD_ROW
        for _ in range(first, last + 1):
            transmittance = v.load(state, at)
            power, _, _ = row_power(width_dx, skew, height, log2_opacity, dy)
            alpha = v.smaller(alpha_of(power, transmittance), v.splat(ALPHA_MOST))
            weight = v.mul(alpha, transmittance)
            v.store(state, at, v.sub(transmittance, weight))
            v.store(state, at + 16, v.fma(weight, red, v.load(state, at + 16)))
            v.store(state, at + 32, v.fma(weight, green, v.load(state, at + 32)))
            v.store(state, at + 48, v.fma(weight, blue, v.load(state, at + 48)))
            dy = v.add(dy, one)
            at += FORWARD_ROW
        if (k - begin) & 31 == 31 and is_opaque(state, FORWARD_ROW):
            break


@fast_kernel
def draw(begin, end, splats, ids, tile_starts, tile_order, columns, plate, image, transmittance):
    """image [3, H, W] float32 over plate [3, H * W] or [3, 1], and transmittance [H, W], what is left of the plate."""
    height, width = transmittance.shape
    plate_step = 0 if plate.shape[1] == 1 else 1
    flat = splats.reshape(-1)
    for n in range(begin, end):
        t = np.int64(tile_order[n])
        x0, y0 = (t % columns) * TILE_WIDTH, (t // columns) * TILE_HEIGHT
        state = new_state(FORWARD_ROW, x0, y0, width, height)
        blend_tile(splats, flat, ids, tile_starts[t], tile_starts[t + 1], x0, y0, state)
        for y in range(min(TILE_HEIGHT, height - y0)):
            for x in range(min(TILE_WIDTH, width - x0)):
                at = y * FORWARD_ROW + x
                place = ((y0 + y) * width + x0 + x) * plate_step
                left = state[at]
                transmittance[y0 + y, x0 + x] = left
                image[0, y0 + y, x0 + x] = state[at + 16] + left * plate[0, place]
                image[1, y0 + y, x0 + x] = state[at + 32] + left * plate[1, place]
                image[2, y0 + y, x0 + x] = state[at + 48] + left * plate[2, place]


@inlined
def _load_gradients(state, x0, y0, image, transmittance, image_gradient, alpha_gradient):
    """Per pixel: the light still to come, and the three colour gradients, behind the transmittance."""
    height, width = transmittance.shape
    for y in range(min(TILE_HEIGHT, height - y0)):
        for x in range(min(TILE_WIDTH, width - x0)):
            at = y * BACKWARD_ROW + x
            rest = -alpha_gradient[y0 + y, x0 + x] * transmittance[y0 + y, x0 + x]
            for c in range(3):
                g = image_gradient[c, y0 + y, x0 + x]
                state[at + 32 + 16 * c] = g
                rest += g * image[c, y0 + y, x0 + x]
            state[at + 16] = rest


@inlined
def _unblend_splat(splats, i, x0, y0, state, sums, slot):
    """One Gaussian in one tile: nine sums over the pixels, to sums[slot].

    Six of v = alpha dL/dalpha times 1, across, down, across^2, across down, down^2, and the colour's gradient.
    """
    zero, one = v.splat(f32(0)), v.splat(f32(1))
    dx = v.sub(v.lane_numbers(), v.splat(splats[i, CENTER_X] - (f32(x0) + f32(0.5))))
    width_dx = v.mul(v.splat(splats[i, WIDTH]), dx)
    skew, height = v.splat(splats[i, SKEW]), v.splat(splats[i, HEIGHT])
    log2_opacity = v.splat(splats[i, LOG2_OPACITY])
    red, green, blue = v.splat(splats[i, RED]), v.splat(splats[i, GREEN]), v.splat(splats[i, BLUE])
    first = max(np.int64(splats[i, ROW_FIRST]), y0)
    last = min(np.int64(splats[i, ROW_LAST]), y0 + TILE_HEIGHT - 1)
    dy = v.splat(f32(first) + f32(0.5) - splats[i, CENTER_Y])
    at = (first - y0) * BACKWARD_ROW
    s, s_a, s_d, s_aa, s_ad, s_dd = zero, zero, zero, zero, zero, zero
    s_red, s_green, s_blue = zero, zero, zero
    for _ in range(first, last + 1):
        transmittance = v.load(state, at)
        power, across, down = row_power(width_dx, skew, height, log2_opacity, dy)
        unlimited = alpha_of(power, transmittance)
        alpha = v.smaller(unlimited, v.splat(ALPHA_MOST))
        weight = v.mul(alpha, transmittance)
        v.store(state, at, v.sub(transmittance, weight))
        g_red, g_green, g_blue = v.load(state, at + 32), v.load(state, at + 48), v.load(state, at + 64)
        given = v.mul(weight, v.fma(red, g_red, v.fma(green, g_green, v.mul(blue, g_blue))))
        rest = v.sub(v.load(state, at + 16), given)
        v.store(state, at + 16, rest)
        value = v.neg_fma(v.mul(rest, alpha), v.reciprocal(v.sub(one, alpha)), given)
        value = v.zero_above(unlimited, v.splat(ALPHA_MOST), value)
        by_across, by_down = v.mul(value, across), v.mul(value, down)
        s, s_a, s_d = v.add(s, value), v.add(s_a, by_across), v.add(s_d, by_down)
        s_aa, s_ad = v.fma(by_across, across, s_aa), v.fma(by_across, down, s_ad)
        s_dd = v.fma(by_down, down, s_dd)
        s_red, s_green = v.fma(weight, g_red, s_red), v.fma(weight, g_green, s_green)
        s_blue = v.fma(weight, g_blue, s_blue)
        dy = v.add(dy, one)
        at += BACKWARD_ROW
    v.store_lane_sums(sums, slot * SLOT, s, s_a, s_d, s_aa, s_ad, s_dd, s_red, s_green, s_blue)


@fast_kernel
def draw_backward(begin, end, splats, ids, tile_starts, tile_order, columns, slots, picture, gradients, slot_sums):
    """Fill slot_sums [M * 12] from picture = (image, transmittance) and gradients = (dL/dimage, dL/dalpha)."""
    height, width = picture[1].shape
    flat = splats.reshape(-1)
    for n in range(begin, end):
        t = np.int64(tile_order[n])
        x0, y0 = (t % columns) * TILE_WIDTH, (t // columns) * TILE_HEIGHT
        begin, end = tile_starts[t], tile_starts[t + 1]
        state = new_state(BACKWARD_ROW, x0, y0, width, height)
        _load_gradients(state, x0, y0, picture[0], picture[1], gradients[0], gradients[1])
        opaque = False
        for k in range(begin, end):
            slot = np.int64(slots[k])
            if opaque:
                for c in range(9):
                    slot_sums[slot * SLOT + c] = f32(0)
                continue
            if k + 4 < end:
                v.prefetch(flat, np.int64(ids[k + 4]) * SPLAT)
            _unblend_splat(splats, np.uint64(ids[k]), x0, y0, state, slot_sums, slot)
            if (k - begin) & 31 == 31:
                opaque = is_opaque(state, BACKWARD_ROW)


@inlined
def _splat_sums(slot_sums, begin, end):
    """The nine sums of one Gaussian over all its tiles."""
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = f32(0), f32(0), f32(0), f32(0), f32(0), f32(0), f32(0), f32(0), f32(0)
    for slot in range(begin, end):
        at = slot * SLOT
        s0, s1, s2 = s0 + slot_sums[at], s1 + slot_sums[at + 1], s2 + slot_sums[at + 2]
        s3, s4, s5 = s3 + slot_sums[at + 3], s4 + slot_sums[at + 4], s5 + slot_sums[at + 5]
        s6, s7, s8 = s6 + slot_sums[at + 6], s7 + slot_sums[at + 7], s8 + slot_sums[at + 8]
    return s0, s1, s2, s3, s4, s5, s6, s7, s8


@fast_kernel
def project_backward(begin, end, means, quats, scales, view, lens, splats, slot_starts, slot_sums, out):
    """Sum the slots of each Gaussian and carry the gradient back to its parameters.

    out = (d_means [N, 3], d_quats [N, 4], d_scales [N, 3], d_opacities [N], d_colors [N, 3], d_means2d [N, 2],
    d_view [chunks, 12]), all zero before; d_view holds one partial sum per CAMERA_CHUNK Gaussians.
    """
    d_means, d_quats, d_scales, d_opacities, d_colors, d_means2d, d_view = out
    total = means.shape[0]
    for chunk in range(begin, end):
        for i in range(chunk * CAMERA_CHUNK, min(total, (chunk + 1) * CAMERA_CHUNK)):
            begin, end = slot_starts[i], slot_starts[i + 1]
            if begin == end:
                continue
            s = _splat_sums(slot_sums, begin, end)
            d_opacities[i] = s[0] / splats[i, OPACITY]
            d_colors[i, 0], d_colors[i, 1], d_colors[i, 2] = s[6], s[7], s[8]
            center = pr.to_camera(means, i, view)
            q = pr.unit_quat(quats, i)
            rotation = pr.rotation_of(q)
            j = pr.jacobian(center, lens)
            a = pr.jacobian_of_world(j, view)
            axes = pr.picture_axes(a, rotation)
            root = (splats[i, WIDTH], splats[i, SKEW], splats[i, HEIGHT])
            gx, gy = pr.position_gradient(root, s[1], s[2])
            d_means2d[i, 0], d_means2d[i, 1] = gx, gy
            d_axes, d_scale = pr.axes_gradient(root, (s[3], s[4], s[5]), axes, scales, i)
            d_quat = pr.quat_gradient(a, d_axes, q)
            da = pr.jacobian_gradient(d_axes, rotation)
            d_center = pr.center_gradient(da, gx, gy, center, lens, view)
            for c in range(3):
                d_scales[i, c] = d_scale[c]
                d_means[i, c] = view[0, c] * d_center[0] + view[1, c] * d_center[1] + view[2, c] * d_center[2]
            for c in range(4):
                d_quats[i, c] = d_quat[c]
            pr.add_view_gradient(d_view[chunk], j, da, d_center, means, i)


@inlined
def _cover_tile(splats, ids, slots, begin, end, x0, y0, weights, state, sums):
    """Blend a tile's transmittance only; per pair, the pixels drawn and the sum of weight * alpha * transmittance."""
    zero, one = v.splat(f32(0)), v.splat(f32(1))
    for k in range(begin, end):
        i = np.uint64(ids[k])
        dx = v.sub(v.lane_numbers(), v.splat(splats[i, CENTER_X] - (f32(x0) + f32(0.5))))
        width_dx = v.mul(v.splat(splats[i, WIDTH]), dx)
        skew, height = v.splat(splats[i, SKEW]), v.splat(splats[i, HEIGHT])
        log2_opacity = v.splat(splats[i, LOG2_OPACITY])
        first = max(np.int64(splats[i, ROW_FIRST]), y0)
        last = min(np.int64(splats[i, ROW_LAST]), y0 + TILE_HEIGHT - 1)
        dy = v.splat(f32(first) + f32(0.5) - splats[i, CENTER_Y])
        pixels, mass = zero, zero
        for y in range(first - y0, last - y0 + 1):
            left = v.load(state, y * 16)
            power, _, _ = row_power(width_dx, skew, height, log2_opacity, dy)
            alpha = v.smaller(alpha_of(power, left), v.splat(ALPHA_MOST))
            drawn = v.keep_where(power, v.splat(LOG2_ALPHA_LEAST), left, v.splat(TRANSMITTANCE_LEAST), one)
            pixels = v.add(pixels, drawn)
            weight = v.mul(alpha, left)
            mass = v.fma(weight, v.load(weights, y * 16), mass)
            v.store(state, y * 16, v.sub(left, weight))
            dy = v.add(dy, one)
        sums[slots[k], 0] = v.lane_sum(pixels)
        sums[slots[k], 1] = v.lane_sum(mass)


@fast_kernel
def cover(begin, end, splats, ids, tile_starts, tile_order, columns, slots, weight, slot_sums):
    """slot_sums [M, 2]: for each (Gaussian, tile) the pixels drawn and the mass under weight [H, W]."""
    height, width = weight.shape
    for n in range(begin, end):
        t = np.int64(tile_order[n])
        x0, y0 = (t % columns) * TILE_WIDTH, (t // columns) * TILE_HEIGHT
        state = new_state(16, x0, y0, width, height)
        weights = np.zeros(16 * TILE_HEIGHT, np.float32)
        for y in range(min(TILE_HEIGHT, height - y0)):
            for x in range(min(TILE_WIDTH, width - x0)):
                weights[y * 16 + x] = weight[y0 + y, x0 + x]
        _cover_tile(splats, ids, slots, tile_starts[t], tile_starts[t + 1], x0, y0, weights, state, slot_sums)


@fast_kernel
def sum_coverage(slot_starts, slot_sums, pixels, mass):
    """Per Gaussian: pixels [N] and mass [N] from the slots of its tiles."""
    for i in range(pixels.shape[0]):
        drawn, total = f32(0), f32(0)
        for slot in range(slot_starts[i], slot_starts[i + 1]):
            drawn += slot_sums[slot, 0]
            total += slot_sums[slot, 1]
        pixels[i] = drawn
        mass[i] = total
