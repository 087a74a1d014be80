"""The avatar folder: everything that a talking head needs, in files that cannot run code.

    config.json         schema, the talker's configuration, provenance, sha256 of the other files
    model.safetensors   the talker's state: Gaussians, networks, plate (uint8), hearing, normalisation
    idle.safetensors    head poses, torso motion and blinks of the training frames, which move the head while it talks
    poster.jpg          a frame for people to look at; plate.png: the background, a copy for people

A folder is checked before any tensor is built: what is damaged, foreign, cut off or newer is refused by name.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from huggingface_hub import ModelHubMixin

from pgstalker.devices import choose_device
from pgstalker.errors import AvatarError, ConfigError
from pgstalker.files import hidden_beside, replacing, sweep
from pgstalker.subject import sha256_of
from pgstalker.types import TORSO_MOTION

if TYPE_CHECKING:
    from pgstalker.models.config import TalkerConfig
    from pgstalker.models.talker import Talker
    from pgstalker.player import Player

SCHEMA, VERSION = "pgstalker-avatar", 2
CONFIG, MODEL, IDLE, POSTER, PLATE = "config.json", "model.safetensors", "idle.safetensors", "poster.jpg", "plate.png"
METHOD = "method.json"  # what a compared method's folder has in its place
REQUIRED = (MODEL, IDLE, POSTER)
OWN = {CONFIG, *REQUIRED, PLATE, "README.md"}  # what saving may replace
MAX_CONFIG_BYTES = 1 << 20
MODEL_CARD = """---
{{ card_data }}
---
# A PGSTalker avatar

A person who says any audio: Gaussians, driven by sound.

    python -m pgstalker render FOLDER --audio FILE --out VIDEO.mp4
