"""A worker: one process for one device, which takes jobs from the queue and makes avatars.

    python -m hub.jobs.worker --root jobs --device cuda
    PGSTALKER_QUEUE=postgresql://user:password@host/database python -m hub.jobs.worker --root /shared/jobs

The page starts one for itself. More of them, on other machines too, share the work where the queue is a PostgreSQL
database and the root a folder that all of them see. A worker may be killed at any time: what it held goes on from its
checkpoint, at once when the same worker starts again, else elsewhere after the lease.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import multiprocessing
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa

from hub.jobs.folder import JobError, JobFolder
from hub.jobs.lease import Lease
from hub.jobs.queue import APPLICATION, QUEUE, RUNNING, VERSION, WORKFLOW, JobQueue, open_engine
from hub.jobs.settings import LEASE_S, WorkerSettings
from pgstalker.errors import PgsError

log = logging.getLogger(__name__)
RENEWALS = 6
"""Per lease."""
POLL_S = 0.5
LOOK_S = 1.0
"""How often a running job asks whether it is still wanted."""
MAX_ATTEMPTS = 20
"""Starts of one job, after which it is held to be what kills its workers."""
NICENESS = 5
LOST_CODE = 75


class JobStopped(Exception):
    """The visitor stopped the job."""


class Worker:
    """Takes one job after the other for as long as the process lives."""

    def __init__(self, settings: WorkerSettings, device: str):
        self.settings, self.device = settings, device
        place = hashlib.sha256(f"{socket.gethostname()} {settings.root.resolve()}".encode()).hexdigest()[:8]
        self.id = f"{socket.gethostname()}-{place}-{device}"
        self._lock_file = _take_place(settings.root / "workers" / f"{self.id}.lock")
        self._at_work = threading.Lock()  # a job that was stopped may not have ended when the next one starts

    def run(self) -> NoReturn:
        from dbos import DBOS

        logging.getLogger("dbos").setLevel(logging.WARNING)

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MAX_ATTEMPTS)
        def run(job_id: str) -> None:
            self._make_avatar(job_id)

        config: Any = {
            "name": APPLICATION, "system_database_url": self.settings.url, "executor_id": self.id,
            "application_version": VERSION, "log_level": "WARNING",
        }  # fmt: skip
        self._queue = JobQueue(self.settings.url)
        self._lease = Lease(open_engine(self.settings.url), self.id, self.settings.lease_s)
        DBOS(config=config)
        DBOS.launch()  # gives back what this worker held when it died
        DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=POLL_S, on_conflict="always_update")
        log.info("worker %s takes jobs from %s", self.id, sa.make_url(self.settings.url).render_as_string())
        while True:
            time.sleep(self.settings.lease_s / RENEWALS)
            self._keep_lease(DBOS)

    def _keep_lease(self, dbos) -> None:
        try:
            self._lease.renew()
            for lost in self._lease.expired():
                # Its only way to return a dead worker's jobs without touching what another has taken since; internal in
                # DBOS, hence the exact version in requirements.txt.
                returned = dbos._recover_pending_workflows([lost])
                log.warning("worker %s is lost; %d of its jobs return to the queue", lost, len(returned))
                self._lease.bury(lost)
        except sa.exc.SQLAlchemyError as error:
            log.warning("the queue's database does not answer: %s", str(error).partition("\n")[0])
        if not self._lease.is_held and self._at_work.locked():
            self._give_up("the lease is over")

    def _make_avatar(self, job_id: str) -> None:
        from hub.jobs.training import make_avatar, put_on_shelf

        with self._at_work:
            job = JobFolder(self.settings.root, job_id)
            try:
                make_avatar(job, self.device, _Watch(self, job_id).look)
                if self.settings.shelf is not None:
                    put_on_shelf(job, self.settings.shelf)
            except JobStopped:
                log.info("job %s was stopped", job_id[:6])
                raise
            except PgsError as problem:
                raise JobError(str(problem)) from None
            except Exception:
                number = job_id[:6]
                log.exception("job %s failed", number)
                raise JobError(f"something went wrong on our side; it is in the log as {number}") from None

    def holds(self, job_id: str) -> bool:
        """Whether the job is still this worker's. Where another one has it, this process ends at once."""
        if not self._lease.is_held:
            self._give_up("the lease is over")
        state = self._queue.state(job_id)
        if state is not None and state.holder not in (None, self.id):
            self._give_up(f"job {job_id[:6]} is another worker's now")
        return state is not None and state.name == RUNNING

    def _give_up(self, reason: str) -> NoReturn:
        log.error("%s: this worker ends, and starts afresh", reason)
        os._exit(LOST_CODE)


class _Watch:
    """Asks now and then whether the job goes on."""

    def __init__(self, worker: Worker, job_id: str):
        self._worker, self._id, self._looked = worker, job_id, 0.0

    def look(self) -> None:
        """Raises JobStopped where it does not."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        if not self._worker.holds(self._id):
            raise JobStopped


def _take_place(path: Path):
    """The open, locked file that makes this process the only worker of its name; waits for one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another worker serves this device; this one waits until it ends")
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def serve(settings: WorkerSettings) -> None:
    """Be a worker until the process ends, or the one that started it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.nice(NICENESS)
    try:
        Worker(settings, device_of(settings.device)).run()
    except PgsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        os._exit(130)  # there is nothing to tidy, and what runs would not let go


def device_of(choice: str) -> str:
    """cpu or cuda; without torch there is only the CPU, and the job says what it misses."""
    from importlib.util import find_spec

    from pgstalker.devices import choose_device

    return choose_device(choice) if find_spec("torch") is not None or choice != "auto" else "cpu"


def _end_with(parent) -> None:
    parent.join()
    os._exit(0)


def main(arguments: list[str] | None = None) -> int:
    import argparse

    parser = argparse.ArgumentParser(prog="python -m hub.jobs.worker", description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path("jobs"), help="the folder of the jobs, seen by all workers")
    parser.add_argument("--queue", help="the queue's database; $PGSTALKER_QUEUE, else SQLite in the root")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--lease", type=float, default=LEASE_S, help="seconds after which a lost worker's job returns")
    options = parser.parse_args(arguments)
    serve(WorkerSettings(options.root, options.device, options.queue, options.lease))
    return 0


if __name__ == "__main__":
    sys.exit(main())
