"""A presenter put together: body, eyes, teeth, hair, lashes, clothes; and posed for one frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from tools.presenter.clothes import Garment, cut
from tools.presenter.fine_hair import Brows, Lashes
from tools.presenter.hair import HairStyle, Head, grow
from tools.presenter.human import load_base, load_units, macro_targets, shaped
from tools.presenter.parts import LANDMARKS, denture, eyeballs, group, local_targets, sphere
from tools.presenter.skin import Complexion, paint
from tools.presenter.stage import Mesh, Stage, Strands
from tools.presenter.surface import Normals, Surface

SHOWN_BELOW_TOP_CM = 42.0
SHOWN_BESIDE_CM = 26.0
LIPS_TOUCH_CM = 0.05  # height between the lips' marks when they touch
EYES_ABOVE_CM = 1.9  # height of the eyes over the picture's middle
EYES_BEHIND_CM = 1.0  # how far the origin lies behind the eyes


@dataclass(frozen=True)
class Look:
    """A presenter's parameters. body: arguments of human.macro_targets; shape: local targets by weight."""

    name: str
    title: str
    body: dict
    shape: dict[str, float] = field(default_factory=dict)
    complexion: Complexion = field(default_factory=Complexion)
    hair: HairStyle = field(default_factory=HairStyle)
    brows: tuple[float, float] = (1.0, 1.0)  # thickness, darkness
    iris: tuple[float, float, float] = (0.13, 0.07, 0.03)
    garments: tuple[Garment, ...] = (Garment(),)
    teeth: float = 0.9
    studio: dict = field(default_factory=dict)
    seed: int = 1


@dataclass(frozen=True)
class Pose:
    """One frame. units: weights by ARKit name (sides alone or together: "mouthSmile" means both); tongue 0..1;
    head_rotation_deg: yaw (to the figure's left), pitch (down), roll (to its right shoulder); head_translation_cm,
    torso_translation_cm [3]; torso_rotation_deg [3]; gaze_deg: (to its left, up)."""

    units: dict[str, float] = field(default_factory=dict)
    tongue: float = 0.0
    head_rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    head_translation_cm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    torso_translation_cm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    torso_rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gaze_deg: tuple[float, float] = (0.0, 0.0)


class Skeleton:
    """A neck that bends between the shoulders and the skull: each vertex follows the head by its weight."""

    def __init__(self, vertices: np.ndarray, marks: dict[str, np.ndarray], ear_z: float):
        chin = marks["chin"]
        self.pivot = np.array([0.0, chin[1] - 1.0, ear_z - 1.5])
        self.base = np.array([0.0, chin[1] - 22.0, self.pivot[2]])
        self.chin_y = chin[1]
        self.weight = self.weights(vertices)

    def weights(self, vertices: np.ndarray) -> np.ndarray:
        """How much vertices [V, 3] at rest follow the head: 0 at the shoulders, 1 from the chin up."""
        height = vertices[:, 1] + 0.45 * (vertices[:, 2] - self.pivot[2])
        t = np.clip((height - (self.chin_y - 9.0)) / 8.0, 0, 1)
        return t * t * (3 - 2 * t)

    def head_matrix(self, pose: Pose) -> np.ndarray:
        """World from rest for what is fixed to the skull [4, 4]."""
        matrix = _about(self.pivot, _turn(pose.head_rotation_deg).as_matrix(), np.array(pose.head_translation_cm))
        return self._torso(pose) @ matrix

    def _torso(self, pose: Pose) -> np.ndarray:
        turn = _turn(pose.torso_rotation_deg).as_matrix()
        return _about(self.base, turn, np.array(pose.torso_translation_cm))

    def posed(self, points: np.ndarray, weight: np.ndarray, pose: Pose) -> np.ndarray:
        """points [V, 3] cm at rest, weight [V] -> world."""
        rotvec = _turn(pose.head_rotation_deg).as_rotvec()
        angle = np.linalg.norm(rotvec)
        local = points - self.pivot
        if angle > 1e-9:
            axis = rotvec / angle
            a = (angle * weight)[:, None]
            along = (local @ axis)[:, None] * axis
            local = local * np.cos(a) + np.cross(axis, local) * np.sin(a) + along * (1 - np.cos(a))
        moved = local + self.pivot + weight[:, None] * np.array(pose.head_translation_cm)
        torso = self._torso(pose)
        return moved @ torso[:3, :3].T + torso[:3, 3]


def _turn(degrees) -> Rotation:
    yaw, pitch, roll = degrees
    return Rotation.from_euler("YXZ", [yaw, pitch, -roll], degrees=True)


