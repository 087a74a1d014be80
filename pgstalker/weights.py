"""Pretrained files: where they lie, where they come from, and whether they are the ones expected.

A file is looked for in $PGSTALKER_MODELS, then in the cache ($PGSTALKER_CACHE, else ~/.cache/pgstalker), then fetched
into the cache. A sha256 is pinned below where it was computed from the published file. For the others the hash seen at
first use is recorded in the cache and kept: the file cannot change unnoticed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pgstalker.errors import WeightsError
from pgstalker.files import replacing

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 30
_PUBLISHED = "https://storage.googleapis.com/mediapipe-models"
_SOURCES = "https://raw.githubusercontent.com/google-ai-edge/mediapipe/master/mediapipe"


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
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
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
