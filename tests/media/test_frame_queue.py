"""Frames written on another thread: in order, no more than the bound ahead, and no error lost."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pgstalker.errors import MediaError
from pgstalker.media import FrameQueue


class Paper:
    """Writes numbers down; waits for `go` before each, fails at frame `bad`."""

    def __init__(self, bad: int | None = None, go: threading.Semaphore | None = None):
        self.seen: list[int] = []
        self.bad, self.go = bad, go

    def write(self, frame: np.ndarray) -> None:
        if self.go is not None:
            assert self.go.acquire(timeout=30)
        if len(self.seen) == self.bad:
            raise MediaError("the disk is full")
        self.seen.append(int(frame[0]))
        assert threading.current_thread() is not threading.main_thread()


def frame(number: int) -> np.ndarray:
    return np.array([number], np.uint8)


def test_frames_are_written_in_order_and_all_of_them():
    paper = Paper()
    with FrameQueue(paper, bound=2) as frames:
        for number in range(50):
            frames.write(frame(number))
    assert paper.seen == list(range(50))


def test_no_more_than_the_bound_wait():
    go = threading.Semaphore(0)
    paper, given = Paper(go=go), []

    def give(frames):
        for number in range(10):
            frames.write(frame(number))
            given.append(number)

    with FrameQueue(paper, bound=3) as frames:
        giver = threading.Thread(target=give, args=(frames,))
        giver.start()
        giver.join(0.2)
        assert giver.is_alive() and len(given) <= 4  # three wait, one is being written
        go.release(10)
        giver.join(30)
    assert paper.seen == list(range(10))


@pytest.mark.parametrize("bad", [0, 3])
def test_what_the_writer_raises_reaches_whoever_draws(bad):
    paper = Paper(bad)
    with pytest.raises(MediaError, match="disk is full"), FrameQueue(paper, bound=1) as frames:
        for number in range(100):
            frames.write(frame(number))
    assert paper.seen == list(range(bad))


def test_an_error_at_the_last_frame_is_told_at_the_end():
    paper = Paper(bad=2)
    with pytest.raises(MediaError, match="disk is full"), FrameQueue(paper) as frames:
        for number in range(3):
            frames.write(frame(number))


def test_stopping_drops_what_waits_and_keeps_the_reason():
    go = threading.Semaphore(0)
    paper = Paper(go=go)
    with pytest.raises(KeyError, match="stopped"), FrameQueue(paper, bound=8) as frames:
        for number in range(5):
            frames.write(frame(number))
        threading.Timer(0.2, go.release, (10,)).start()
        raise KeyError("stopped")
    assert paper.seen in ([], [0])
    assert not any(thread.name == "pgstalker-writer" for thread in threading.enumerate())