def _about(pivot: np.ndarray, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = pivot - turn @ pivot + shift
    return matrix


class Figure:
    """A presenter on a stage. pose() moves it; draw() takes the picture."""

    def __init__(self, look: Look, stage: Stage):
        self.stage = stage
        self._shape(look)
        self._build_skin()
        self._build_mouth()
        self._build_eyes()
        self._build_hair()
        self._build_clothes()
        self._shade()

    @classmethod
    def sketch(cls, look: Look) -> Figure:
        """A figure of bones and landmarks only, with no stage: enough for landmarks() and the skeleton."""
        figure = cls.__new__(cls)
        figure._shape(look)
        figure._build_skin()
        return figure

    def _shape(self, look: Look) -> None:
        self.look, self.units = look, load_units()
        self.control = shaped(macro_targets(**look.body) | local_targets(look.shape))
        eyes = eyeballs(self.control)
        middle = (eyes[0].centre + eyes[1].centre) / 2
        self.control -= middle - [0.0, EYES_ABOVE_CM, -EYES_BEHIND_CM]
        self.eyes = eyeballs(self.control)
        self.closing = self._closing()
        self.marks = {name: self.control[index] for name, index in LANDMARKS.items()}
        self.marks |= {"right_eye": self.eyes[0].centre, "left_eye": self.eyes[1].centre}

    def landmarks(self, pose: Pose) -> np.ndarray:
        """World positions [M, 3] cm of parts.LANDMARKS and the right and left eyeball."""
        control = self.deformed(pose)
        points = [control[index] for index in LANDMARKS.values()] + [eye.centre for eye in self.eyes]
        head = self.skeleton.head_matrix(pose)
        return np.array(points) @ head[:3, :3].T + head[:3, 3]

    # ---- building

    def _build_skin(self) -> None:
        faces = load_base().faces["body"]
        top = self.control[faces[:, :, 0].ravel(), 1].max()
        corners = self.control[faces[:, :, 0]]
        shown = (corners[..., 1].min(axis=1) > top - SHOWN_BELOW_TOP_CM) & (
            np.abs(corners[..., 0]).max(axis=1) < SHOWN_BESIDE_CM
        )
        quads, uv_quads = faces[shown][:, :, 0], faces[shown][:, :, 1]
        self.skin_control, index = np.unique(quads, return_inverse=True)
        self.skin = Surface.control(index.reshape(quads.shape), len(self.skin_control)).subdivided(2)
        uv_control = np.zeros((len(self.skin_control), 2))
        uv_control[index.reshape(quads.shape)] = load_base().uv[uv_quads]
        self.skin_uv = self.skin.smooth @ uv_control
        self.skin_rest = self.skin.smooth @ self.control[self.skin_control]
        self.skin_normals = Normals(self.skin.triangles, len(self.skin_rest))
        self.rest_normals = self.skin_normals(self.skin_rest)
        ears = self.skin_rest[
            np.abs(self.skin_rest[:, 0]) > np.percentile(np.abs(self.skin_rest[self._face_band(), 0]), 99.7)
        ]
        ears = ears[np.abs(ears[:, 1] - self.marks["nose_tip"][1]) < 4]
        self.ear = ears.mean(axis=0) * [0, 1, 1]
        self.skeleton = Skeleton(self.skin_rest, self.marks, self.ear[2])
        self.paint = paint(self.skin_rest, self.skin_uv, self.marks, self.look.complexion)
        material = np.stack(
            [np.ones(len(self.skin_rest)), self.paint["roughness"], self.paint["bump"], self.paint["scatter"]], axis=1
        )
        self.shade = Surface.control(index.reshape(quads.shape), len(self.skin_control)).subdivided(1)
        self.shade_weight = self.skeleton.weights(self.shade.smooth @ self.control[self.skin_control])
        self.skin_mesh = Mesh("skin", self.skin.triangles, self.skin_rest, self.paint["albedo"], material)

    def _face_band(self) -> np.ndarray:
        height = self.skin_rest[:, 1]
        return np.abs(height - self.marks["nose_tip"][1]) < 4

    def _build_mouth(self) -> None:
        self.dentures = {}
        for name, is_upper in (("upper_teeth", True), ("lower_teeth", False)):
            teeth = denture(self.control, is_upper, self.look.teeth)
            material = np.tile([0.62, 0.22, 0.6, 0.0], (len(teeth.vertices), 1))
            behind = teeth.vertices[:, 2].max() - teeth.vertices[:, 2]
            material[:, 0] *= np.clip(1.15 - behind / 1.5, 0.04, 1.0)  # cheeks and lips hide the back of the mouth
            self.stage.add(name, Mesh("wet", teeth.triangles, teeth.vertices, teeth.albedo, material))
            self.dentures[name] = (teeth, Normals(teeth.triangles, len(teeth.vertices)))
        quads = load_base().faces["helper-tongue"][:, :, 0]
        self.tongue_control, index = np.unique(quads, return_inverse=True)
        self.tongue = Surface.control(index.reshape(quads.shape), len(self.tongue_control)).subdivided(2)
        rest = self.tongue.smooth @ self.control[self.tongue_control]
        self.tongue_normals = Normals(self.tongue.triangles, len(rest))
        material = np.tile([0.40, 0.34, 1.0, 0.0], (len(rest), 1))
        material[:, 0] *= np.clip(1.1 - (rest[:, 2].max() - rest[:, 2]) / 3.0, 0.1, 1.0)
        self.stage.add(
            "tongue", Mesh("wet", self.tongue.triangles, rest, np.tile([0.40, 0.12, 0.11], (len(rest), 1)), material)
        )

    def _build_eyes(self) -> None:
        parts = [sphere(eye) for eye in self.eyes]
        points = np.concatenate([part[0] for part in parts])
        count = len(parts[0][0])
        triangles = np.concatenate([parts[0][2], parts[1][2] + count])
        self.eye_normals = np.concatenate([part[1] for part in parts])
        material = np.tile([1.0, 0.2, 0.0, 0.0], (len(points), 1))
        self.eye_mesh = Mesh("eye", triangles, points, np.ones_like(points), material)

    def _build_hair(self) -> None:
        brow_y = self.eyes[0].centre[1] + 2.0
        is_head = self.skeleton.weight > 0.3
        head = Head(
            self.skin_rest, self.rest_normals, self.skin.triangles, centre=self.ear, brow_y=brow_y, ear_y=self.ear[1]
        )
        style, seed = self.look.hair, self.look.seed
        self.hair = None
        if style.strands:
            position, tangent, strand = grow(head, style, seed)
            uniforms = {"hair_color": style.color, "tip_color": style.tip, "shine": style.shine}
            self.hair = Strands(position, tangent, strand, style.width, uniforms)
            shade = (
                np.clip(head.scalp(self.skin_rest, style) / 0.9 + 0.15, 0, 1) * ~head.is_ear(self.skin_rest) * is_head
            )
            self.paint["albedo"] *= 1 - 0.93 * shade[:, None] * (1 - np.array(style.color))
            self.skin_mesh.albedo = self.paint["albedo"]
        (thickness, dark), look = self.look.brows, self.look.complexion
        self.brows = Brows(self.skin_rest, self.rest_normals, self.eyes, thickness, look.brow_bow, seed)
        self.lashes = Lashes(self.control, self.eyes, seed)
        brow_color = tuple(dark * (1.3 * np.array(look.brow) + 0.10 * np.array(look.tone)))
        plain = {"hair_color": brow_color, "tip_color": brow_color, "shine": 0.3}
        self.stage.add("brows", Strands(*self.brows.strands(), 0.026, plain))
        black = {"hair_color": (0.012, 0.009, 0.008), "tip_color": (0.02, 0.015, 0.012), "shine": 0.2}
        self.stage.add("lashes", Strands(*self.lashes.strands(self.control), 0.022, black))

    def _build_clothes(self) -> None:
        self.garments = {}
        for number, garment in enumerate(self.look.garments):
            piece = cut(garment, self.skin, self.skin_rest, self.rest_normals, self.skeleton, self.marks)
            name = f"garment{number}"
            self.stage.add(name, piece.mesh)
            self.garments[name] = piece

    def _shade(self) -> None:
        """Ambient occlusion, once, with the mouth a little open."""
        self.stage.add("skin", self.skin_mesh)
        blank = np.zeros((len(self.shade_weight), 4))
        self.stage.add("skin_shade", Mesh("shade", self.shade.triangles, blank[:, :3], blank[:, :3], blank))
        self.stage.add("eyes", self.eye_mesh)
        if self.hair is not None:
            self.stage.add("hair", self.hair)
        half_open = Pose({"jawOpen": 0.12})
        self.pose(half_open)
        things = [(self.posed_skin, self.posed_normals), (self.eye_mesh.rest, self.eye_normals)]
        things += [piece.posed(self.skeleton, half_open) for piece in self.garments.values()]
        if self.hair is not None:
            things.append((self.hair.position.reshape(-1, 3), None))
        shares = iter(self.stage.occlusion(things, self._models(half_open)))
        inside = self.paint["inside"]
        self.skin_mesh.material[:, 0] = np.maximum(next(shares), 0.3) * (1 - inside) + 0.18 * inside
        self.eye_mesh.material[:, 0] = np.clip(next(shares), 0.08, 1.0)
        for name, piece in self.garments.items():
            piece.mesh.material[:, 0] = next(shares)
            self.stage.refresh(name)
        if self.hair is not None:
            self.hair.strand[..., 2] = np.clip(1 - next(shares).reshape(self.hair.strand.shape[:2]) * 1.6, 0, 1)
            self.stage.add("hair", self.hair)
        self.stage.refresh("skin")
        self.stage.refresh("eyes")

    # ---- moving

    def _closing(self) -> float:
        """Weight of mouthClose that makes the lips of this face meet at rest: shape targets leave a gap."""
        upper, lower = LANDMARKS["upper_lip"], LANDMARKS["lower_lip"]
        gap = self.control[upper, 1] - self.control[lower, 1] - LIPS_TOUCH_CM
        close = dict(zip(self.units["mouthClose"].index.tolist(), self.units["mouthClose"].offset[:, 1]))
        return float(gap / (close[lower] - close[upper]))

    def deformed(self, pose: Pose) -> np.ndarray:
        """Control vertices [V, 3] with the pose's facial units, head at rest."""
        control = self.control.copy()
        control[self.units["mouthClose"].index] += self.closing * self.units["mouthClose"].offset
        for name, weight in pose.units.items():
            names = (name,) if name in self.units else (f"{name}Left", f"{name}Right")
            for unit in names:
                target = self.units[unit]
                control[target.index] += weight * target.offset
        return control

    def pose(self, pose: Pose) -> None:
        """Move everything on the stage."""
        control = self.deformed(pose)
        rest = self.skin.smooth @ control[self.skin_control]
        self.posed_skin = self.skeleton.posed(rest, self.skeleton.weight, pose)
        self.posed_normals = self.skin_normals(self.posed_skin)
        self.stage.move("skin", self.posed_skin, self.posed_normals)
        coarse = self.skeleton.posed(self.shade.smooth @ control[self.skin_control], self.shade_weight, pose)
        self.stage.move("skin_shade", coarse, coarse)
        head = self.skeleton.head_matrix(pose)
        self._pose_mouth(control, head, pose)
        eyes = self.eye_mesh.rest @ head[:3, :3].T + head[:3, 3]
        self.stage.move("eyes", eyes, self.eye_normals @ head[:3, :3].T)
        self.stage.bend("brows", *self.brows.moved(rest)[:2])
        self.stage.bend("lashes", *self.lashes.strands(control)[:2])
        for name, piece in self.garments.items():
            self.stage.move(name, *piece.posed(self.skeleton, pose))

    def _pose_mouth(self, control: np.ndarray, head: np.ndarray, pose: Pose) -> None:
        for name, (teeth, normals) in self.dentures.items():
            points = teeth.vertices
            if name == "lower_teeth":
                helper = group("helper-lower-teeth")
                turn, shift = _jaw(self.control[helper], control[helper])
                points = points @ turn.T + shift
            world = points @ head[:3, :3].T + head[:3, 3]
            self.stage.move(name, world, normals(world))
        rest = self.tongue.smooth @ control[self.tongue_control]
        front = np.clip((rest[:, 2] - np.percentile(rest[:, 2], 45)) / 2.5, 0, 1)[:, None] ** 1.5
        rest = rest + pose.tongue * front * [0.0, 1.15, 0.35]
        world = rest @ head[:3, :3].T + head[:3, 3]
        self.stage.move("tongue", world, self.tongue_normals(world))

    def _models(self, pose: Pose) -> dict[str, np.ndarray]:
        head = self.skeleton.head_matrix(pose)
        return dict.fromkeys(("hair", "brows", "lashes"), head)

    def draw(self, pose: Pose) -> np.ndarray:
        """The picture [H, W, 3] uint8 of a pose."""
        self.pose(pose)
        head = self.skeleton.head_matrix(pose)
        right, up = np.radians(pose.gaze_deg)
        axis = np.array([np.sin(right) * np.cos(up), np.sin(up), np.cos(right) * np.cos(up)])
        # Eyes converge on the camera.
        axes = np.stack([axis + [0.035, 0, 0], axis - [0.035, 0, 0]])
        axes = axes / np.linalg.norm(axes, axis=1, keepdims=True) @ head[:3, :3].T
        centres = np.stack([eye.centre for eye in self.eyes]) @ head[:3, :3].T + head[:3, 3]
        eyes = {"iris": (*self.look.iris, self.eyes[0].iris_angle), "gaze": axes, "eyeball": centres}
        return self.stage.draw(self._models(pose), head[:3, 3], {"eyes": eyes})


def _jaw(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation about the ears' axis and shift that carry source to target best (Kabsch 1976, in the middle plane)."""
    a, b = source.mean(axis=0), target.mean(axis=0)
    p, q = (source - a)[:, 1:], (target - b)[:, 1:]
    angle = np.arctan2((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum(), (p * q).sum())
    turn = Rotation.from_rotvec([angle, 0, 0]).as_matrix()
    return turn, b - turn @ a
