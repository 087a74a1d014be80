"""Parts that the base mesh lacks: eyeballs, teeth with gums; and where the face is marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.presenter.human import load_base, load_target

# Crown widths and heights from the middle outwards, cm (about the averages of dental anatomy).
UPPER_TEETH = ((0.86, 1.02), (0.66, 0.92), (0.76, 1.00), (0.70, 0.86), (0.68, 0.80), (0.98, 0.74), (0.95, 0.70))
LOWER_TEETH = ((0.53, 0.88), (0.58, 0.90), (0.68, 1.00), (0.70, 0.86), (0.70, 0.80), (1.08, 0.74), (1.02, 0.70))


@dataclass(frozen=True)
class Eyeball:
    """centre [3] cm, radius cm, iris_angle: half the angle under which the iris is seen from the centre, rad."""

    centre: np.ndarray
    radius: float
    iris_angle: float = 0.415


def group(name: str) -> np.ndarray:
    """Vertex indices of a group of the base mesh."""
    return np.unique(load_base().faces[name][:, :, 0])


def eyeballs(vertices: np.ndarray) -> tuple[Eyeball, Eyeball]:
    """Right and left eyeball: spheres fitted to the base mesh's eyes."""
    balls = []
    for name in ("helper-r-eye", "helper-l-eye"):
        points = vertices[group(name)]
        system = np.column_stack([2 * points, np.ones(len(points))])
        solution, *_ = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)
        radius = float(np.sqrt(solution[3] + (solution[:3] ** 2).sum()))
        balls.append(Eyeball(solution[:3], radius))
    return balls[0], balls[1]


def grid_mesh(points: np.ndarray) -> np.ndarray:
    """Triangles [.., 3] of a grid of points [R, C, ..] whose columns close into rings."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = index[1:], np.roll(index, -1, axis=1)[1:]
    quads = [(a, b, c), (b, d, c)]
    return np.concatenate([np.stack(q, axis=-1).reshape(-1, 3) for q in quads])


def sphere(ball: Eyeball, rings: int = 40, around: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [V, 3] cm, normals [V, 3] and triangles of an eyeball, its pole forward."""
    polar = np.linspace(0, np.pi, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)[None]
    normal = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar) * np.ones_like(turn)], axis=-1
    )
    points = normal * ball.radius
    return points.reshape(-1, 3) + ball.centre, normal.reshape(-1, 3), grid_mesh(points)


@dataclass
class Denture:
    """One row of teeth in gums: vertices [V, 3] cm, triangles, albedo [V, 3] linear."""

    vertices: np.ndarray
    triangles: np.ndarray
    albedo: np.ndarray


def denture(vertices: np.ndarray, is_upper: bool, tone: float = 1.0) -> Denture:
    """Teeth along the arch that the base mesh's teeth helper marks. tone: 1 white, below yellower."""
    helper = vertices[group("helper-upper-teeth" if is_upper else "helper-lower-teeth")]
    half_width = np.abs(helper[:, 0]).max() * 0.86
    front, back = helper[:, 2].max() - 0.30, helper[:, 2].min()
    edge = helper[:, 1].min() - 0.28 if is_upper else helper[:, 1].max() - 0.72
    crowns = UPPER_TEETH if is_upper else LOWER_TEETH
    arch = _Arch(half_width * (1.0 if is_upper else 0.85), front - (0.0 if is_upper else 0.42), back)
    up = 1.0 if is_upper else -1.0
    vertices_out, triangles, albedo, offset = [], [], [], 0
    for side in (-1, 1):
        along = 0.0
        for number, (width, height) in enumerate(crowns):
            centre, out, tangent = arch.at(side * (along + width / 2))
            along += width * 0.985
            thick = 0.42 + 0.10 * number
            points = _tooth(width, height, thick, edge, up, (centre, out, tangent))
            colour = _tooth_colour(points, edge, height, up, tone, number) * _grooves(points, centre, tangent, width)
            triangles.append(grid_mesh(points) + offset)
            vertices_out.append(points.reshape(-1, 3))
            albedo.append(colour.reshape(-1, 3))
            offset += points.shape[0] * points.shape[1]
    gum = _gum(arch, edge, up, sum(width for width, _ in crowns))
    triangles.append(grid_mesh(gum) + offset)
    vertices_out.append(gum.reshape(-1, 3))
    albedo.append(np.tile([0.36, 0.115, 0.105], (gum.shape[0] * gum.shape[1], 1)))
    return Denture(np.concatenate(vertices_out), np.concatenate(triangles), np.concatenate(albedo))


