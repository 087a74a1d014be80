"""A score from files to record: the best case, every way in which two videos may not belong together, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leaderboard import inputs
from leaderboard.metrics import cells, discover
from leaderboard.protocol import Protocol
from leaderboard.records import read_record
from leaderboard.scoring import ScoreRequest, choose_metrics, score
from pgstalker.errors import ConfigError, MediaError
from pgstalker.media import read_audio, write_wav
from tests.leaderboard.drawn import draw, openings, run

ROOT = Path(__file__).parents[2]
STREAMED = ("psnr", "ssim", "flip", "flicker", "lmd", "aperture", "closure", "aue_blendshapes")
LIGHT = ("psnr", "flicker", "lmd", "aperture", "closure")


@pytest.fixture
def talk(faces, write):
    return write("truth.mkv", faces)


def test_the_truth_against_itself_is_best_in_every_cell(talk, faces, eyes, tmp_path):
    record = score(ScoreRequest(talk, talk), tmp_path / "scores.json", observer=eyes)
    for key, (_, figure, _) in cells().items():
        cell = record["metrics"][key]
        if cell["status"] != "ok":
            assert cell["value"] is None and cell["reason"]
            continue
        perfect = {"higher": figure.bounds[1], "lower": 0.0, "target": figure.target}[figure.direction]
        assert cell["value"] == pytest.approx(perfect, abs=2e-5), key
    blank = {key for key, cell in record["metrics"].items() if cell["status"] == "weights_missing"}
    assert blank == {"lpips", "lpips_face"}
    assert record["metrics"]["sync_offset"]["reason"] == "there is no sound; give --audio FILE"
    assert record["status"] == "ok" and record["clip"]["best_lag"] == 0 and record["warnings"] == []
    assert record["inputs"]["prediction"] == record["inputs"]["truth"]
    found, series = read_record(tmp_path / "scores.json")
    assert found["metrics"] == record["metrics"] and len(series["psnr"]) == 60 and len(series["flip"]) == 12


def test_streaming_from_files_equals_the_whole_in_memory(talk, faces, write, case_of, eyes):
    rng = np.random.default_rng(0)
    frames = np.clip(faces + rng.normal(0, 8, faces.shape), 0, 255).astype(np.uint8)
    record = score(ScoreRequest(write("pred.mkv", frames), talk, metrics=STREAMED), observer=eyes)
    case = case_of(frames, faces)
    for name in STREAMED:
        for key, reading in run(discover()[name], case, frames, faces).items():
            assert record["metrics"][key]["value"] == pytest.approx(reading.value, abs=1e-6), key


def test_without_a_truth_only_what_needs_none_is_measured(write, faces, eyes, tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, 60 * 640).astype(np.float32)
    video = write("talk.mkv", faces, audio=(sound, 16000))
    record = score(ScoreRequest(video, protocol=Protocol("cross")), observer=eyes)
    done = {key for key, cell in record["metrics"].items() if cell["status"] == "ok"}
    assert done == {"av_correlation", "sync_ridge", "sync_ridge_confidence", "sync_ridge_lag"}
    assert record["metrics"]["psnr"]["reason"] == "no truth video was given"
    assert record["inputs"]["truth"] is None and record["counts"]["n_gt"] is None
    assert record["inputs"]["audio"]["file"] == "talk.mkv"
    assert record["protocol"]["id"] == "cross-full_frame-lossless-v1"


def test_a_late_prediction_is_said_and_shifted_when_asked(talk, faces, write, eyes, caplog):
    late = write("late.mkv", np.concatenate([faces[:1], faces[:1], faces[:1], faces[:-3]]))
    record = score(ScoreRequest(late, talk, metrics=("psnr",)), observer=eyes)
    assert record["clip"]["best_lag"] == 3
    assert "3 frames late (best lag +3: " in record["warnings"][0] and "--align shifts it" in record["warnings"][0]
    assert "3 frames late" in caplog.text
    aligned = score(ScoreRequest(late, talk, metrics=("psnr",), align=True), observer=eyes)
    assert aligned["metrics"]["psnr"]["value"] == 100 and record["metrics"]["psnr"]["value"] < 60
    assert aligned["counts"]["n_used"] == 57 and aligned["clip"]["starts"] == [3, 0]
    early = score(ScoreRequest(talk, late, metrics=("lmd",), align=True), observer=eyes)
    assert early["clip"]["best_lag"] == -3 and "3 frames early" in early["warnings"][0]
    assert early["metrics"]["lmd_mp"]["value"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("lag", "own_from", "truth_from"), [(3, 0, 0), (-3, 3, 3)])
def test_a_shift_moves_each_sound_with_its_side(lag, own_from, truth_from, faces, write, eyes, tmp_path, monkeypatch):
    """What drove a prediction is in step with the truth; the prediction's own sound goes with the prediction."""
    from leaderboard import scoring

    rng = np.random.default_rng(0)
    sounds = {name: rng.normal(0, 0.1, 60 * 640).astype(np.float32) for name in ("driver", "truth", "own")}
    for name, samples in sounds.items():
        write_wav(tmp_path / f"{name}.wav", samples, 16000)
    late = np.concatenate([faces[:1]] * 3 + [faces[:-3]])
    sides = (late, faces) if lag > 0 else (faces, late)
    prediction, truth = write("pred.mkv", sides[0]), write("truth.mkv", sides[1])
    seen: list = []
    measure = scoring._measure
    monkeypatch.setattr(
        scoring, "_measure", lambda scene, case, *rest: seen.append(case) or measure(scene, case, *rest)
    )
    files = {"audio": tmp_path / "driver.wav", "truth_audio": tmp_path / "truth.wav"}
    request = ScoreRequest(prediction, truth, metrics=("sync_ridge",), align=True, **files)
    record = score(request, observer=eyes)
    assert record["clip"]["best_lag"] == lag and record["inputs"]["truth_audio"]["file"] == "truth.wav"
    np.testing.assert_allclose(seen[0].audio, sounds["driver"][own_from * 640 :], atol=1e-4)
    np.testing.assert_allclose(seen[0].truth_audio, sounds["truth"][truth_from * 640 :], atol=1e-4)
    spoken = write("spoken.mkv", sides[0], audio=(sounds["own"], 16000))
    score(ScoreRequest(spoken, truth, metrics=("sync_ridge",), align=True), observer=eyes)
    starts = seen[1].starts
    assert starts == (max(0, lag), max(0, -lag)) and len(seen[1].audio) == len(read_audio(spoken)) - starts[0] * 640
    assert len(seen[1].truth_audio) == len(seen[1].audio), "a truth without sound says the same words"


