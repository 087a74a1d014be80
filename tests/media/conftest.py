"""Clips made by ffmpeg itself: what phones, browsers and editors write, a second or two of it."""

import subprocess

import pytest


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory):
    """make_clip(name, "ffmpeg arguments") -> path of the clip, made once per session."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str, arguments: str):
        path = folder / name
        if not path.exists():
            command = ["ffmpeg", "-nostdin", "-loglevel", "error", *arguments.split(), f"file:{path}"]
            subprocess.run(command, check=True)
        return path

    return make


@pytest.fixture(scope="session")
def clip(make_clip):
    """64x48 px, 25 fps, 2 s, H.264, with a tone at 44.1 kHz in AAC."""
    return make_clip(
        "plain.mp4",
        "-f lavfi -i testsrc=s=64x48:r=25:d=2 -f lavfi -i sine=440:r=44100:d=2 -pix_fmt yuv420p -c:a aac",
    )


@pytest.fixture
def ffmpegs():
    """Call it for the number of ffmpeg processes below this one, zombies included."""
    import os
    from pathlib import Path

    def count() -> int:
        found = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
            except OSError:
                continue  # it ended while we looked
            name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
            found += name == "ffmpeg" and int(fields[1]) == os.getpid()
        return found

    return count
