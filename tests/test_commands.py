"""The command line as a person uses it: whole commands, their exit codes, and what lies there afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pgstalker.__main__ import main
from pgstalker.media import probe, read_audio, read_frames, write_wav
from pgstalker.synthetic import make_subject

ROOT = Path(__file__).parents[1]
PICTURES = ("frames.mp4", "labels.mkv", "sheet.png")
MINUTES = 10
LONG_SAMPLES = MINUTES * 60 * 16_000 + 7  # a little over: one frame more
PEAK_KB = 1_200_000


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return make_subject(tmp_path_factory.mktemp("subjects") / "toon", seconds=4, size=64)


@pytest.fixture
def avatar_folder(tiny_avatar, tmp_path):
    tiny_avatar.save(tmp_path / "tiny")
    return tmp_path / "tiny"


def render(avatar: Path, subject: Path, out: Path) -> int:
    options = ["--subject", subject, "--frames", "held-out", "--out", out, "--device", "cpu"]
    return main(["render", str(avatar), *map(str, options)])


def test_the_held_out_part_is_rendered_without_its_pictures(avatar_folder, subject, tmp_path):
    bare = shutil.copytree(subject, tmp_path / "bare", ignore=shutil.ignore_patterns(*PICTURES))
    assert {path.name for path in bare.iterdir()} == {"subject.json", "tracks.npz", "audio.wav"}
    frames = {}
    for folder in (subject, bare):
        out = tmp_path / f"{folder.name}.mp4"
        assert render(avatar_folder, folder, out) == 0
        frames[folder.name] = np.stack(list(read_frames(out)))
        assert probe(out).video.frames == 10 and probe(out).audio is not None  # of 100 frames 90 are for training
    np.testing.assert_array_equal(frames["toon"], frames["bare"])
    heard, spoken = read_audio(out)[: 10 * 640], read_audio(subject / "audio.wav")[90 * 640 :]
    assert np.corrcoef(heard, spoken)[0, 1] > 0.95


def test_a_reader_who_has_seen_enough_is_no_error():
    listing = subprocess.Popen(
        [sys.executable, "-m", "leaderboard", "datasets"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    listing.stdout.close()
    assert listing.stderr.read() == b"" and listing.wait() == 141


def test_an_avatar_without_shoulders_says_which_pictures_it_misses(tiny_avatar, subject, tmp_path, capsys):
    from dataclasses import replace

    from pgstalker.avatar import Avatar
    from pgstalker.models.talker import Talker

    config = tiny_avatar.talker.config
    talker = Talker(replace(config, torso="gt", counts={**config.counts, "torso": 0}))
    Avatar(talker, tiny_avatar.idle, tiny_avatar.poster).save(tmp_path / "gt")
    bare = shutil.copytree(subject, tmp_path / "bare", ignore=shutil.ignore_patterns("frames.mp4"))
    assert render(tmp_path / "gt", bare, tmp_path / "out.mp4") == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(told) == 1 and "frames.mp4 is missing" in told[0]
    assert {path.name for path in tmp_path.iterdir()} == {"gt", "bare"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_minutes_are_said_in_bounded_memory(avatar_folder, tmp_path):
    speech, out = tmp_path / "speech.wav", tmp_path / "talk.mp4"
    time_s = np.arange(LONG_SAMPLES, dtype=np.float32) / 16_000
    syllables = np.clip(np.sin(2 * np.pi * 3 * time_s), 0, 1) * np.sin(2 * np.pi * 180 * time_s)
    write_wav(speech, 0.3 * syllables, 16_000)
    program = (
        "import sys\n"
        "from pgstalker.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())\n"
        "print('PEAK', status['VmHWM'].split()[0])\n"  # ru_maxrss also counts what the parent had when it forked
        "sys.exit(code)\n"
    )
    options = ["render", avatar_folder, "--audio", speech, "--out", out, "--device", "cpu"]
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, options)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.rpartition("PEAK")[2]) < PEAK_KB
    info = probe(out)
    assert info.video.frames == sum(1 for _ in read_frames(out, size=(16, 16))) == MINUTES * 60 * 25 + 1
    assert info.audio.duration_s == pytest.approx(LONG_SAMPLES / 16_000, abs=0.03)  # AAC comes in pieces of 1024
