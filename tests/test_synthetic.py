"""The code-made presenter: picture, labels, landmarks, pose and sound must tell one story."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from pgstalker.errors import PgsError
from pgstalker.landmarks import LIPS_INNER, LIPS_OUTER
from pgstalker.media import probe, read_audio, read_frames
from pgstalker.subject import Subject
from pgstalker.synthetic import babble, make_subject
from pgstalker.synthetic.__main__ import main
from pgstalker.synthetic.drawing import EYES, FACE, HAIR, LIPS, MOUTH, TORSO
from pgstalker.synthetic.face import Face
from pgstalker.types import FPS, SAMPLE_RATE_HZ

SIZE, SECONDS = 160, 4.0


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return make_subject(tmp_path_factory.mktemp("synthetic") / "toon", seconds=SECONDS, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def tracks(subject):
    with np.load(subject / "tracks.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def labels(subject):
    return np.stack(list(read_frames(subject / "labels.mkv", gray=True)))


def test_the_folder_is_what_its_manifest_says(subject, tracks):
    manifest = json.loads((subject / "subject.json").read_text())
    frames = round(SECONDS * FPS)
    assert manifest["schema"] == "pgstalker-subject/1" and manifest["frames"] == frames
    assert manifest["train_frames"] == frames * 10 // 11
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((subject / name).read_bytes()).hexdigest() == digest, name
    video = probe(subject / "frames.mp4").video
    assert (video.width, video.height, video.fps, video.frames) == (SIZE, SIZE, FPS, frames)
    assert len(read_audio(subject / "audio.wav")) == SECONDS * SAMPLE_RATE_HZ
    assert all(len(track) == frames for name, track in tracks.items() if not name.startswith("head_"))
    assert tracks["head_vertices"].shape == (468, 3) and tracks["head_triangles"].max() == 467


def test_the_folder_loads_as_a_subject(subject):
    loaded = Subject.load(subject)
    assert loaded.frames_count == round(SECONDS * FPS)
    assert loaded.camera.width == SIZE


def test_every_region_is_drawn(labels):
    for region, share in ((TORSO, 0.1), (FACE, 0.08), (HAIR, 0.05), (LIPS, 0.002), (EYES, 0.001), (MOUTH, 0.0002)):
        assert (labels == region).mean() > share


def test_landmarks_lie_where_the_picture_shows_them(labels, tracks):
    landmarks = tracks["landmarks_px"]
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    for t in range(0, len(labels), 10):
        lips = np.isin(labels[t], (LIPS, MOUTH))
        outline = landmarks[t, list(LIPS_OUTER), :2]
        seen = np.array([columns[lips].min(), columns[lips].max(), rows[lips].min(), rows[lips].max()])
        said = np.array([outline[:, 0].min(), outline[:, 0].max(), outline[:, 1].min(), outline[:, 1].max()])
        np.testing.assert_allclose(seen, said, atol=1.5)


def test_rigid_landmarks_obey_the_pose(tracks):
    rest = Face().points(0.0, 0.0, 0.0)
    focal, centre = 2.34375 * SIZE, SIZE / 2
    for index in (33, 263, 168, 4, 127, 356, 10):
        seen = np.einsum("tij,j->ti", tracks["camera_from_head"], np.append(rest[index], 1))[:, :3]
        projected = focal * seen[:, :2] / seen[:, 2:] + centre
        np.testing.assert_allclose(projected, tracks["landmarks_px"][:, index, :2], atol=1e-3)


def test_sound_tells_the_mouth():
    speech = babble(12.0, seed=5)
    per_frame = speech.samples[: 12 * SAMPLE_RATE_HZ].reshape(12 * FPS, -1)
    loudness = np.sqrt((per_frame**2).mean(1))
    assert np.corrcoef(loudness, speech.opening)[0, 1] > 0.6
    assert speech.opening[loudness < 0.002].mean() < 0.1  # silence is a closed mouth


def test_mouth_opens_and_eyes_blink(tracks):
    assert tracks["aperture"].min() < 0.03 and tracks["aperture"].max() > 0.12
    assert tracks["blink"].max() == 1.0 and np.median(tracks["blink"]) < 0.05


def test_lip_rings_meet_only_at_rest():
    closed, opened = Face().points(0.0, 0.0, 0.0), Face().points(1.5, 0.0, 0.0)
    upper, lower = LIPS_INNER[5], LIPS_INNER[15]
    assert closed[lower, 1] - closed[upper, 1] < 0.05
    assert opened[lower, 1] - opened[upper, 1] == pytest.approx(1.5, abs=0.05)


def test_the_same_seed_gives_the_same_presenter():
    np.testing.assert_array_equal(babble(3.0, seed=1).samples, babble(3.0, seed=1).samples)
    assert not np.array_equal(babble(3.0, seed=1).samples, babble(3.0, seed=2).samples)


@pytest.mark.parametrize("wish", [{"size": 161}, {"size": 8}, {"seconds": 0.5}])
def test_impossible_wishes_leave_nothing_behind(tmp_path, wish):
    with pytest.raises(PgsError):
        make_subject(tmp_path / "toon", **wish)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_kept(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "precious"
