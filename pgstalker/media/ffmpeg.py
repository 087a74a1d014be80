"""Starting ffmpeg and ffprobe, and ending them in every case."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from pgstalker import preflight
from pgstalker.errors import MediaError

# A playlist inside an uploaded file must not make ffmpeg fetch addresses.
INPUT_OPTIONS = ("-protocol_whitelist", "file,pipe")
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error")


def url(path: str | Path) -> str:
    """The name that ffmpeg takes literally: a leading dash, a colon or a blank in it means nothing."""
    return f"file:{Path(path).absolute()}"


class Process:
    """ffmpeg with a pipe at one end, as a context manager that leaves no process behind.

    stderr goes to a temporary file, since an unread pipe would stop ffmpeg once it is full.
    """

    def __init__(self, arguments: list[str], *, feeds: bool = False):
        """Start `ffmpeg arguments`; `feeds` opens its stdin for writing, else its stdout for reading."""
        command = [preflight.program("ffmpeg"), *QUIET, *arguments]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by kill)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else subprocess.PIPE,
            stderr=self._stderr,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def readinto(self, buffer) -> int:
        """Fill `buffer`; returns the bytes read, fewer than its length only at the end of the stream."""
        return self._process.stdout.readinto(buffer)

    def write(self, buffer) -> None:
        self._process.stdin.write(buffer)

    def finish(self) -> int:
        """Close the pipe, wait, and return the exit code."""
        pipe = self._process.stdin or self._process.stdout
        try:
            pipe.close()
        except BrokenPipeError:
            pass  # ffmpeg left first; its exit code tells
        return self._process.wait()

    def kill(self) -> None:
        """End ffmpeg at once and reap it; nothing where it has ended already."""
        if self._process.poll() is None:
            self._process.kill()
        self.finish()
        self._stderr.close()

    def complaint(self) -> str:
        """The last line that ffmpeg wrote, or an empty string."""
        self._stderr.seek(0)
        return last_line(self._stderr.read())


def run(arguments: list[str], subject: str | Path) -> None:
    """Run ffmpeg to its end. Raises MediaError with its last line; `subject` is the file the message names."""
    command = [preflight.program("ffmpeg"), *QUIET, *arguments]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode:
        raise MediaError(f"{Path(subject).name}: ffmpeg failed: {last_line(result.stderr)}")


def last_line(stderr: bytes) -> str:
    """The last line of ffmpeg's messages without addresses in memory and without the file's own path."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    if not lines:
        return ""
    line = re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\]\s*)+", "", lines[-1].strip())
    return re.sub(r"^file:.*?: (?=[A-Z])", "", line)
