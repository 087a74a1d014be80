"""The contract of every metric, and each one against an independent implementation or a hand's reckoning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leaderboard.case import Failed, NotApplicable
from leaderboard.faces import FaceTrack
from leaderboard.metrics import cells, discover
from leaderboard.metrics.aperture import METRIC as APERTURE
from leaderboard.metrics.av_correlation import METRIC as AV_CORRELATION
from leaderboard.metrics.closure import METRIC as CLOSURE
from leaderboard.metrics.closure import f1
from leaderboard.metrics.flip import flip_of
from leaderboard.metrics.lmd import DLIB_MOUTH, mouth_distance
from leaderboard.metrics.mouth_sharpness import sharpness
from leaderboard.metrics.ms_ssim import ms_ssim_of
from leaderboard.metrics.ssim import REACH, ssim_valid
from leaderboard.statistics import interval
from pgstalker.errors import WeightsError
from pgstalker.landmarks import MOUTH_CORNERS
from tests.audio.test_sync import presented
from tests.leaderboard.drawn import draw, landmarks, openings, run

ROOT = Path(__file__).parents[2]
CLOSED_FORM = ("psnr", "ssim", "ms_ssim", "flip", "mouth_sharpness", "flicker", "lmd", "aperture", "closure")
JUDGED = (*CLOSED_FORM, "aue_blendshapes")


@pytest.fixture(scope="module")
def damaged() -> np.ndarray:
    """The talking face with another's mouth, blurred and noisy."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    frames = np.stack([gaussian_filter(draw(opening), (1.5, 1.5, 0)) for opening in openings(60, seed=9)])
    return np.clip(frames + rng.normal(0, 6, frames.shape), 0, 255).astype(np.uint8)


def test_listing_loads_nothing_heavy():
    program = "import sys; from leaderboard.metrics import discover; discover(); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert not loaded & {"torch", "numba", "mediapipe", "cv2", "scipy", "lpips", "syncnet_python", "pandas"}


@pytest.mark.parametrize("name", sorted(discover()))
def test_each_declaration_is_whole(name):
    metric = discover()[name]
    assert metric.reference and metric.parameters and metric.figures and metric.stride >= 1
    assert metric.needs <= {"truth", "audio", "faces", "openface", "every frame"}
    for figure in metric.figures:
        assert figure.meaning and (figure.target is not None) == (figure.direction == "target")
        low, high = figure.bounds
        assert low is None or high is None or low < high


def test_no_two_cells_share_a_key_and_no_other_lmd_is_called_lmd():
    keys = [key for metric in discover().values() for key in metric.cells()]
    assert len(keys) == len(set(keys)) == len(cells())
    assert "lmd" not in keys and "aue" not in keys


@pytest.mark.parametrize("name", JUDGED)
def test_the_truth_itself_is_best_and_damage_makes_it_worse(name, faces, damaged, case_of):
    metric = discover()[name]
    best = run(metric, case_of(faces, faces), faces, faces)
    worse = run(metric, case_of(damaged, faces), damaged, faces)
    assert set(best) == set(worse) == set(metric.cells())
    for key, (figure, _) in metric.cells().items():
        perfect = {"higher": figure.bounds[1], "lower": 0.0, "target": figure.target}[figure.direction]
        assert best[key].value == pytest.approx(perfect, abs=2e-5), key
        assert (best[key].per_frame is not None) == figure.is_mean, key
        assert figure.badness(worse[key].value) > figure.badness(best[key].value), key
        low, high = figure.bounds
        assert (low is None or low <= worse[key].value) and (high is None or worse[key].value <= high)


@pytest.mark.parametrize("name", JUDGED)
def test_more_damage_is_worse(name, faces, damaged, case_of):
    metric = discover()[name]
    half = np.where(np.arange(len(faces))[:, None, None, None] % 4 < 2, faces, damaged)
    little, much = (run(metric, case_of(side, faces), side, faces) for side in (half, damaged))
    for key, (figure, _) in metric.cells().items():
        if figure.id == "flicker_ratio" or figure.id == "flicker":
            continue  # switching to and fro flickers more than either
        assert figure.badness(little[key].value) <= figure.badness(much[key].value) + 1e-9, key


def test_psnr_in_closed_form(case_of):
    truth = np.full((4, 176, 176, 3), 100, np.uint8)
    frames = truth + np.array([1, 2, 0, 5], np.uint8)[:, None, None, None]
    reading = run(discover()["psnr"], case_of(frames, truth), frames, truth)["psnr"]
    expected = [20 * np.log10(255 / step) for step in (1, 2, 5)]
    np.testing.assert_allclose(np.delete(reading.per_frame, 2), expected)
    assert reading.details["identical_frames"] == 1
    assert reading.value == pytest.approx((sum(expected) + 100) / 4)


