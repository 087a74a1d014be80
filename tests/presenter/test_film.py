"""A presenter drawn small: it resumes, keeps its truth, and the truth is where the picture is."""

import dataclasses

import numpy as np
import pytest

from pgstalker.errors import ConfigError
from pgstalker.media import probe, read_frames

SIZE = 96


@pytest.fixture(scope="module")
def plain(body):
    """A look that is quick to draw."""
    from tools.presenter.looks import read_looks

    look = read_looks()["olu"]
    rough = look.studio | {"shadow_px": 96, "sky_directions": 4}
    return dataclasses.replace(look, hair=dataclasses.replace(look.hair, strands=300), studio=rough)


@pytest.fixture
def film(plain, monkeypatch, stage_of):
    from tools.presenter import film as module
    from tools.presenter.performance import enact

    samples = np.zeros(16000 * 4, np.float32)
    from tools.voices import Phone

    performance = enact(samples, [Phone(0, 1, ""), Phone(1, 2, "ɑ"), Phone(2, 4, "")], seed=1)
    monkeypatch.setattr(module, "perform_role", lambda name: performance)
    monkeypatch.setattr(module, "find_look", lambda name: plain)
    monkeypatch.setattr(module, "STRETCH", 3)
    return module


def test_a_film_that_was_stopped_goes_on_and_is_the_same(film, tmp_path, monkeypatch):
    whole = film.film("olu", tmp_path / "whole", size=SIZE, frames=6)
    draw, drawn = film.Figure.draw, []

    def stumble(figure, pose):
        if len(drawn) == 4:
            raise KeyboardInterrupt
        drawn.append(pose)
        return draw(figure, pose)

    monkeypatch.setattr(film.Figure, "draw", stumble)
    with pytest.raises(KeyboardInterrupt):
        film.film("olu", tmp_path / "halves", size=SIZE, frames=6)
    assert not (tmp_path / "halves" / "olu.mp4").exists()
    monkeypatch.setattr(film.Figure, "draw", draw)
    again = film.film("olu", tmp_path / "halves", size=SIZE, frames=6)
    assert [frame.tobytes() for frame in read_frames(whole)] == [frame.tobytes() for frame in read_frames(again)]
    assert sorted(path.name for path in again.parent.iterdir()) == ["olu.mp4", "olu.truth.npz"]
    info = probe(again)
    assert info.audio is not None and info.video.width == SIZE


def test_frames_of_another_film_are_not_mixed(film, tmp_path):
    film._claim(tmp_path / "olu.parts", {"size": 1})
    with pytest.raises(ConfigError, match="another look, size or program"):
        film.film("olu", tmp_path, size=SIZE, frames=3)


def test_truth_lies_on_the_picture(plain, stage_of):
    """The eyeballs' true pixels are where the eyes change when the gaze does."""
    from tools.presenter.figure import Figure, Pose
    from tools.presenter.looks import studio_of

    stage = stage_of(192, studio_of(plain))
    figure = Figure(plain, stage)
    poses = [Pose(gaze_deg=(side, 0), head_rotation_deg=(8, 4, 2)) for side in (-25, 25)]
    left, right = (figure.draw(pose).astype(int) for pose in poses)
    changed = np.argwhere(np.abs(left - right).max(axis=2) > 30)
    eye = np.array(studio_of(plain).eye)
    seen = (figure.landmarks(poses[0])[-2:] - eye) * [1, -1, -1]
    pixels = seen[:, :2] / seen[:, 2:] * studio_of(plain).focal * 192 + 96
    assert len(changed) > 20
    distance = np.linalg.norm(changed[:, None, ::-1] - pixels[None], axis=2)
    assert distance.min(axis=1).max() < 10 and (distance.argmin(axis=1) == 0).any() and distance.argmin(axis=1).any()


def test_a_frontal_head_is_the_identity(plain):
    from tools.presenter.figure import Figure, Pose
    from tools.presenter.film import _camera_from_head

    figure = Figure.sketch(plain)
    matrix = _camera_from_head(figure.skeleton.head_matrix(Pose()), np.array([0, 0, 80.0]))
    np.testing.assert_allclose(matrix[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix[:3, 3], [0, 0, 80], atol=1e-12)
    turned = _camera_from_head(figure.skeleton.head_matrix(Pose(head_rotation_deg=(10, 0, 0))), np.zeros(3))
    # Yaw to the figure's left is to the picture's right: the nose (head -z, towards the camera) moves to +x.
    assert (turned[:3, :3] @ [0, 0, -1.0])[0] > 0.1


def test_a_sheet_has_twelve_views(plain, stage_of, tmp_path, monkeypatch):
    from PIL import Image

    from tools.presenter import sheet

    monkeypatch.setattr(sheet, "find_look", lambda name: plain)
    sheet.draw_sheet("olu", tmp_path / "sheet.jpg", size=48)
    with Image.open(tmp_path / "sheet.jpg") as picture:
        assert picture.size == (4 * 48, 3 * 48)
        pixels = np.asarray(picture, float)
    views = pixels.reshape(3, 48, 4, 48, 3).transpose(0, 2, 1, 3, 4).reshape(12, -1)
    assert len(sheet.VIEWS) == 12 and all(np.abs(views[0] - view).mean() > 0.2 for view in views[1:])


def test_a_stranger_is_named(body):
    from tools.presenter.looks import find_look

    with pytest.raises(ConfigError, match="no presenter 'nobody': there are mira"):
        find_look("nobody")
