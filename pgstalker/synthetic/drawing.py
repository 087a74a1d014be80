"""The cartoon presenter's picture: flat shapes, projected through the camera and filled at several times the size.

Every shape is given in cm where it sits (head frame, or the plane of the shoulders), so the picture moves with the pose
exactly as the landmarks do. Beside the picture grows its label map (types.Label).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from pgstalker.landmarks import LIPS_INNER, LIPS_OUTER, OVAL
from pgstalker.synthetic.face import (
    BROW_LEFT,
    BROW_RIGHT,
    EYE_LEFT,
    EYE_RIGHT,
    EYE_X_CM,
    EYE_Y_CM,
    MOUTH_Y_CM,
    jaw_drop,
    surface_depth,
)
from pgstalker.types import Camera, Label

BACKGROUND, TORSO, FACE, HAIR, LIPS, MOUTH, EYES = map(int, Label)
SKIN, SKIN_SHADE, BLUSH, HAIR_COLOUR, HAIR_SHINE = "#f0bf9c", "#d99f7c", "#ea9f86", "#4a2f3a", "#6d4654"
JACKET, JACKET_DARK, SHIRT = "#2f4d7a", "#243c61", "#f4efe6"
LIP_UPPER, LIP_LOWER, MOUTH_DARK, TEETH, TONGUE = "#b4524f", "#c9655f", "#4b1a22", "#fbf6ee", "#c4606a"
EYE_WHITE, IRIS, PUPIL, LASH = "#fdfbf8", "#5b7f63", "#231a1d", "#33222a"
DISTANCE_CM = 92.0  # from the camera to the head
SHOULDERS_CM = np.array([0.0, 24.0])  # what the torso turns about, below the middle of the head
SUPERSAMPLING = 3  # odd: the middle sample of a block is the pixel's own centre, which the labels take


@dataclass(frozen=True)
class Look:
    """One frame. opening in cm, blink in [0, 1]; points [478, 3] cm in the head frame; torso: a row of Drive.torso."""

    camera_from_head: np.ndarray
    points: np.ndarray
    opening: float
    blink: float
    torso: np.ndarray


class Canvas:
    """A picture and its label map under construction, `SUPERSAMPLING` times as large as they will be."""

    def __init__(self, backdrop: Image.Image):
        self._image = backdrop.copy()
        self._labels = Image.new("L", backdrop.size, BACKGROUND)

    def fill(self, outline: np.ndarray, colour: str, label: int | None = None, within: Image.Image | None = None):
        """Fill a polygon [P, 2] px of the final picture, only where the mask `within` is set if one is given."""
        corners = [tuple(corner) for corner in outline * SUPERSAMPLING - 0.5]
        if within is not None:
            self._fill_within(np.array(corners), colour, within)
            return
        ImageDraw.Draw(self._image).polygon(corners, fill=colour)
        if label is not None:
            ImageDraw.Draw(self._labels).polygon(corners, fill=label)

    def _fill_within(self, corners: np.ndarray, colour: str, within: Image.Image):
        low = np.clip(np.floor(corners.min(0)), 0, within.size).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 1, 0, within.size).astype(int)
        if (high <= low).any():
            return
        box = (*low.tolist(), *high.tolist())
        shape = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(shape).polygon([tuple(corner) for corner in corners - low], fill=255)
        self._image.paste(colour, box, ImageChops.multiply(shape, within.crop(box)))

    def stroke(self, path: np.ndarray, colour: str, width_px: float):
        """A line along [P, 2] px of the final picture with round joints and ends."""
        draw, radius = ImageDraw.Draw(self._image), width_px * SUPERSAMPLING / 2
        corners = path * SUPERSAMPLING - 0.5
        draw.line([tuple(corner) for corner in corners], fill=colour, width=max(1, round(2 * radius)), joint="curve")
        for x, y in corners[[0, -1]]:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def mask(self, outline: np.ndarray) -> Image.Image:
        """A polygon [P, 2] px of the final picture as a mask."""
        mask = Image.new("L", self._image.size)
        ImageDraw.Draw(mask).polygon([tuple(corner) for corner in outline * SUPERSAMPLING - 0.5], fill=255)
        return mask

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture uint8 [H, W, 3] and its labels uint8 [H, W]."""
        middle = SUPERSAMPLING // 2
        labels = np.asarray(self._labels)[middle::SUPERSAMPLING, middle::SUPERSAMPLING]
        return np.asarray(self._image.reduce(SUPERSAMPLING)), np.ascontiguousarray(labels)


