"""Methods of other people: the documented example under the contract, and commands that go wrong in every way."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pgstalker import exchange
from pgstalker.avatar.format import read_config
from pgstalker.errors import AvatarError, ConfigError, ExternalError, MediaError
from pgstalker.external import Commands, external, run_command
from pgstalker.media import VideoWriter, read_audio
from pgstalker.method import FOLDERS, Performance, TrainingRequest, discover, method
from pgstalker.subject import Subject

EXAMPLE = Path(__file__).parents[1] / "docs" / "external_example"
SIZE = 64
REQUEST = TrainingRequest(size=SIZE, steps=5)


def quiet(*_) -> None:
    """No progress wanted."""


@pytest.fixture(scope="module")
def subject_folder(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return make_subject(tmp_path_factory.mktemp("external") / "toon", seconds=3.0, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def performance(subject_folder):
    return Performance.of(Subject.load(subject_folder))


@pytest.fixture(scope="module")
def example(subject_folder, tmp_path_factory):
    """(method, what it learnt, its folder, progress that was told)."""
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDERS, str(EXAMPLE))
        chosen = method("loudness-bins")
    out = tmp_path_factory.mktemp("loudness") / "model"
    learnt = chosen.train(subject_folder, out, REQUEST, lambda *line: told.append(line))
    return chosen, learnt, out, told


def test_the_documented_example_fulfils_the_contract(example, performance, subject_folder):
    chosen, learnt, out, told = example
    assert chosen.kind == "external" and learnt.size == SIZE and learnt.composite == "full_frame"
    whole = list(learnt.render(performance))
    assert len(whole) == len(performance)
    assert all(frame.shape == (SIZE, SIZE, 3) and frame.dtype == np.uint8 for frame in whole)
    part = list(chosen.load(out, "cpu").render(performance[::3]))
    np.testing.assert_array_equal(part, whole[::3])
    assert len(np.unique(np.stack(whole), axis=0)) > 1, "it hears"
    stages = [stage for stage, _, _ in told]
    assert stages[0] == "load" and stages[-1] == "mean" and told[-1][1] == 1 and "member" in told[-1][2]
    foreign = Performance.said_by(Subject.load(subject_folder), np.zeros(16_000, np.float32))
    assert len(list(learnt.render(foreign))) == 25


def test_it_was_given_what_all_methods_were_given(example, subject_folder, tmp_path):
    from pgstalker.training.data import TrainingData
    from pgstalker.training.session import data_digests

    data, subject = TrainingData.load(subject_folder, SIZE), Subject.load(subject_folder)
    assert example[1].provenance["data"] == data_digests(data, "mel")
    told = tmp_path / "told"
    exchange.write_training(told, data, subject)
    facts = exchange.declaration(told)
    assert (facts["kind"], facts["frames"], facts["size"]) == ("train", subject.train_frames, SIZE)
    pictures = [exchange.load_picture(path) for path in sorted((told / "frames").iterdir())]
    np.testing.assert_array_equal(pictures, data.pictures)
    np.testing.assert_allclose(read_audio(told / "audio.wav"), data.samples, atol=1 / 32767)
    tracks = np.load(told / "tracks.npz")
    np.testing.assert_array_equal(tracks["camera_from_head"], data.drive.camera_from_head)
    np.testing.assert_array_equal(tracks["landmarks_px"], data.landmarks)
    assert len(sorted((told / "labels").iterdir())) == subject.train_frames


def test_a_performance_over_the_true_torso_brings_backgrounds(performance, tmp_path):
    plate = np.full((SIZE, SIZE, 3), 90, np.uint8)
    exchange.write_performance(tmp_path / "told", performance[:3], plate, over_torso=True)
    expected = list(performance[:3].torsos(plate.astype(np.float32) / 255))
    found = [exchange.load_picture(path) for path in sorted((tmp_path / "told" / "backgrounds").iterdir())]
    np.testing.assert_array_equal(found, expected)
    assert not list((tmp_path / "told" / "frames").iterdir())


def test_two_trainings_are_the_same_and_other_things_stay(example, subject_folder, tmp_path, performance):
    chosen, learnt, _, _ = example
    again = chosen.train(subject_folder, tmp_path / "model", REQUEST, quiet)
    np.testing.assert_array_equal(list(again.render(performance[:2])), list(learnt.render(performance[:2])))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(AvatarError, match="other things"):
        chosen.train(subject_folder, tmp_path / "other", REQUEST, quiet)
    with pytest.raises(AvatarError, match="train it first"):
        chosen.load(tmp_path / "nothing")
    with pytest.raises(AvatarError, match=r"compared method's model, .*leaderboard run METHOD"):
        read_config(tmp_path / "model")
    (tmp_path / "model" / "method.json").write_text('{"schema": "pgstalker-method/1", "method": "x", "provenance": {}}')
    with pytest.raises(AvatarError, match="holds x"):
        chosen.load(tmp_path / "model")


def python(program: str) -> tuple[str, ...]:
    return "{python}", "-c", program


def made(render: str, **more):
    """A method that learns nothing and renders by a program, whose arguments are the folder for frames."""
    return external(
        id="made", title="Made", file=__file__, train=python("pass"), render=(*python(render), "{frames}"), **more
    )


SAVE = "import sys\nfrom PIL import Image\nfor i in range({count}): Image.new('{mode}', ({size}, {size})).save("
SAVE += "f'{{sys.argv[1]}}/{{i:03d}}.png')"


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        (SAVE.format(count=2, mode="RGB", size=SIZE), MediaError, "made left 2 frames where 3 were asked for"),
        (SAVE.format(count=3, mode="RGB", size=32), MediaError, "is 32x32 px where 64x64"),
        (SAVE.format(count=3, mode="RGBA", size=SIZE), MediaError, "mode RGBA; write RGB"),
        ("pass", MediaError, "left 0 PNG and 0 videos"),
        ("import sys; open(sys.argv[1] + '/0.png', 'w'); [open(f'{sys.argv[1]}/{i}.png', 'w') for i in '12']",
         MediaError, "no readable picture"),
        ("import sys; print('first', file=sys.stderr); sys.exit('CUDA out of memory')", ExternalError,
         r"made's render ended with exit code 1: first \| CUDA out of memory"),
        ("print('only this'); raise SystemExit(7)", ExternalError, "exit code 7: only this"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_one_line(program, error, words, subject_folder, performance, tmp_path):
    learnt = made(program.replace("{", "{{").replace("}", "}}")).train(subject_folder, tmp_path / "m", REQUEST, quiet)
    with pytest.raises(error, match=words) as caught:
        list(learnt.render(performance[:3]))
    assert "\n" not in str(caught.value)


def test_a_video_that_loses_is_refused_and_a_lossless_one_taken(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (3, SIZE, SIZE, 3), np.uint8)
    for name, codec in (("good", "ffv1"), ("bad", "libx264")):
        (tmp_path / name).mkdir()
        with VideoWriter(tmp_path / name / "all.mkv", SIZE, SIZE, codec=codec) as writer:
            for frame in frames:
                writer.write(frame)
    np.testing.assert_array_equal(list(exchange.read_answer(tmp_path / "good", 3, SIZE, "it")), frames)
    for count in (2, 4):
        with pytest.raises(MediaError, match=f"left 3 frames where {count}"):
            list(exchange.read_answer(tmp_path / "good", count, SIZE, "it"))
    with pytest.raises(MediaError, match="h264, which loses"):
        list(exchange.read_answer(tmp_path / "bad", 3, SIZE, "it"))


@pytest.mark.parametrize("word", ["{weights}", "{subject"])
def test_a_word_in_braces_that_there_is_not_is_said_at_once(word):
    with pytest.raises(ConfigError, match=r"train(: | asks for \{weights\}; there are: device, here)"):
        external(id="x", title="X", file=__file__, train=("fit", word), render=("draw",))
    with pytest.raises(ConfigError, match="render is empty"):
        external(id="x", title="X", file=__file__, train=("fit",), render=())


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(ExternalError, match="cannot be started: no-such-program"):
        run_command(["no-such-program"], "it", os.environ, quiet)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().split()[2]
    except OSError:
        return False
    return state != "Z"


FAMILY = "import subprocess, sys, time\nchild = subprocess.Popen(['sleep', '60'])\n"
FAMILY += "print('progress 0.5 born child=%d' % child.pid, flush=True)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", ["too slow", "interrupted", "its parent ended"])
def test_nothing_that_it_started_is_left(how):
    children = []

    def seen(stage, share, numbers):
        children.append(int(numbers["child"]))
        if how == "interrupted":
            raise KeyboardInterrupt

    rest = "" if how == "its parent ended" else "time.sleep(60)"
    arguments = [[sys.executable, "-c", FAMILY + rest], "it", os.environ, seen]
    started = time.monotonic()
    if how == "too slow":
        with pytest.raises(ExternalError, match=r"more than 1 s and was ended"):
            run_command(*arguments, limit_s=1)
    elif how == "interrupted":
        with pytest.raises(KeyboardInterrupt):
            run_command(*arguments)
    else:
        with pytest.raises(ExternalError, match="more than 1 s"):
            run_command(*arguments, limit_s=1)  # the child holds the pipe open
    assert time.monotonic() - started < 20
    deadline = time.monotonic() + 5
    while alive(children[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(children[0])


def test_it_runs_in_its_own_environment(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    program = "import os; print('progress', 1, os.environ.get('PYTHONPATH', 'none'), 'x=' + os.environ['X'])"
    told = []
    commands = Commands("e", Path(__file__), python(program), ("x",), "full_frame", {"X": "3"})
    commands.run("train", lambda *line: told.append(line))
    assert told == [("none", 1.0, {"x": 3.0})]


# ---- files of a user's own


def test_files_of_a_users_folder_are_found(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDERS, os.pathsep.join([str(EXAMPLE), str(tmp_path)]))
    assert {"loudness-bins", "pgstalker"} <= set(discover())
    monkeypatch.delenv(FOLDERS)
    assert "loudness-bins" not in discover()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("broken", "import nothing_of_the_kind", "ModuleNotFoundError"),
        ("broken", "METHOD = (", "SyntaxError"),
        ("empty", "x = 1", "names no METHOD"),
        ("other", "from pgstalker.baselines.still_frame import METHOD", "a method has the name of its file"),
        ("still_frame", "from pgstalker.baselines.still_frame import METHOD", "as another file does; rename it"),
    ],
)
def test_a_wrong_file_is_said(name, text, words, monkeypatch, tmp_path):
    (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "_helper.py").write_text("raise SystemExit")
    monkeypatch.setenv(FOLDERS, str(tmp_path))
    with pytest.raises(ConfigError, match=words):
        discover()


def test_a_folder_that_is_none_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDERS, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="which is no folder"):
        discover()


def test_the_example_is_trained_by_the_command_line(subject_folder, tmp_path, monkeypatch):
    from pgstalker.__main__ import main

    monkeypatch.setenv(FOLDERS, str(EXAMPLE))
    out = str(tmp_path / "m")
    assert main(["train", str(subject_folder), "--method", "loudness-bins", "--out", out, "--size", str(SIZE)]) == 0
    assert (tmp_path / "m" / "model" / "model.npz").is_file()