@pytest.mark.parametrize("shape", [(64, 80), (63, 51), (11, 90)])
def test_ssim_is_that_of_two_other_libraries(shape):
    import torch
    from pytorch_msssim import ssim as other

    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    frame = np.clip(truth + rng.normal(0, 25, truth.shape), 0, 255).astype(np.uint8)
    mine = ssim_valid(frame, truth)
    planes = [torch.from_numpy(p.transpose(2, 0, 1)[None] / 255.0).float() for p in (frame, truth)]
    assert mine == pytest.approx(float(other(*planes, data_range=1)), abs=2e-5)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, values = metrics.structural_similarity(frame, truth, channel_axis=2, full=True, **settings)
    assert mine == pytest.approx(values[REACH:-REACH, REACH:-REACH].mean(), abs=2e-5)


def test_ms_ssim_needs_room_and_says_so(case_of, faces):
    small = faces[:3, :100, :100]
    with pytest.raises(NotApplicable, match="100 px is below the 161 px"):
        discover()["ms_ssim"].begin(case_of(small, small))
    assert ms_ssim_of(faces[0], faces[0]) == pytest.approx(1)


def test_flip_is_the_authors_mean_and_its_stride_is_told(faces, damaged, case_of):
    import flip_evaluator

    expected = flip_evaluator.evaluate(
        faces[0] / np.float32(255), damaged[0] / np.float32(255), "LDR", applyMagma=False
    )
    assert flip_of(damaged[0], faces[0]) == pytest.approx(expected[1], rel=1e-3)
    reading = run(discover()["flip"], case_of(damaged, faces), damaged, faces)["flip"]
    assert reading.stride == 5 and len(reading.per_frame) == 12 == reading.n
    every = run(discover()["flip"], case_of(damaged[:6], faces[:6], every_frame=True), damaged[:6], faces[:6])["flip"]
    assert every.stride == 1 and every.n == 6
    assert every.per_frame[5] == pytest.approx(reading.per_frame[1])


def test_sharpness_is_the_variance_of_the_laplacian(faces):
    from scipy.ndimage import laplace

    grey = faces[0].astype(np.float64) @ [0.299, 0.587, 0.114]
    assert sharpness(faces[0]) == pytest.approx(np.var(laplace(grey)[1:-1, 1:-1]), rel=1e-4)


def test_flicker_by_hand(case_of):
    truth = np.zeros((3, 8, 8, 3), np.uint8) + np.array([10, 20, 10], np.uint8)[:, None, None, None]
    frames = np.zeros((3, 8, 8, 3), np.uint8) + np.array([10, 15, 10], np.uint8)[:, None, None, None]
    case = case_of(frames, truth, faces=None, truth_faces=None)
    readings = run(discover()["flicker"], case, frames, truth)
    assert readings["flicker"].value == pytest.approx(5)
    assert readings["flicker_ratio"].value == pytest.approx(0.5)
    still = run(discover()["flicker"], case, truth[:1].repeat(3, 0), truth[:1].repeat(3, 0))
    assert still["flicker_ratio"].status == "not_applicable"


def test_mouth_distance_ignores_place_but_not_size():
    mouth = landmarks(8)[None, DLIB_MOUTH, :2].astype(np.float64)
    np.testing.assert_allclose(mouth_distance(mouth + [5, -3], mouth), 0, atol=1e-9)
    radii = np.linalg.norm(mouth - mouth.mean(1, keepdims=True), axis=-1).mean()
    np.testing.assert_allclose(mouth_distance(1.1 * mouth, mouth), 0.1 * radii)


def test_the_table_of_mouth_points_is_that_of_the_68_and_its_own_mirror():
    face = landmarks(12)
    x, y = (face[DLIB_MOUTH] - face[DLIB_MOUTH].mean(0))[:, :2].T
    mirror = [6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 16, 15, 14, 13, 12, 19, 18, 17]  # of points 48 to 67
    np.testing.assert_allclose(x[mirror], -x, atol=1e-3)
    np.testing.assert_allclose(y[mirror], y, atol=1e-3)
    assert x[0] < x[3] < x[6] and (y[1:6] < 0).all() and (y[7:12] > 0).all()
    assert (y[13:16] < 0).all() and (y[17:20] > 0).all() and np.abs(x[12:]).max() < np.abs(x[:12]).max()
    assert len(set(DLIB_MOUTH)) == 20


