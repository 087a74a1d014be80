"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it takes the name of `path` when the block ends well.

    The temporary name keeps the suffix, from which writers choose their format. After an exception nothing is left
    and whatever stood at `path` before is untouched. What a killed process left of `path` is removed.
    """
    path = Path(path)
    sweep(path)
    temporary = hidden_beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def hidden_beside(path: Path, kind: str = "part") -> Path:
    """A name for this process alone in the folder of `path`, known to `sweep`."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.{kind}{path.suffix}")


def sweep(path: Path, kind: str = "part") -> None:
    """Remove what processes that are no more left under `hidden_beside(path, kind)`: after SIGKILL nobody else can."""
    if os.name != "posix" or not path.parent.is_dir():  # elsewhere a process cannot be asked whether it lives
        return
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.(\d{{1,9}})-[0-9a-f]{{8}}\.{kind}{re.escape(path.suffix)}")
    for other in list(path.parent.iterdir()):
        match = pattern.fullmatch(other.name)
        if match is None or _is_running(int(match[1])):
            continue
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
        else:
            other.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True