def project(points: np.ndarray, camera_from_head: np.ndarray, camera: Camera) -> np.ndarray:
    """points [..., 3] cm in the head frame -> [..., 3]: x, y px, and depth in px behind the head's origin."""
    seen = points @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    flat = camera.focal_px * seen[..., :2] / seen[..., 2:] + [camera.center_x_px, camera.center_y_px]
    depth = (seen[..., 2:] - camera_from_head[2, 3]) * camera.focal_px / camera_from_head[2, 3]
    return np.concatenate([flat, depth], -1)


def backdrop(camera: Camera) -> Image.Image:
    """A plain wall, lighter behind the head."""
    side = camera.width * SUPERSAMPLING
    y, x = np.mgrid[:side, :side] / side
    light = np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) / 0.28)[..., None]
    wall = np.array([118, 158, 166]) + light * np.array([66, 52, 44])
    return Image.fromarray(wall.round().astype(np.uint8))


class Presenter:
    """Draws the presenter as one camera sees her."""

    def __init__(self, camera: Camera):
        self.camera = camera
        self._backdrop = backdrop(camera)
        self._px_per_cm = camera.focal_px / DISTANCE_CM

    def draw(self, look: Look) -> tuple[np.ndarray, np.ndarray]:
        """The picture uint8 [H, W, 3] and its labels uint8 [H, W]."""
        canvas = Canvas(self._backdrop)

        def place(flat: np.ndarray, z: float | np.ndarray) -> np.ndarray:
            depth = np.broadcast_to(z, flat.shape[:1])[:, None]
            return project(np.concatenate([flat, depth], 1), look.camera_from_head, self.camera)[:, :2]

        def on_face(flat: np.ndarray) -> np.ndarray:
            return place(flat, surface_depth(flat[:, 0], flat[:, 1]))

        def landmarks(indices) -> np.ndarray:
            return project(look.points[list(indices)], look.camera_from_head, self.camera)[:, :2]

        canvas.fill(place(_hair_back(), 3.5), HAIR_COLOUR, HAIR)
        self._draw_torso(canvas, look, place)
        for side in (-1, 1):
            canvas.fill(place(_ellipse(side * 7.6, 0.2, 1.25, 2.1), 2.0), SKIN_SHADE, FACE)
        canvas.fill(landmarks(OVAL), SKIN, FACE)
        skin = canvas.mask(landmarks(OVAL))
        for side in (-1, 1):
            canvas.fill(on_face(_ellipse(side * 4.6, 2.3, 1.7, 1.1)), BLUSH, within=skin)
        canvas.stroke(on_face(_curve([(-0.9, 1.7), (-0.3, 2.25), (0.4, 2.25), (1.0, 1.7)])), SKIN_SHADE, self._px(0.3))
        for eye, side in ((EYE_LEFT, -1), (EYE_RIGHT, 1)):
            self._draw_eye(canvas, landmarks(eye), side, look.blink, on_face)
        for brow in (BROW_LEFT, BROW_RIGHT):
            canvas.fill(landmarks(brow), HAIR_COLOUR)
        self._draw_mouth(canvas, look, landmarks, on_face)
        canvas.fill(place(_hair_front(), -3.6), HAIR_COLOUR, HAIR)
        shine = _curve([(-4.6, -8.6), (-2.6, -9.7), (0.0, -10.0), (2.4, -9.5)])
        canvas.stroke(place(shine, -3.0), HAIR_SHINE, self._px(0.5))
        return canvas.finish()

    def _px(self, cm: float) -> float:
        return cm * self._px_per_cm

    def _draw_eye(self, canvas: Canvas, rim: np.ndarray, side: int, blink: float, on_face):
        canvas.fill(rim, EYE_WHITE, EYES)
        inside = canvas.mask(rim)
        centre = side * EYE_X_CM
        canvas.fill(on_face(_ellipse(centre, EYE_Y_CM - 0.1, 0.68, 0.68)), IRIS, within=inside)
        canvas.fill(on_face(_ellipse(centre, EYE_Y_CM - 0.1, 0.34, 0.34)), PUPIL, within=inside)
        if blink < 0.5:
            canvas.fill(on_face(_ellipse(centre + 0.24, EYE_Y_CM - 0.35, 0.14, 0.14)), EYE_WHITE, within=inside)
        canvas.stroke(rim[:9], LASH, self._px(0.3))

    def _draw_mouth(self, canvas: Canvas, look: Look, landmarks, on_face):
        outer, inner = landmarks(LIPS_OUTER), landmarks(LIPS_INNER)
        canvas.fill(outer, LIP_LOWER, LIPS)
        canvas.fill(np.concatenate([outer[:11], inner[10::-1]]), LIP_UPPER)
        canvas.fill(inner, MOUTH_DARK, MOUTH)
        if look.opening < 0.15:
            return
        inside = canvas.mask(inner)
        teeth = np.array([(-2.6, -1.2), (2.6, -1.2), (2.6, 0.14), (1.4, 0.36), (0.0, 0.42), (-1.4, 0.36), (-2.6, 0.14)])
        canvas.fill(on_face(teeth + [0, MOUTH_Y_CM]), TEETH, within=inside)
        lower = MOUTH_Y_CM + 0.85 * look.opening
        canvas.fill(on_face(_ellipse(0, lower + 0.15, 1.2, 0.55)), TONGUE, within=inside)

    def _draw_torso(self, canvas: Canvas, look: Look, place):
        chin = jaw_drop(np.array([9.0]), look.opening)[0] * 0.3
        torso = self._torso_placer(look.torso)
        canvas.fill(torso(_jacket()), JACKET, TORSO)
        canvas.fill(torso(_curve([(-3.4, 15.0), (0.0, 23.5), (3.4, 15.0)])), SHIRT, TORSO)
        top = place(np.array([(-4.3, 4.0), (4.3, 4.0), (4.3, 9.0), (-4.3, 9.0)]), 3.0)
        base = torso(np.array([(4.4, 15.2), (2.2, 17.4), (0.0, 18.2), (-2.2, 17.4), (-4.4, 15.2)]))
        canvas.fill(np.concatenate([top[[0, 1, 2]], base, top[[3]]]), SKIN_SHADE, TORSO)
        shadow = place(_ellipse(0, 8.6 + chin, 4.6, 2.6), 2.0)
        canvas.fill(shadow, "#c68b6a", within=canvas.mask(np.concatenate([top[[0, 1, 2]], base, top[[3]]])))
        for side in (-1, 1):
            lapel = np.array([(4.2, 14.6), (6.6, 15.2), (7.2, 20.0), (5.4, 20.6), (1.2, 27.0), (0.0, 24.4)])
            canvas.fill(torso(lapel * [side, 1]), JACKET_DARK, TORSO)

    def _torso_placer(self, motion: np.ndarray):
        """Points of the shoulder plane, cm right of and below the middle of the head at rest, to px of the picture."""
        dx, dy, growth, turn = motion[:4]  # these shoulders do not bend
        cos, sin = np.cos(turn) * (1 + growth), np.sin(turn) * (1 + growth)
        middle = np.array([self.camera.center_x_px, self.camera.center_y_px]) + [0, -4.0 * self._px_per_cm]

        def placed(flat: np.ndarray) -> np.ndarray:
            turned = (flat - SHOULDERS_CM) @ np.array([[cos, -sin], [sin, cos]]).T + SHOULDERS_CM
            return turned * self._px_per_cm + middle + np.array([dx, dy]) * self.camera.width

        return placed


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return np.stack([x + half_width * np.cos(turn), y + half_height * np.sin(turn)], 1)


