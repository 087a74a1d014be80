"""Which state of the program this is."""

from __future__ import annotations

from pathlib import Path

from pgstalker import __version__

ROOT = Path(__file__).resolve().parents[1]


def describe() -> str:
    """The version, and the commit where the program stands in a git checkout."""
    commit = commit_of(ROOT)
    return f"{__version__} · {commit[:7]}" if commit else __version__


def commit_of(root: Path) -> str:
    """The commit that is checked out in `root`; empty where that is no checkout. Read from its files: no git needed."""
    git = root / ".git"
    if git.is_file():  # a linked worktree names its folder
        git = root / git.read_text().partition("gitdir:")[2].strip()
    if not (git / "HEAD").is_file():
        return ""
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    if (common / name).is_file():
        return (common / name).read_text().strip()
    packed = (common / "packed-refs").read_text().splitlines() if (common / "packed-refs").is_file() else []
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
