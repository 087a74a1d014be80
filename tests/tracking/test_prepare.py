"""Video in, subject folder out; every refusal is one line and leaves nothing behind."""

import importlib
import shutil
import subprocess

import numpy as np
import pytest

from pgstalker import media, subject
from pgstalker.errors import MediaError, PgsError, SubjectError
from pgstalker.synthetic import make_subject
from pgstalker.tracking import prepare
from pgstalker.tracking.face_model import OVAL
from pgstalker.tracking.masks import Label

RATE = 16000


def film(path, seconds=6.0, sound=None, side=64):
    """A gray picture with noise, with a sound of the same length (None: a tone; False: no audio stream)."""
    random = np.random.default_rng(0)
    tone = 0.2 * np.sin(np.arange(int(seconds * RATE)) / 10)
    audio = None if sound is False else (tone if sound is None else sound, RATE)
    with media.VideoWriter(path, side, side, audio=audio) as writer:
        for _ in range(round(seconds * 25)):
            writer.write(random.integers(100, 150, (side, side, 3), dtype=np.uint8))
    return path


def refusal(video, tmp_path, **options) -> str:
    """The one line with which prepare refuses; asserts that nothing is left."""
    before = set(tmp_path.iterdir())
    with pytest.raises(PgsError) as error:
        prepare(video, tmp_path / "anna", **options)
    assert set(tmp_path.iterdir()) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_video_without_sound_is_refused(tmp_path):
    assert "film.mp4 has no audio stream" in refusal(film(tmp_path / "film.mp4", sound=False), tmp_path)


def test_silence_is_refused(tmp_path):
    video = film(tmp_path / "film.mp4", sound=np.zeros(6 * RATE))
    assert "film.mp4: audio is silent" in refusal(video, tmp_path)


def test_a_short_video_is_refused(tmp_path):
    assert "4.0 s of picture with sound; give at least 5 s" in refusal(film(tmp_path / "film.mp4", 4.0), tmp_path)


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "notes.mp4").write_text("not a film")
    assert "notes.mp4" in refusal(tmp_path / "notes.mp4", tmp_path)
    assert "does not exist" in refusal(tmp_path / "nothing.mp4", tmp_path)


def test_an_impossible_size_is_refused(tmp_path):
    assert "size is 77; give an even number" in refusal(film(tmp_path / "film.mp4"), tmp_path, size=77)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "diary.txt").write_text("mine")
    assert "exists and is no subject folder" in refusal(film(tmp_path / "film.mp4"), tmp_path)
    assert (tmp_path / "anna" / "diary.txt").read_text() == "mine"


def test_the_rest_of_a_killed_run_is_removed(tmp_path):
    stale = tmp_path / ".anna.preparing"
    stale.mkdir()
    (stale / "frames.mp4").write_bytes(b"half")
    with pytest.raises(MediaError):
        prepare(film(tmp_path / "film.mp4", sound=False), tmp_path / "anna")
    assert not stale.exists()


def test_a_run_killed_while_it_replaced_a_subject_does_not_stop_the_next(tmp_path, monkeypatch):
    module = importlib.import_module("pgstalker.tracking.prepare")  # the package's own name is the function
    older, newer = (make_subject(tmp_path / name, seconds=2, size=64, seed=seed) for seed, name in enumerate("ab"))
    monkeypatch.setattr(module, "_fill", lambda work: shutil.copytree(newer, work.folder, dirs_exist_ok=True))
    for name in ("anna", ".anna.previous"):
        shutil.copytree(older, tmp_path / name)
    made = prepare(tmp_path / "film.mp4", tmp_path / "anna", 128)
    assert made.manifest == subject.Subject.load(newer).manifest
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "anna"}


def test_a_video_without_a_face_is_refused(clips, tmp_path):
    message = refusal(film(tmp_path / "film.mp4", side=128), tmp_path)
    assert "no face found in film.mp4 (0 of 30 frames)" in message


def test_the_shared_clip_without_sound_is_refused(clips, tmp_path):
    assert "no_audio_22s.mp4 has no audio stream" in refusal(clips / "no_audio_22s.mp4", tmp_path)


@pytest.fixture(scope="module")
def newsreader(tmp_path_factory):
    """5.2 s of the newsreader, prepared at 256 px; with the stages that were reported."""
    from tests.tracking.conftest import SHARED

    if not (SHARED / "clips").is_dir():
        pytest.skip("../shared with real clips and models is not here")
    folder = tmp_path_factory.mktemp("newsreader")
    cut = ["ffmpeg", "-v", "error", "-t", "5.2", "-i", SHARED / "clips" / "newsreader_20s.mp4", folder / "cut.mp4"]
    subprocess.run(cut, check=True)
    stages = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSTALKER_MODELS", str(SHARED / "models"))
        made = prepare(folder / "cut.mp4", folder / "made", 256, lambda stage, share: stages.append((stage, share)))
    return made, stages


