"""Zip files from strangers, unpacked so that nothing leaves the folder or fills the disk; and our own, byte-stable."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pgstalker.errors import ConfigError
from pgstalker.files import replacing

MOST_FILES, MOST_BYTES = 5000, 4 << 30
MOST_RATIO, SMALL_BYTES = 200, 1 << 20
"""A file of more than SMALL_BYTES must not be packed tighter than MOST_RATIO: honest media and arrays are not."""
BLOCK = 1 << 20
DAMAGE = (
    *(OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zipfile.LargeZipFile),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What zipfile and its decompressors raise of files that a stranger made."""
EPOCH = (1980, 1, 1, 0, 0, 0)


def unpack(path: Path, folder: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """Unpack into an empty `folder`; returns the names of the files. Raises ConfigError, in one line with the value
    seen, for what is no zip, leads out of the folder, is a link, is locked, or is larger than it may be."""
    try:
        with zipfile.ZipFile(path) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            _check(entries, most_bytes)
            left = most_bytes
            for entry in entries:
                left -= _write(file, entry, folder / entry.filename, left)
    except DAMAGE as error:
        raise ConfigError(f"{path.name} cannot be unpacked ({error}); pack it again: leaderboard submit") from error
    return sorted(entry.filename for entry in entries)


def _check(entries: list[zipfile.ZipInfo], most_bytes: int) -> None:
    if len(entries) > MOST_FILES:
        raise ConfigError(f"the zip holds {len(entries)} files; at most {MOST_FILES} are taken")
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        if is_unsafe(name):
            raise ConfigError(f"the zip names {name!r}, which leads out of it; pack plain relative names")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ConfigError(f"the zip holds {name!r}, which is a link or no plain file; pack the file itself")
        if entry.flag_bits & 0x1:
            raise ConfigError(f"{name!r} is locked with a password; pack it without")
        if name.lower() in seen:
            raise ConfigError(f"the zip holds {name!r} twice; pack it once")
        if entry.file_size > SMALL_BYTES and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
            raise ConfigError(f"{name!r} grows {entry.file_size // max(1, entry.compress_size)} times when unpacked")
        seen.add(name.lower())
    if (total := sum(entry.file_size for entry in entries)) > most_bytes:
        raise ConfigError(f"the zip holds {total / 1e6:.0f} MB; at most {most_bytes / 1e6:.0f} MB are taken")


def is_unsafe(name: str) -> bool:
    """Whether a name in an archive is not a plain path below its folder, on any system."""
    parts = PurePosixPath(name).parts
    return (
        not parts
        or name.startswith("/")
        or any(part in ("..", ".") or part.endswith((" ", ".")) for part in parts)
        or any(character in name for character in '\\:\0*?"<>|')
        or any(ord(character) < 32 for character in name)
    )


def _write(file: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> int:
    """The bytes that were written: counted, since the header may say anything."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with file.open(entry) as source, target.open("xb") as sink:
        while block := source.read(BLOCK):
            written += len(block)
            if written > min(most, entry.file_size):
                raise ConfigError(f"{entry.filename!r} is larger than the zip says; it was not taken")
            sink.write(block)
    return written


def pack(path: Path, files: Mapping[str, Path | bytes]) -> Path:
    """Write a zip of names to files or contents, whole or not at all; the same content gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open(entry, "w", force_zip64=True) as sink:
                if isinstance(content, bytes):
                    sink.write(content)
                    continue
                with content.open("rb") as source:
                    while block := source.read(BLOCK):
                        sink.write(block)
    return path
