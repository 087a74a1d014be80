"""The avatars that the page offers: those that come with the project, and the visitor's own."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgstalker.errors import AvatarError, ConfigError
from pgstalker.types import FPS

if TYPE_CHECKING:
    from pgstalker.avatar import Avatar

log = logging.getLogger(__name__)
LOADED_AT_ONCE = 2


@dataclass(frozen=True)
class Sitter:
    """One avatar on the shelf. sample: a video of it speaking; voice: a sound to try; note: who or what it is."""

    id: str
    title: str
    folder: Path
    facts: tuple[str, ...]
    note: str = ""
    licence: str = ""
    sample: Path | None = None
    voice: Path | None = None
    quality: str = ""
    """How thoroughly it was trained, in a word or two."""

    @property
    def poster(self) -> Path:
        return self.folder / "poster.jpg"


class Gallery:
    """Finds avatars, loads the one that is asked for and keeps the last few in memory.

    sample_data: folder with manifest.json and avatars/; own: folder whose subfolders are the visitor's avatars, looked
    at again when something is put there. lender: may be set to what knows avatars that are not on the shelf, by ids
    that only their owners have."""

    def __init__(self, sample_data: Path, own: Path, device: str = "cpu"):
        self.device = device
        self.lender: Callable[[str], Sitter | None] = lambda sitter_id: None
        self.sample_data, self._own = sample_data, own
        self._bundled = _bundled(sample_data)
        self._seen: tuple[float | None, dict[str, Sitter]] = (None, {})
        self._loaded: OrderedDict[str, Avatar] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def sitters(self) -> dict[str, Sitter]:
        """The shelf, by id: what every visitor is shown."""
        changed = self._own.stat().st_mtime if self._own.is_dir() else 0.0
        if changed != self._seen[0]:
            self._seen = changed, {sitter.id: sitter for sitter in [*self._bundled, *_found(self._own)]}
        return self._seen[1]

    @property
    def first(self) -> Sitter | None:
        return next(iter(self.sitters.values()), None)

    def sitter(self, sitter_id: str | None) -> Sitter:
        """Raises AvatarError for a name that is neither on the shelf nor lent, whatever a client may send."""
        found = self.sitters.get(sitter_id or "") or (self.lender(sitter_id) if sitter_id else None)
        if found is None:
            raise AvatarError("there is no such avatar here; choose one from the list")
        return found

    def knows(self, sitter_id: str | None) -> bool:
        try:
            self.sitter(sitter_id)
        except AvatarError:
            return False
        return True

    def load(self, sitter_id: str) -> Avatar:
        """The avatar itself, on this gallery's device. Raises AvatarError where its folder is damaged."""
        from pgstalker.avatar import Avatar

        sitter = self.sitter(sitter_id)
        with self._lock:
            if sitter_id not in self._loaded:
                self._loaded[sitter_id] = Avatar.load(sitter.folder, self.device)
            self._loaded.move_to_end(sitter_id)
            while len(self._loaded) > LOADED_AT_ONCE:
                self._loaded.popitem(last=False)
            return self._loaded[sitter_id]


def _bundled(folder: Path) -> list[Sitter]:
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return []
    sitters = []
    for name, entry in json.loads(manifest.read_text())["avatars"].items():
        extras = {key: folder / entry[key] for key in ("sample", "voice") if key in entry}
        sitter = read_sitter(
            folder / "avatars" / name, title=entry["title"], note=entry["note"], licence=entry["licence"], **extras
        )
        if sitter is not None:
            sitters.append(sitter)
    return sitters


def _found(folder: Path) -> list[Sitter]:
    if not folder.is_dir():
        return []
    sitters = [read_sitter(path) for path in sorted(folder.iterdir()) if (path / "config.json").is_file()]
    return [sitter for sitter in sitters if sitter is not None]


def read_sitter(folder: Path, title: str = "", **about) -> Sitter | None:
    """An avatar that cannot be read is left out and said so in the log: the others still serve."""
    from pgstalker.avatar.format import POSTER, read_config
    from pgstalker.models.config import TalkerConfig

    try:
        config = read_config(folder)
        talker = TalkerConfig.from_dict(config["talker"])
        if not (folder / POSTER).is_file():
            raise AvatarError(f"{folder / POSTER} is missing")
    except (AvatarError, ConfigError) as error:
        log.warning("left out of the gallery: %s: %s", folder.name, error)
        return None
    facts = [f"{talker.size} x {talker.size} px", f"{sum(talker.counts.values()):,} Gaussians"]
    frames = config["provenance"].get("train_frames")
    if isinstance(frames, int):
        facts.append(f"learned from {frames / FPS:.0f} s of video")
    title = title or str(config["provenance"].get("title") or folder.name)
    quality = str(config["provenance"].get("preset") or "")
    return Sitter(about.pop("id", folder.name), title, folder, tuple(facts), quality=quality, **about)
