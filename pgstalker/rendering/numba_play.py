"""Pictures to look at: tiles to bytes, and which tiles need not be drawn again. No gradient, nothing is kept.

A tile that no Gaussian touches is the plate. A tile whose Gaussians all stand as they stood when it was last drawn
(within TOLERANCE_PX) still shows the right picture: with the head held still, most of them do.
"""

from __future__ import annotations

import numpy as np

from pgstalker.rendering import numba_simd as v
from pgstalker.rendering.numba_raster import (
    ALPHA_MOST,
    FORWARD_ROW,
    TRANSMITTANCE_LEAST,
    alpha_of,
    is_opaque,
    new_state,
    row_power,
)
from pgstalker.rendering.numba_runtime import careful_kernel, fast_kernel, inlined
from pgstalker.rendering.numba_tiles import (
    BLUE,
    CENTER_X,
    CENTER_Y,
    GREEN,
    HEIGHT,
    LOG2_OPACITY,
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
TOLERANCE_PX = f32(0.01)
"""How far a Gaussian may move in the picture before its tiles are drawn again; its shape, by the same share."""
MARKS = 5
"""What is kept of a drawn Gaussian: centre and the root of its conic."""

ALPHA_LEAST = f32(1 / 255)
FEWEST_ROWS = 4
STEEPEST = f32(49)
DARKEST, EXPONENT_LIMIT = f32(-100), f32(120)


@inlined
def _blend_row(state, at, alpha, transmittance, red, green, blue):
    weight = v.mul(alpha, transmittance)
    v.store(state, at, v.sub(transmittance, weight))
    v.store(state, at + 16, v.fma(weight, red, v.load(state, at + 16)))
    v.store(state, at + 32, v.fma(weight, green, v.load(state, at + 32)))
    v.store(state, at + 48, v.fma(weight, blue, v.load(state, at + 48)))


@inlined
def _blend_by_ratio(state, at, rows, power, rate, curvature, color):
    """The rows of one Gaussian: alpha's ratio from row to row falls itself by one constant factor, since the exponent
    is a parabola. Two multiplications a row in place of an exponential; power and rate: of the first row."""
    limit, least = v.splat(EXPONENT_LIMIT), v.splat(ALPHA_LEAST)
    # where alpha begins this small it cannot reach 1/255 (STEEPEST sees to that), and must not rise from a bound
    alpha = v.exp2(v.larger(power, v.splat(DARKEST)))
    alpha = v.keep_where(power, v.splat(DARKEST), power, v.splat(DARKEST), alpha)
    ratio = v.exp2(v.larger(v.smaller(rate, limit), v.splat(-EXPONENT_LIMIT)))
    factor = v.exp2(v.splat(f32(-2) * curvature))
    for _ in range(rows):
        transmittance = v.load(state, at)
        drawn = v.keep_where(alpha, least, transmittance, v.splat(TRANSMITTANCE_LEAST), alpha)
        drawn = v.smaller(drawn, v.splat(ALPHA_MOST))
        _blend_row(state, at, drawn, transmittance, color[0], color[1], color[2])
        alpha, ratio = v.mul(alpha, ratio), v.mul(ratio, factor)
        at += FORWARD_ROW


@inlined
def _blend_by_power(state, at, rows, dy, shape, color):
    """The rows of one Gaussian, an exponential each: for needles, and where a few rows do not repay the ratio."""
    one = v.splat(f32(1))
    for _ in range(rows):
        transmittance = v.load(state, at)
        power, _, _ = row_power(shape[0], shape[1], shape[2], shape[3], dy)
        alpha = v.smaller(alpha_of(power, transmittance), v.splat(ALPHA_MOST))
        _blend_row(state, at, alpha, transmittance, color[0], color[1], color[2])
        dy = v.add(dy, one)
        at += FORWARD_ROW


@inlined
def _blend_tile(splats, flat, ids, begin, end, x0, y0, state):
    """As numba_raster.blend_tile, to within 1e-4 of alpha.

    The ratio is exact enough where no pixel that is drawn begins below 2^DARKEST: with curvature c per row^2 and n
    rows, a pixel that reaches 2^-8 anywhere began above -8 - c n^2 - 2 n sqrt(8 c), and c n^2 <= STEEPEST."""
    for k in range(begin, end):
        i = np.uint64(ids[k])
        if k + 4 < end:
            v.prefetch(flat, np.int64(ids[k + 4]) * SPLAT)
        dx = v.sub(v.lane_numbers(), v.splat(splats[i, CENTER_X] - (f32(x0) + f32(0.5))))
        width_dx = v.mul(v.splat(splats[i, WIDTH]), dx)
        skew, height = splats[i, SKEW], splats[i, HEIGHT]
        shape = width_dx, v.splat(skew), v.splat(height), v.splat(splats[i, LOG2_OPACITY])
        color = v.splat(splats[i, RED]), v.splat(splats[i, GREEN]), v.splat(splats[i, BLUE])
        first = max(np.int64(splats[i, ROW_FIRST]), y0)
        rows = min(np.int64(splats[i, ROW_LAST]), y0 + TILE_HEIGHT - 1) - first + 1
        dy = f32(first) + f32(0.5) - splats[i, CENTER_Y]
        at = (first - y0) * FORWARD_ROW
        curvature = skew * skew + height * height
        if rows >= FEWEST_ROWS and curvature * f32(rows * rows) <= STEEPEST:
            power, _, _ = row_power(shape[0], shape[1], shape[2], shape[3], v.splat(dy))
            rate = v.neg_fma(v.splat(skew + skew), width_dx, v.splat(-curvature * (dy + dy + f32(1))))
            _blend_by_ratio(state, at, rows, power, rate, curvature, color)
        else:
            _blend_by_power(state, at, rows, v.splat(dy), shape, color)
        if (k - begin) & 31 == 31 and is_opaque(state, FORWARD_ROW):
            break


@inlined
def _byte(value):
    return np.uint8(min(max(value, f32(0)), f32(1)) * f32(255) + f32(0.5))


@inlined
def _bytes(value):
    """Lanes in [0, 1] to [0.5, 255.5]: what is cut to a byte next."""
    limited = v.larger(v.smaller(value, v.splat(f32(1))), v.splat(f32(0)))
    return v.fma(limited, v.splat(f32(255)), v.splat(f32(0.5)))


@inlined
def _finish_row(state, at, plate, flat, place):
    """One whole row of a tile over the plate [3 * H * W] to bytes."""
    left, plane = v.load(state, at), plate.shape[0] // 3
    red = v.fma(left, v.load(plate, place), v.load(state, at + 16))
    green = v.fma(left, v.load(plate, place + plane), v.load(state, at + 32))
    blue = v.fma(left, v.load(plate, place + 2 * plane), v.load(state, at + 48))
    v.store_rgb(flat, place * 3, _bytes(red), _bytes(green), _bytes(blue))


@inlined
def _finish_tile(state, plate, picture, x0, y0):
    """The tile's rows over the plate [3, H * W] to bytes."""
    height, width, _ = picture.shape
    flat, planes = picture.reshape(-1), plate.reshape(-1)
    for y in range(min(TILE_HEIGHT, height - y0)):
        place = (y0 + y) * width + x0
        if x0 + TILE_WIDTH <= width:
            _finish_row(state, y * FORWARD_ROW, planes, flat, place)
            continue
        for x in range(width - x0):
            at = y * FORWARD_ROW + x
            for c in range(3):
                value = state[at + 16 + 16 * c] + state[at] * plate[c, place + x]
                picture[y0 + y, x0 + x, c] = _byte(value)


@fast_kernel
def draw_uint8(begin, end, splats, ids, tile_starts, tile_order, columns, plate, picture):
    """picture [H, W, 3] uint8 over plate [3, H * W] float32 in [0, 1]."""
    height, width, _ = picture.shape
    gaussians = splats.reshape(-1)
    for n in range(begin, end):
        t = np.int64(tile_order[n])
        x0, y0 = (t % columns) * TILE_WIDTH, (t // columns) * TILE_HEIGHT
        state = new_state(FORWARD_ROW, x0, y0, width, height)
        _blend_tile(splats, gaussians, ids, tile_starts[t], tile_starts[t + 1], x0, y0, state)
        _finish_tile(state, plate, picture, x0, y0)


@fast_kernel
def redraw_uint8(begin, end, splats, ids, tile_starts, tile_order, columns, plate, bare, is_stale, picture):
    """As draw_uint8 where is_stale [tiles] says so; a stale tile without Gaussians is copied from bare, the plate in
    bytes [H, W, 3]. The rest of the picture stays."""
    height, width, _ = picture.shape
    gaussians = splats.reshape(-1)
    for n in range(begin, end):
        t = np.int64(tile_order[n])
        if not is_stale[t]:
            continue
        x0, y0 = (t % columns) * TILE_WIDTH, (t // columns) * TILE_HEIGHT
        if tile_starts[t] == tile_starts[t + 1]:
            picture[y0 : y0 + TILE_HEIGHT, x0 : x0 + TILE_WIDTH] = bare[y0 : y0 + TILE_HEIGHT, x0 : x0 + TILE_WIDTH]
            continue
        state = new_state(FORWARD_ROW, x0, y0, width, height)
        _blend_tile(splats, gaussians, ids, tile_starts[t], tile_starts[t + 1], x0, y0, state)
        _finish_tile(state, plate, picture, x0, y0)


@inlined
def _mark(is_stale, columns, left, right, top, bottom):
    for row in range(top, bottom + 1):
        for t in range(row * columns + left, row * columns + right + 1):
            is_stale[t] = True


@careful_kernel
def find_stale(splats, tiles, tile_counts, drawn, drawn_tiles, columns, is_stale):
    """Mark in is_stale [tiles] where Gaussians are not as they were drawn, before and now, and remember the new state.

    drawn [N, MARKS] and drawn_tiles [N, 4] (first column -1: not in the picture) hold each Gaussian as its tiles show
    it. What stays within the tolerance keeps its old entry, so that small steps cannot add up unseen."""
    for i in range(tile_counts.shape[0]):
        was, now = drawn_tiles[i, 0] >= 0, tile_counts[i] > 0
        if was and now:
            width, height = drawn[i, 2], drawn[i, 4]
            moved = abs(splats[i, CENTER_X] - drawn[i, 0]) + abs(splats[i, CENTER_Y] - drawn[i, 1])
            turned = abs(splats[i, SKEW] - drawn[i, 3])
            stretched = abs(splats[i, WIDTH] - width) + abs(splats[i, HEIGHT] - height)
            if moved <= TOLERANCE_PX and turned + stretched <= TOLERANCE_PX * min(width, height):
                continue
        if was:
            _mark(is_stale, columns, drawn_tiles[i, 0], drawn_tiles[i, 1], drawn_tiles[i, 2], drawn_tiles[i, 3])
        drawn_tiles[i, 0] = -1
        if now:
            drawn[i, 0], drawn[i, 1] = splats[i, CENTER_X], splats[i, CENTER_Y]
            drawn[i, 2], drawn[i, 3], drawn[i, 4] = splats[i, WIDTH], splats[i, SKEW], splats[i, HEIGHT]
            for c in range(4):
                drawn_tiles[i, c] = tiles[i, c]
            _mark(is_stale, columns, tiles[i, 0], tiles[i, 1], tiles[i, 2], tiles[i, 3])