def _curve(corners: list[tuple[float, float]], closed: bool = False, steps: int = 8) -> np.ndarray:
    """A smooth line [P, 2] through the corners (Catmull-Rom)."""
    points = np.array(corners, float)
    around = np.concatenate([points[-1:], points, points[:2]] if closed else [points[:1], points, points[-1:]])
    t = np.arange(steps)[:, None] / steps
    pieces = []
    for a, b, c, d in zip(around[:-3], around[1:-2], around[2:-1], around[3:], strict=True):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(pieces if closed else [*pieces, points[-1:]])


def _mirrored(right: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A symmetric outline from its right half, top to bottom."""
    return right + [(-x, y) for x, y in reversed(right)]


def _hair_back() -> np.ndarray:
    right = [(2.6, -11.3), (6.6, -9.6), (9.1, -5.4), (9.7, 0.0), (9.9, 5.0), (9.0, 9.2), (6.0, 10.6)]
    return _curve(_mirrored(right), closed=True)


def _hair_front() -> np.ndarray:
    """A fringe swept to one side: the hairline, then back over the crown."""
    hairline = [(-8.5, 2.0), (-7.4, -2.2), (-6.2, -4.6), (-3.2, -6.6), (0.8, -7.4), (3.6, -7.2), (6.3, -5.0),
                (7.5, -2.0), (8.5, 2.0)]  # fmt: skip
    crown = [(8.9, -3.4), (8.0, -7.2), (5.2, -9.9), (1.2, -11.0), (-3.2, -10.7), (-6.9, -8.6), (-8.8, -4.4)]
    return np.concatenate([_curve(hairline), _curve(crown)])


def _jacket() -> np.ndarray:
    right = [(4.6, 14.4), (8.5, 16.2), (14.5, 18.0), (18.5, 22.5), (20.5, 32.0), (21.0, 45.0)]
    outline = _curve(right)
    return np.concatenate([outline, (outline * [-1, 1])[::-1]])