def test_weights_in_no_folder_and_nothing_to_compare_are_said(talk, faces, write, tmp_path, capsys):
    from leaderboard.__main__ import main

    assert main(["score", "--pred", str(talk), "--weights", str(tmp_path / "none")]) == 2
    assert "none is no folder" in capsys.readouterr().err
    assert main(["compare", str(talk), str(write("other.mkv", faces[::-1]))]) == 2
    told = capsys.readouterr().err
    assert "the two share no figure: " in told and "give --gt VIDEO" in told and told.count("\n") == 1


def test_different_lengths_are_refused_or_cut(talk, faces, write, eyes):
    short = write("short.mkv", faces[:50])
    request = ScoreRequest(short, talk, metrics=("psnr",))
    with pytest.raises(MediaError, match=r"the prediction has 50 frames and the truth 60; add --cut .* first 50"):
        score(request, observer=eyes)
    record = score(ScoreRequest(short, talk, metrics=("psnr",), cut=True), observer=eyes)
    assert record["counts"] == record["counts"] | {"n_pred": 50, "n_gt": 60, "n_used": 50}
    assert "the prediction has 50 frames, the truth 60" in record["warnings"]
    one = score(ScoreRequest(write("one.mkv", faces[:59]), talk, metrics=("psnr",)), observer=eyes)
    assert one["counts"]["n_used"] == 59 and one["warnings"]


