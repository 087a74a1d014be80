"""Where Gaussians start: on the pixels that they were taken from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from pgstalker.gaussians import PARAMETERS
from pgstalker.gaussians.initialise import (
    FACE_CM,
    HAIR_CM,
    MESH_SHARE,
    TORSO_BEHIND_CM,
    TORSO_DEPTH_CM,
    VIEWS,
    Initialiser,
)
from pgstalker.landmarks import LIPS_OUTER, MESH_POINTS
from pgstalker.synthetic.face import Face
from pgstalker.types import Camera, Label
from tests.models.faces import poses

TORSO, FACE, HAIR = Label.TORSO, Label.FACE, Label.HAIR
SIDE, FRAMES = 96, 12
CAMERA = Camera(2.34375 * SIDE, SIDE, SIDE, SIDE / 2, SIDE / 2)
COLOURS = {0: (10, 20, 30), TORSO: (0, 0, 200), FACE: (220, 180, 160), HAIR: (60, 40, 20)}


def surface() -> tuple[np.ndarray, np.ndarray]:
    vertices = Face().points(0, 0, 0)[:MESH_POINTS]
    return vertices, Delaunay(vertices[:, :2]).simplices


def labels() -> np.ndarray:
    one = np.zeros((SIDE, SIDE), np.uint8)
    one[70:] = TORSO
    one[20:28, 30:66] = HAIR
    one[28:65, 30:66] = FACE
    return np.tile(one, (FRAMES, 1, 1))


def start(seed: int = 0, labels_=None) -> Initialiser:
    labels_ = labels() if labels_ is None else labels_
    table = np.zeros((7, 3), np.uint8)
    for label, colour in COLOURS.items():
        table[label] = colour
    return Initialiser(table[labels_], labels_, poses(FRAMES), surface(), CAMERA, seed)


def pixels_of(points: np.ndarray) -> np.ndarray:
    homogeneous = points @ CAMERA.matrix().T
    return homogeneous[:, :2] / homogeneous[:, 2:]


@pytest.mark.parametrize("kind", ["face", "mouth", "torso"])
@pytest.mark.parametrize("count", [1, 7, 400])
def test_a_cloud_has_its_count_and_raw_values(kind, count):
    cloud = getattr(start(), kind)(count)
    assert set(cloud) == set(PARAMETERS)
    width = {"means": (3,), "log_scales": (3,), "quats": (4,), "opacity_logits": (), "colors": (3,), "shading": (2, 3)}
    assert {name: value.shape for name, value in cloud.items()} == {name: (count, *w) for name, w in width.items()}
    assert all(np.isfinite(value).all() for value in cloud.values())
    np.testing.assert_allclose(np.linalg.norm(cloud["quats"], axis=1), 1)
    assert not cloud["shading"].any()
    assert cloud["colors"].min() >= 0 and cloud["colors"].max() <= 1


def test_the_same_seed_starts_the_same_and_another_one_does_not():
    first, same, other = (start(seed).face(50)["means"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_torso_points_lie_on_torso_pixels_and_wear_their_colour():
    cloud = start().torso(300)
    x, y = np.floor(pixels_of(cloud["means"])).astype(int).T
    assert (labels()[0][y, x] == TORSO).all()
    np.testing.assert_allclose(cloud["colors"], np.tile(np.array(COLOURS[TORSO]) / 255, (300, 1)))
    depth = cloud["means"][:, 2] - poses(FRAMES)[:, 2, 3].mean()
    assert depth.min() >= TORSO_BEHIND_CM and depth.max() <= TORSO_BEHIND_CM + TORSO_DEPTH_CM
    assert len(np.unique(x)) > 50  # spread over the picture


def test_hair_and_ears_project_onto_the_pixels_they_came_from():
    """In the frame that it was taken from each point lies on a pixel of its own colour."""
    count = 200
    cloud = start().face(count)
    around = slice(int(count * MESH_SHARE), None)
    means, colours = cloud["means"][around], (cloud["colors"][around] * 255).round()
    fits = np.zeros((FRAMES, len(means)), bool)
    for frame, pose in enumerate(poses(FRAMES)):
        x, y = np.floor(pixels_of(means @ pose[:3, :3].T + pose[:3, 3]) + 1e-6).astype(int).clip(0, SIDE - 1).T
        label = labels()[frame][y, x]
        fits[frame] = np.isin(label, (FACE, HAIR)) & (
            colours == np.array([COLOURS.get(k, (0, 0, 0)) for k in label])
        ).all(1)
    assert fits.any(0).all()


def test_hair_reaches_further_back_than_the_face():
    cloud = start().face(2000)
    around = slice(int(2000 * MESH_SHARE), None)
    is_hair = (cloud["colors"][around] * 255).round()[:, 0] == COLOURS[HAIR][0]
    pose = poses(FRAMES)[0]  # all are alike but for a slight turn
    depth = (cloud["means"][around] @ pose[:3, :3].T)[:, 2]
    assert HAIR_CM[1] - 2 < depth[is_hair].max() < HAIR_CM[1] + 2
    assert FACE_CM[1] - 2 < depth[~is_hair].max() < FACE_CM[1] + 2


def test_skin_lies_on_the_surface_and_takes_the_colour_seen_there():
    vertices, _ = surface()
    cloud = start().face(300)
    skin = cloud["means"][: int(300 * MESH_SHARE)]
    low, high = vertices.min(0), vertices.max(0)
    assert (skin >= low).all() and (skin <= high).all()
    # on some triangle: its barycentric coordinates are positive and the plane is met
    flat = Delaunay(vertices[:, :2])
    corners = vertices[flat.simplices[flat.find_simplex(skin[:, :2] * (1 - 1e-9))]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    distance = np.abs(((skin - corners[:, 0]) * normal).sum(1)) / np.linalg.norm(normal, axis=1)
    assert np.quantile(distance, 0.9) < 1e-6
    middle = np.linalg.norm(skin[:, :2] - [0, 1], axis=1) < 3
    np.testing.assert_allclose(np.median(cloud["colors"][: len(skin)][middle], 0) * 255, COLOURS[FACE], atol=1)


def test_the_mouth_room_is_behind_the_lips():
    low, high = start().mouth_box()
    lips = surface()[0][LIPS_OUTER]
    assert (low < high).all()
    assert low[2] > lips[:, 2].mean() and lips[:, 0].min() < low[0] < high[0] < lips[:, 0].max()
    means = start().mouth(100)["means"]
    assert (means >= low).all() and (means <= np.maximum(high, low + 0.1)).all()


def test_fewer_gaussians_are_larger():
    for kind in ("face", "torso"):
        few, many = (np.exp(getattr(start(), kind)(count)["log_scales"]).mean() for count in (100, 400))
        assert few == pytest.approx(2 * many, rel=0.15)  # the area is shared out


@pytest.mark.parametrize("missing", [(TORSO,), (FACE, HAIR), (TORSO, FACE, HAIR)])
def test_what_no_frame_shows_is_left_out(missing):
    shown = labels()
    shown[np.isin(shown, missing)] = 0
    begun = start(labels_=shown)
    torso, face = begun.torso(80), begun.face(80)
    assert len(torso["means"]) == (0 if TORSO in missing else 80)
    assert len(face["means"]) == (int(80 * MESH_SHARE) if FACE in missing else 80)
    assert {len(value) for value in torso.values()} == {len(torso["means"])}


def test_a_torso_seen_in_one_view_alone_still_gets_its_count():
    shown = np.zeros_like(labels())
    view = np.linspace(0, FRAMES - 1, VIEWS).astype(int)[2]
    shown[view] = labels()[view]
    assert len(start(labels_=shown).torso(80)["means"]) == 80


def test_the_torso_turns_about_the_tracked_pivot():
    centre = start().torso_centre((0.25, 0.75))
    np.testing.assert_allclose(pixels_of(centre[None])[0], [0.25 * SIDE, 0.75 * SIDE])
    assert start().torso_centre(None)[2] == centre[2] > poses(FRAMES)[:, 2, 3].mean()
