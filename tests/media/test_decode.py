import subprocess

import numpy as np
import pytest

from pgstalker.errors import MediaError
from pgstalker.media import VideoWriter, read_audio, read_frames, write_wav
from tests.media.sounds import clicks, lag


def numbered(path, count, *, width=64, height=48, fps=25, **options):
    """A video whose frame n is a flat gray of value 4 n."""
    with VideoWriter(path, width, height, fps, codec="ffv1", **options) as writer:
        for n in range(count):
            writer.write(np.full((height, width, 3), 4 * n, np.uint8))
    return path


def values(frames):
    return [round(float(frame.mean()) / 4) for frame in frames]


def test_shapes_and_order(tmp_path):
    path = numbered(tmp_path / "n.mkv", 10)
    frames = list(read_frames(path))
    assert len(frames) == 10 and frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    assert frames[0].flags.writeable
    assert values(frames) == list(range(10))
    assert next(read_frames(path, gray=True)).shape == (48, 64)
    assert next(read_frames(path, size=(20, 10))).shape == (10, 20, 3)


def test_start_and_count_are_exact(tmp_path):
    path = numbered(tmp_path / "n.mkv", 30)
    assert values(read_frames(path, start=7, count=3)) == [7, 8, 9]
    assert values(read_frames(path, start=28, count=5)) == [28, 29]
    assert values(read_frames(path, start=4, count=2, fps=12.5)) == [8, 10]
    assert values(read_frames(path, start=99)) == []


