"""Frames written behind the back of whoever draws them."""

from __future__ import annotations

import queue
import threading
from typing import Any, Protocol, Self

import numpy as np


class Writer(Protocol):
    """What takes frames: media.VideoWriter, or a test's."""

    def write(self, frame: np.ndarray) -> None: ...


class FrameQueue:
    """Hands frames to writer.write() in order, on a thread of its own, at most `bound` of them waiting.

        with VideoWriter(...) as writer, FrameQueue(writer) as frames:
            for frame in talker.render(drive):
                frames.write(frame)          # waits only while the queue is full

    What the writer raises is raised by the next write(), or when the block ends. Leaving the block waits for the
    frames that are queued; after an exception in it they are dropped. Frames must not be changed once given away.
    """

    def __init__(self, writer: Writer, bound: int = 32):
        self._writer = writer
        self._queue: queue.Queue[Any] = queue.Queue(bound)
        self._error: BaseException | None = None
        self._is_dropping = False
        self._thread = threading.Thread(target=self._work, name="pgstalker-writer", daemon=True)

    def write(self, frame: np.ndarray) -> None:
        self._complain()
        self._queue.put(frame)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._is_dropping = error is not None
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._complain()

    def _complain(self) -> None:
        if self._error is not None:
            self._is_dropping = True
            error, self._error = self._error, None
            raise error

    def _work(self) -> None:
        """Until the end of the queue; after an error frames are taken off it, so that nobody waits for room."""
        while (frame := self._queue.get()) is not None:
            if self._error is not None or self._is_dropping:
                continue
            try:
                self._writer.write(frame)
            except Exception as error:  # noqa: BLE001 (raised again where the frames come from)
                self._error = error