class _Arch:
    """A dental arch seen from above: z = front - depth |x / half_width|^2, walked by its length."""

    def __init__(self, half_width: float, front: float, back: float):
        x = np.linspace(0, half_width, 400)
        z = front - (front - back) * (x / half_width) ** 2.0
        x = np.append(x, np.full(50, half_width))  # straight back behind the last molar
        z = np.append(z, back - np.linspace(0.05, 2.5, 50))
        self.length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
        self.x, self.z = x, z

    def at(self, s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Point, outward and tangent direction at signed length s from the middle (y = 0)."""
        near, far = max(abs(s) - 0.02, 0.0), abs(s) + 0.02
        side = 1.0 if s >= 0 else -1.0
        x = [np.interp(value, self.length, self.x) for value in (abs(s), near, far)]
        z = [np.interp(value, self.length, self.z) for value in (abs(s), near, far)]
        tangent = np.array([x[2] - x[1], 0.0, side * (z[2] - z[1])])
        tangent /= np.linalg.norm(tangent)
        out = np.array([-tangent[2], 0.0, tangent[0]])
        return np.array([side * x[0], 0.0, z[0]]), out, tangent


def _tooth(width: float, height: float, thick: float, edge: float, up: float, frame: tuple) -> np.ndarray:
    """A crown as a rounded box [R, C, 3], narrower at the gum and slightly bowed."""
    centre, out, tangent = frame
    polar = np.linspace(0, np.pi, 17)[:, None]
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)[None]

    def rounded(value, power):
        return np.sign(value) * np.abs(value) ** power

    y = -rounded(np.cos(polar), 0.55) * np.ones_like(turn)  # -1 at the edge, 1 at the root
    ring = rounded(np.sin(polar), 0.35)
    taper = 1.0 - 0.22 * (y + 1) / 2
    a = ring * rounded(np.cos(turn), 0.55) * width / 2 * 0.985 * taper
    b = ring * rounded(np.sin(turn), 0.60) * thick / 2 * (0.55 + 0.45 * (y + 1) / 2)
    lift = edge + up * (y + 1) / 2 * height * 1.15
    bow = 0.06 * (1 - y**2)
    return (
        centre
        + a[..., None] * tangent
        + (b - thick * 0.35 + bow)[..., None] * out
        + lift[..., None] * np.array([0.0, 1.0, 0.0])
    )


def _tooth_colour(points, edge, height, up, tone, number) -> np.ndarray:
    """Enamel, yellower towards the gum and further back."""
    t = np.clip((points[..., 1] - edge) * up / height, 0, 1)[..., None]
    enamel = np.array([0.74, 0.67, 0.585]) * (1 - 0.035 * number)
    root = np.array([0.58, 0.47, 0.35]) * (1 - 0.03 * number)
    yellow = np.array([1.0, 0.94 + 0.06 * tone, 0.78 + 0.22 * tone])
    return (enamel * (1 - t**2) + root * t**2) * yellow


def _grooves(points, centre, tangent, width) -> np.ndarray:
    """Shade [R, C, 1] in which neighbouring crowns hide each other."""
    aside = np.abs((points - centre) @ tangent) / (width / 2)
    return (1 - 0.35 * np.clip((aside - 0.72) / 0.25, 0, 1) ** 2)[..., None]


def _gum(arch: _Arch, edge: float, up: float, reach: float) -> np.ndarray:
    """A tube above the crowns [R, C, 3]."""
    rows = []
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    for s in np.linspace(-reach, reach, 70):
        centre, out, _ = arch.at(s)
        wave = 0.04 * np.cos(s * 8.0)
        middle = centre + np.array([0, edge + up * (1.30 + wave), 0]) - out * 0.22
        rows.append(middle + 0.30 * np.cos(turn)[:, None] * out + 0.48 * np.sin(turn)[:, None] * np.array([0, 1, 0]))
    return np.array(rows)


# Vertices of the base mesh (which never changes: MPFB2's "hm08") that mark the face.
LANDMARKS = {
    "upper_lip": 474,
    "lower_lip": 493,
    "right_corner": 3733,
    "left_corner": 10401,
    "nose_tip": 297,
    "chin": 5211,
    "right_eye_outer": 4880,
    "left_eye_outer": 11498,
}


def local_targets(names: dict[str, float]) -> dict[str, float]:
    """Shape targets given without folder: {"nose-hump-incr": .4} -> {"nose/nose-hump-incr": .4}; both eyes where the
    name starts with "eye-"."""
    folders = {"cheek": "cheek", "chin": "chin", "ear": "ears", "forehead": "forehead", "head": "head"}
    folders |= {"mouth": "mouth", "nose": "nose", "neck": "neck", "eyebrows": "eyebrows"}
    out = {}
    for name, weight in names.items():
        kind = name.split("-")[0]
        if kind == "eye":
            out |= {f"eyes/{side}-{name}": weight for side in "lr"}
        elif kind in ("cheek", "ear"):
            out |= {f"{folders[kind]}/{side}-{name}": weight for side in "lr"}
        else:
            out[f"{folders[kind]}/{name}"] = weight
    for name in out:
        load_target(name)
    return out
