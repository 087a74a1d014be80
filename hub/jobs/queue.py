"""The durable queue of long jobs: DBOS on SQLite, or on PostgreSQL where workers on other machines share the work.

A job is a DBOS workflow of one function, whose id is the job's. What a job has done lies in its folder, so a job that
is started again goes on from there; the queue knows whose turn it is, who holds a job and how it ended. A job whose
worker died is given back by the same worker when it starts again, else by any other once the lease is over (lease.py).
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hub.jobs.folder import JobError
from pgstalker.errors import EnvironmentMissing

APPLICATION, VERSION, QUEUE, WORKFLOW = "pgstalker", "1", "training", "make_avatar"
MAX_WAITING = 8
WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
STATES = {
    "ENQUEUED": WAITING, "DELAYED": WAITING, "PENDING": RUNNING, "SUCCESS": DONE, "ERROR": FAILED,
    "CANCELLED": STOPPED, "MAX_RECOVERY_ATTEMPTS_EXCEEDED": FAILED,
}  # fmt: skip
GAVE_UP = (
    "the worker died at it again and again; the log of the server says why (a lack of memory is the usual reason), "
    "try a shorter video or a smaller preset"
)


@dataclass(frozen=True)
class JobState:
    """How a job stands. ahead: jobs before it while it waits; holder: the worker; ended_s: Unix time; problem: why it
    failed, one line."""

    name: str
    ahead: int = 0
    holder: str | None = None
    ended_s: float | None = None
    problem: str = ""

    @property
    def is_over(self) -> bool:
        return self.name in (DONE, FAILED, STOPPED)


def database_url(root: Path) -> str:
    """$PGSTALKER_QUEUE, for example postgresql://user:password@host/database, else a SQLite file in the root."""
    return os.environ.get("PGSTALKER_QUEUE") or f"sqlite:///{root.absolute() / 'queue.sqlite'}"


def open_engine(url: str) -> sa.Engine:
    """The queue's database for what this project adds to it. Raises EnvironmentMissing where it cannot be opened."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "postgresql":
            return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
        return sa.create_engine(parsed, connect_args={"timeout": 30})
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, OSError) as error:
        raise EnvironmentMissing(_closed(url, error)) from None


class JobQueue:
    """The page's side: puts jobs in, asks after them, stops them. Runs none itself."""

    def __init__(self, url: str, max_waiting: int = MAX_WAITING):
        from dbos import DBOS, DBOSClient

        logging.getLogger("dbos").setLevel(logging.WARNING)
        open_engine(url).dispose()
        try:
            DBOS.migrate(url)
            self._client = DBOSClient(system_database_url=url, application_name=APPLICATION)
        except (sa.exc.SQLAlchemyError, AssertionError) as error:
            raise EnvironmentMissing(_closed(url, error)) from None
        self.url, self.max_waiting = url, max_waiting
        self._lock = threading.Lock()

    def check_room(self) -> None:
        """Raises JobError where the queue is full."""
        waiting = len(self._waiting())
        if waiting >= self.max_waiting:
            raise JobError(f"the queue is full ({waiting} avatars wait, at most {self.max_waiting}); try again later")

    def put(self, job_id: str) -> None:
        """Raises JobError where the queue is full."""
        with self._lock:
            self.check_room()
            options = {"queue_name": QUEUE, "workflow_name": WORKFLOW, "workflow_id": job_id, "app_version": VERSION}
            self._client.enqueue(options, job_id)

    def state(self, job_id: str) -> JobState | None:
        """None where the queue has never heard of the job."""
        found = self._client.list_workflows(workflow_ids=[job_id], load_input=False)
        if not found:
            return None
        status = found[0]
        name, ended = STATES[status.status], status.completed_at
        waiting = self._waiting() if name == WAITING else []
        return JobState(
            name,
            waiting.index(job_id) if job_id in waiting else 0,  # its turn may have come in between
            status.executor_id if name == RUNNING else None,
            ended / 1000 if ended is not None else None,
            (str(status.error) if status.error is not None else GAVE_UP) if name == FAILED else "",
        )

    def stop(self, job_id: str) -> None:
        """A waiting job is taken out, a running one ends within a second or two; nothing where it is over."""
        self._client.cancel_workflow(job_id)

    def resume(self, job_id: str) -> None:
        """Put a stopped job in again. Raises JobError where the queue is full."""
        with self._lock:
            self.check_room()
            self._client.resume_workflow(job_id, queue_name=QUEUE)

    def ended(self) -> dict[str, float]:
        """The jobs that are over, with the Unix times when they ended."""
        over = [status for status, name in STATES.items() if name in (DONE, FAILED, STOPPED)]
        rows = self._client.list_workflows(status=over, name=WORKFLOW, load_input=False, load_output=False)
        return {row.workflow_id: (row.completed_at or row.updated_at) / 1000 for row in rows}

    def forget(self, job_id: str) -> None:
        self._client.delete_workflow(job_id)

    def close(self) -> None:
        self._client.destroy()

    def _waiting(self) -> list[str]:
        rows = self._client.list_workflows(
            status="ENQUEUED", queue_name=QUEUE, load_input=False, load_output=False, limit=1000
        )
        return [row.workflow_id for row in sorted(rows, key=lambda row: row.created_at)]


def _closed(url: str, error: Exception) -> str:
    try:
        shown = sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        shown = "PGSTALKER_QUEUE"
    reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return f"the job queue {shown} cannot be opened ({reason}); start the database, or unset PGSTALKER_QUEUE for SQLite"