def test_aperture_error_and_r_by_numpy(case_of, faces, damaged):
    from pgstalker.measures import lip_aperture

    case = case_of(damaged, faces)
    readings = run(APERTURE, case, damaged, faces)
    own, true = (lip_aperture(t.landmarks_px.astype(np.float64)) for t in (case.faces, case.truth_faces))
    assert readings["aperture_r"].value == pytest.approx(np.corrcoef(own, true)[0, 1])
    assert readings["aperture_error"].value == pytest.approx(100 * np.sqrt(np.mean((own - true) ** 2)))
    assert 0 < readings["aperture_r"].details["null_p95"] < 1
    again = readings["aperture_r"].resample(np.arange(60))
    assert again == pytest.approx(readings["aperture_r"].value)


def test_closure_f1_by_hand():
    own, true = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 0, 1, 1], bool)
    assert f1(own, true) == pytest.approx(2 / 3)
    assert f1(~true, true) == 0
    assert np.isnan(f1(0 * own > 0, 0 * own > 0)), "where nobody closes the lips nothing is agreed or disagreed upon"


def test_draws_without_closed_lips_do_not_count_as_disagreement(case_of):
    """Closed in one second of four: many draws hold none of it, and the others all agree."""
    frames = np.stack([draw(0.0 if 25 <= frame < 50 else 9.0) for frame in range(100)])
    reading = run(CLOSURE, case_of(frames, frames), frames, frames)["closure_f1"]
    assert reading.value == 1 and interval(100, reading.resample, 25, draws=200) == (1, 1)


def test_a_lost_face_is_left_out_and_too_many_are_a_failure(case_of, faces):
    dark = faces.copy()
    dark[10:12] = 0
    reading = run(discover()["lmd"], case_of(dark, faces), dark, faces)["lmd_mp"]
    assert (reading.n, reading.n_missing) == (58, 2) and reading.value == pytest.approx(0, abs=1e-5)
    dark[10:20] = 0
    with pytest.raises(Failed, match="10 of 60 frames of the prediction"):
        discover()["lmd"].begin(case_of(dark, faces))
    with pytest.raises(Failed, match="no face was found in the truth"):
        discover()["lmd"].begin(case_of(faces, np.zeros_like(faces)))


def test_without_a_landmarker_faces_are_missing_weights(case_of, faces):
    case = case_of(faces, faces, faces=None, truth_faces=None, why_no_faces="face_landmarker.task: put it there")
    with pytest.raises(WeightsError, match="put it there"):
        discover()["lmd"].begin(case)
    readings = run(discover()["psnr"], case, faces[:2], faces[:2])
    assert readings["psnr"].value == 100
    assert readings["psnr_mouth"].status == "weights_missing" and readings["psnr_mouth"].value is None


CSV_HEAD = "frame, face_id, timestamp, confidence, success, "
UNITS = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")


def openface(path: Path, rows: list[tuple[int, int, float]]) -> Path:
    """A CSV of (frame, success, intensity of all units)."""
    text = CSV_HEAD + ", ".join(f"AU{unit}_r" for unit in UNITS) + "\n"
    for frame, success, value in rows:
        text += f"{frame}, 0, 0, 0.9, {success}, " + ", ".join([str(value)] * len(UNITS)) + "\n"
    path.write_text(text)
    return path


def test_aue_by_hand(case_of, faces, tmp_path):
    own = openface(tmp_path / "own.csv", [(1, 1, 1.0), (2, 1, 2.0), (3, 1, 2.0), *((f, 1, 0.0) for f in range(4, 61))])
    true = openface(
        tmp_path / "true.csv", [(1, 1, 2.0), (2, 0, 9.0), (3, 1, 0.0), *((f, 1, 0.0) for f in range(4, 61))]
    )
    case = case_of(faces, faces, openface=(own, true))
    readings = run(discover()["aue_openface"], case, faces[:0], None)
    assert readings["aue_openface"].value == pytest.approx(17 * (1 + 4) / 59)
    assert readings["aue_openface_lower"].value == pytest.approx(9 * 5 / 59)
    assert readings["aue_openface_upper"].value == pytest.approx(8 * 5 / 59)
    assert readings["aue_openface"].n_missing == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no column frame"),
        ("frame,success\n1,1\n", "has no column AU10_r"),
        (CSV_HEAD + ", ".join(f"AU{u}_r" for u in UNITS) + "\n1,0,0,.9,1," + ",".join(["x"] * 17), "cannot be read"),
        (CSV_HEAD + ", ".join(f"AU{u}_r" for u in UNITS) + "\n1,0,0,.9,1," + ",".join(["1"] * 17), "ends at frame 1"),
        (CSV_HEAD + ", ".join(f"AU{u}_r" for u in UNITS) + "\n1,0,0,.9,1," + "x" * 200_000, "larger than field limit"),
        (CSV_HEAD + ", ".join(f"AU{u}_r" for u in UNITS) + "\ninf,0,0,.9,1," + ",".join(["1"] * 17), "cannot be read"),
    ],
)
def test_a_wrong_openface_file_is_said(content, complaint, case_of, faces, tmp_path):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(Failed, match=complaint):
        discover()["aue_openface"].begin(case_of(faces, faces, openface=(tmp_path / "a.csv", tmp_path / "a.csv")))
    with pytest.raises(NotApplicable, match="--openface"):
        discover()["aue_openface"].begin(case_of(faces, faces))


