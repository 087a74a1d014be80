"""Keeps one worker process going: starts it, and starts it again when it ends, sooner or later."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable

from hub.jobs.settings import WorkerSettings

log = logging.getLogger(__name__)
PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
STEADY_S = 20.0


def work(settings: WorkerSettings) -> None:
    """What the process runs: a worker, which is loaded only there."""
    from hub.jobs.worker import serve

    serve(settings)


class Supervisor:
    """Runs `entry(settings)` in a process of its own until close(). The process ends with this one, however it ends."""

    def __init__(self, settings: WorkerSettings, entry: Callable[[WorkerSettings], None] = work):
        self._settings, self._entry = settings, entry
        self._closed = threading.Event()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # or another worker would start while the page ends

    @property
    def pid(self) -> int | None:
        """The worker's process id, or None between two."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def close(self) -> None:
        """End the worker; what it held waits in the queue for the next one."""
        atexit.unregister(self.close)
        self._closed.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def _keep(self) -> None:
        context, pause = multiprocessing.get_context("spawn"), PAUSE_S
        while not self._closed.is_set():
            started = time.monotonic()
            process = context.Process(target=self._entry, args=(self._settings,), name="worker", daemon=True)
            process.start()
            self._process = process  # only now can close() kill it
            if self._closed.is_set():
                process.kill()
            process.join()
            if self._closed.is_set():
                return
            pause = PAUSE_S if time.monotonic() - started > STEADY_S else min(LONGEST_PAUSE_S, 2 * pause)
            log.warning("the worker ended (code %s); another one starts in %.1f s", process.exitcode, pause)
            self._closed.wait(pause)
