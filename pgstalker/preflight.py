"""What must be installed on the system, and the one line that says what is missing."""

from __future__ import annotations

import ctypes
import shutil
import sys
from importlib.util import find_spec

from pgstalker.errors import EnvironmentMissing

# Name on the system -> Debian and Ubuntu package. The same packages stand in packages.txt.
PROGRAMS = {"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg"}
LIBRARIES = {
    "libEGL.so.1": "libegl1",  # MediaPipe is linked with these two
    "libGLESv2.so.2": "libgles2",
    "libGL.so.1": "libgl1",  # and OpenCV with these
    "libgthread-2.0.so.0": "libglib2.0-0",
}


def program(name: str) -> str:
    """Path of a system program. Raises EnvironmentMissing with the package that holds it."""
    found = shutil.which(name)
    if found is None:
        raise EnvironmentMissing(_message([name]))
    return found


def missing(*, tracking: bool = True) -> list[str]:
    """Names of the programs, and where `tracking` is set of the libraries, that this system lacks."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if tracking and sys.platform.startswith("linux"):
        absent += [name for name in LIBRARIES if not _has_library(name)]
    return absent


def check(*, tracking: bool = True) -> None:
    """Raise EnvironmentMissing, one line for all that is missing. Only preparing a video needs `tracking`."""
    absent = missing(tracking=tracking)
    if absent:
        raise EnvironmentMissing(_message(absent))


def check_python(command: str, *libraries: str) -> None:
    """Raise EnvironmentMissing, one line, where a Python library that `command` needs is not installed: what only
    plays avatars (requirements-play.txt) is a small part of the whole."""
    absent = [name for name in libraries if find_spec(name) is None]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        remedy = f"{sys.executable} -m pip install -r requirements.txt"
        raise EnvironmentMissing(f"{command} needs {', '.join(absent)}, which {verb} not installed; run: {remedy}")


def _has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _message(absent: list[str]) -> str:
    packages = sorted({(PROGRAMS | LIBRARIES)[name] for name in absent})
    verb = "is" if len(absent) == 1 else "are"
    return f"{', '.join(absent)} {verb} not installed; run: sudo apt-get install {' '.join(packages)}"