def voice(opening: np.ndarray) -> np.ndarray:
    """Float32 16 kHz: noise as loud as the mouth is open."""
    loudness = np.interp(np.arange(len(opening) * 640) / 640, np.arange(len(opening)) + 0.5, opening) / 40
    return (loudness * np.random.default_rng(3).normal(size=len(loudness)) * 0.5).astype(np.float32)


@pytest.mark.parametrize("late", [0, 3])
def test_lips_that_open_with_the_sound_are_found_and_by_how_much_they_lag(late, case_of):
    opening = openings(120)
    frames = np.stack([draw(o) for o in np.roll(opening, late)])
    reading = run(AV_CORRELATION, case_of(frames, audio=voice(opening)), frames, None)["av_correlation"]
    assert reading.details["lag_frames"] == late
    assert reading.value > reading.details["null_p95"]


@pytest.mark.parametrize("name", ["av_correlation", "sync_ridge"])
def test_another_mouth_moves_what_hears_its_declared_way(name, case_of):
    """Lips that follow the speech against the same lips half a clip later."""
    samples, mouth = presented("mira")
    samples, mouth = samples[: 200 * 640], mouth[:200]
    opening, width = (12 * (track - track.min()) / np.ptp(track) for track in (mouth[:, 0], mouth[:, 1]))
    seen = []
    for frame in range(200):
        points = landmarks(opening[frame])
        points[MOUTH_CORNERS, 0] += np.array([-0.5, 0.5]) * width[frame]
        seen.append((points, {"jawOpen": 0.1}))
    frames = np.zeros((200, 8, 8, 3), np.uint8)
    cases = [case_of(frames, audio=samples, faces=FaceTrack.of(side)) for side in (seen, seen[100:] + seen[:100])]
    readings = [run(discover()[name], case, frames, None) for case in cases]
    for key, (figure, _) in discover()[name].cells().items():
        right, wrong = (reading[key].value for reading in readings)
        if figure.direction != "target":  # where nothing fits, the best lag is chance
            assert figure.badness(right) < figure.badness(wrong), key
    lag = readings[0].get("sync_ridge_lag")
    assert lag is None or lag.value == 0


@pytest.mark.parametrize("name", ["av_correlation", "sync_ridge", "sync"])
def test_what_the_sound_may_lack(name, case_of, faces):
    metric = discover()[name]
    with pytest.raises(NotApplicable, match="--audio"):
        metric.begin(case_of(faces))
    with pytest.raises(NotApplicable, match="silent \\(-120 dBFS\\)"):
        metric.begin(case_of(faces, audio=np.zeros(16000, np.float32)))


def test_the_ridge_hears_at_25_frames_a_second(case_of, faces):
    sound = voice(openings(60))
    with pytest.raises(NotApplicable, match="has 30; add --resample"):
        discover()["sync_ridge"].begin(case_of(faces, audio=sound, fps=30.0))
    readings = run(discover()["sync_ridge"], case_of(faces, audio=sound), faces, None)
    assert set(readings) == set(discover()["sync_ridge"].cells())
    assert "null_p95" in readings["sync_ridge"].details


def test_lips_that_do_not_move_have_no_lag(case_of, faces):
    """The ideal is a lag of 0: a still picture must not reach it."""
    still = faces[:1].repeat(60, 0)
    readings = run(discover()["sync_ridge"], case_of(still, audio=voice(openings(60))), still, None)
    assert readings["sync_ridge"].value == 0 and readings["sync_ridge"].status == "ok"
    for key in ("sync_ridge_lag", "sync_ridge_confidence"):
        assert (readings[key].status, readings[key].reason) == ("not_applicable", "the lips do not move")