def test_another_rate_is_refused_or_resampled(talk, faces, write, eyes):
    fast = write("fast.mkv", faces.repeat(2, 0), fps=50)
    with pytest.raises(MediaError, match=r"fast\.mkv has 50 frames/s and truth\.mkv 25; add --resample"):
        score(ScoreRequest(fast, talk), observer=eyes)
    record = score(ScoreRequest(fast, talk, metrics=("psnr",), resample=True), observer=eyes)
    assert record["metrics"]["psnr"]["value"] == 100 and record["counts"]["n_used"] == 60
    assert record["warnings"] == [
        "the prediction was resampled from 176x176 px, 50 frames/s to 176x176 px, 25 frames/s"
    ]
    same = score(ScoreRequest(talk, talk, metrics=("psnr",), resample=True), observer=eyes)
    assert same["warnings"] == [], "there was nothing to resample"


def test_another_size_is_refused_or_scaled(talk, faces, write, eyes):
    small = write("small.mkv", faces[:, ::2, ::2])
    with pytest.raises(MediaError, match=r"small\.mkv is 88x88 px and truth\.mkv 176x176; add --resample"):
        score(ScoreRequest(small, talk), observer=eyes)
    record = score(ScoreRequest(small, talk, metrics=("psnr",), resample=True), observer=eyes)
    line = "the prediction was resampled from 88x88 px, 25 frames/s to 176x176 px, 25 frames/s"
    assert line in record["warnings"]
    through = ScoreRequest(small, talk, metrics=("psnr",), resample=True, protocol=Protocol(codec="h264_q8"))
    assert line in score(through, observer=eyes)["warnings"]
    assert record["clip"]["size"] == [176, 176] and 15 < record["metrics"]["psnr"]["value"] < 40


def test_a_rate_of_30_blanks_what_hears_at_25_and_nothing_else(faces, write, eyes):
    sound = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    video = write("thirty.mkv", faces, fps=30, audio=(sound, 16000))
    record = score(ScoreRequest(video, video, metrics=("psnr", "sync_ridge")), observer=eyes)
    assert record["metrics"]["psnr"]["value"] == 100
    assert "has 30; add --resample" in record["metrics"]["sync_ridge"]["reason"]


def test_a_lost_face_blanks_its_cells_with_the_reason_and_the_rest_goes_on(talk, faces, write, eyes):
    dark = faces.copy()
    dark[20:40] = 0
    record = score(ScoreRequest(write("dark.mkv", dark), talk, metrics=LIGHT), observer=eyes)
    assert record["status"] == "partial"
    assert record["metrics"]["lmd_mp"]["status"] == "failed"
    assert "lost in 20 of 60 frames of the prediction" in record["metrics"]["lmd_mp"]["reason"]
    assert record["metrics"]["psnr"]["status"] == record["metrics"]["psnr_mouth"]["status"] == "ok"
    assert record["counts"]["n_face_missing"] == 20 and record["counts"]["n_face_missing_gt"] == 0


def test_a_truth_without_a_face_leaves_the_whole_frame(faces, write, eyes):
    nobody = write("nobody.mkv", np.zeros_like(faces))
    record = score(ScoreRequest(nobody, nobody, metrics=("psnr", "lmd")), observer=eyes)
    assert record["metrics"]["psnr"]["value"] == 100
    assert record["metrics"]["psnr_face"]["status"] == "failed" and "found" in record["metrics"]["psnr_face"]["reason"]
    assert record["metrics"]["lmd_mp"]["reason"] == "no face was found in the prediction"


def test_without_the_landmarkers_file_the_rest_goes_on(talk):
    record = score(ScoreRequest(talk, talk, metrics=("psnr", "lmd")))
    assert record["metrics"]["psnr"]["value"] == 100
    for key in ("lmd_mp", "psnr_mouth"):
        assert record["metrics"][key]["status"] == "weights_missing"
        assert "face_landmarker.task" in record["metrics"][key]["reason"]


