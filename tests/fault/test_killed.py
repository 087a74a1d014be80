"""SIGKILL at any moment: nothing half stands under a final name, and the next run goes on and tidies up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pgstalker.media import probe, write_wav
from pgstalker.subject import Subject
from pgstalker.training import checkpoint
from tests.tracking.conftest import SHARED

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]
MORTAL = Path(__file__).with_name("mortal.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
"""One thread: the sums of two runs are compared byte for byte."""
SIZE = 64
TRAINING = "pgstalker.training"


def command(call: str, *arguments) -> list[str]:
    return [sys.executable, str(MORTAL), call, *map(str, arguments)]


def killed_after(call: str, *arguments) -> None:
    result = subprocess.run(command(call, *arguments), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == -9, f"{call} was not reached: {result.stderr}"


def run(*arguments) -> None:
    subprocess.run(command("never", *arguments), env=ENVIRONMENT, check=True, capture_output=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def toon(tmp_path_factory):
    from pgstalker.synthetic import make_subject

    return make_subject(tmp_path_factory.mktemp("subjects") / "toon", seconds=3.0, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def whole(toon, tmp_path_factory):
    """The avatar of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "anna"
    run("train", toon, "--out", folder, "--device", "cpu")
    return folder


def killed_while_saving(arguments: list, saved: Path, times: int) -> None:
    """Kill a run from outside, after `saved` has been replaced so many times."""
    process = subprocess.Popen(command("never", *arguments), env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    seen, limit = set(), time.monotonic() + 120
    while len(seen) <= times and process.poll() is None and time.monotonic() < limit:
        if saved.exists():
            seen.add((saved.stat().st_ino, saved.stat().st_mtime_ns))
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9 and len(seen) > times


def test_a_killed_training_resumes_to_the_same_bytes(toon, whole, tmp_path):
    out, saved = tmp_path / "anna", tmp_path / ".anna.checkpoint.safetensors"
    arguments = ["train", toon, "--out", out, "--device", "cpu", "--resume"]
    killed_after(f"{TRAINING}.train:train_hearing#1", *arguments)
    assert names(tmp_path) == set()  # stage A: there is nothing to keep yet
    killed_after(f"{TRAINING}.checkpoint:save_file#1", *arguments)
    assert not saved.exists() and len(names(tmp_path)) == 1  # the first checkpoint, not yet under its name
    steps = []
    for call in (
        f"{TRAINING}.trainer:Trainer.step#1",
        f"{TRAINING}.trainer:Trainer._densify#2",
        f"{TRAINING}.checkpoint:save_file#3",
        f"{TRAINING}.trainer:Trainer._average#3",
    ):
        killed_after(call, *arguments)
        steps.append(checkpoint.load(saved)[1]["step"])
        others = names(tmp_path) - {saved.name}
        assert len(others) == call.count("save_file")  # of the runs before it nothing is left, of itself one file
    killed_while_saving(arguments, saved, times=3)
    steps.append(checkpoint.load(saved)[1]["step"])
    assert steps[0] == 0 and steps == sorted(set(steps)) and steps[-1] < 40
    killed_after("pgstalker.avatar.format:Avatar._save_pretrained#1", *arguments)
    assert not out.exists()
    run(*arguments)
    assert names(tmp_path) == {"anna"}
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_killed_between_the_avatar_and_its_checkpoint(toon, whole, tmp_path):
    """The avatar stands, the checkpoint too: both ways on lead to the same avatar."""
    out = tmp_path / "anna"
    arguments = ["train", toon, "--out", out, "--device", "cpu"]
    killed_after("pgstalker.avatar.format:Avatar.save#1", *arguments)
    model = (whole / "model.safetensors").read_bytes()
    assert names(tmp_path) == {"anna", ".anna.checkpoint.safetensors"}
    assert (out / "model.safetensors").read_bytes() == model
    killed_after("pathlib:Path.rename#1", *arguments, "--resume")
    assert not out.exists() and len(names(tmp_path)) == 3  # the earlier avatar stepped aside, the new one is written
    run(*arguments, "--resume")
    assert names(tmp_path) == {"anna"} and (out / "model.safetensors").read_bytes() == model


def test_a_killed_render_leaves_no_video(whole, tmp_path):
    speech, out = tmp_path / "speech.wav", tmp_path / "talk.mp4"
    write_wav(speech, 0.2 * np.sin(np.arange(32_000) / 20), 16_000)
    arguments = ["render", whole, "--audio", speech, "--out", out, "--device", "cpu"]
    for frame in (1, 20, 50):
        killed_after(f"pgstalker.media.encode:VideoWriter.write#{frame}", *arguments)
        assert not any(name == "talk.mp4" or not name.startswith(".") for name in names(tmp_path) - {"speech.wav"})
    run(*arguments)
    assert probe(out).video.frames == 50 and names(tmp_path) == {"speech.wav", "talk.mp4"}
    before = out.read_bytes()
    killed_after("pgstalker.media.encode:VideoWriter.write#10", *arguments)
    assert out.read_bytes() == before


def test_a_killed_prepare_leaves_no_subject(tmp_path, monkeypatch):
    if not (SHARED / "clips").is_dir() or not (SHARED / "models").is_dir():
        pytest.skip("../shared with real clips and models is not here")
    monkeypatch.setitem(ENVIRONMENT, "PGSTALKER_MODELS", str(SHARED / "models"))
    clip = SHARED / "clips" / "newsreader_20s.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-t", "5.2", "-i", clip, tmp_path / "cut.mp4"], check=True)
    out = tmp_path / "anna"
    arguments = ["prepare", tmp_path / "cut.mp4", "--out", out, "--size", 256]
    for call in ("pgstalker.media.encode:VideoWriter.write#60", "pgstalker.tracking.prepare:write_sheet#1"):
        killed_after(call, *arguments)
        assert names(tmp_path) == {"cut.mp4", ".anna.preparing"}
    run(*arguments)
    assert names(tmp_path) == {"cut.mp4", "anna"}
    anna = Subject.load(out)
    assert anna.frames_count == 130 and len(list(anna.read_frames())) == len(list(anna.read_labels())) == 130