"""


@dataclass(frozen=True)
class IdleMotion:
    """How the person moved in the K training frames: camera_from_head [K, 4, 4] float64 cm, torso [K, TORSO_MOTION]
    float32 as Drive.torso or None where it was not tracked, blink [K] float32 in [0, 1]."""

    camera_from_head: np.ndarray
    torso: np.ndarray | None
    blink: np.ndarray

    def __post_init__(self):
        count = len(self.camera_from_head)
        assert count and self.camera_from_head.shape == (count, 4, 4) and self.blink.shape == (count,)
        assert self.torso is None or self.torso.shape == (count, TORSO_MOTION)

    def __len__(self) -> int:
        return len(self.camera_from_head)


class Avatar(ModelHubMixin, library_name="pgstalker", tags=["talking-head"], model_card_template=MODEL_CARD):
    """A trained person. talker: the model in torch, or its player on the CPU, which needs none; idle: how they move;
    poster uint8 [H, W, 3]; provenance: where from."""

    def __init__(
        self, talker: Talker | Player, idle: IdleMotion, poster: np.ndarray, provenance: dict[str, Any] | None = None
    ):
        self.talker = talker
        self.idle = idle
        self.poster = poster
        self.provenance = dict(provenance or {})

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Avatar:
        """Read an avatar folder; device is auto, cpu (talker is a Player) or cuda (a Talker).

        Raises AvatarError: which file, and what is wrong."""
        from pgstalker.player import Player

        folder = Path(folder)
        config = read_config(folder)
        _check_files(folder, config["files"])
        player, chosen = Player(*_read_state(folder, config)), choose_device(device)
        talker = player if chosen == "cpu" else player.twin().to(chosen)
        return cls(talker, _load_idle(folder), _load_poster(folder), config["provenance"])

    def choose(self, switches: dict[str, str]) -> None:
        """How to play: bake=on|off. Raises ConfigError for another switch or value, or where it cannot be."""
        for name, value in switches.items():
            if name != "bake":
                raise ConfigError(f"unknown switch '{name}'; there is: bake=on|off")
            if hasattr(self.talker, "choose_bake"):
                self.talker.choose_bake(value)
            elif value != "off":
                raise ConfigError("bake=on: baked avatars play on the CPU; use --device cpu")

    def save(self, folder: str | Path) -> None:
        """Write the avatar folder, whole or not at all; an avatar that stands there is replaced.

        Raises AvatarError where something else stands there."""
        folder = Path(folder)
        check_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial, previous = hidden_beside(folder), hidden_beside(folder, "old")
        partial.mkdir()
        try:
            self._save_pretrained(partial)
            if folder.exists():
                folder.rename(previous)
            try:
                partial.rename(folder)
            except OSError:
                if previous.exists():
                    previous.rename(folder)
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(previous, ignore_errors=True)
        for kind in ("part", "old"):  # of runs that were killed; only now is an old avatar surely of no use
            sweep(folder, kind)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options) -> Avatar:
        """Load from a folder, or from a repository of the Hub by its name. Raises AvatarError."""
        if Path(pretrained_model_name_or_path).is_dir():
            return cls.load(pretrained_model_name_or_path)
        return super().from_pretrained(pretrained_model_name_or_path, **options)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options) -> Avatar:
        from huggingface_hub import snapshot_download

        options = {name: options[name] for name in HUB_OPTIONS if name in options}
        return cls.load(snapshot_download(model_id, allow_patterns=[CONFIG, *REQUIRED, PLATE], **options))

    def _save_pretrained(self, save_directory: Path) -> None:
        """Every file under a temporary name first; the configuration, which vouches for the rest, last."""
        from PIL import Image
        from safetensors.numpy import save as pack

        folder = Path(save_directory)
        state = _arrays(self.talker)
        state["plate"] = np.rint(np.clip(state["plate"], 0, 1) * 255).astype(np.uint8)
        plate = state["plate"].transpose(1, 2, 0)
        tracks = {name: getattr(self.idle, name) for name in ("camera_from_head", "torso", "blink")}
        idle = {name: np.ascontiguousarray(track) for name, track in tracks.items() if track is not None}
        writers = {
            MODEL: lambda path: path.write_bytes(pack(state)),
            IDLE: lambda path: path.write_bytes(pack(idle)),
            POSTER: lambda path: Image.fromarray(self.poster).save(path, quality=92),
            PLATE: lambda path: Image.fromarray(np.ascontiguousarray(plate)).save(path),
        }
        for name, write in writers.items():
            with replacing(folder / name) as temporary:
                write(temporary)
        config = {
            "schema": f"{SCHEMA}/{VERSION}",
            "talker": self.talker.config.to_dict(),
            "provenance": self.provenance,
            "files": {name: sha256_of(folder / name) for name in writers},
        }
        with replacing(folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(config, indent=1, sort_keys=True))


HUB_OPTIONS = ("revision", "cache_dir", "force_download", "local_files_only", "token")


def read_config(folder: str | Path) -> dict[str, Any]:
    """config.json of an avatar folder, its schema and entries checked; nothing else is opened. Raises AvatarError."""
    folder = Path(folder)
    path = folder / CONFIG
    if not path.is_file():
        raise AvatarError(_not_an_avatar(folder))
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise AvatarError(f"{path} has {path.stat().st_size} bytes: not the configuration of an avatar")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AvatarError(f"{path} is damaged ({error}); copy or train the avatar again") from None
    schema = config.get("schema") if isinstance(config, dict) else None
    name, _, version = str(schema).partition("/")
    if name != SCHEMA or not version.isdigit():
        raise AvatarError(
            f"{path} is not an avatar's (schema {schema!r}, not {SCHEMA}/{VERSION}); give an avatar folder"
        )
    if int(version) > VERSION:
        raise AvatarError(
            f"{folder} is newer than this program ({schema}, at most {SCHEMA}/{VERSION}): update pgstalker"
        )
    for entry in ("talker", "provenance", "files"):
        if not isinstance(config.get(entry), dict):
            raise AvatarError(f"{path} is damaged: it lacks {entry!r}; copy or train the avatar again")
    return config


def _not_an_avatar(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} does not exist; give an avatar folder"
    if not folder.is_dir():
        return f"{folder} is a file; give an avatar folder"
    if (folder / "subject.json").is_file():
        return f"{folder} is a prepared subject; train it first: python -m pgstalker train {folder} --out AVATAR"
    if (folder / METHOD).is_file():
        return (
            f"{folder} is a compared method's model, not an avatar; it is shown and judged by: "
            "python -m leaderboard run METHOD --dataset DATASET --clip CLIP"
        )
    return f"{folder} is not an avatar: it has no {CONFIG}"


def check_replaceable(folder: Path) -> None:
    """Saving swaps the whole folder: raises AvatarError where something that is not an avatar's is in it."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise AvatarError(f"{folder} is a file; choose another name for the avatar")
    if (folder / CONFIG).exists():
        read_config(folder)
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in OWN and not path.name.startswith("."))
    if foreign:
        raise AvatarError(f"{folder} holds {foreign[0]}, which is no avatar's; remove it or choose another folder")