def test_crop_at_odd_places(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (45, 63, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "noise.mkv", 63, 45, codec="ffv1") as writer:
        writer.write(picture)
    assert np.array_equal(next(read_frames(tmp_path / "noise.mkv")), picture)
    cropped = next(read_frames(tmp_path / "noise.mkv", crop=(7, 5, 31, 17)))
    assert np.array_equal(cropped, picture[5:22, 7:38])


def test_area_scaling_is_the_mean_of_the_pixels(tmp_path):
    picture = np.random.default_rng(1).integers(0, 255, (32, 64, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "noise.mkv", 64, 32, codec="ffv1") as writer:
        writer.write(picture)
    small = next(read_frames(tmp_path / "noise.mkv", size=(16, 8))).astype(float)
    mean = picture.reshape(8, 4, 16, 4, 3).mean((1, 3))
    assert np.abs(small - mean).max() <= 2  # swscale works in 15 bits


def test_30_fps_to_25_keeps_the_timing(tmp_path):
    path = numbered(tmp_path / "thirty.mkv", 60, fps=30)
    shown = values(read_frames(path, fps=25))
    assert len(shown) == 50
    assert max(abs(n / 30 - i / 25) for i, n in enumerate(shown)) <= 1 / 30


def test_variable_rate_keeps_the_timing(make_clip):
    # Frame n of a 30 fps ramp is n gray levels; a third of the first second's frames are missing.
    ramp = "-f lavfi -i color=black:s=64x48:r=30:d=2,geq=lum='16+2*N':cb=128:cr=128"
    path = make_clip("ramp.mkv", f"{ramp},select='gt(t,1)+mod(n,3)' -vsync vfr -c:v ffv1 -pix_fmt yuv420p")
    stored = list(read_frames(path))
    assert len(stored) == 49
    shown = [round(float(frame.mean()) / 255 * 219 / 2) for frame in read_frames(path, fps=25)]
    assert len(shown) == 49  # the last frame stands at 1.967 s
    assert max(abs(n / 30 - i / 25) for i, n in enumerate(shown)) < 1 / 30 + 1 / 50 + 1e-6  # one missing, half a step


def test_rotated_video_comes_upright(make_clip, clip):
    turned = make_clip("turned.mp4", f"-i {clip} -c copy -metadata:s:v rotate=90")
    frame = next(read_frames(turned, gray=True))
    assert frame.shape == (64, 48)
    flat = next(read_frames(clip, gray=True)).astype(int)
    assert min(np.abs(np.rot90(flat, k) - frame).mean() for k in (1, 3)) < 1  # turned, not stretched


def test_pixels_are_made_square(make_clip):
    wide = make_clip("anamorphic.mp4", "-f lavfi -i testsrc=s=64x48:d=0.2,setsar=2 -pix_fmt yuv420p")
    assert next(read_frames(wide)).shape == (48, 128, 3)


def test_stopping_early_leaves_no_process(make_clip, ffmpegs):
    long = make_clip("long.mp4", "-f lavfi -i testsrc=s=320x240:d=20 -pix_fmt yuv420p")
    frames = read_frames(long)
    assert ffmpegs() == 0  # nothing runs before the first frame is wanted
    next(frames)
    assert ffmpegs() == 1
    frames.close()
    assert ffmpegs() == 0
    for _ in read_frames(long):
        break
    assert ffmpegs() == 0
    with pytest.raises(RuntimeError):
        for _ in read_frames(long):
            raise RuntimeError
    assert ffmpegs() == 0


def test_damage_in_the_middle_floods_stderr_without_a_deadlock(make_clip, tmp_path):
    whole = make_clip("stream.ts", "-f lavfi -i testsrc2=s=320x240:d=20 -c:v mpeg2video -q:v 2 -g 5")
    content = np.frombuffer(whole.read_bytes(), np.uint8).copy()
    damaged = np.random.default_rng(0).integers(20_000, len(content), len(content) // 40)
    content[damaged] ^= 0xFF
    (tmp_path / "damaged.ts").write_bytes(content.tobytes())
    assert 0 < sum(1 for _ in read_frames(tmp_path / "damaged.ts")) <= 520


def test_truncated_file_gives_what_is_there(make_clip, tmp_path, caplog):
    whole = make_clip("front.mp4", "-f lavfi -i testsrc2=s=160x120:d=4 -pix_fmt yuv420p -movflags +faststart")
    content = whole.read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) // 2])
    assert 10 < sum(1 for _ in read_frames(tmp_path / "half.mp4")) < 100
    assert "half.mp4" in caplog.text


def test_no_video_is_refused_before_the_first_frame(make_clip):
    with pytest.raises(MediaError, match="no video stream"):
        read_frames(make_clip("sound.wav", "-f lavfi -i sine=440:r=8000:d=1"))


def test_stereo_48k_becomes_mono_16k(make_clip):
    path = make_clip("stereo.flac", "-f lavfi -i aevalsrc=0.5*sin(880*PI*t)|0.5*sin(880*PI*t):s=48000:d=1.5")
    samples = read_audio(path)
    assert samples.dtype == np.float32 and samples.shape == (24_000,)
    expected = 0.5 * np.sin(880 * np.pi * np.arange(24_000) / 16_000)
    assert np.abs(samples - expected)[500:-500].max() < 0.01
    assert len(read_audio(path, 8000)) == 12_000


@pytest.mark.parametrize(
    ("suffix", "samples"), [("mp4", 1), ("m4a", 1), ("mp3", 1), ("ogg", 1), ("mkv", 160), ("webm", 160)]
)
def test_encoders_priming_is_removed(tmp_path, suffix, samples):
    """To the sample; Matroska says when its sound starts in whole ms and some ms early: a quarter of a frame."""
    sent = clicks(16_000, 3)
    write_wav(tmp_path / "sent.wav", sent, 16_000)
    target = tmp_path / f"coded.{suffix}"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", tmp_path / "sent.wav", "-ar", "48000", target], check=True)
    assert abs(lag(read_audio(target), sent)) <= samples


def test_sound_that_starts_late_stays_late(make_clip):
    path = make_clip(
        "late.mkv",
        "-f lavfi -i testsrc=s=64x48:d=2 -itsoffset 0.5 -f lavfi -i sine=440:r=16000:d=1.5 -c:v ffv1 -c:a pcm_s16le",
    )
    samples = read_audio(path)
    assert len(samples) == pytest.approx(32_000, abs=20)
    assert np.abs(samples[:7900]).max() == 0 and np.abs(samples[8100:8400]).max() > 0.05


def test_picture_that_starts_late_shares_the_clock(make_clip):
    path = make_clip(
        "late_picture.mkv",
        "-f lavfi -i sine=440:r=16000:d=2 -itsoffset 0.4 -f lavfi -i testsrc=s=64x48:d=1.6 -c:v ffv1 -c:a pcm_s16le",
    )
    assert sum(1 for _ in read_frames(path, fps=25)) == 50  # ten times the first frame, then the rest


def test_loud_float_sound_is_clipped(make_clip):
    path = make_clip("loud.wav", "-f lavfi -i aevalsrc=3*sin(880*PI*t):s=16000:d=1 -c:a pcm_f32le")
    samples = read_audio(path)
    assert samples.max() == 1 and samples.min() == -1


def test_sound_refusals(make_clip, tmp_path, monkeypatch):
    with pytest.raises(MediaError, match="no audio stream"):
        read_audio(make_clip("picture.mkv", "-f lavfi -i testsrc=s=32x32:d=1"))
    sound = make_clip("sound.wav", "-f lavfi -i sine=440:r=8000:d=1")
    (tmp_path / "headless.wav").write_bytes(sound.read_bytes()[:78])
    with pytest.raises(MediaError, match="audio stream is empty"):
        read_audio(tmp_path / "headless.wav")
    monkeypatch.setattr("pgstalker.media.limits.MAX_DECODED_AUDIO_S", 0.5)
    with pytest.raises(MediaError, match=r"at most 0\.5 s"):
        read_audio(sound)
