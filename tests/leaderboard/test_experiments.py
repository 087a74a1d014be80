"""Every recipe from nothing to its table and plot, with people drawn by code and settings that take seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaderboard.board.compiled import compile_board
from leaderboard.datasets import Clip
from leaderboard.experiments import Context, Settings, conduct, discover, experiment
from leaderboard.experiments.degradations import KINDS, degrade, worse
from leaderboard.experiments.efficiency import _compared
from leaderboard.running.tasks import Places
from pgstalker import presets
from pgstalker.errors import ConfigError
from pgstalker.media import probe, read_audio, read_frames, write_wav
from pgstalker.subject import Subject
from tests.leaderboard.drawn import draw

SIZE = 64
COLUMNS = {
    "mgf": {"fusion", "psnr", "psnr_low", "psnr_high", "gaussians", "train_seconds", "clips"},
    "density": {"density", "at_most", "gaussians", "psnr"},
    "efficiency": {"method", "share", "steps", "psnr", "train_seconds"},
    "cross_speaker": {"avatar", "ear", "sound", "r", "null", "agrees", "amplitude", "reference"},
    "cross_hardware": {"device", "what", "stage", "frames_per_second", "source"},
    "real_world": {"clip", "condition", "psnr", "warnings"},
}


@pytest.fixture(scope="module", autouse=True)
def short_hearing():
    """Hearing is most of a short training, and is not what these tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "quick", replace(presets.PRESETS["quick"], hearing_epochs=1))
        yield


@pytest.fixture(scope="module")
def context(toon, tmp_path_factory) -> Context:
    folder = tmp_path_factory.mktemp("experiments")
    settings = Settings(datasets=(toon,), size=SIZE, steps=6, device="cpu")
    places = Places(folder / "work", folder / "results")
    return Context(settings, places, folder / "results", isolated=False, say=lambda line: None)


def told(context: Context, name: str, **settings) -> dict:
    """The kept file of an experiment that was run with these settings."""
    own = replace(context, settings=replace(context.settings, **settings))
    return json.loads(conduct(experiment(name), own).read_text())


SETTINGS = {
    "mgf": {"values": ("gated", "concat")},
    "density": {"values": ("200",)},
    "efficiency": {"values": ("0.5", "1"), "methods": ("pgstalker", "talking-gaussian")},
    "cross_hardware": {},
    "real_world": {"values": ("as filmed", "light", "noise", "codec", "shake")},
}


SLOW = ("density", "efficiency", "real_world")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SETTINGS])
def test_a_recipe_runs_from_nothing_to_its_table_and_plot(name, context):
    found = told(context, name, **SETTINGS[name])
    assert found["id"] == name and found["title"] and found["question"].endswith("?")
    assert all(set(row) >= COLUMNS[name] for row in found["table"] if not row.get("failed")), found["table"][0]
    plot = json.loads((context.board / found["plot"]).read_text())
    assert plot["data"] and plot["layout"]["title"]["text"]
    for row in found["table"]:
        assert all(value is None or isinstance(value, str | float | int) for value in row.values()), "flat rows"


def test_every_experiment_is_tested_here():
    assert set(SETTINGS) | {"cross_speaker"} == set(COLUMNS) == set(discover())


def test_methods_are_compared_over_the_true_torso():
    assert _compared("pgstalker") == {"torso": "gt"} and _compared("er-nerf") == {}


def test_each_fusion_is_one_row_and_gains_are_over_the_gate(context):
    found = told(context, "mgf", **SETTINGS["mgf"])
    assert [row["fusion"] for row in found["table"]] == ["gated", "concat"]
    first, *others = found["table"]
    assert "psnr_gain" not in first
    for row in others:
        assert row["psnr_gain"] == pytest.approx(row["psnr"] - first["psnr"], abs=2e-4)
        assert row["psnr_gain_low"] <= row["psnr_gain"] <= row["psnr_gain_high"]
        assert row["psnr"] != first["psnr"], "the switch changes the result"


def test_what_was_measured_is_not_measured_again_and_gives_the_same_bytes(context):
    told(context, "mgf", **SETTINGS["mgf"])
    path, lines = context.board / "experiments" / "mgf.json", []
    before = path.read_bytes(), (context.board / "experiments" / "mgf" / "plot.json").read_bytes()
    own = replace(context, say=lines.append, settings=replace(context.settings, **SETTINGS["mgf"]))
    conduct(experiment("mgf"), own)
    assert len(lines) == 2 and all(line.endswith("is there") for line in lines)
    assert before == (path.read_bytes(), (context.board / "experiments" / "mgf" / "plot.json").read_bytes())


