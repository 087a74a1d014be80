"""From Gaussians to tile lists: project, order by depth, bin. The first half of the CPU rasterizer's kernels.

A tile is 16 x 32 pixels: one row of it is one vector, and tall tiles make fewer (Gaussian, tile) pairs. Whatever the
number of threads, a tile's list comes out in the same order: by depth, ties by index.
"""

from __future__ import annotations

import math

import numpy as np

from pgstalker.rendering import numba_projection as pr
from pgstalker.rendering.numba_runtime import careful_kernel, inlined

f32 = np.float32
TILE_WIDTH, TILE_HEIGHT = 16, 32
TILE_WIDTH_BITS, TILE_HEIGHT_BITS = 4, 5
LOG2_ALPHA_LEAST = f32(math.log2(1 / 255))

# One Gaussian in the picture: 16 float32, one cache line.
CENTER_X, CENTER_Y, WIDTH, SKEW, HEIGHT, LOG2_OPACITY, RED, GREEN, BLUE, ROW_FIRST, ROW_LAST, OPACITY, DEPTH = range(13)
SPLAT = 16


@careful_kernel
def project(
    begin, end, means, quats, scales, opacities, colors, view, lens, near, width, height, splats, tiles, tile_counts
):
    """Fill splats [N, 16], tiles [N, 4] (first and last tile column, first and last tile row), tile_counts [N].

    A Gaussian behind `near`, fainter than 1/255, outside the picture or not finite gets the count 0.
    """
    last_x, last_y = f32(width - 1), f32(height - 1)
    for n in range(begin, end):
        i = np.uint64(n)
        tile_counts[i] = 0
        center = pr.to_camera(means, i, view)
        opacity = opacities[i]
        if not (center[2] >= near and opacity >= pr.ALPHA_LEAST):
            continue
        q = pr.unit_quat(quats, i)
        j = pr.jacobian(center, lens)
        axes = pr.picture_axes(pr.jacobian_of_world(j, view), pr.rotation_of(q))
        cov = pr.covariance(axes, scales, i)
        x = j[0] * center[0] + lens[2]
        y = j[2] * center[1] + lens[3]
        log2_opacity = math.log2(opacity)
        # alpha >= 1/255 within this many standard deviations; the margin covers rounding
        reach = math.sqrt(max(f32(2) * (log2_opacity - LOG2_ALPHA_LEAST) / pr.LOG2_E, f32(0)))
        half_x, half_y = reach * math.sqrt(cov[0]) + f32(0.501), reach * math.sqrt(cov[2]) + f32(0.501)
        x_first = max(np.ceil(x - half_x), f32(0))
        x_last = min(np.floor(x + half_x - f32(1)), last_x)
        y_first = max(np.ceil(y - half_y), f32(0))
        y_last = min(np.floor(y + half_y - f32(1)), last_y)
        if not (x_first <= x_last and y_first <= y_last and cov[3] > f32(0) and cov[3] < f32(1e30)):
            continue
        if not (abs(x) < f32(1e9) and abs(y) < f32(1e9)):
            continue
        splats[i, CENTER_X], splats[i, CENTER_Y], splats[i, DEPTH] = x, y, center[2]
        splats[i, WIDTH], splats[i, SKEW], splats[i, HEIGHT] = pr.conic_root(cov)
        splats[i, LOG2_OPACITY], splats[i, OPACITY] = log2_opacity, opacity
        splats[i, RED], splats[i, GREEN], splats[i, BLUE] = colors[i, 0], colors[i, 1], colors[i, 2]
        splats[i, ROW_FIRST], splats[i, ROW_LAST] = y_first, y_last
        column_first, column_last = np.int32(x_first) >> TILE_WIDTH_BITS, np.int32(x_last) >> TILE_WIDTH_BITS
        row_first, row_last = np.int32(y_first) >> TILE_HEIGHT_BITS, np.int32(y_last) >> TILE_HEIGHT_BITS
        tiles[i, 0], tiles[i, 1], tiles[i, 2], tiles[i, 3] = column_first, column_last, row_first, row_last
        tile_counts[i] = (column_last - column_first + 1) * (row_last - row_first + 1)


