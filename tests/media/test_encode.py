import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pgstalker.errors import ConfigError, MediaError
from pgstalker.media import (
    Destination,
    VideoWriter,
    frames_to_cover,
    normalise_video,
    probe,
    read_audio,
    read_frames,
    write_wav,
)
from pgstalker.types import SAMPLE_RATE_HZ
from tests.media.sounds import clicks, lag


def smooth_picture(width, height, phase=0.0):
    y, x = np.mgrid[:height, :width] / 32
    channels = [np.sin(x + phase), np.cos(y + phase), np.sin(x + y)]
    return np.round(127.5 + 110 * np.stack(channels, -1)).astype(np.uint8)


def write(path, frames, **options):
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_h264_for_every_player(tmp_path):
    frames = [smooth_picture(64, 48, n / 5) for n in range(12)]
    path = write(tmp_path / "talk.mp4", frames, comment="synthetic")
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    stream = report["streams"][0]
    assert (stream["codec_name"], stream["pix_fmt"], stream["r_frame_rate"]) == ("h264", "yuv420p", "25/1")
    assert (stream["color_space"], stream["color_range"]) == ("bt709", "tv")
    assert report["format"]["tags"]["comment"] == "synthetic"
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    decoded = list(read_frames(path))
    assert len(decoded) == 12
    assert np.abs(np.float32(decoded) - np.float32(frames)).mean() < 2  # colours come back as they went in


def test_ffv1_labels_are_exact(tmp_path):
    labels = [np.random.default_rng(n).integers(0, 256, (33, 47), dtype=np.uint8) for n in range(5)]
    path = write(tmp_path / "labels.mkv", labels, codec="ffv1", gray=True)
    assert np.array_equal(list(read_frames(path, gray=True, scale_flags="neighbor")), labels)


def test_odd_sides_lose_one_pixel(tmp_path):
    path = write(tmp_path / "odd.mp4", [smooth_picture(65, 49)])
    assert (probe(path).video.width, probe(path).video.height) == (64, 48)


@pytest.mark.parametrize(("sound_s", "frames"), [(3, 25), (1, 75), (2, 50)])
def test_neither_sound_nor_picture_is_cut(tmp_path, sound_s, frames):
    sent = clicks(48_000, sound_s)
    path = write(tmp_path / "talk.mp4", [smooth_picture(64, 48)] * frames, audio=(sent, 48_000))
    assert probe(path).video.frames == frames
    heard = read_audio(path, 48_000)
    assert 0 <= len(heard) - len(sent) < 2048  # whole AAC blocks
    assert lag(heard[: len(sent)], sent) == 0


@pytest.mark.parametrize("rate", [8000, 22_050, 192_000])
def test_any_rate_and_container_of_sound(tmp_path, rate):
    sent = clicks(rate, 1)
    write_wav(tmp_path / "sent.wav", np.stack([sent, sent], 1), rate)
    path = write(tmp_path / "talk.mp4", [smooth_picture(64, 48)] * 25, audio=tmp_path / "sent.wav")
    assert probe(path).audio.codec == "aac" and probe(path).audio.channels == 2
    assert abs(lag(read_audio(path), read_audio(tmp_path / "sent.wav"))) <= 1


def test_failures_leave_nothing_behind(tmp_path, ffmpegs):
    target = tmp_path / "talk.mp4"
    target.write_bytes(b"the film before")
    with pytest.raises(KeyboardInterrupt), VideoWriter(target, 64, 48) as writer:
        writer.write(smooth_picture(64, 48))
        raise KeyboardInterrupt
    with pytest.raises(MediaError, match="no audio stream"):
        write(
            tmp_path / "talk.mp4", [smooth_picture(64, 48)], audio=write(tmp_path / "mute.mp4", [smooth_picture(8, 8)])
        )
    with pytest.raises(AssertionError, match="not uint8"), VideoWriter(target, 64, 48) as writer:
        writer.write(smooth_picture(48, 64))
    with pytest.raises(AssertionError, match="needs a frame"), VideoWriter(target, 64, 48):
        pass
    assert target.read_bytes() == b"the film before"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mute.mp4", "talk.mp4"]
    assert ffmpegs() == 0


def test_ffmpegs_own_words_reach_the_person(tmp_path):
    with pytest.raises(MediaError, match=r"talk\.mp4 cannot be written: .*No such file or directory"):
        write(tmp_path / "absent" / "talk.mp4", [smooth_picture(64, 48)] * 300)


def test_odd_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("-a: b%d.mp4", [smooth_picture(64, 48)] * 2)
    normalise_video("-a: b%d.mp4", "-c 'd'.mp4")
    assert probe("-c 'd'.mp4").video.frames == 2


