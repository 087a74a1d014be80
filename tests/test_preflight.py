from pathlib import Path

import pytest

from pgstalker import preflight
from pgstalker.errors import EnvironmentMissing


@pytest.fixture
def system(monkeypatch):
    """system(*names): a Linux system on which exactly these programs and libraries are installed."""

    def install(*names):
        monkeypatch.setattr(preflight.sys, "platform", "linux")
        monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}" if name in names else None)

        def load(name):
            if name not in names:
                raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(preflight.ctypes, "CDLL", load)

    return install


def test_all_there(system):
    system(*preflight.PROGRAMS, *preflight.LIBRARIES)
    preflight.check()
    assert preflight.missing() == [] and preflight.program("ffmpeg") == "/usr/bin/ffmpeg"


def test_one_line_names_all_that_is_missing_and_its_packages(system):
    system("ffmpeg", "libGL.so.1", "libgthread-2.0.so.0")
    with pytest.raises(EnvironmentMissing) as caught:
        preflight.check()
    assert str(caught.value) == (
        "ffprobe, libEGL.so.1, libGLESv2.so.2 are not installed; run: sudo apt-get install ffmpeg libegl1 libgles2"
    )


def test_libraries_matter_only_to_tracking(system):
    system("ffmpeg", "ffprobe")
    preflight.check(tracking=False)
    with pytest.raises(EnvironmentMissing, match=r"libEGL\.so\.1, libGLESv2\.so\.2, .* are not installed"):
        preflight.check()


def test_one_program(system):
    system("ffprobe")
    with pytest.raises(EnvironmentMissing, match=r"^ffmpeg is not installed; run: sudo apt-get install ffmpeg$"):
        preflight.program("ffmpeg")


def test_packages_txt_lists_the_same():
    listed = (Path(__file__).parents[1] / "packages.txt").read_text().split()
    assert sorted(listed) == sorted({*preflight.PROGRAMS.values(), *preflight.LIBRARIES.values()})
