"""Where avatars are made: takes videos in, keeps a worker going, tells how a job stands, clears away what is over."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hub.jobs.folder import JOB_ID, JobError, JobFolder, Order, Progress
from hub.jobs.gallery import Sitter, read_sitter
from hub.jobs.pace import Expected, expected
from hub.jobs.queue import DONE, MAX_WAITING, JobQueue, JobState
from hub.jobs.settings import WorkerSettings
from hub.jobs.supervisor import Supervisor, work
from hub.jobs.training import SPEECH, check_order

log = logging.getLogger(__name__)
KEEP_S = 24 * 3600
SWEEP_EVERY_S = 600
ORPHAN_S = 3600
"""A folder of which the queue knows nothing is what a killed page left behind, once it is this old."""


@dataclass(frozen=True)
class StudioSettings:
    """keep_s: how long what a job left is kept after its end. worker: what a worker's process runs."""

    worker: WorkerSettings
    keep_s: float = KEEP_S
    max_waiting: int = MAX_WAITING
    entry: Callable[[WorkerSettings], None] = field(default=work)


@dataclass(frozen=True)
class JobView:
    """All that whoever has the id is told. preview, sample: files, avatar: a folder; None where there are none yet."""

    id: str
    order: Order
    state: JobState
    progress: Progress
    preview: Path | None
    sample: Path | None
    avatar: Path | None = None


class Studio:
    """The page's side of making avatars. Raises EnvironmentMissing where the queue cannot be opened."""

    def __init__(self, settings: StudioSettings):
        self.settings, self._root = settings, settings.worker.root
        self._root.mkdir(parents=True, exist_ok=True)
        self.queue = JobQueue(settings.worker.url, settings.max_waiting)
        self.supervisor = Supervisor(settings.worker, settings.entry)
        self._closed = threading.Event()
        threading.Thread(target=self._keep_tidy, name="sweeper", daemon=True).start()

    def submit(self, upload: Path, order: Order) -> str:
        """Put a video in the queue; returns the job's id. Raises JobError where the queue is full."""
        check_order(order)
        self.queue.check_room()
        job = JobFolder.create(self._root, order, upload)
        try:
            self.queue.put(job.id)
        except JobError:
            job.remove()
            raise
        return job.id

    def expected(self, preset: str, video_s: float) -> Expected | None:
        """How long a video of this length will take; None where nobody knows."""
        return expected(self._root, preset, video_s)

    def view(self, job_id: str | None) -> JobView:
        """How a job stands. Raises JobError for an id that is none, or whose time is over."""
        job = JobFolder(self._root, job_id)
        order, state = job.order(), self.queue.state(job.id)
        if state is None:
            raise JobError("there is no job of this id any more; its time may be over, start a new one")
        made = (job.sample, job.avatar) if state.name == DONE else (None, None)
        return JobView(job.id, order, state, job.progress(), job.preview if job.preview.is_file() else None, *made)

    def stop(self, job_id: str | None) -> None:
        self.queue.stop(self.view(job_id).id)

    def resume(self, job_id: str | None) -> None:
        """Raises JobError where the queue is full."""
        self.queue.resume(self.view(job_id).id)

    def sitter(self, job_id: str) -> Sitter | None:
        """The avatar of a finished job, for a Gallery to lend; None where there is none."""
        try:
            view = self.view(job_id)
        except JobError:
            return None
        if view.avatar is None:
            return None
        return read_sitter(
            view.avatar, title=view.order.title or "Your avatar", id=job_id, note="Made here from your video.",
            sample=view.sample, voice=SPEECH if SPEECH.is_file() else None,
        )  # fmt: skip

    def sweep(self, now_s: float) -> list[str]:
        """Remove what is kept no longer at that Unix time; returns the jobs' ids."""
        gone = [job_id for job_id, ended in self.queue.ended().items() if now_s - ended > self.settings.keep_s]
        for job_id in gone:
            JobFolder(self._root, job_id).remove()  # first, so that a kill in between leaves something to find again
            self.queue.forget(job_id)
        for path in self._root.iterdir():
            is_job = path.is_dir() and JOB_ID.fullmatch(path.name.removeprefix("."))
            if is_job and now_s - path.stat().st_mtime > ORPHAN_S and self._is_orphan(path.name):
                shutil.rmtree(path, ignore_errors=True)
        return gone

    def _is_orphan(self, name: str) -> bool:
        return name.startswith(".") or self.queue.state(name) is None

    def close(self) -> None:
        """End the worker; jobs wait for the next start."""
        self._closed.set()
        self.supervisor.close()
        self.queue.close()

    def _keep_tidy(self) -> None:
        while not self._closed.wait(SWEEP_EVERY_S):
            try:
                self.sweep(time.time())
            except Exception:
                log.exception("old jobs could not be removed")