def test_the_board_takes_the_table_and_ranks_none_of_its_runs(context):
    told(context, "mgf", **SETTINGS["mgf"])
    board = compile_board(context.board)
    assert "mgf" in [one["id"] for one in board["experiments"]] and board["rows"] == []


@pytest.mark.slow
def test_counts_are_the_budget_and_the_same_for_every_rule(context):
    rows = told(context, "density", **SETTINGS["density"])["table"]
    assert {row["density"] for row in rows} == {"region-aware", "pixel-aware", "plain", "uniform"}
    there = {row["gaussians"] for row in rows if row["at_most"] == 200}
    assert len(there) == 1 and 140 < there.pop() <= 200


@pytest.mark.slow
def test_methods_get_shares_of_their_steps(context):
    rows = told(context, "efficiency", **SETTINGS["efficiency"])["table"]
    found = [(row["method"], row["share"], row["steps"]) for row in rows]
    assert found == [(name, share, 6 * share) for name in ("pgstalker", "talking-gaussian") for share in (0.5, 1.0)]


def test_another_voice_is_heard_and_held_against_chance(context, tmp_path):
    from pgstalker.synthetic.voice import babble

    write_wav(tmp_path / "other.wav", babble(4.0, seed=9).samples, 16_000)
    found = told(context, "cross_speaker", sounds=(tmp_path / "other.wav",), values=("mel",))
    (row,) = found["table"]
    assert set(row) >= COLUMNS["cross_speaker"] and (row["sound"], row["reference"]) == ("other", "sync_ridge")
    assert (
        row["seconds"] == pytest.approx(4, abs=0.1)
        and row["amplitude"] > 0
        and row["agrees"] == (row["r"] > row["null"])
    )
    assert "of 1 pairs" in found["notes"][0]
    shipped = told(context, "cross_speaker", sounds=(tmp_path / "other.wav",), values=("shipped",))["table"]
    assert [(row["avatar"], row["ear"]) for row in shipped] == [("mira", "shipped"), ("olu", "shipped")]


def test_lips_of_a_code_are_those_that_it_came_from():
    from pgstalker.measures import jaw_opening, lip_aperture, mouth_width, pearson
    from pgstalker.models.mouth_code import MouthBasis
    from tests.models.faces import talking

    landmarks, _ = talking(80)
    basis = MouthBasis.fit(landmarks, 6)
    lips = basis.lips(basis.encode(landmarks))
    for index, measure in enumerate((lip_aperture, mouth_width, jaw_opening)):
        assert pearson(lips[:, index], measure(landmarks)) > 0.98


@pytest.mark.slow
def test_a_clip_as_filmed_and_made_worse(context):
    rows = {row["condition"]: row for row in told(context, "real_world", **SETTINGS["real_world"])["table"]}
    assert list(rows) == ["as filmed", "light", "noise", "codec", "shake"]
    assert "tracks would not fit a shake" in rows["shake"]["failed"]
    assert rows["noise"]["psnr"] < rows["as filmed"]["psnr"] - 0.5, "noise cannot be learnt"
    assert [row["condition"] for row in told(context, "real_world")["table"]] == ["as filmed"], "a folder's, unasked"


