import numpy as np
import pytest

from pgstalker import measures


def test_psnr_is_the_textbooks():
    target = np.zeros((2, 8, 8, 3), np.uint8)
    image = target.copy()
    image[1] += 16
    assert measures.psnr(image, target) == pytest.approx([100, 20 * np.log10(255 / 16)])
    assert measures.psnr(image / 255.0, target / 255.0) == pytest.approx([100, 20 * np.log10(255 / 16)])


def test_psnr_does_not_wrap_round_in_uint8():
    assert measures.psnr(np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)) == pytest.approx(0)


def test_psnr_of_a_mask_sees_only_the_mask():
    target = np.zeros((8, 8, 3), np.float32)
    image = target.copy()
    image[:4] = 0.1
    mask = np.zeros((8, 8))
    mask[:4] = 1
    assert measures.psnr(image, target, mask) == pytest.approx(20, abs=1e-4)
    assert measures.psnr(image, target, 1 - mask) == 100


@pytest.fixture
def face():
    """A flat face [1, 478, 3] with outer eye corners 10 apart and everything else at the origin."""
    landmarks = np.zeros((1, 478, 3), np.float32)
    landmarks[:, 33, 0], landmarks[:, 263, 0] = -5, 5
    return landmarks


def test_lip_aperture_mouth_width_and_jaw(face):
    face[:, [14, 87, 317], 1] = 1, 2, 3
    face[:, 61, 0], face[:, 291, 2] = 3, 4
    face[:, 152, 1] = 12
    assert measures.lip_aperture(face) == pytest.approx([0.2])
    assert measures.mouth_width(face) == pytest.approx([0.5])
    assert measures.jaw_opening(face) == pytest.approx([1.2])


def test_measures_do_not_know_scale_place_or_turn():
    rng = np.random.default_rng(0)
    landmarks = rng.normal(size=(5, 478, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = 3.7 * landmarks @ rotation.T + 20
    for measure in (measures.lip_aperture, measures.mouth_width, measures.jaw_opening, measures.eye_aspect_ratio):
        assert measure(landmarks).shape == (5,)
        assert measure(moved) == pytest.approx(measure(landmarks))


def test_eye_aspect_ratio_is_the_mean_of_both_eyes(face):
    face[:, 133, 0], face[:, 362, 0] = -2, 2  # both 3 wide
    for upper, lower, height in ((160, 144, 0.6), (158, 153, 0.9), (385, 380, 0.3), (387, 373, 0.3)):
        face[:, upper, 1], face[:, lower, 1] = -height / 2, height / 2
    assert measures.eye_aspect_ratio(face) == pytest.approx([(0.25 + 0.1) / 2])


def test_pearson_agrees_with_numpy_and_survives_stillness():
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    assert measures.pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert measures.pearson(x, np.ones(50)) == 0


def test_null_is_high_for_smooth_tracks_and_below_a_true_match():
    t = np.arange(46)
    smooth = np.sin(t / 3) + 0.5 * np.sin(t / 1.7)
    null = measures.circular_shift_null(smooth, smooth)
    assert 0.3 < null < measures.pearson(smooth, smooth)
    noise = np.random.default_rng(0).normal(size=(2, 1000))
    assert measures.circular_shift_null(*noise) == pytest.approx(1.645 / np.sqrt(1000), rel=0.25)
