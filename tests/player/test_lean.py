"""Playing needs no torch, and no processor in particular."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pgstalker.avatar import Avatar, drive_from_audio
from pgstalker.media import probe, write_wav

ROOT = Path(__file__).resolve().parents[2]
MIRA = ROOT / "sample_data" / "avatars" / "mira"
WITHOUT = """
import sys
from importlib.machinery import PathFinder
absent = {"torch", "torchvision", "gsplat", "cv2", "mediapipe", "librosa", "soundfile", "transformers", "lpips"}
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in absent else find(name, *rest)
"""
"""As if those libraries were not installed."""


def run(program: str, *arguments, **environment) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **environment}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def avatar_and_speech(tiny_avatar, tone, tmp_path):
    tiny_avatar.save(tmp_path / "tiny")
    write_wav(tmp_path / "tone.wav", tone, 16_000)
    return tmp_path / "tiny", tmp_path / "tone.wav"


def test_talking_needs_no_torch(avatar_and_speech, tmp_path):
    folder, speech = avatar_and_speech
    program = WITHOUT + "from pgstalker.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    options = ["--audio", speech, "--out", tmp_path / "out.mp4"]
    result = run(program, "render", folder, *options)
    assert result.returncode == 0, result.stderr
    assert "torch is not installed" in result.stderr  # why it is the CPU
    assert probe(tmp_path / "out.mp4").video.frames == 38


def test_the_page_and_its_jobs_need_no_torch(avatar_and_speech):
    folder, speech = avatar_and_speech
    program = WITHOUT + (
        "from pathlib import Path\nimport hub.app\nfrom hub.jobs import Gallery, SpeakingJob\n"
        "gallery = Gallery(Path('none'), Path(sys.argv[1]).parent)\nhub.app.build(hub.app.Services(gallery))\n"
        "job = SpeakingJob(gallery, 'tiny', sys.argv[2])\nprint([u.stage for u in job.updates(0.01)][-1])\n"
        "job.close()\n"
        "assert 'torch' not in sys.modules"
    )
    result = run(program, folder, speech)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["render"]


@pytest.mark.parametrize(("command", "needed"), [("train", "torch"), ("prepare", "cv2, mediapipe")])
def test_what_needs_more_says_how_to_get_it(command, needed, tmp_path):
    program = WITHOUT + "from pgstalker.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    result = run(program, command, tmp_path / "in", "--out", tmp_path / "out")
    assert result.returncode == 2
    told = result.stderr.strip().splitlines()
    assert len(told) == 1 and f"needs {needed}" in told[0] and "pip install -r requirements.txt" in told[0]


def test_the_light_set_is_part_of_the_whole():
    def pins(name: str) -> set[str]:
        return {line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r"))}

    light = pins("requirements-play.txt")
    assert light < pins("requirements.txt") and not any(line.startswith("torch") for line in light)
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in light)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_environment_of_the_light_set_talks(tmp_path):
    if not MIRA.is_dir():
        pytest.skip("sample_data/ is not there; run: make sample-data")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-r", ROOT / "requirements-play.txt"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode and "No matching distribution" in installed.stderr:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    assert installed.returncode == 0, installed.stderr
    speech = ROOT / "sample_data" / "speech" / "english_woman.wav"
    command = [python, "-m", "pgstalker", "render", MIRA, "--audio", speech, "--out", tmp_path / "out.mp4"]
    talk = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert talk.returncode == 0, talk.stderr
    seconds = probe(speech).audio.duration_s
    assert probe(tmp_path / "out.mp4").video.frames == math.ceil(seconds * 25)
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode != 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_any_processor_draws_the_same(avatar_and_speech, tone, tmp_path):
    folder, _ = avatar_and_speech
    program = (
        "import sys, numpy as np\nfrom pgstalker.avatar import Avatar, drive_from_audio\n"
        "avatar = Avatar.load(sys.argv[1])\n"
        "drive = drive_from_audio(avatar, np.load(sys.argv[2]))[:5]\n"
        "np.save(sys.argv[3], np.stack(list(avatar.talker.render(drive))))"
    )
    np.save(tmp_path / "tone.npy", tone)
    kernels = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    result = run(program, folder, tmp_path / "tone.npy", tmp_path / "frames.npy", **kernels)
    assert result.returncode == 0, result.stderr
    avatar = Avatar.load(folder)
    here = np.stack(list(avatar.talker.render(drive_from_audio(avatar, tone)[:5])))
    assert (np.abs(np.load(tmp_path / "frames.npy").astype(int) - here) > 1).mean() < 1e-3