def test_silence_short_and_unreadable_sound_are_said(talk, eyes, tmp_path):
    write_wav(tmp_path / "silent.wav", np.zeros(60 * 640, np.float32), 16000)
    record = score(ScoreRequest(talk, audio=tmp_path / "silent.wav", metrics=("sync_ridge",)), observer=eyes)
    assert "silent (-120 dBFS)" in record["metrics"]["sync_ridge"]["reason"]
    write_wav(tmp_path / "short.wav", np.ones(8000, np.float32), 16000)
    record = score(ScoreRequest(talk, audio=tmp_path / "short.wav", metrics=("sync",)), observer=eyes)
    assert record["warnings"] == ["the sound lasts 0.50 s, the video 2.40 s"]
    (tmp_path / "text.wav").write_text("no sound")
    record = score(ScoreRequest(talk, audio=tmp_path / "text.wav", metrics=("sync", "psnr")), observer=eyes)
    assert "text.wav" in record["metrics"]["sync_confidence"]["reason"]
    assert record["inputs"]["audio"] is None


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_an_unreadable_video_is_one_line(content, talk, eyes, tmp_path):
    path = tmp_path / "bad.mkv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"bad\.mkv"):
        score(ScoreRequest(path, talk), observer=eyes)
    with pytest.raises(MediaError, match=r"bad\.mkv"):
        score(ScoreRequest(talk, path), observer=eyes)


def test_a_metric_that_stumbles_or_gives_nan_does_not_end_the_others(talk, eyes, monkeypatch):
    from leaderboard.metrics import psnr

    def broken(frame, truth):
        raise RuntimeError("out of luck\nmore")

    monkeypatch.setattr(psnr, "psnr", broken)
    record = score(ScoreRequest(talk, talk, metrics=("psnr", "lmd")), observer=eyes)
    assert record["metrics"]["psnr"]["reason"] == "RuntimeError: out of luck"
    assert record["metrics"]["lmd_mp"]["value"] == pytest.approx(0, abs=1e-5)
    monkeypatch.setattr(psnr, "psnr", lambda frame, truth: np.nan)
    record = score(ScoreRequest(talk, talk, metrics=("psnr",)), observer=eyes)
    assert record["metrics"]["psnr"]["status"] == "failed" and record["metrics"]["psnr"]["value"] is None


def test_h264_is_a_protocol_of_its_own_and_caps_what_can_be_reached(talk, eyes):
    record = score(ScoreRequest(talk, talk, protocol=Protocol(codec="h264_q8"), metrics=("psnr",)), observer=eyes)
    assert record["protocol"]["id"] == "self-full_frame-h264_q8-v1"
    assert record["metrics"]["psnr"]["value"] == 100  # the same codec on both sides of the same frames


def test_what_there_is_not_is_said():
    with pytest.raises(ConfigError, match="metric 'fid' is unknown; use some of: aperture, "):
        choose_metrics(("fid",))
    with pytest.raises(ConfigError, match="composite 'torso' is unknown; use one of: gt_torso"):
        Protocol(composite="torso")
    assert list(choose_metrics(("psnr",))) == ["psnr"]


def test_the_digest_is_that_of_ffmpeg(talk, faces):
    side, _ = inputs.open_sides(talk, None, False)
    command = f"ffmpeg -nostdin -loglevel error -i {talk} -map 0:v -pix_fmt rgb24 -f md5 -"
    result = subprocess.run(command.split(), capture_output=True, text=True, check=True)
    seen = inputs.survey(side, None)
    assert result.stdout.strip() == f"MD5={seen.frame_md5}"
    assert seen.frames == 60 and seen.thumbs.shape == (60, 32, 32)


