"""From 3D Gaussians to ellipses in the picture, and the gradient of that: pieces of the numba kernels.

Elliptical weighted averaging (Zwicker et al. 2002) with gsplat's conventions. One Gaussian at a time, in scalars:
with U, V the two rows of J W R S (projection Jacobian, view rotation, own rotation, scales),

    cov = [[U.U + eps, U.V], [U.V, V.V + eps]],   det = |U x V|^2 + eps (U.U + V.V) + eps^2,

the second form free of the cancellation that cov_xx cov_yy - cov_xy^2 suffers for needles. The plain torch twin is
reference.py.

`view` [4, 4] float32 is camera_from_world; `lens` [8] float32 holds fx, fy, cx, cy and the limits of x/z (low, high)
and y/z (low, high) beyond which the Jacobian is taken at the limit, as gsplat does.
"""

from __future__ import annotations

import math

import numpy as np

from pgstalker.rendering.numba_runtime import inlined

f32 = np.float32
EPS2D = f32(0.3)
ALPHA_LEAST = f32(1 / 255)
QUAT_LEAST = f32(1e-24)
LOG2_E = f32(math.log2(math.e))
HALF_LOG2_E = f32(math.log2(math.e) / 2)
TWO_LN_2 = f32(2 * math.log(2))


@inlined
def to_camera(means, i, view):
    """Centre of Gaussian i in camera space, cm."""
    x, y, z = means[i, 0], means[i, 1], means[i, 2]
    return (
        view[0, 0] * x + view[0, 1] * y + view[0, 2] * z + view[0, 3],
        view[1, 0] * x + view[1, 1] * y + view[1, 2] * z + view[1, 3],
        view[2, 0] * x + view[2, 1] * y + view[2, 2] * z + view[2, 3],
    )


@inlined
def unit_quat(quats, i):
    """(w, x, y, z) of norm 1, and 1 / the norm it had."""
    w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
    inverse = f32(1) / math.sqrt(max(w * w + x * x + y * y + z * z, QUAT_LEAST))
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@inlined
def rotation_of(q):
    """The nine entries, row by row, of the rotation of a unit quaternion."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    one, two = f32(1), f32(2)
    return (
        one - two * (y * y + z * z),
        two * (x * y - w * z),
        two * (x * z + w * y),
        two * (x * y + w * z),
        one - two * (x * x + z * z),
        two * (y * z - w * x),
        two * (x * z - w * y),
        two * (y * z + w * x),
        one - two * (x * x + y * y),
    )


@inlined
def jacobian(center, lens):
    """J = [[j0, 0, j02], [0, j1, j12]] and the limited slopes x/z, y/z: (j0, j02, j1, j12, slope_x, slope_y)."""
    inverse_z = f32(1) / center[2]
    slope_x = min(max(center[0] * inverse_z, lens[4]), lens[5])
    slope_y = min(max(center[1] * inverse_z, lens[6]), lens[7])
    j0, j1 = lens[0] * inverse_z, lens[1] * inverse_z
    return j0, -j0 * slope_x, j1, -j1 * slope_y, slope_x, slope_y


@inlined
def jacobian_of_world(j, view):
    """A = J W, 2 x 3, as six numbers."""
    return (
        j[0] * view[0, 0] + j[1] * view[2, 0],
        j[0] * view[0, 1] + j[1] * view[2, 1],
        j[0] * view[0, 2] + j[1] * view[2, 2],
        j[2] * view[1, 0] + j[3] * view[2, 0],
        j[2] * view[1, 1] + j[3] * view[2, 1],
        j[2] * view[1, 2] + j[3] * view[2, 2],
    )


@inlined
def picture_axes(a, r):
    """A R, 2 x 3: the Gaussian's own axes seen in the picture, before scaling."""
    return (
        a[0] * r[0] + a[1] * r[3] + a[2] * r[6],
        a[0] * r[1] + a[1] * r[4] + a[2] * r[7],
        a[0] * r[2] + a[1] * r[5] + a[2] * r[8],
        a[3] * r[0] + a[4] * r[3] + a[5] * r[6],
        a[3] * r[1] + a[4] * r[4] + a[5] * r[7],
        a[3] * r[2] + a[4] * r[5] + a[5] * r[8],
    )


@inlined
def covariance(axes, scales, i):
    """(cov_xx, cov_xy, cov_yy, det) in px^2, the blur of EPS2D included."""
    s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
    u0, u1, u2 = axes[0] * s0, axes[1] * s1, axes[2] * s2
    v0, v1, v2 = axes[3] * s0, axes[4] * s1, axes[5] * s2
    uu = u0 * u0 + u1 * u1 + u2 * u2
    vv = v0 * v0 + v1 * v1 + v2 * v2
    c0, c1, c2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
    det = c0 * c0 + c1 * c1 + c2 * c2 + EPS2D * (uu + vv) + EPS2D * EPS2D
    return uu + EPS2D, u0 * v0 + u1 * v1 + u2 * v2, vv + EPS2D, det


@inlined
def conic_root(cov):
    """(width, skew, height): L = [[width, 0], [skew, height]] with cov^-1 = 2 ln 2 L L^T.

    Then L^T (dx, dy) = (across, down) and log2 alpha falls by across^2 + down^2.
    """
    height = math.sqrt(HALF_LOG2_E / cov[2])
    width = height * cov[2] * math.sqrt(f32(1) / cov[3])
    return width, -cov[1] / cov[2] * width, height


@inlined
def position_gradient(root, by_across, by_down):
    """dL/d(centre in the picture) = cov^-1 sum v (dx, dy), from sum v across and sum v down; v = alpha dL/dalpha."""
    return TWO_LN_2 * root[0] * by_across, TWO_LN_2 * (root[1] * by_across + root[2] * by_down)


