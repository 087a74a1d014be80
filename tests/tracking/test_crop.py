import numpy as np
import pytest

from pgstalker.errors import SubjectError
from pgstalker.tracking.crop import choose_crop
from pgstalker.tracking.face_model import OVAL
from tests.tracking.faces import face_landmarks


def still(center, half_height, frames=20):
    return np.stack([face_landmarks(center, half_height)] * frames)


def test_a_far_face_gets_a_square_with_the_face_in_its_share():
    crop = choose_crop(still((540, 500), 160), 1080, 1920, 512)
    assert crop.face_px == pytest.approx(320, rel=0.02)
    assert crop.side == pytest.approx(320 / 0.42, abs=12)
    assert crop.x + crop.side / 2 == pytest.approx(540, abs=3)
    assert 500 - (crop.y + crop.side / 2) == pytest.approx(-0.04 * crop.side, abs=4)  # a little above the middle
    assert crop.x % 2 == crop.y % 2 == crop.side % 2 == 0


@pytest.mark.parametrize("center", [(60, 80), (1020, 1850), (540, 40)])
def test_the_square_stays_inside_the_picture(center):
    crop = choose_crop(still(center, 160), 1080, 1920, 512)
    assert crop.x >= 0 and crop.y >= 0
    assert crop.x + crop.side <= 1080 and crop.y + crop.side <= 1920


def test_the_square_holds_a_swaying_head():
    faces = np.concatenate([still((340 + 40 * step, 500), 160, 1) for step in range(11)])
    crop = choose_crop(faces, 1080, 1920, 512)
    oval = faces[:, OVAL, 0]
    assert crop.x <= oval.min() and oval.max() <= crop.x + crop.side
    assert crop.side > 320 / 0.42


def test_a_walking_head_is_refused():
    faces = np.concatenate([still((100 + 80 * step, 500), 100, 1) for step in range(12)])
    with pytest.raises(SubjectError, match=r"head moves too far .*face heights.*stays in place"):
        choose_crop(faces, 1080, 1920, 512)


def test_a_framed_portrait_of_the_right_size_is_kept_whole():
    assert choose_crop(still((256, 256), 125), 512, 512, 512).box() == (0, 0, 512, 512)
    assert choose_crop(still((128, 128), 62), 256, 256, 512).side < 512  # another size is scaled
    assert choose_crop(still((256, 256), 60), 512, 512, 512).side < 400  # a small face is cropped
