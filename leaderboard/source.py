"""Which program made a record: version, commit where the folder is a checkout, and a digest of the code itself."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from leaderboard.places import ROOT
from pgstalker import __version__


@functools.cache
def source() -> dict[str, Any]:
    """What a record says of its tool. code_sha256 is that of every .py file of pgstalker and leaderboard: it stays the
    same when history is rewritten, and differs when a single line does."""
    return {
        "name": "pgstalker-leaderboard",
        "version": __version__,
        "commit": commit(ROOT),
        "dirty": None,
        "code_sha256": _code_sha256(),
    }


def commit(root: Path) -> str | None:
    """The commit that a checkout, or a worktree of one, stands on; None where there is none. Runs no program."""
    git = root / ".git"
    try:
        if git.is_file():
            git = root / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
        if (common / name).is_file():
            return (common / name).read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for package in ("leaderboard", "pgstalker"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
