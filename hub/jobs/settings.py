"""What a worker is told. Apart from worker.py, which is run as a program and so must not be imported before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.jobs.queue import database_url

LEASE_S = 30.0


@dataclass(frozen=True)
class WorkerSettings:
    """root: where jobs have their folders; queue: the database's URL, else that of `database_url`; shelf: a folder that
    every finished avatar is put into as well, for a page that serves its owner alone."""

    root: Path
    device: str = "auto"
    queue: str | None = None
    lease_s: float = LEASE_S
    shelf: Path | None = None

    @property
    def url(self) -> str:
        return self.queue or database_url(self.root)