@inlined
def _axis_gradient(root, moments, u, v):
    """dL/d(u, v) of one scaled axis: with M = sum v (across, down)^T (across, down),
    dL/dcov = 2 (ln 2)^2 L M L^T and cov = sum of (u, v)^T (u, v), multiplied so that needles keep their digits."""
    across, down = root[0] * u + root[1] * v, root[2] * v
    m = moments[0] * across + moments[1] * down
    n = moments[1] * across + moments[2] * down
    return TWO_LN_2 * TWO_LN_2 * root[0] * m, TWO_LN_2 * TWO_LN_2 * (root[1] * m + root[2] * n)


@inlined
def axes_gradient(root, moments, axes, scales, i):
    """dL/d(unscaled axes) [6] and dL/dscales [3] from the sums of v across^2, v across down, v down^2."""
    s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
    du0, dv0 = _axis_gradient(root, moments, axes[0] * s0, axes[3] * s0)
    du1, dv1 = _axis_gradient(root, moments, axes[1] * s1, axes[4] * s1)
    du2, dv2 = _axis_gradient(root, moments, axes[2] * s2, axes[5] * s2)
    unscaled = (du0 * s0, du1 * s1, du2 * s2, dv0 * s0, dv1 * s1, dv2 * s2)
    return unscaled, (du0 * axes[0] + dv0 * axes[3], du1 * axes[1] + dv1 * axes[4], du2 * axes[2] + dv2 * axes[5])


@inlined
def quat_gradient(a, d, q):
    """dL/dquat through R and through the normalisation; d is dL/d(A R)."""
    r00, r01, r02 = a[0] * d[0] + a[3] * d[3], a[0] * d[1] + a[3] * d[4], a[0] * d[2] + a[3] * d[5]
    r10, r11, r12 = a[1] * d[0] + a[4] * d[3], a[1] * d[1] + a[4] * d[4], a[1] * d[2] + a[4] * d[5]
    r20, r21, r22 = a[2] * d[0] + a[5] * d[3], a[2] * d[1] + a[5] * d[4], a[2] * d[2] + a[5] * d[5]
    w, x, y, z = q[0], q[1], q[2], q[3]
    two = f32(2)
    gw = two * (x * (r21 - r12) + y * (r02 - r20) + z * (r10 - r01))
    gx = two * (y * (r01 + r10) + z * (r02 + r20) + w * (r21 - r12) - two * x * (r11 + r22))
    gy = two * (x * (r01 + r10) + z * (r12 + r21) + w * (r02 - r20) - two * y * (r00 + r22))
    gz = two * (x * (r02 + r20) + y * (r12 + r21) + w * (r10 - r01) - two * z * (r00 + r11))
    along = gw * w + gx * x + gy * y + gz * z
    return (gw - along * w) * q[4], (gx - along * x) * q[4], (gy - along * y) * q[4], (gz - along * z) * q[4]


@inlined
def jacobian_gradient(d, r):
    """dL/dA [6] from d = dL/d(A R)."""
    return (
        d[0] * r[0] + d[1] * r[1] + d[2] * r[2],
        d[0] * r[3] + d[1] * r[4] + d[2] * r[5],
        d[0] * r[6] + d[1] * r[7] + d[2] * r[8],
        d[3] * r[0] + d[4] * r[1] + d[5] * r[2],
        d[3] * r[3] + d[4] * r[4] + d[5] * r[5],
        d[3] * r[6] + d[4] * r[7] + d[5] * r[8],
    )


@inlined
def center_gradient(da, gx, gy, center, lens, view):
    """dL/d(centre in camera space): through the pixel position (gx, gy) and through the Jacobian (da)."""
    inverse_z = f32(1) / center[2]
    j = jacobian(center, lens)
    dj0 = da[0] * view[0, 0] + da[1] * view[0, 1] + da[2] * view[0, 2]
    dj02 = da[0] * view[2, 0] + da[1] * view[2, 1] + da[2] * view[2, 2]
    dj1 = da[3] * view[1, 0] + da[4] * view[1, 1] + da[5] * view[1, 2]
    dj12 = da[3] * view[2, 0] + da[4] * view[2, 1] + da[5] * view[2, 2]
    # the Jacobian follows the centre's slope only within the limits
    slope_x, slope_y = center[0] * inverse_z, center[1] * inverse_z
    free_x = f32(1) if lens[4] <= slope_x and slope_x <= lens[5] else f32(0)
    free_y = f32(1) if lens[6] <= slope_y and slope_y <= lens[7] else f32(0)
    dx = gx * j[0] - free_x * dj02 * j[0] * inverse_z
    dy = gy * j[2] - free_y * dj12 * j[2] * inverse_z
    dz = -(gx * j[0] * slope_x + gy * j[2] * slope_y)
    dz -= (dj0 * j[0] + dj1 * j[2]) * inverse_z
    dz += dj02 * j[0] * inverse_z * j[4] * (f32(1) + free_x)
    dz += dj12 * j[2] * inverse_z * j[5] * (f32(1) + free_y)
    return dx, dy, dz


@inlined
def add_view_gradient(total, j, da, d_center, means, i):
    """Add one Gaussian's dL/dcamera_from_world (12 numbers, row by row) to total [12]."""
    for k in range(3):
        mean = means[i, k]
        total[k] += d_center[0] * mean + j[0] * da[k]
        total[4 + k] += d_center[1] * mean + j[2] * da[3 + k]
        total[8 + k] += d_center[2] * mean + j[1] * da[k] + j[3] * da[3 + k]
    total[3] += d_center[0]
    total[7] += d_center[1]
    total[11] += d_center[2]
