"""The body: base mesh, targets, subdivision, parts."""

import numpy as np
import pytest

from pgstalker.errors import PgsError
from tools.presenter.surface import Normals, Surface

CUBE = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
CORNERS = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], float) * 2 - 1


def test_a_subdivided_cube_is_catmull_and_clarks():
    """Hand-worked: a face point is the face's centre, a cube's corner goes to 5/9 of itself."""
    once = Surface.control(CUBE, 8).subdivided()
    points = once.smooth @ CORNERS
    assert len(once.quads) == 24 and len(points) == 8 + 12 + 6
    np.testing.assert_allclose(points[:8], CORNERS * 5 / 9, atol=1e-12)
    np.testing.assert_allclose(np.abs(points[-6:]).sum(axis=1), 1.0, atol=1e-12)


def test_a_border_stays_a_border():
    sheet = np.array([[0, 1, 4, 3], [1, 2, 5, 4]])
    flat = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [1, 1, 0], [2, 1, 0]], float)
    points = Surface.control(sheet, 6).subdivided(2).smooth @ flat
    assert points[:, 2].max() == 0 and points[:, 0].min() >= 0 and points[:, 1].max() <= 1


def test_affine_maps_pass_through():
    surface = Surface.control(CUBE, 8).subdivided(2)
    np.testing.assert_allclose(surface.smooth.sum(axis=1), 1.0, atol=1e-12)


def test_normals_of_a_ball_point_outwards():
    surface = Surface.control(CUBE, 8).subdivided(3)
    points = surface.smooth @ CORNERS
    normals = Normals(surface.triangles, len(points))(points)
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert np.abs((normals * outward).sum(axis=1)).min() > 0.9


def test_macro_shares_are_a_partition(body):
    from tools.presenter.human import macro_targets

    shares = macro_targets(male=0.3, age=0.4, race={"asian": 0.25, "african": 0.75}, muscle=0.7, weight=0.2)
    universal = sum(share for name, share in shares.items() if "universal" in name)
    assert universal == pytest.approx(1.0)
    assert sum(shares.values()) - universal == pytest.approx(1.0)


def test_jaw_opens_and_lips_meet(body):
    from tools.presenter.human import load_base, load_units
    from tools.presenter.parts import LANDMARKS

    vertices, jaw = load_base().vertices.copy(), load_units()["jawOpen"]
    before = vertices[LANDMARKS["upper_lip"], 1] - vertices[LANDMARKS["lower_lip"], 1]
    vertices[jaw.index] += jaw.offset
    after = vertices[LANDMARKS["upper_lip"], 1] - vertices[LANDMARKS["lower_lip"], 1]
    assert before < 0.1 and after > 3.0


def test_landmarks_are_where_their_names_say(body):
    from tools.presenter.human import load_base
    from tools.presenter.parts import LANDMARKS, eyeballs

    at = {name: load_base().vertices[index] for name, index in LANDMARKS.items()}
    assert at["chin"][1] < at["lower_lip"][1] < at["upper_lip"][1] < at["nose_tip"][1] < at["left_eye_outer"][1]
    for name in ("corner", "eye_outer"):
        right, left = (at[f"{side}_{name}"] for side in ("right", "left"))
        np.testing.assert_allclose(right * [-1, 1, 1], left, atol=0.02)
    right, left = eyeballs(load_base().vertices)
    assert right.centre[0] < 0 < left.centre[0] and 1.2 < right.radius < 1.7


def test_teeth_lie_inside_the_mouth(body):
    from tools.presenter.human import load_base
    from tools.presenter.parts import LANDMARKS, denture

    vertices = load_base().vertices
    for is_upper in (True, False):
        teeth = denture(vertices, is_upper)
        assert np.isfinite(teeth.vertices).all() and teeth.triangles.max() < len(teeth.vertices)
        assert teeth.vertices[:, 2].max() < vertices[LANDMARKS["upper_lip"], 2]
        assert np.abs(teeth.vertices[:, 0].mean()) < 0.05


def test_an_unknown_target_is_named(body):
    from tools.presenter.human import load_target
    from tools.presenter.parts import local_targets

    with pytest.raises(PgsError, match="no shape target 'nose/nose-like-a-duck'"):
        load_target("nose/nose-like-a-duck")
    with pytest.raises(PgsError, match="mouth-of-a-fish"):
        local_targets({"mouth-of-a-fish": 1.0})