def test_speed_of_benches_and_of_records(context, monkeypatch, tmp_path):
    from leaderboard.experiments import cross_hardware

    told(context, "mgf", **SETTINGS["mgf"])
    (tmp_path / "machine").mkdir()
    row = {
        "stage": "frame",
        "fps_median": 50.0,
        "ms_p95": 30.0,
        "gaussians": 9,
        "size": 64,
        "processor": "P",
        "threads": 2,
    }
    (tmp_path / "machine" / "bench_x.jsonl").write_text(json.dumps(row) + "\n")
    (benched,) = cross_hardware.benched(tmp_path)
    assert (benched["device"], benched["frames_per_second"], benched["source"]) == (
        "P, 2 threads",
        50.0,
        "machine/bench_x.jsonl",
    )
    rows = list(cross_hardware.recorded(context.board / "experiments" / "mgf"))
    assert {row["stage"] for row in rows} == {"frame", "end_to_end"} and all(
        row["frames_per_second"] > 0 for row in rows
    )
    monkeypatch.setattr(cross_hardware, "BENCHES", tmp_path / "none")
    with pytest.raises(ConfigError, match="nothing was timed yet"):
        conduct(experiment("cross_hardware"), replace(context, board=tmp_path))


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("mgf", {"values": ("sum",)}, "fusion=sum is unknown"),
        ("density", {"values": ("many",)}, "many are no numbers"),
        ("mgf", {"clips": ("nobody",)}, "no dataset has a clip 'nobody'"),
        ("real_world", {"values": ("rain",)}, "degradation 'rain' is unknown"),
        ("density", {"values": ("7",)}, "gaussians 7 is not possible"),
        ("efficiency", {"methods": ("wav2lip",)}, "unknown method 'wav2lip'"),
        ("efficiency", {"values": ("0",)}, "a share of 0 is not possible"),
    ],
)
def test_what_there_is_not_is_said(name, settings, words, context):
    with pytest.raises(ConfigError, match=words):
        told(context, name, **settings)
    with pytest.raises(ConfigError, match="experiment 'magic' is unknown; use one of: cross_hardware"):
        experiment("magic")


# ---- degradations


def test_each_degradation_is_the_same_each_time_and_its_own():
    pictures = np.stack([draw(8)] * 12)
    clear = pictures.astype(float)
    for kind in KINDS:
        first, again = (np.stack(list(worse(iter(pictures), kind, seed=1))) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        other = np.stack(list(worse(iter(pictures), kind, seed=2)))
        assert (kind == "codec") == np.array_equal(first, other)
        change = np.abs(first - clear).mean()
        assert change == 0 if kind == "codec" else 3 < change < 90, (kind, change)
    light, noise, shake = (
        np.stack(list(worse(iter(pictures), kind))).astype(float) for kind in ("light", "noise", "shake")
    )
    assert (
        light.mean() < 0.7 * clear.mean()
        and light[..., 2].mean() / clear[..., 2].mean() < light[..., 0].mean() / clear[..., 0].mean()
    )
    assert abs(noise.mean() - clear.mean()) < 2 and np.abs(np.diff(noise, axis=0)).mean() > 5
    assert np.abs(np.diff(shake, axis=0)).mean() > 1 and np.ptp(shake.mean((1, 2, 3))) < 5


def test_a_video_is_made_worse_with_its_sound(write, tmp_path):
    samples = (0.2 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    source = write("clip.mp4", np.stack([draw(index) for index in range(25)]), audio=(samples, 16_000))
    clip = Clip("clip", "who", source, "own", "here")
    sizes = {}
    for kind in KINDS:
        made = degrade(clip, kind, tmp_path / f"{kind}.mp4")
        video = probe(made).require_video()
        assert (video.frames, video.fps, video.width) == (25, 25, 176) and len(read_audio(made)) > 15_000
        sizes[kind] = made.stat().st_size
        before = made.stat().st_mtime_ns
        assert degrade(clip, kind, made) == made and made.stat().st_mtime_ns == before, "one that is there is kept"
    assert sizes["codec"] < sizes["shake"] < sizes["noise"]
    with pytest.raises(ConfigError, match="'rain' is unknown"):
        degrade(clip, "rain", tmp_path / "rain.mp4")


def test_a_prepared_subject_keeps_its_tracks(toon, tmp_path):
    folder = Path(toon.removeprefix("folder:")) / "anna.subject"
    made = degrade(Clip("anna", "anna", folder, "own", "here"), "noise", tmp_path / "anna-noise.subject")
    before, after = Subject.load(folder), Subject.load(made)
    np.testing.assert_array_equal(before.tracks.landmarks_px, after.tracks.landmarks_px)
    pictures = [np.stack(list(one.read_frames())).astype(float) for one in (before, after)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 4
    assert before.manifest["source"]["sha256"] != after.manifest["source"]["sha256"]
    assert not list(tmp_path.glob(".*")) and len(list(read_frames(made / "frames.mp4"))) == before.frames_count


def test_the_command_lists_and_runs(toon, tmp_path, capsys):
    from leaderboard.__main__ import main

    assert main(["experiment", "list"]) == 0
    assert "density: " in capsys.readouterr().out
    arguments = ["experiment", "cross_hardware", "--results", str(tmp_path)]
    assert main(arguments) == 0 and (tmp_path / "experiments" / "cross_hardware.json").is_file()
    assert main(["experiment", "magic", "--results", str(tmp_path)]) == 2