def test_fan_is_asked_for_by_name_and_never_fetched(case_of, faces):
    from importlib.util import find_spec

    if find_spec("face_alignment"):
        pytest.skip("face-alignment is installed here")
    with pytest.raises(NotApplicable, match="pip install"):
        discover()["lmd_fan"].begin(case_of(faces, faces))


def test_fan_s_files_are_taken_from_the_folder_that_was_named(case_of, faces, tmp_path, monkeypatch):
    import os
    import sys
    from types import SimpleNamespace

    from leaderboard.metrics import lmd_fan

    def aligner(kind, **settings):
        place = Path(os.environ["TORCH_HOME"]) / "hub" / "checkpoints"
        held.update({path.name: path.read_text() for path in place.iterdir()})

    held: dict[str, str] = {}
    fake = SimpleNamespace(LandmarksType=SimpleNamespace(TWO_D=1), FaceAlignment=aligner)
    monkeypatch.setitem(sys.modules, "face_alignment", fake)
    monkeypatch.setattr(lmd_fan, "find_spec", lambda name: True)
    monkeypatch.setattr(lmd_fan, "version", lambda name: lmd_fan.VERSION)
    before = os.environ["TORCH_HOME"]
    folder = tmp_path / "weights"
    folder.mkdir()
    with pytest.raises(WeightsError, match="s3fd"):
        lmd_fan.begin(case_of(faces, faces, weights=folder))
    for name in lmd_fan.FILES:
        (folder / name).write_text(f"of {name}")
    lmd_fan.begin(case_of(faces, faces, weights=folder))
    assert held == {name: f"of {name}" for name in lmd_fan.FILES} and os.environ["TORCH_HOME"] == before


class SeenByFan:
    """In FAN's place: 68 points of which the mouth's are as wide apart as the picture's first pixel is bright."""

    def get_landmarks_from_image(self, picture: np.ndarray) -> list[np.ndarray] | None:
        points = np.random.default_rng(0).uniform(20, 60, (68, 2))
        points[48:] *= 1 + picture[0, 0, 0] / 100
        return None if picture[0, 0, 2] else [np.zeros((68, 2)), points]


@pytest.mark.parametrize("stride", [1, 5])
def test_fan_s_distance_is_of_the_mouth_and_of_both_sides(stride):
    from leaderboard.metrics.lmd_fan import FanMeter

    def distance(frames: np.ndarray) -> float:
        meter = FanMeter(SeenByFan(), len(frames), stride)
        for index, frame in enumerate(frames):
            meter.update(index, frame, np.zeros_like(frame))
        reading = meter.finish()["lmd_fan"]
        assert reading.n == -(-len(frames) // stride)
        return reading.value

    same = np.zeros((10, 8, 8, 3), np.uint8)
    wider, lost = same.copy(), same.copy()
    wider[:, 0, 0, 0], lost[5:, 0, 0, 2] = 10, 1
    mouth = np.random.default_rng(0).uniform(20, 60, (68, 2))[48:]
    centred = mouth - mouth.mean(0)
    assert distance(same) == 0
    assert distance(wider) == pytest.approx(0.1 * np.linalg.norm(centred, axis=1).mean())
    with pytest.raises(Failed, match="FAN found no face in"):
        distance(lost)


@pytest.mark.parametrize(("lost", "status"), [(3, "ok"), (4, "failed")])
def test_a_face_that_is_lost_too_often_gives_no_figure_of_its_region(lost, status, case_of, faces):
    """Of 60 frames 3 are 5 %."""
    dark = faces.copy()
    dark[10 : 10 + lost] = 0
    for name in ("psnr", "ssim"):
        readings = run(discover()[name], case_of(faces, dark), faces, dark)
        assert readings[name].status == "ok"
        for region in ("face", "mouth"):
            reading = readings[f"{name}_{region}"]
            assert reading.status == status
            assert status == "ok" or f"in {lost} of 60 frames of the truth; at most 5%" in reading.reason


def test_openface_rows_are_those_of_the_frames_that_are_compared(case_of, faces, tmp_path):
    """A prediction that begins two frames late, beside the same rows two frames later."""
    values = np.random.default_rng(0).uniform(0, 5, 60)
    late = openface(tmp_path / "late.csv", [(1, 1, 5.0), (2, 1, 5.0), *((f + 3, 1, v) for f, v in enumerate(values))])
    true = openface(tmp_path / "true.csv", [(f + 1, 1, v) for f, v in enumerate(values)])
    shifted = case_of(faces, faces, openface=(late, true), starts=(2, 0), lengths=(62, 60))
    assert run(discover()["aue_openface"], shifted, faces[:0], None)["aue_openface"].value == 0