def test_normalise(make_clip, tmp_path):
    source = make_clip(
        "phone.mov",
        "-f lavfi -i gradients=s=120x90:r=30:d=2:speed=0.05:seed=1 -f lavfi -i sine=440:d=2 -pix_fmt yuv420p",
    )
    target = tmp_path / "frames.mp4"
    normalise_video(source, target, crop=(10, 5, 80, 80), size=(64, 64))
    info = probe(target)
    assert info.audio is None and (info.video.width, info.video.height, info.video.fps, info.video.frames) == (
        64,
        64,
        25,
        50,
    )
    ours = np.float32(list(read_frames(target)))
    direct = np.float32(list(read_frames(source, fps=25, crop=(10, 5, 80, 80), size=(64, 64), scale_flags="lanczos")))
    assert ours.shape == direct.shape and np.abs(ours - direct).mean() < 1.5
    (tmp_path / "garbage.mp4").write_bytes(b"garbage" * 1000)
    with pytest.raises(MediaError):
        normalise_video(tmp_path / "garbage.mp4", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_frames_to_cover():
    assert [frames_to_cover(s, 16_000) for s in (0, 1, 640, 641, 16_000)] == [0, 1, 1, 2, 25]
    assert frames_to_cover(44_100 * 600, 44_100) == 15_000  # 0.04 s is no binary fraction; integers do not care


def test_wav_round_trip(tmp_path):
    samples = np.float32([0, 0.5, -0.5, 2, -2])
    write_wav(tmp_path / "a.wav", samples, 16_000)
    assert np.abs(read_audio(tmp_path / "a.wav") - np.clip(samples, -1, 1)).max() < 1e-4


def test_memory_stays_bounded(make_clip):
    """300 frames of 640x480 are 276 MB; reading and writing them holds one at a time."""
    long = make_clip("large.mp4", "-f lavfi -i color=gray:s=640x480:d=12 -preset ultrafast -pix_fmt yuv420p")
    program = f"""
from pathlib import Path
from pgstalker.media import VideoWriter, read_frames
with VideoWriter({str(long.with_name("copy.mp4"))!r}, 640, 480, crf=40) as writer:
    for frame in read_frames({str(long)!r}):
        writer.write(frame)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(writer.frames, status["VmHWM"].split()[0])  # not ru_maxrss, which counts what the parent had when it forked
"""
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    frames, peak_kb = map(int, result.stdout.split())
    assert frames == 300 and peak_kb < 150_000


@pytest.mark.fault
def test_killed_ffmpeg_is_an_error_not_a_short_film(make_clip, tmp_path):
    long = make_clip("long.mp4", "-f lavfi -i testsrc=s=320x240:d=20 -pix_fmt yuv420p")
    with pytest.raises(MediaError, match=r"long\.mp4: decoding stopped after \d+ frames"):
        for number, _ in enumerate(read_frames(long)):
            if number == 3:
                _kill_children()
    target = tmp_path / "talk.mp4"
    with pytest.raises(MediaError, match=r"talk\.mp4 cannot be written"), VideoWriter(target, 64, 48) as writer:
        writer.write(smooth_picture(64, 48))
        _kill_children()
        for _ in range(300):
            writer.write(smooth_picture(64, 48))
    assert list(tmp_path.iterdir()) == []


def _kill_children():
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)


@pytest.mark.fault
def test_full_disk(tmp_path):
    """A limit on the size of files stands in for the disk: ffmpeg cannot write on."""
    program = f"""
import resource, signal
import numpy as np
from pgstalker.errors import MediaError
from pgstalker.media import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), dtype=np.uint8)
try:
    with VideoWriter({str(tmp_path / "talk.mp4")!r}, 320, 240) as writer:
        for frame in noise:
            writer.write(frame)
except MediaError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "talk.mp4 cannot be written" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_growing_copy_can_be_played_and_changes_nothing(tmp_path, tone):
    """The same bytes with and without it; what grew is whole as well, whatever its name holds."""
    folder = tmp_path / "it's [a] | place"
    folder.mkdir()
    frames = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    for name, live in (("plain", None), ("live", folder / "growing.mp4")):
        place = Destination(folder / f"{name}.mp4", live)
        with VideoWriter(place, 64, 64, audio=(tone, SAMPLE_RATE_HZ)) as writer:
            for frame in frames:
                writer.write(frame)
    assert (folder / "plain.mp4").read_bytes() == (folder / "live.mp4").read_bytes()
    assert len(list(read_frames(folder / "growing.mp4"))) == 40 and probe(folder / "growing.mp4").audio is not None


def test_a_video_is_scaled_where_asked(tmp_path):
    with VideoWriter(Destination(tmp_path / "small.mp4", size=96), 64, 48) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    video = probe(tmp_path / "small.mp4").video
    assert (video.width, video.height) == (128, 96)
    with pytest.raises(ConfigError, match="size 9 is not possible; use 64 to 2048 px"):
        Destination(tmp_path / "tiny.mp4", size=9)
