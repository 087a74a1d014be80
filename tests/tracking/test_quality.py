"""Each gate refuses in one line that names the value and the remedy."""

import numpy as np
import pytest

from pgstalker.errors import SubjectError
from pgstalker.tracking import quality
from pgstalker.tracking.survey import is_jump, longest_scene
from tests.tracking.faces import face_landmarks

FACE, FAR = face_landmarks(), face_landmarks((700, 256), 110)
SILENCE = np.zeros(16000, np.float32)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (lambda: quality.check_length("a.mp4", 124), "a.mp4 has 5.0 s of picture with sound; give at least 5 s"),
        (lambda: quality.check_sound("a.mp4", SILENCE), "a.mp4: audio is silent (-120 dBFS); record the voice"),
        (lambda: quality.check_faces("a.mp4", [[], [], []]), "no face found in a.mp4 (0 of 3 frames)"),
        (lambda: quality.check_faces("a.mp4", [[FACE, FAR]] * 3), "two faces found in a.mp4 (100% of frames); crop"),
        (lambda: quality.check_faces("a.mp4", [[face_landmarks(half_height=30)]]), "face is too small (30 px between"),
        (lambda: quality.check_valid("a.mp4", np.arange(10) < 8), "face visible in only 80% of frames of a.mp4"),
        (lambda: quality.check_picture(12.0, 90.0), "face is too dark (brightness 12 of 255, at least 40); use more"),
        (lambda: quality.check_picture(120.0, 1.0), "face is out of focus (sharpness 1.0, at least 8)"),
        (lambda: quality.check_pose(np.array([[0, 0, 90.0]] * 5)), "head is tilted by 90 degrees; turn the video"),
        (lambda: quality.check_pose(np.array([[0, 60.0, 0]] * 5)), "face is in profile in 100% of frames"),
        (lambda: quality.check_flow(3.0, 512), "head pose cannot be tracked (skin moves 3.0 px a frame"),
        (lambda: quality.check_camera(31.0, 512), "the camera moves (31 px, at most 6); use a tripod"),
    ],
)
def test_a_bad_video_is_refused(gate, message):
    with pytest.raises(SubjectError) as error:
        gate()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("gate", "warning"),
    [
        (lambda: quality.check_length("a.mp4", 500), "20.0 s is short"),
        (
            lambda: quality.check_faces("a.mp4", [[face_landmarks(half_height=50)]]),
            "face is small (50 px between eyes)",
        ),
        (lambda: quality.check_crop(326), "the head fills only 326 px"),
        (lambda: quality.check_picture(120.0, 12.0), "picture is soft (sharpness 12.0"),
        (lambda: quality.check_camera(3.0, 512), "the camera shakes by 3.0 px"),
        (lambda: quality.check_pose(np.array([[0, 60.0, 0]] + [[0, 0, 0.0]] * 50)), "face is in profile in 2.0% of"),
    ],
)
def test_what_lowers_the_result_is_a_warning(gate, warning):
    (said,) = gate()
    assert warning in said


def test_a_good_video_passes_without_a_word():
    assert (
        quality.check_length("a.mp4", 800)
        == quality.check_faces("a.mp4", [[FACE], [FACE, face_landmarks(half_height=40)]])
        == []
    )
    assert quality.check_picture(120.0, 100.0) == quality.check_crop(512) == quality.check_camera(None, 512) == []
    quality.check_flow(None, 512)


def test_a_face_that_leaves_the_picture_or_is_lost_is_not_valid():
    outside = face_landmarks((520, 256), 125)
    lost = np.full((478, 3), np.nan)
    np.testing.assert_array_equal(quality.valid_frames(np.stack([FACE, outside, lost]), 512), [True, False, False])


def test_cuts_are_jumps_and_the_longest_scene_is_kept():
    assert is_jump(FACE, face_landmarks((400, 256)))
    assert is_jump(FACE, face_landmarks(half_height=70))
    assert not is_jump(FACE, face_landmarks((290, 270), 130))
    assert longest_scene([], 500) == (0, 500)
    assert longest_scene([100, 420], 500) == (100, 320)
