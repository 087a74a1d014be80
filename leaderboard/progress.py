"""How far a long stage is: one line that rewrites itself for a person, a line a minute for a log."""

from __future__ import annotations

import sys
import time
from typing import Self


class Line:
    """With Line("what") as line: line.show("stage", 0.4)."""

    def __init__(self, what: str):
        self.what, self.is_seen = what, sys.stderr.isatty()
        self.every_s = 0.5 if self.is_seen else 60.0

    def __enter__(self) -> Self:
        self.started = self.last = time.monotonic()
        return self

    def show(self, stage: str, share: float) -> None:
        """At most every so often: the stage, its share done in [0, 1], and the time that the rest will take."""
        now = time.monotonic()
        if now - self.last < self.every_s:
            return
        self.last = now
        text = f"{self.what}, {stage} {share:.0%}, {now - self.started:.0f} s so far"
        print(f"\r{text:<110}" if self.is_seen else text, end="" if self.is_seen else "\n", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self.is_seen:
            print("\r" + " " * 112, end="\r", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """For people: 40 s, 12 min, 3 h 5 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
