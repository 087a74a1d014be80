"""A folder of one's own clips: --dataset folder:PATH.

    PATH/clips.json   {"name": "my-clips", "clips": [{"id": "ann", "file": "ann.mp4"}, ...]}

A clip may also have identity, audio_id, sha256 and redistributable; file is a video or a prepared subject's folder.
Without the manifest every video of the folder is a clip.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from leaderboard.datasets.dataset import Clip, Dataset
from pgstalker.errors import ConfigError

MANIFEST = "clips.json"
SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
KNOWN = {"id", "file", "identity", "audio_id", "sha256", "redistributable"}


def in_folder(place: str | Path) -> Dataset:
    """The dataset of a folder. Raises ConfigError, naming the entry, where folder or manifest cannot be used."""
    folder = Path(place)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; give --dataset folder:PATH with a folder of videos")
    content = _manifest(folder)
    name = content.get("name", _slug(folder.resolve().name))
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(f"{folder / MANIFEST}: the name {name!r} is no folder's name; use letters, digits, - and _")
    found = tuple(_clip(folder, entry) for entry in content["clips"])
    twice = {clip.id for clip in found if sum(other.id == clip.id for other in found) > 1}
    if twice:
        raise ConfigError(f"{folder / MANIFEST} names the clip '{min(twice)}' twice; give each an id of its own")
    return Dataset(name, name, f"the folder {folder}", lambda: found)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
        return {"clips": [{"id": _slug(file.stem), "file": file.name} for file in files]}
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}); mend it") from None
    if not isinstance(content, dict) or not isinstance(content.get("clips"), list):
        raise ConfigError(f'{path} needs {{"clips": [{{"id": ..., "file": ...}}]}}')
    return content


def _clip(folder: Path, entry: Any) -> Clip:
    where = folder / MANIFEST
    if not isinstance(entry, dict) or not {"id", "file"} <= set(entry) or set(entry) - KNOWN:
        raise ConfigError(f"{where}: the clip {entry!r} needs id and file, and may have {', '.join(sorted(KNOWN))}")
    name = entry["id"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(f"{where}: the id {name!r} is no file's name; use letters, digits, - and _")
    wrong = [key for key in sorted(KNOWN - {"redistributable"}) if not isinstance(entry.get(key, ""), str)]
    if wrong or not isinstance(entry.get("redistributable", False), bool):
        key = wrong[0] if wrong else "redistributable"
        raise ConfigError(f"{where}: {key} of '{name}' is {entry[key]!r}; give {'text' if wrong else 'true or false'}")
    return Clip(
        id=name,
        identity=entry.get("identity", name),
        path=folder / entry["file"],
        audio_id=entry.get("audio_id", f"{name}-own"),
        where=f"{where} names it",
        sha256=entry.get("sha256"),
        is_redistributable=entry.get("redistributable", False),
    )


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "clips"
