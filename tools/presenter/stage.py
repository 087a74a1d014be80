"""The studio: camera, three softboxes and a backdrop, drawn with OpenGL through moderngl.

A picture is drawn larger than asked for and averaged down. Skin is lit first, the light is spread under the surface in
screen space, and only then coloured. Runs on Mesa's software renderer as well as on a graphics card; the pictures of
one driver are the same every time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SHADERS = Path(__file__).parent / "shaders"
SHADOW_STRANDS = 4  # every fourth strand, four times as wide, casts the shadow
REACH_CM = 30.0  # half the width of what a shadow map sees
SURFACE = ("position", "normal", "rest", "albedo", "material")
KINDS = {"skin": 0, "eye": 1, "wet": 2, "cloth": 3}
"""Kinds of mesh; one more, "shade", is not seen and only casts the shadow of a finer one."""


@dataclass
class Light:
    """direction: towards the light (x to the figure's left, y up, z to the camera); color: radiance; softness: size
    of the penumbra as a share of the shadow map."""

    direction: tuple[float, float, float]
    color: tuple[float, float, float]
    softness: float


@dataclass
class Studio:
    """Everything that does not move. focal is in units of the picture's width (house: 1200 px at 512);
    sky_directions: how finely ambient light is measured."""

    eye: tuple[float, float, float] = (0.0, 0.0, 80.0)
    focal: float = 1200 / 512
    lights: tuple[Light, ...] = (
        Light((-0.52, 0.55, 0.72), (2.05, 1.93, 1.78), 0.018),
        Light((0.80, 0.15, 0.55), (0.50, 0.54, 0.62), 0.026),
        Light((0.62, 0.50, -0.66), (1.50, 1.55, 1.70), 0.010),
    )
    sky: tuple[float, float, float] = (0.42, 0.43, 0.46)
    ground: tuple[float, float, float] = (0.20, 0.17, 0.15)
    backdrop: tuple[float, float, float] = (0.055, 0.065, 0.085)
    backdrop_glow: tuple[float, float, float] = (0.16, 0.18, 0.21)
    exposure: float = 0.62
    shadow_px: int = 1536
    sky_directions: int = 80

    def projection(self) -> np.ndarray:
        """World to clip space [4, 4]."""
        near, far = 40.0, 140.0
        f = 2 * self.focal
        matrix = np.array(
            [
                [f, 0, 0, 0],
                [0, f, 0, 0],
                [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
                [0, 0, -1, 0],
            ]
        )
        view = np.eye(4)
        view[:3, 3] = -np.array(self.eye)
        return matrix @ view


@dataclass
class Mesh:
    """A surface on the stage. position, normal [V, 3] change; rest [V, 3], albedo [V, 3] linear, material [V, 4]
    (ambient occlusion, roughness, bump, translucency) stay. kind: one of KINDS or "shade"."""

    kind: str
    triangles: np.ndarray
    rest: np.ndarray
    albedo: np.ndarray
    material: np.ndarray
    uniforms: dict = field(default_factory=dict)


@dataclass
class Strands:
    """Hair: position, tangent [S, K, 3], strand [S, K, 3] (along 0..1, seed, depth in the hair)."""

    position: np.ndarray
    tangent: np.ndarray
    strand: np.ndarray
    width_cm: float
    uniforms: dict = field(default_factory=dict)


class Stage:
    """Draws meshes and strands. Holds an OpenGL context: use it from one thread and close it."""

    def __init__(self, studio: Studio, size: int, oversampling: int = 2):
        import moderngl

        self.gl = moderngl
        self.context = moderngl.create_context(standalone=True, backend="egl", require=430)
        self.studio, self.size, self.large = studio, size, size * oversampling
        self.meshes: dict[str, tuple] = {}
        self.hairs: dict[str, tuple] = {}
        self.programs = {
            "surface": self._program("surface", "surface"),
            "hair": self._program("hair", "hair"),
            "shadow": self._program("shadow", "shadow"),
            "hair_shadow": self._program("hair", "shadow"),
            "scatter": self._program("screen", "scatter"),
            "compose": self._program("screen", "compose"),
        }
        self._targets()

    def _program(self, vertex: str, fragment: str):
        lighting = (SHADERS / "lighting.glsl").read_text()
        sources = [(SHADERS / f"{name}").read_text() for name in (f"{vertex}.vert", f"{fragment}.frag")]
        sources = [source.replace("#include lighting", lighting) for source in sources]
        return self.context.program(vertex_shader=sources[0], fragment_shader=sources[1])

    def _targets(self) -> None:
        gl, n = self.context, self.large
        self.buffers = [gl.texture((n, n), 4, dtype="f2") for _ in range(3)]
        self.depth = gl.depth_texture((n, n))
        self.depth.compare_func = ""
        self.picture = gl.framebuffer(self.buffers, self.depth)
        self.blurred = [gl.texture((n, n), 4, dtype="f2") for _ in range(2)]
        self.blur = [gl.framebuffer([texture]) for texture in self.blurred]
        self.shown = gl.framebuffer([gl.texture((n, n), 4)])
        self.shadows, self.shadow_buffers = [], []
        for _ in self.studio.lights:
            texture = gl.depth_texture((self.studio.shadow_px,) * 2)
            texture.compare_func = "<="
            texture.repeat_x = texture.repeat_y = False
            texture.filter = (self.gl.NEAREST, self.gl.NEAREST)
            self.shadows.append(texture)
            self.shadow_buffers.append(gl.framebuffer(depth_attachment=texture))
        corners = gl.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32).tobytes())
        self.screens = {
            name: gl.vertex_array(self.programs[name], [(corners, "2f", "corner")]) for name in ("scatter", "compose")
        }

    def add(self, name: str, thing: Mesh | Strands) -> None:
        """Put a mesh or a head of hair on the stage."""
        if isinstance(thing, Mesh):
            buffers = {"position": self._buffer(thing.rest), "normal": self._buffer(thing.rest)}
            buffers |= {key: self._buffer(getattr(thing, key)) for key in ("rest", "albedo", "material")}
            index = self.context.buffer(thing.triangles.astype(np.uint32).tobytes())
            layout = [(buffers[key], "4f" if key == "material" else "3f", key) for key in SURFACE]
            arrays = [self._array("surface", layout, index), self._array("shadow", layout[:1], index)]
            self.meshes[name] = (thing, buffers, arrays)
            return
        sides = np.array([-1.0, 1.0], np.float32)
        strands, nodes = thing.position.shape[:2]
        shape = (strands, nodes, 2)
        position = np.broadcast_to(thing.position[:, :, None], (*shape, 3))
        tangent = np.broadcast_to(thing.tangent[:, :, None], (*shape, 3))
        strand = np.concatenate(
            [
                np.broadcast_to(sides[None, None, :, None], (*shape, 1)),
                np.broadcast_to(thing.strand[:, :, None], (*shape, 3)),
            ],
            axis=-1,
        )
        corner = np.arange(strands * nodes * 2).reshape(shape)
        a, b, c, d = corner[:, :-1, 0], corner[:, :-1, 1], corner[:, 1:, 0], corner[:, 1:, 1]
        triangles = np.stack([a, b, c, b, d, c], axis=-1).reshape(-1, 3)
        buffers = {"position": self._buffer(position), "tangent": self._buffer(tangent), "strand": self._buffer(strand)}
        index = self.context.buffer(triangles.astype(np.uint32).tobytes())
        layout = [(buffers["position"], "3f", "position"), (buffers["tangent"], "3f", "tangent")]
        layout.append((buffers["strand"], "4f", "strand"))
        sparse = self.context.buffer(triangles.reshape(strands, -1, 3)[::SHADOW_STRANDS].astype(np.uint32).tobytes())
        arrays = [self._array(*entry) for entry in (("hair", layout, index), ("hair_shadow", layout, index))]
        arrays.append(self._array("hair_shadow", layout, sparse))
        self.hairs[name] = (thing, buffers, arrays)

    def _buffer(self, values: np.ndarray):
        return self.context.buffer(np.ascontiguousarray(values, np.float32).tobytes())

    def _array(self, program: str, layout: list, index):
        known = self.programs[program]
        kept = [entry for entry in layout if entry[2] in known]
        return self.context.vertex_array(known, kept, index)

    def move(self, name: str, position: np.ndarray, normal: np.ndarray) -> None:
        """New vertices of a mesh, world cm."""
        buffers = self.meshes[name][1]
        buffers["position"].write(np.ascontiguousarray(position, np.float32).tobytes())
        buffers["normal"].write(np.ascontiguousarray(normal, np.float32).tobytes())

    def bend(self, name: str, position: np.ndarray, tangent: np.ndarray) -> None:
        """New nodes of strands [S, K, 3], in the frame that `model` places."""
        buffers = self.hairs[name][1]
        for key, values in (("position", position), ("tangent", tangent)):
            twice = np.repeat(values[:, :, None], 2, axis=2)
            buffers[key].write(np.ascontiguousarray(twice, np.float32).tobytes())

    # ---- drawing

    def draw(self, models: dict[str, np.ndarray], centre: np.ndarray, uniforms: dict[str, dict]) -> np.ndarray:
        """One picture [H, W, 3] uint8. models: world matrices [4, 4] of the hair; centre [3]: what the lights aim at;
        uniforms: changing ones by mesh."""
        matrices = [self._light_matrix(light, centre) for light in self.studio.lights]
        self.context.enable(self.gl.DEPTH_TEST)
        for buffer, matrix in zip(self.shadow_buffers, matrices):
            self._shadows(buffer, matrix, models)
        self.picture.use()
        self.picture.clear(0, 0, 0, 0)
        self.context.depth_func = "<="
        self._lit("surface", matrices)
        for name, (mesh, _, arrays) in self.meshes.items():
            if mesh.kind == "shade":
                continue
            self._cull(mesh.kind == "skin")
            self._set("surface", {"kind": KINDS[mesh.kind]} | mesh.uniforms | uniforms.get(name, {}))
            arrays[0].render()
        self._cull(False)
        # Hair covers hair many times over: lay down its depth first, so that only what is seen is lit.
        self.picture.color_mask = [(False,) * 4] * 3
        self._hair_depth(self.studio.projection(), models, 1)
        self.picture.color_mask = [(True,) * 4] * 3
        self._lit("hair", matrices)
        for name, (hair, _, arrays) in self.hairs.items():
            self._set("hair", {"model": models[name], "width_cm": hair.width_cm} | hair.uniforms)
            arrays[0].render()
        self.context.disable(self.gl.DEPTH_TEST)
        return self._finish()

    def _cull(self, is_wanted: bool) -> None:
        (self.context.enable if is_wanted else self.context.disable)(self.gl.CULL_FACE)

    def _light_matrix(self, light: Light, centre: np.ndarray) -> np.ndarray:
        forward = -np.array(light.direction) / np.linalg.norm(light.direction)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(right, forward), forward])
        matrix = np.eye(4)
        matrix[:3, :3] = axes / REACH_CM
        matrix[:3, 3] = -axes @ centre / REACH_CM
        return matrix

    def _shadows(self, buffer, matrix: np.ndarray, models: dict[str, np.ndarray]) -> None:
        buffer.use()
        buffer.clear(depth=1.0)
        self._set("shadow", {"camera": matrix})
        for mesh, _, arrays in self.meshes.values():
            if mesh.kind in ("shade", "cloth"):
                arrays[1].render()
        self._hair_depth(matrix, models, 2)

    def _hair_depth(self, matrix: np.ndarray, models: dict[str, np.ndarray], detail: int) -> None:
        """detail 1: every strand; 2: few, wide ones, which is enough for a shadow."""
        for name, (hair, _, arrays) in self.hairs.items():
            width = {"width_cm": hair.width_cm * (1 if detail == 1 else SHADOW_STRANDS)}
            self._set("hair_shadow", {"camera": matrix, "model": models[name], "eye_position": self.studio.eye} | width)
            arrays[detail].render()

    def _lit(self, program: str, matrices: list[np.ndarray]) -> None:
        studio, known = self.studio, self.programs[program]
        unit = [np.array(light.direction) / np.linalg.norm(light.direction) for light in studio.lights]
        self._set(
            program,
            {
                "camera": studio.projection(),
                "eye_position": studio.eye,
                "sky": studio.sky,
                "ground": studio.ground,
                "light_direction": np.array(unit),
                "light_color": np.array([light.color for light in studio.lights]),
                "light_softness": np.array([light.softness for light in studio.lights]),
            },
        )
        known["light_matrix"].write(np.stack([m.T for m in matrices]).astype(np.float32).tobytes())
        for unit_index, texture in enumerate(self.shadows):
            texture.use(4 + unit_index)
        known["shadow_map"].value = [4, 5, 6]

    def _set(self, program: str, values: dict) -> None:
        """Uniforms by name; those that the driver dropped as unused are skipped."""
        known = self.programs[program]
        for name, value in values.items():
            if name not in known:
                continue
            array = np.asarray(value)
            if array.shape == (4, 4):
                known[name].write(array.T.astype(np.float32).tobytes())
            elif array.ndim == 0:
                known[name].value = array.item()
            else:
                known[name].write(array.astype(np.float32).tobytes())

    def _finish(self) -> np.ndarray:
        studio, n = self.studio, self.large
        pixels = n * studio.focal / studio.eye[2]
        source = self.buffers[0]
        for target, axis in zip((0, 1), ((1 / n, 0.0), (0.0, 1 / n))):
            self.blur[target].use()
            source.use(0)
            self.depth.use(1)
            self._set("scatter", {"irradiance": 0, "depth": 1, "step_px": axis, "px_per_cm": pixels})
            self.screens["scatter"].render(self.gl.TRIANGLE_STRIP)
            source = self.blurred[target]
        self.shown.use()
        for unit, texture in enumerate((source, self.buffers[1], self.buffers[2])):
            texture.use(unit)
        values = {"irradiance": 0, "albedo": 1, "gloss": 2, "exposure": studio.exposure}
        self._set("compose", values | {"backdrop": studio.backdrop, "backdrop_glow": studio.backdrop_glow})
        self.screens["compose"].render(self.gl.TRIANGLE_STRIP)
        raw = np.frombuffer(self.shown.read(components=3), np.uint8).reshape(n, n, 3)[::-1]
        scale = n // self.size
        linear = (raw.astype(np.float32) / 255) ** 2.2
        mean = linear.reshape(self.size, scale, self.size, scale, 3).mean(axis=(1, 3))
        return (mean ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)

    # ---- ambient light

    def refresh(self, name: str) -> None:
        """Send a mesh's albedo and material again."""
        mesh, buffers, _ = self.meshes[name]
        for key in ("albedo", "material"):
            buffers[key].write(np.ascontiguousarray(getattr(mesh, key), np.float32).tobytes())

    def occlusion(
        self, things: list[tuple[np.ndarray, np.ndarray | None]], models: dict[str, np.ndarray]
    ) -> list[np.ndarray]:
        """Share of the sky that things see, [P] in 0..1 each: things are (points [P, 3], normals [P, 3] or None), and
        count cosine-weighted where there are normals.

        The sky is as many distant lights, whose shadow maps are drawn one after the other.
        """
        seen = [np.zeros(len(points)) for points, _ in things]
        total = [np.zeros(len(points)) for points, _ in things]
        buffer, texture, size = self.shadow_buffers[0], self.shadows[0], self.studio.shadow_px
        for direction in _sphere(self.studio.sky_directions):
            matrix = self._light_matrix(Light(tuple(direction), (1, 1, 1), 0.0), np.zeros(3))
            self.context.enable(self.gl.DEPTH_TEST)
            self._shadows(buffer, matrix, models)
            depth = np.frombuffer(texture.read(), np.float32).reshape(size, size)
            for number, (points, normals) in enumerate(things):
                weight = np.ones(len(points)) if normals is None else np.maximum(normals @ direction, 0)
                start = points if normals is None else points + normals * 0.12
                place = start @ matrix[:3, :3].T + matrix[:3, 3]
                pixel = np.clip(((place[:, :2] * 0.5 + 0.5) * size).astype(int), 0, size - 1)
                slack = 0.003 if normals is not None else 0.012
                total[number] += weight
                seen[number] += weight * (depth[pixel[:, 1], pixel[:, 0]] > place[:, 2] * 0.5 + 0.5 - slack)
        return [share / np.maximum(whole, 1e-6) for share, whole in zip(seen, total)]

    def close(self) -> None:
        self.context.release()


def _sphere(count: int) -> np.ndarray:
    """Directions [count, 3] spread evenly: a Fibonacci lattice."""
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    ring = np.sqrt(1 - height**2)
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    return np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], axis=1)