def _check_files(folder: Path, digests: dict[str, Any]) -> None:
    for name in REQUIRED:
        if name not in digests:
            raise AvatarError(f"{folder / CONFIG} is damaged: it does not list {name}; copy or train the avatar again")
    for name, digest in digests.items():
        if name not in (*REQUIRED, PLATE):
            raise AvatarError(f"{folder / CONFIG} lists {name!r}, which no avatar of version {VERSION} has")
        path = folder / name
        if not path.is_file():
            raise AvatarError(f"{path} is missing; copy or train the avatar again")
        if sha256_of(path) != digest:
            raise AvatarError(
                f"{path} is damaged or not this avatar's (sha256 differs); copy or train the avatar again"
            )


def _read_state(folder: Path, content: dict[str, Any]) -> tuple[TalkerConfig, dict[str, np.ndarray]]:
    """The tensors' shapes are compared before anything is built: a configuration may ask for anything."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from pgstalker.models.config import TalkerConfig
    from pgstalker.models.layout import BASIS, state_shapes

    path = folder / MODEL
    try:
        config = TalkerConfig.from_dict(content["talker"])
    except (ConfigError, TypeError, ValueError) as error:
        raise AvatarError(f"{folder / CONFIG}: {error}") from None
    try:
        state = load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise AvatarError(f"{path} cannot be read ({error}); copy or train the avatar again") from None
    expected = state_shapes(config)
    if content["schema"] == f"{SCHEMA}/1":  # their Gaussians had one colour from all sides
        flat = {name: shape for name, shape in expected.items() if name.endswith(".cloud.shading")}
        state |= {name: np.zeros(shape, np.float32) for name, shape in flat.items() if name not in state}
    for name in sorted(expected.keys() | state.keys()):
        want, have = expected.get(name, "nothing"), state[name].shape if name in state else "nothing"
        if want != have:
            raise AvatarError(f"{path} does not fit {CONFIG}: {name} is {have}, not {want}; copy or train it again")
        kind = np.uint8 if name == "plate" else np.float16 if name.endswith(BASIS) else np.float32
        if state[name].dtype != kind:
            raise AvatarError(f"{path} is not an avatar's: {name} is of {state[name].dtype}, not {kind.__name__}")
        if not np.isfinite(state[name]).all():
            raise AvatarError(f"{path} is damaged: {name} holds values that are not finite; train the avatar again")
    state["plate"] = state["plate"].astype(np.float32) / np.float32(255)
    return config, state


def _arrays(talker: Talker | Player) -> dict[str, np.ndarray]:
    """The state as arrays, whichever kind of talker holds it."""
    state = talker.state_dict()
    arrays = {
        name: value if isinstance(value, np.ndarray) else value.detach().cpu().numpy() for name, value in state.items()
    }
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _load_idle(folder: Path) -> IdleMotion:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / IDLE
    try:
        tracks = load_file(path)
        idle = IdleMotion(tracks["camera_from_head"], tracks.get("torso"), tracks["blink"])
    except (SafetensorError, OSError, KeyError, AssertionError) as error:
        raise AvatarError(f"{path} is damaged ({error!r}); copy or train the avatar again") from None
    if not all(np.isfinite(track).all() for track in tracks.values()):
        raise AvatarError(f"{path} is damaged: it holds values that are not finite; train the avatar again")
    return idle


def _load_poster(folder: Path) -> np.ndarray:
    from PIL import Image

    path = folder / POSTER
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise AvatarError(f"{path} is not a picture ({error}); copy or train the avatar again") from None
