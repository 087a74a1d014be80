"""Stop buttons of what waits for its turn and takes minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gradio as gr


class Stops:
    """What visitors have going, each by the visitor's session: from the press of the button on, so that who still
    waits in the queue can stop too."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def expect(self, request: gr.Request) -> None:
        """The button was pressed: call it before the queue, where all is well."""
        self._events[_visitor(request)] = threading.Event()

    @contextmanager
    def running(self, request: gr.Request) -> Iterator[Callable[[], bool]]:
        """The visitor's turn; gives what tells whether to stop."""
        visitor = _visitor(request)
        event = self._events.setdefault(visitor, threading.Event())
        try:
            yield event.is_set
        finally:
            self._events.pop(visitor, None)

    def stop(self, request: gr.Request) -> None:
        """The visitor changed their mind."""
        event = self._events.get(_visitor(request))
        if event is not None:
            event.set()


def _visitor(request: gr.Request) -> str:
    return request.session_hash or request.client.host
