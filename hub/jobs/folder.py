"""A job's own folder: what was asked, the visitor's video, how far it is, and what came of it.

    <root>/<job id>/
      order.json      what was asked for
      video           the upload, under this name whatever it was called; removed when the job has succeeded
      subject/        the prepared video; removed when the job has succeeded
      progress.json   the newest news, replaced as a whole; preview.jpg: a picture of the avatar as it learns
      avatar/         the outcome; sample.mp4: its first words; .avatar.checkpoint.safetensors while it learns

A job is known by an id that nobody can guess; whoever has it may see the job, and nobody else.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pgstalker.errors import PgsError
from pgstalker.files import replacing

JOB_ID = re.compile(r"[0-9a-f]{32}")
MAX_TITLE = 40
CURVE_POINTS = 160


class JobError(PgsError):
    """There is no such job, or no room for another one."""


@dataclass(frozen=True)
class Order:
    """What a visitor asks for. size px and steps stand in place of the preset's where given."""

    title: str = ""
    preset: str = "quick"
    size: int | None = None
    steps: int | None = None
    seed: int = 0


@dataclass
class Progress:
    """How far a job is. share in [0, 1] of the whole; curve: (step, loss) while it learns; seconds_left None while
    nobody knows."""

    stage: str = "wait"
    detail: str = ""
    share: float = 0.0
    seconds_left: float | None = None
    step: int = 0
    steps: int = 0
    curve: list[list[float]] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def learned(self, step: int, loss: float) -> None:
        """Append to the curve, without what a killed worker had ahead of its checkpoint; once it is long, every second
        point is left out."""
        self.curve = [point for point in self.curve if point[0] < step]
        self.curve.append([step, round(loss, 5)])
        if len(self.curve) > CURVE_POINTS:
            self.curve = self.curve[::2]


class JobFolder:
    """The paths of one job. Raises JobError for what cannot be an id, whatever a client may send."""

    def __init__(self, root: Path, job_id: str | None):
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            raise JobError("that is no job id: it has 32 digits and letters from a to f; copy the whole of it")
        self.id, self.path = job_id, Path(root) / job_id
        self.video, self.subject, self.avatar = self.path / "video", self.path / "subject", self.path / "avatar"
        self.sample, self.preview = self.path / "sample.mp4", self.path / "preview.jpg"

    @classmethod
    def create(cls, root: Path, order: Order, upload: Path) -> JobFolder:
        """A new job with a copy of the upload; whole or not at all."""
        job = cls(root, secrets.token_hex(16))
        partial = job.path.with_name(f".{job.id}")
        partial.mkdir(parents=True, mode=0o700)
        try:
            shutil.copyfile(upload, partial / job.video.name)
            (partial / "order.json").write_text(json.dumps(asdict(order)))
            partial.rename(job.path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return job

    @property
    def exists(self) -> bool:
        return (self.path / "order.json").is_file()

    def order(self) -> Order:
        try:
            return Order(**json.loads((self.path / "order.json").read_text()))
        except (OSError, ValueError, TypeError):
            raise JobError("there is no job of this id any more; its time may be over, start a new one") from None

    def tell(self, progress: Progress) -> None:
        with replacing(self.path / "progress.json") as temporary:
            temporary.write_text(json.dumps(asdict(progress)))

    def progress(self) -> Progress:
        path = self.path / "progress.json"
        return Progress(**json.loads(path.read_text())) if path.is_file() else Progress()

    def show(self, picture) -> None:
        """picture: uint8 [H, W, 3] of the avatar as it is now."""
        from PIL import Image

        with replacing(self.preview) as temporary:
            Image.fromarray(picture).save(temporary, quality=88)

    def tidy(self) -> None:
        """Remove what shows the person and is needed no more once there is an avatar."""
        self.video.unlink(missing_ok=True)
        shutil.rmtree(self.subject, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
