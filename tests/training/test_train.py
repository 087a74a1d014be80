"""Subject in, avatar out: it learns, it repeats itself exactly, and a killed run goes on as if nothing had happened."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from pgstalker.avatar import Avatar, drive_from_audio
from pgstalker.errors import AvatarError, ConfigError, SubjectError, WeightsError
from pgstalker.models.config import SWITCHES
from pgstalker.training import TrainingRequest, loop, train
from pgstalker.training.data import TrainingData
from pgstalker.training.trainer import Trainer
from pgstalker.types import SAMPLE_RATE_HZ
from tests.audio.speech_models import save_model

train_module = importlib.import_module("pgstalker.training.train")  # the package's own name is the function
pytestmark = pytest.mark.usefixtures("small_presets")
REQUEST = TrainingRequest(seed=1)
STAGES = ["static", "motion", "refine", "fuse"]
CHECKPOINT = ".anna.checkpoint.safetensors"


class Killed(BaseException):
    """As final as a signal: nothing that catches Exception sees it."""


def watch(monkeypatch, before_step=lambda number: None) -> list:
    """The reports of every step from now on; before_step(number) is called first and may kill."""
    reports, step = [], Trainer.step

    def watched(trainer):
        before_step(trainer.step_number)
        reports.append(step(trainer))
        return reports[-1]

    monkeypatch.setattr(Trainer, "step", watched)
    return reports


def kill_at(monkeypatch, saved: int, killed: int) -> None:
    """Of the coming run: a checkpoint after `saved` steps, the end after `killed`."""

    def before_step(number):
        # the loop saves after a step, so step number saved - 1 is the one after which it must
        monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1 if number == saved - 1 else 1e9)
        if number == killed:
            raise Killed

    watch(monkeypatch, before_step)


def state_of(avatar: Avatar) -> dict[str, torch.Tensor]:
    return avatar.talker.state_dict()


def assert_same(first: Avatar, second: Avatar) -> None:
    one, two = state_of(first), state_of(second)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert value.shape == two[name].shape and torch.equal(value, two[name]), name


def a_frame(avatar: Avatar) -> np.ndarray:
    """The middle frame of what the avatar says to a tone."""
    time_s = np.arange(6400) / 16_000
    drive = drive_from_audio(avatar, (0.2 * np.sin(2000 * time_s)).astype(np.float32))
    return next(avatar.talker.render(drive[5:6]))


@pytest.fixture(scope="module")
def finished(subject_folder, tmp_path_factory):
    """An uninterrupted run: avatar, its folder, the steps' reports, and the progress that was told."""
    with pytest.MonkeyPatch.context() as patch:
        from tests.training.conftest import shrink_presets

        shrink_presets(patch, tmp_path_factory.mktemp("none"))
        reports, told = watch(patch), []
        folder = tmp_path_factory.mktemp("avatars") / "anna"
        avatar = train(subject_folder, folder, REQUEST, lambda *news: told.append(news))
        return avatar, folder, reports, told


def test_it_learns(finished):
    _, _, reports, _ = finished
    motion = [report for report in reports if report.stage == "motion"]
    assert np.mean([r.loss for r in motion[-5:]]) < 0.9 * np.mean([r.loss for r in reports[:3]])
    assert np.mean([r.psnr for r in reports[-5:]]) > np.mean([r.psnr for r in reports[:3]]) + 1.0
    assert [r.stage for r in reports] == sorted((r.stage for r in reports), key=STAGES.index)
    assert {r.stage for r in reports} == set(STAGES)


def test_density_control_grows_up_to_the_cap_and_the_config_follows(finished, small_presets):
    avatar, _, reports, _ = finished
    counts = [report.gaussians for report in reports]
    assert counts[0] == pytest.approx(small_presets.initial, abs=2)
    assert counts[0] < max(counts) <= small_presets.cap
    assert len(set(counts[22:])) == 1  # after that share nothing is divided any more
    clouds = avatar.talker.clouds
    assert avatar.talker.config.counts == {name: len(cloud) for name, cloud in clouds.items()}
    assert sum(avatar.talker.config.counts.values()) == counts[-1] == avatar.provenance["gaussians"]


