"""Pretrained files: where they lie, where they come from, and whether they are the ones expected.

Single files (MODELS): one is looked for in $PGSTALKER_MODELS, then in the cache ($PGSTALKER_CACHE, else
~/.cache/pgstalker), then fetched into the cache. A sha256 is pinned below where it was computed from the published
file. For the others the hash seen at first use is recorded in the cache and kept: the file cannot change unnoticed.

Speech models (hub_model): folders in the format of transformers, given as such, found in $PGSTALKER_MODELS by name or
in the cache of the Hugging Face hub, or fetched into that.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from pgstalker.errors import WeightsError
from pgstalker.files import replacing

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 30
OFFLINE = ("1", "ON", "YES", "TRUE")
HUB_SETTINGS = ("config.json", "preprocessor_config.json")
_PUBLISHED = "https://storage.googleapis.com/mediapipe-models"
UNLIKE = (RuntimeError, ValueError, LookupError, AttributeError, TypeError, EOFError, pickle.UnpicklingError)
"""What torch, and whoever takes its answer, raises of a file that holds something else."""
_SOURCES = "https://raw.githubusercontent.com/google-ai-edge/mediapipe/master/mediapipe"


@contextmanager
def told_apart(path: Path, name: str, source: str) -> Iterator[None]:
    """Where a file is read that ought to be `name`, which one gets from `source`: raises WeightsError, in one line, if
    it is not."""
    try:
        yield
    except UNLIKE as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{path} is not {name} ({reason}); fetch it again from {source}") from error


@dataclass(frozen=True)
class Model:
    """One published file.

    sha256 pins it, where known; also_sha256 are other builds of it that are just as good.
    """

    address: str
    licence: str
    sha256: str | None = None
    also_sha256: tuple[str, ...] = ()


MODELS = {
    "face_landmarker.task": Model(
        f"{_PUBLISHED}/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        "Apache-2.0",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    ),
    # The other builds of the segmenters are MediaPipe's models of 2021 with the metadata that ImageSegmenter needs.
    "selfie_segmenter.tflite": Model(
        f"{_PUBLISHED}/image_segmenter/selfie_segmenter/float16/latest/selfie_segmenter.tflite",
        "Apache-2.0",
        also_sha256=("4fcd4e7ed253dc3d191d04d351eeaf73805c7972359739d03736f870d9c3f607",),
    ),
    "hair_segmenter.tflite": Model(
        f"{_PUBLISHED}/image_segmenter/hair_segmenter/float32/latest/hair_segmenter.tflite",
        "Apache-2.0",
        also_sha256=("93170d30ba8a70e4367ac43d4d3d4eecb99bda91adea0582598e16afddaa9790",),
    ),
    "canonical_face_model.obj": Model(
        f"{_SOURCES}/modules/face_geometry/data/canonical_face_model.obj",
        "Apache-2.0",
        sha256="8bac80443397e113f41a8b565ea72c59390bc031d9defab289dba7bc0c54e618",
    ),
}


def model_file(name: str) -> Path:
    """Path of a pretrained file of MODELS, checked against its hash; fetched with progress where it is not at hand.

    Raises WeightsError where it can be neither found nor fetched, or is not the file expected.
    """
    model = MODELS[name]
    path = find(name)
    if path is None:
        path = cache_folder() / "models" / name
        _fetch(model.address, path)
    _check(path, model)
    return path


def hub_model(reference: str) -> Path:
    """Folder of a model in the format of transformers: `reference` itself, that name in $PGSTALKER_MODELS, or a model
    of the Hugging Face hub (OWNER/NAME), fetched into the hub's cache where it is not there yet: size and place are
    logged first. Raises WeightsError where there is none, naming the model and where to put it.
    """
    chosen = os.environ.get("PGSTALKER_MODELS")
    places = [Path(reference).expanduser()] + ([Path(chosen) / Path(reference).name] if chosen else [])
    found = next((place for place in places if (place / "config.json").is_file()), None)
    if found is not None:
        return found
    at = f"put its config.json and model.safetensors into {places[-1] if chosen else 'a folder and name that'}"
    if reference.count("/") != 1 or reference.startswith((".", "/", "~")) or places[0].is_dir():
        raise WeightsError(f"the speech model {reference} is not at hand: it has no config.json; {at}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(reference, local_files_only=True))
        if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
            return folder
    except (LocalEntryNotFoundError, ValueError):
        log.debug("%s is not in the cache of the hub", reference)
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in OFFLINE:
        raise WeightsError(
            f"the speech model {reference} is not at hand and HF_HUB_OFFLINE forbids fetching it; "
            f"fetch it from https://huggingface.co/{reference}, {at}"
        )
    return _fetch_hub_model(reference, at)


def _fetch_hub_model(reference: str, at: str) -> Path:
    """Weights in one format only; what is fetched is told before it is."""
    from huggingface_hub import HfApi, constants, snapshot_download

    try:
        files = {
            entry.rfilename: entry.size or 0 for entry in HfApi().model_info(reference, files_metadata=True).siblings
        }
        weights = (
            "model*.safetensors*" if any(fnmatch(name, "model*.safetensors") for name in files) else "pytorch_model*"
        )
        wanted = [name for name in files if name in HUB_SETTINGS or fnmatch(name, weights)]
        megabytes = sum(files[name] for name in wanted) / 1e6
        log.warning("fetching the speech model %s, %.0f MB, into %s", reference, megabytes, constants.HF_HUB_CACHE)
        return Path(snapshot_download(reference, allow_patterns=wanted))
    except (OSError, ValueError) as error:  # the hub's own errors and a lost connection are of these kinds
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"the speech model {reference} cannot be fetched ({reason}); "
            f"fetch it from https://huggingface.co/{reference}, {at}"
        ) from error


def find(name: str) -> Path | None:
    """Path of a pretrained file that is at hand, unchecked, or None. Fetches nothing."""
    folders = [cache_folder() / "models"]
    chosen = os.environ.get("PGSTALKER_MODELS")
    if chosen:
        if not Path(chosen).is_dir():
            raise WeightsError(f"PGSTALKER_MODELS={chosen} is not a folder; create it or unset the variable")
        folders.insert(0, Path(chosen))
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def cache_folder() -> Path:
    """The folder that this program may fill on its own: $PGSTALKER_CACHE, else ~/.cache/pgstalker."""
    return Path(os.environ.get("PGSTALKER_CACHE") or Path.home() / ".cache" / "pgstalker")


def _check(path: Path, model: Model) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == model.sha256 or found in model.also_sha256:
        return
    record = cache_folder() / "models" / f"{path.name}.sha256"
    expected = model.sha256 or (record.read_text().strip() if record.is_file() else None)
    if expected is None:
        record.parent.mkdir(parents=True, exist_ok=True)
        with replacing(record) as temporary:
            temporary.write_text(f"{found}\n")
        log.info("%s: first use, sha256 %s recorded in %s", path, found, record)
    elif found != expected:
        remedy = f"delete it, or {record} to accept it" if model.sha256 is None else "delete it to fetch it again"
        raise WeightsError(f"{path} is not the file expected (sha256 {found[:12]}, not {expected[:12]}); {remedy}")


def _fetch(address: str, target: Path) -> None:
    folder = os.environ.get("PGSTALKER_MODELS") or target.parent
    remedy = f"fetch it from {address} and put it into {folder}"
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in OFFLINE:
        raise WeightsError(f"{target.name} is not at hand and HF_HUB_OFFLINE forbids fetching it; {remedy}")
    log.info("fetching %s from %s", target.name, address)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            _download(address, temporary, target.name)
    except OSError as error:  # urllib's own errors, a lost connection and a full disk are all of this kind
        raise WeightsError(f"{target.name} cannot be fetched ({getattr(error, 'reason', error)}); {remedy}") from error


def _download(address: str, path: Path, name: str) -> None:
    from tqdm import tqdm

    with urllib.request.urlopen(address, timeout=CONNECT_TIMEOUT_S) as response, path.open("wb") as file:
        length = int(response.headers.get("Content-Length") or 0)
        with tqdm(desc=name, total=length or None, unit="B", unit_scale=True, leave=False) as progress:
            while block := response.read(1 << 16):
                file.write(block)
                progress.update(len(block))
        if length and file.tell() != length:
            raise OSError(f"the connection ended after {file.tell()} of {length} bytes")