@pytest.mark.parametrize("size", [(48, 33), (7, 5)])
def test_a_small_picture_has_a_small_thumb(size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    thumb = inputs._thumb(frame)
    assert thumb.shape == (min(32, size[0]), min(32, size[1]))
    assert thumb.min() >= frame[..., 1].min() and thumb.max() <= frame[..., 1].max()


def test_a_still_clip_has_no_lag():
    still = np.full((40, 8, 8), 9.0, np.float32)
    assert inputs.best_lag(still, still)[0] == 0
    assert inputs.best_lag(still[:1], still[:1])[0] == 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(write, tmp_path):
    """3000 frames of 192 px are 332 MB a side."""
    cycle = np.stack([draw(opening) for opening in openings(50)])
    long = write("long.mkv", np.concatenate([cycle] * 60))
    program = (
        "import resource, sys; from pathlib import Path; from leaderboard.scoring import ScoreRequest, score\n"
        "usage = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "from tests.leaderboard.drawn import Eyes; import torch; before = usage(); path = Path(sys.argv[1])\n"
        "score(ScoreRequest(path, path, metrics=('psnr', 'lmd', 'flicker')), observer=Eyes()); print(usage() - before)"
    )
    command = [sys.executable, "-c", program, str(long)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(result.stdout) < 250


def test_the_command_prints_values_then_reasons_and_writes_the_record(talk, tmp_path, capsys):
    from leaderboard.__main__ import main

    out = tmp_path / "scores.json"
    assert main(["score", "--pred", str(talk), "--gt", str(talk), "--out", str(out), "--metrics", "psnr", "lpips"]) == 0
    text = capsys.readouterr().out
    assert "truth.mkv: 60 frames, self-full_frame-lossless-v1" in text
    assert "psnr                     100.0000 dB" in text and "lpips, lpips_face: weights_missing:" in text
    assert json.loads(out.read_text())["metrics"]["psnr"]["value"] == 100
    assert main(["score", "--pred", str(tmp_path / "none.mp4")]) == 2
    assert "error: " in capsys.readouterr().err
    assert main(["metrics"]) == 0
    assert "lmd_mp_norm" in capsys.readouterr().out


def test_help_loads_nothing_heavy():
    program = "import sys\nfrom leaderboard.__main__ import main\ntry:\n    main(['score', '--help'])\n"
    program += "except SystemExit:\n    pass\nprint('LOADED', *sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in result.stdout.rpartition("LOADED")[2].split()}
    assert not loaded & {"torch", "numba", "mediapipe", "cv2", "scipy", "lpips", "pandas", "jsonschema"}


@pytest.mark.slow
def test_a_peers_rendering_is_scored_without_a_truth(shared):
    record = score(ScoreRequest(shared / "clips" / "rendered_by_peer_11s.mp4", protocol=Protocol("cross")))
    assert record["counts"]["n_face_missing"] == 0
    assert record["metrics"]["sync_ridge"]["status"] == record["metrics"]["av_correlation"]["status"] == "ok"
    assert record["metrics"]["sync_confidence"]["status"] == "weights_missing"


def test_real_faces_are_tracked_and_a_recoding_costs_little(shared, tmp_path):
    clip = shared / "clips" / "newsreader_20s.mp4"
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(clip), "-t", "0.48", "-an"]
    subprocess.run([*command, "-c:v", "ffv1", "-pix_fmt", "bgr0", str(tmp_path / "truth.mkv")], check=True)
    subprocess.run([*command, "-crf", "32", str(tmp_path / "recoded.mp4")], check=True)
    request = ScoreRequest(tmp_path / "recoded.mp4", tmp_path / "truth.mkv", metrics=("psnr", "lmd", "aue_blendshapes"))
    found = score(request)["metrics"]
    assert 33 < found["psnr"]["value"] < 40 and found["psnr_mouth"]["status"] == "ok"
    assert 0.1 < found["lmd_mp"]["value"] < 1.0
    assert found["aue_bs_mp"]["value"] == pytest.approx(
        found["aue_bs_mp_lower"]["value"] + found["aue_bs_mp_upper"]["value"], rel=1e-4
    )


def test_a_still_picture_is_neither_late_nor_early():
    moving = np.random.default_rng(0).normal(0, 50, (40, 8, 8)).cumsum(0)
    assert inputs.best_lag(np.repeat(moving[:1], 40, 0), moving)[0] == 0
    assert inputs.best_lag(moving[:-3], moving[3:])[0] == 3