def test_the_folder_holds_the_same_avatar_and_nothing_is_left_beside_it(finished):
    avatar, folder, _, _ = finished
    loaded = Avatar.load(folder)
    loaded.talker = loaded.talker.twin()  # in torch, as the other
    assert_same(avatar, loaded)
    np.testing.assert_array_equal(a_frame(avatar), a_frame(loaded))
    assert [path.name for path in folder.parent.iterdir()] == ["anna"]
    said = loaded.provenance
    assert (said["seed"], said["steps"], said["size"], said["preset"], said["switches"]) == (1, 40, 64, "quick", {})
    assert not avatar.talker.training and len(loaded.idle) == said["train_frames"]


def test_progress_is_told_stage_by_stage(finished):
    told = finished[3]
    stages = [stage for stage, _, _ in told]
    assert stages[0] == "load" and "hearing" in stages and stages[-1] == "fuse"
    assert all(0 <= share <= 1 for _, share, _ in told)
    last = told[-1]
    assert last[1] == 1.0 and last[2]["step"] == 40 and last[2]["seconds_left"] == 0
    assert {"loss", "psnr", "gaussians", "per_second"} <= set(last[2])


def test_the_same_seed_gives_the_same_avatar(finished, subject_folder, tmp_path):
    torch.rand(17)  # whatever was drawn before
    assert_same(train(subject_folder, tmp_path / "anna", REQUEST), finished[0])


def test_a_killed_run_goes_on_as_if_it_had_not_been(finished, subject_folder, tmp_path, monkeypatch):
    """Killed in each stage, some steps after its last checkpoint, and between density statistics."""
    out = tmp_path / "anna"
    for saved, killed in ((2, 3), (8, 11), (13, 13), (26, 29), (33, 36)):
        with monkeypatch.context() as patch:
            kill_at(patch, saved, killed)
            with pytest.raises(Killed):
                train(subject_folder, out, replace(REQUEST, resume=True))
        assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
        torch.rand(saved)
    with monkeypatch.context() as patch:
        reports = watch(patch)
        avatar = train(subject_folder, out, replace(REQUEST, resume=True))
    assert len(reports) == 40 - 33
    assert [(r.stage, r.loss, r.gaussians) for r in reports] == [
        (r.stage, r.loss, r.gaussians) for r in finished[2][33:]
    ]
    assert_same(avatar, finished[0])
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize("switches", [{"audio_training": "end-to-end"}, {"density": "plain", "torso": "gt"}], ids=str)
def test_a_killed_run_goes_on_whatever_its_switches(switches, subject_folder, tmp_path, monkeypatch):
    request = replace(REQUEST, switches=switches, steps=20)
    whole = train(subject_folder, tmp_path / "whole", request)
    with monkeypatch.context() as patch:
        kill_at(patch, 9, 10)
        with pytest.raises(Killed):
            train(subject_folder, tmp_path / "anna", request)
    assert_same(train(subject_folder, tmp_path / "anna", replace(request, resume=True)), whole)