def test_a_real_clip_becomes_a_subject(newsreader):
    made, _ = newsreader
    manifest, tracks = made.manifest, made.tracks
    assert (made.frames_count, made.train_frames, made.size) == (130, 118, 256)
    assert manifest["camera"]["focal_px"] == 600 and manifest["camera_motion_px"] < 1
    assert manifest["torso_tracked"] and tracks.torso_confidence.mean() > 0.5
    assert tracks.valid.all() and np.isfinite(tracks.landmarks_px).all()
    # At 256 px half of the figures at 512: tracks of skin agree with the pose to a fraction of a pixel.
    assert manifest["quality"]["flow_1_frame_px"] < 0.25 and manifest["quality"]["landmark_rmse_px"] < 1.0
    depth = tracks.camera_from_head[:, 2, 3]
    assert 60 < depth.min() < depth.max() < 90
    assert any("5.2 s is short" in warning for warning in manifest["warnings"])


def test_its_files_agree_with_each_other(newsreader):
    made, _ = newsreader
    assert len(made.read_audio()) == 130 * 640
    frames, labels = list(made.read_frames()), list(made.read_labels())
    assert len(frames) == len(labels) == 130
    for picture, points in zip(labels[::20], made.tracks.landmarks_px[::20], strict=True):
        assert set(np.unique(picture)) >= {Label.BACKGROUND, Label.TORSO, Label.FACE, Label.HAIR, Label.LIPS}
        nose = points[4, :2].astype(int)
        assert picture[nose[1], nose[0]] == Label.FACE
        assert picture[5, 5] == Label.BACKGROUND
        assert picture[250, 128] == Label.TORSO
    total = sum(file.stat().st_size for file in made.folder.iterdir())
    assert total / 5.2 < 1.5e6


def test_progress_is_reported_and_nothing_else_is_left(newsreader):
    made, stages = newsreader
    assert list(dict.fromkeys(stage for stage, _ in stages)) == [
        "looking for the face", "landmarks", "head pose", "masks", "torso", "contact sheet"
    ]  # fmt: skip
    assert all(0 <= share <= 1 for _, share in stages) and stages[-1] == ("contact sheet", 1.0)
    assert {path.name for path in made.folder.parent.iterdir()} == {"cut.mp4", "made"}
    assert {path.name for path in made.folder.iterdir()} == {
        subject.MANIFEST, subject.FRAMES, subject.LABELS, subject.TRACKS, subject.AUDIO, subject.SHEET
    }  # fmt: skip


@pytest.mark.slow
def test_a_variable_rate_keeps_its_timing(clips, tmp_path):
    made = prepare(clips / "variable_rate_6s.mp4", tmp_path / "made", 256)
    assert made.frames_count == 152
    assert abs(made.manifest["audio"]["lag_frames"]) <= 2
    with pytest.raises(SubjectError):
        prepare(clips / "variable_rate_6s.mp4", clips)  # a folder of clips is never overwritten


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "width", "height", "frames"),
    [
        ("fullbody_20s.mp4", 1080, 1920, 500),  # 20.08 s of picture, 20.04 s of sound
        ("fullbody_30fps_20s.mp4", 1080, 1920, 500),
        ("interpreter_inset_7s.mp4", 1920, 1080, 185),  # a second, smaller person in the picture
    ],
)
def test_a_person_far_away_is_found_and_framed(name, width, height, frames, clips, tmp_path):
    made = prepare(clips / name, tmp_path / "made", 256)
    manifest, tracks = made.manifest, made.tracks
    assert abs(made.frames_count - frames) <= 1
    assert tracks.valid.mean() > 0.95
    crop = manifest["crop"]
    assert 0 <= crop["x"] <= width - crop["side"] and 0 <= crop["y"] <= height - crop["side"] and crop["side"] >= 200
    points = tracks.landmarks_px[tracks.valid][..., :2]
    faces = np.ptp(points[:, OVAL, 1], axis=1)
    assert 0.25 < np.median(faces) / 256 < 0.6  # the face fills a good part of the crop ...
    jumps = np.linalg.norm(np.diff(points[:, OVAL].mean(1), axis=0), axis=1)
    assert jumps.max() < 0.3 * np.median(faces)  # ... and is the same one from frame to frame,
    assert np.abs(faces / np.median(faces) - 1).max() < 0.4  # of one size: one person
    assert ((points > 0) & (points < 256)).mean() > 0.99