@inlined
def _sort_pass(keys, ids, count, shift, keys_out, ids_out):
    """One stable counting pass over 11 bits of the keys; False, with nothing moved, where all share one value."""
    starts = np.zeros(2048, np.int64)
    for k in range(count):
        starts[np.int64((keys[k] >> shift) & np.uint32(2047))] += 1
    if count and starts[np.int64((keys[0] >> shift) & np.uint32(2047))] == count:
        return False
    total = 0
    for value in range(2048):
        here = starts[value]
        starts[value] = total
        total += here
    for k in range(count):
        digit = np.int64((keys[k] >> shift) & np.uint32(2047))
        place = starts[digit]
        starts[digit] = place + 1
        keys_out[place] = keys[k]
        ids_out[place] = ids[k]
    return True


@careful_kernel
def order_by_depth(depth_bits, tile_counts, slot_starts, keys, order, spare_keys, spare_order):
    """Sort the visible Gaussians by depth, nearest first and ties by index, and lay out their slots.

    depth_bits [N, 16] uint32 is splats seen as integers: positive floats sort as their bits do. order [N] receives the
    ids, slot_starts [N + 1] the running sum of tile_counts. Returns the number of visible Gaussians; slots in all are
    slot_starts[N].
    """
    visible = 0
    slots = 0
    for n in range(tile_counts.shape[0]):
        slot_starts[n] = slots
        if tile_counts[n] > 0:
            slots += tile_counts[n]
            keys[visible] = depth_bits[n, DEPTH]
            order[visible] = n
            visible += 1
    slot_starts[tile_counts.shape[0]] = slots
    moved = 0
    for shift in (np.uint32(0), np.uint32(11), np.uint32(22)):
        if moved & 1:
            moved += _sort_pass(spare_keys, spare_order, visible, shift, keys, order)
        else:
            moved += _sort_pass(keys, order, visible, shift, spare_keys, spare_order)
    if moved & 1:
        for k in range(visible):
            order[k] = spare_order[k]
    return visible


@careful_kernel
def bin_pairs(tiles, order, visible, columns, slot_starts, tile_starts, ids, slots):
    """A counting sort: ids [M], each tile's Gaussians in depth order, from tile_starts [tiles + 1] on; slots [M], where
    the gradient of each pair goes (left out where slots is empty).

    One thread: this takes less time than waking another one. Rectangles are counted by their corners, whose running
    sum along rows and columns is the count of every tile."""
    total, wide = tile_starts.shape[0] - 1, columns + 1
    corners = np.zeros((total // columns + 1) * wide, np.int64)
    for k in range(visible):
        i = order[k]
        left, right, top, bottom = tiles[i, 0], tiles[i, 1] + 1, tiles[i, 2] * wide, (tiles[i, 3] + 1) * wide
        corners[top + left] += 1
        corners[top + right] -= 1
        corners[bottom + left] -= 1
        corners[bottom + right] += 1
    ends = np.empty(total, np.int64)
    pairs = 0
    for row in range(total // columns):
        along = 0
        for column in range(columns):
            at = row * wide + column
            along += corners[at]
            if row:
                corners[at] = along + corners[at - wide]
            else:
                corners[at] = along
            tile_starts[row * columns + column] = ends[row * columns + column] = pairs
            pairs += corners[at]
    tile_starts[total] = pairs
    for k in range(visible):
        i = order[k]
        slot = slot_starts[i]
        for row in range(tiles[i, 2], tiles[i, 3] + 1):
            for t in range(row * columns + tiles[i, 0], row * columns + tiles[i, 1] + 1):
                place = ends[t]
                ends[t] = place + 1
                ids[place] = i
                if slots.shape[0]:
                    slots[place] = slot
                slot += 1


@careful_kernel
def share_out_tiles(tile_starts, parts, tile_order):
    """Deal the tiles, heaviest first, round `parts` hands, so that equal parts of tile_order carry equal load."""
    total = tile_order.shape[0]
    load = np.empty(total, np.int64)
    for t in range(total):
        load[t] = tile_starts[t] - tile_starts[t + 1]
    heaviest_first = np.argsort(load)
    place = 0
    for part in range(parts):
        for k in range(part, total, parts):
            tile_order[place] = heaviest_first[k]
            place += 1