def test_a_run_is_not_taken_up_with_other_options(subject_folder, tmp_path, monkeypatch):
    out = tmp_path / "anna"
    with monkeypatch.context() as patch:
        kill_at(patch, 1, 2)
        with pytest.raises(Killed):
            train(subject_folder, out, REQUEST)
    kept = (tmp_path / CHECKPOINT).read_bytes()
    for change, named in (
        ({"seed": 2}, "seed"), ({"steps": 41}, "steps"), ({"size": 32}, "size"),
        ({"switches": {"fusion": "concat"}}, "switches"), ({"seed": 2, "steps": 9}, "steps, seed"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"made with other {named};.*without --resume"):
            train(subject_folder, out, replace(REQUEST, resume=True, **change))
    assert (tmp_path / CHECKPOINT).read_bytes() == kept and not out.exists()
    (tmp_path / CHECKPOINT).write_bytes(kept[:1000])
    with pytest.raises(ConfigError, match="cannot be read"):
        train(subject_folder, out, replace(REQUEST, resume=True))


def test_resuming_where_there_is_nothing_to_resume_starts_afresh(finished, subject_folder, tmp_path):
    assert_same(train(subject_folder, tmp_path / "anna", replace(REQUEST, resume=True)), finished[0])


def test_what_was_heard_is_not_learnt_twice(finished, subject_folder, tmp_path, monkeypatch):
    """Killed at the very first step: stage A has its checkpoint already."""
    with monkeypatch.context() as patch:
        kill_at(patch, 1000, 0)
        with pytest.raises(Killed):
            train(subject_folder, tmp_path / "anna", REQUEST)
    monkeypatch.setattr(train_module, "train_hearing", lambda *_: pytest.fail("stage A was repeated"))
    assert_same(train(subject_folder, tmp_path / "anna", replace(REQUEST, resume=True)), finished[0])


def test_a_stop_in_the_middle_leaves_an_earlier_avatar_alone(finished, subject_folder, tmp_path, monkeypatch):
    finished[0].save(tmp_path / "anna")
    before = {path.name: path.read_bytes() for path in (tmp_path / "anna").iterdir()}
    kill_at(monkeypatch, 1, 2)
    with pytest.raises(Killed):
        train(subject_folder, tmp_path / "anna", REQUEST)
    assert {path.name: path.read_bytes() for path in (tmp_path / "anna").iterdir()} == before


OTHERS = [(name, value) for name, values in SWITCHES.items() if name != "audio" for value in values[1:]]


@pytest.mark.parametrize(("name", "value"), OTHERS, ids=str)
def test_every_switch_trains_renders_and_changes_the_picture(name, value, finished, subject_folder, tmp_path):
    avatar = train(subject_folder, tmp_path / "anna", replace(REQUEST, switches={name: value}))
    assert getattr(avatar.talker.config, name) == value and avatar.provenance["switches"] == {name: value}
    own, usual = (asdict(made.talker.config) for made in (avatar, finished[0]))
    changed = {field for field in own if own[field] != usual[field]}
    learnt_from_pictures = {"code_size", "members"} if name == "audio_training" else set()
    assert changed - {"counts"} == {name} | learnt_from_pictures, "how many Gaussians there are comes of training"
    frame, usual = a_frame(Avatar.load(tmp_path / "anna")), a_frame(finished[0])
    assert frame.shape == usual.shape == (64, 64, 3)
    assert np.abs(frame.astype(int) - usual).mean() > 0.02


def test_what_is_trained_may_be_baked_at_once(subject_folder, tmp_path):
    from pgstalker.method import method

    chosen = method("pgstalker")
    made = chosen.train(subject_folder, tmp_path / "anna", replace(REQUEST, switches={"bake": "on"}), lambda *_: None)
    assert made.avatar.talker.config.baked > 0 and made.avatar.talker.plays_baked
    assert a_frame(made.avatar).shape == (64, 64, 3)


@pytest.mark.parametrize("kind", ["hubert", "wav2vec2", "whisper"])
def test_a_speech_model_is_an_ear(kind, subject_folder, tmp_path):
    audio = f"{kind}:{save_model(kind, tmp_path / 'model')}"
    trained = train(subject_folder, tmp_path / "anna", replace(REQUEST, steps=4, switches={"audio": audio}))
    loaded = Avatar.load(tmp_path / "anna")
    assert loaded.talker.config.audio == audio
    sound = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    codes = [avatar.talker.code(avatar.talker.hear(sound, 25)) for avatar in (trained, loaded)]
    np.testing.assert_allclose(*codes, atol=1e-5)
    assert codes[0].std(0).max() > 0
    assert len(list(loaded.talker.render(drive_from_audio(loaded, sound[:1280])))) == 2
    with pytest.raises(ConfigError, match=f"audio={kind}.*cannot stream; train it with mel"):
        loaded.talker.listen()
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(WeightsError, match=r"model is not at hand.*config.json and model.safetensors"):
        Avatar.load(tmp_path / "anna").talker.hear(sound, 25)


def test_another_seed_gives_another_avatar(finished, subject_folder, tmp_path):
    other = train(subject_folder, tmp_path / "anna", replace(REQUEST, seed=2, steps=6))
    assert not np.array_equal(a_frame(other), a_frame(finished[0]))


def test_somebody_without_shoulders_is_trained_too(subject_folder, subject_data, tmp_path, monkeypatch):
    bare = replace(subject_data, labels=np.where(subject_data.labels == 1, 0, subject_data.labels).astype(np.uint8))
    monkeypatch.setattr(TrainingData, "load", classmethod(lambda cls, folder, size: bare))
    avatar = train(subject_folder, tmp_path / "anna", REQUEST)
    assert avatar.talker.config.counts["torso"] == 0
    assert np.ptp(a_frame(Avatar.load(tmp_path / "anna"))) > 50


def test_a_torso_that_was_not_tracked_is_predicted(subject_folder, subject_data, tmp_path, monkeypatch):
    drive = replace(subject_data.drive, torso=np.zeros_like(subject_data.drive.torso))
    untracked = replace(subject_data, drive=drive, torso_tracked=False)
    monkeypatch.setattr(TrainingData, "load", classmethod(lambda cls, folder, size: untracked))
    avatar = train(subject_folder, tmp_path / "anna", replace(REQUEST, steps=4))
    assert Avatar.load(tmp_path / "anna").idle.torso is None
    assert np.isfinite(a_frame(avatar)).all()


def test_minutes_become_steps_that_repeat_the_run(subject_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "TRIAL_STEPS", 3)
    measured = train(subject_folder, tmp_path / "measured", replace(REQUEST, minutes=1e-6))
    assert measured.provenance["steps"] == 3
    assert_same(measured, train(subject_folder, tmp_path / "repeated", replace(REQUEST, steps=3)))


def test_a_run_of_measured_length_can_be_taken_up(subject_folder, tmp_path, monkeypatch):
    """The machine would measure another number of steps; the checkpoint knows how many there were."""
    out, request = tmp_path / "anna", replace(REQUEST, minutes=1.0)
    monkeypatch.setattr(train_module, "_steps_in", lambda *_: 7)
    with monkeypatch.context() as patch:
        kill_at(patch, 2, 3)
        with pytest.raises(Killed):
            train(subject_folder, out, request)
    monkeypatch.setattr(train_module, "_steps_in", lambda *_: 9)
    assert train(subject_folder, out, replace(request, resume=True)).provenance["steps"] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "fast"}, "unknown preset 'fast'"),
        ({"switches": {"fusion": "magic"}}, "fusion=magic"),
        ({"switches": {"colour": "red"}}, "unknown switch 'colour'"),
        ({"device": "tpu"}, "tpu"),
        ({"steps": 0}, "steps 0"),
        ({"steps": -3}, "steps -3"),
        ({"size": 0}, "size 0"),
        ({"size": 30}, "size 30"),
        ({"size": 63}, "size 63"),
        ({"size": 4096}, "size 4096"),
        ({"minutes": 0.0}, "minutes 0"),
        ({"minutes": float("nan")}, "minutes nan"),
        ({"seed": -1}, "seed -1"),
    ],
    ids=str,
)
def test_nonsense_is_refused_before_any_work(change, message, subject_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingData, "load", classmethod(lambda cls, folder, size: pytest.fail("work was done")))
    with pytest.raises(ConfigError, match=message):
        train(subject_folder, tmp_path / "new" / "anna", replace(REQUEST, **change))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_no_subject_is_named(tmp_path):
    with pytest.raises(SubjectError, match="no subject folder"):
        train(tmp_path, tmp_path / "anna", REQUEST)


def test_a_foreign_folder_in_the_way_is_refused_before_any_work(subject_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingData, "load", classmethod(lambda cls, folder, size: pytest.fail("work was done")))
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "letters.txt").write_text("dear")
    with pytest.raises(AvatarError, match=r"letters.txt"):
        train(subject_folder, tmp_path / "anna", REQUEST)
