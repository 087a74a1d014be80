import shutil

import pytest

from pgstalker.errors import EnvironmentMissing, MediaError
from pgstalker.media import check_audio, check_video, probe


def test_plain_clip(clip):
    info = probe(clip)
    assert (info.video.width, info.video.height, info.video.fps, info.video.frames) == (64, 48, 25, 50)
    assert info.video.codec == "h264" and not info.video.has_variable_rate and info.video.has_square_pixels
    assert (info.audio.sample_rate_hz, info.audio.channels, info.audio.codec) == (44100, 1, "aac")
    assert info.duration_s == pytest.approx(2, abs=0.05) and info.audio.duration_s == pytest.approx(2, abs=0.05)


def test_sound_alone_and_picture_alone(make_clip):
    sound = probe(make_clip("sound.wav", "-f lavfi -i sine=440:r=8000:d=1"))
    assert sound.video is None and sound.audio.sample_rate_hz == 8000
    with pytest.raises(MediaError, match=r"sound\.wav has no video stream"):
        sound.require_video()
    picture = probe(make_clip("picture.mkv", "-f lavfi -i testsrc=s=32x32:d=1"))
    assert picture.audio is None
    with pytest.raises(MediaError, match=r"picture\.mkv has no audio stream"):
        picture.require_audio()


def test_rotation_gives_the_size_as_seen(clip, make_clip):
    turned = make_clip("turned.mp4", f"-i {clip} -c copy -metadata:s:v rotate=90")
    assert (probe(turned).video.width, probe(turned).video.height) == (48, 64)


def test_pixels_that_are_not_square(make_clip):
    video = probe(make_clip("anamorphic.mp4", "-f lavfi -i testsrc=s=64x48:d=0.2,setsar=2 -pix_fmt yuv420p")).video
    assert (video.width, video.height, video.has_square_pixels) == (128, 48, False)


def test_variable_rate_is_named(make_clip):
    # Of 30 fps, two frames in three are kept for one second, then all of them.
    select = "select='gt(t,1)+mod(n,3)'"
    varying = make_clip("varying.mp4", f"-f lavfi -i testsrc=s=64x48:r=30:d=2,{select} -vsync vfr -pix_fmt yuv420p")
    assert probe(varying).video.has_variable_rate
    steady = make_clip("thirty.mp4", "-f lavfi -i testsrc=s=64x48:r=30000/1001:d=2 -pix_fmt yuv420p")
    assert not probe(steady).video.has_variable_rate and probe(steady).video.fps == pytest.approx(29.97, abs=0.01)


def test_length_is_found_where_the_header_has_none(make_clip):
    recorded = make_clip(
        "recorded.webm", "-f lavfi -i sine=440:d=2 -f lavfi -i testsrc=s=64x48:d=2 -c:a libopus -c:v libvpx -live 1"
    )
    assert probe(recorded).duration_s == pytest.approx(2, abs=0.1)


def test_cover_picture_is_no_video(make_clip):
    cover = make_clip("cover.png", "-f lavfi -i testsrc=s=32x32 -frames:v 1")
    song = make_clip(
        "song.mp3", f"-f lavfi -i sine=440:d=1 -i {cover} -map 0 -map 1 -c:v copy -disposition:v attached_pic"
    )
    assert probe(song).video is None and probe(song).audio.codec == "mp3"


@pytest.mark.parametrize("name", ["-dash first.mp4", "two words: a 100% \u00fc.mp4", "http:x.mp4", "'quoted'.mp4"])
def test_odd_names(clip, tmp_path, monkeypatch, name):
    shutil.copy(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(name).video.frames == 50


def test_refusals_are_one_line_and_name_the_file(clip, tmp_path):
    cases = {
        "absent.mp4": (None, "does not exist"),
        "empty.mp4": (b"", "is empty"),
        "garbage.mp4": (bytes(range(256)) * 40, "cannot be read|neither picture nor sound"),
        "letter.txt": (b"Dear Sir,\nplease find enclosed\n" * 50, "not a media file|cannot be read"),
        "truncated.mp4": (clip.read_bytes()[:3000], "cannot be read"),
        "list.m3u8": (f"#EXTM3U\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n".encode(), "not a media file|cannot be read"),
        "list.txt": (f"ffconcat version 1.0\nfile {clip}\n".encode(), "not a media file|cannot be read"),
    }
    for name, (content, reason) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError, match=reason) as caught:
            probe(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value) and "0x" not in str(caught.value)
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)


def test_missing_ffprobe_is_named(clip, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentMissing, match=r"ffprobe is not installed.*apt-get install ffmpeg"):
        probe(clip)


def test_limits(clip, monkeypatch):
    info = probe(clip)
    check_video(info)
    check_audio(info)
    check_video(info, max_seconds=1.5)  # containers round their length up by as much as a second
    with pytest.raises(MediaError, match=r"lasts 2 s; at most 0\.5 s"):
        check_video(info, max_seconds=0.5)
    monkeypatch.setattr("pgstalker.media.limits.MAX_SIDE_PX", 60)
    with pytest.raises(MediaError, match="64x48 px; at most 60"):
        check_video(info)
    monkeypatch.setattr("pgstalker.media.limits.MAX_UPLOAD_BYTES", 1024)
    with pytest.raises(MediaError, match="MB"):
        check_audio(info)
