"""A subject folder is read as it was written, and a damaged one is refused by the file's name."""

import json
import shutil

import numpy as np
import pytest

from pgstalker import media, subject
from pgstalker.errors import SubjectError
from pgstalker.subject import Subject, SubjectTracks

SIZE, FRAMES = 32, 11


def frame(index: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), 20 + 15 * index, np.uint8)


def labels(index: int) -> np.ndarray:
    picture = np.zeros((SIZE, SIZE), np.uint8)
    picture[16:, :] = 1 + index % 6
    return picture


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subject") / "anna"
    folder.mkdir()
    with media.VideoWriter(folder / subject.FRAMES, SIZE, SIZE, crf=8) as writer:
        for index in range(FRAMES):
            writer.write(frame(index))
    with media.VideoWriter(folder / subject.LABELS, SIZE, SIZE, codec="ffv1", gray=True) as writer:
        for index in range(FRAMES):
            writer.write(labels(index))
    media.write_wav(folder / subject.AUDIO, np.zeros(FRAMES * 640, np.float32), 16000)
    (folder / subject.SHEET).write_bytes(b"a picture")
    row = np.arange(FRAMES, dtype=np.float32)
    SubjectTracks(
        camera_from_head=np.tile(np.eye(4), (FRAMES, 1, 1)),
        landmarks_px=np.zeros((FRAMES, 478, 3), np.float32),
        valid=np.ones(FRAMES, bool),
        blink=row, aperture=row, mouth_width=row, jaw=row,
        torso_motion=np.zeros((FRAMES, 4), np.float32),
        torso_confidence=row,
        head_vertices=np.zeros((468, 3), np.float32),
        head_triangles=np.zeros((898, 3), np.int32),
    ).save(folder / subject.TRACKS)  # fmt: skip
    camera = {"focal_px": 75.0, "width": SIZE, "height": SIZE, "center_x_px": 16.0, "center_y_px": 16.0}
    subject.write_manifest(folder, {"camera": camera, "frames": FRAMES, "train_frames": 10, "torso_tracked": True})
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "anna")


def test_what_was_written_is_read(folder):
    anna = Subject.load(folder)
    assert (anna.frames_count, anna.train_frames, anna.size, anna.camera.focal_px) == (FRAMES, 10, SIZE, 75.0)
    assert anna.tracks.camera_from_head.dtype == np.float64
    np.testing.assert_array_equal(anna.tracks.blink, np.arange(FRAMES))
    assert len(anna.read_audio()) == FRAMES * 640
    for index, picture in enumerate(anna.read_frames()):
        assert abs(picture.astype(int) - frame(index)).max() <= 2


def test_labels_are_exact_at_any_size(folder):
    anna = Subject.load(folder)
    for size in (None, 16):
        found = list(anna.read_labels(size))
        assert len(found) == FRAMES
        for index, picture in enumerate(found):
            step = SIZE // (size or SIZE)
            np.testing.assert_array_equal(picture, labels(index)[::step, ::step])


def test_a_part_of_the_frames(folder):
    anna = Subject.load(folder)
    part = list(anna.read_frames(16, start=4, count=2))
    assert [round(float(picture.mean())) for picture in part] == pytest.approx([80, 95], abs=2)
    assert len(list(anna.read_frames(start=anna.train_frames))) == 1
    assert list(anna.read_frames(start=FRAMES)) == []


def test_tracks_and_sound_outlive_the_pictures(folder):
    (folder / subject.FRAMES).unlink()
    (folder / subject.LABELS).unlink()
    anna = Subject.load(folder)
    assert len(anna.tracks.valid) == FRAMES and len(anna.read_audio())
    with pytest.raises(SubjectError, match=r"frames\.mp4 is missing"):
        next(anna.read_frames())


@pytest.mark.parametrize("name", [subject.TRACKS, subject.AUDIO])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(SubjectError, match=f"{name} is missing; prepare the video again"):
        Subject.load(folder)


@pytest.mark.parametrize("name", [subject.TRACKS, subject.AUDIO, subject.FRAMES, subject.LABELS])
def test_a_changed_file_is_named(folder, name):
    with open(folder / name, "r+b") as file:
        file.seek(200)
        file.write(b"\0\1\2\3")
    with pytest.raises(SubjectError, match=rf"{name} is damaged or was changed"):
        anna = Subject.load(folder)
        list(anna.read_frames())
        list(anna.read_labels())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "subject.json is damaged or not a subject's"),
        ("[1, 2]", "subject.json is damaged or not a subject's"),
        ('{"name": "package"}', "subject.json is damaged or not a subject's"),
        ('{"schema": "other-thing/1"}', "describes a other-thing, not a subject"),
        ('{"schema": "pgstalker-subject/2"}', "has version 2, this program reads 1; update the program"),
        ('{"schema": "pgstalker-subject/1"}', "is damaged (camera is missing)"),
    ],
)
def test_a_foreign_newer_or_damaged_manifest_is_refused(folder, content, message):
    (folder / subject.MANIFEST).write_text(content)
    with pytest.raises(SubjectError) as error:
        Subject.load(folder)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(SubjectError, match=r"no subject folder \(no subject.json\)"):
        Subject.load(tmp_path / "nobody")


def test_tracks_of_another_length_are_refused(folder):
    manifest = json.loads((folder / subject.MANIFEST).read_text())
    manifest["frames"] = 99
    (folder / subject.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SubjectError, match=r"tracks.npz has 11 frames, the manifest 99"):
        Subject.load(folder)
