"""Who is alive: each worker raises a counter in the queue's database, and a counter that stands still is a dead worker.

DBOS gives a job back when it is told that its worker is dead, but has nobody in the open library who would notice. A
lease is what is missing: a worker holds its job only as long as it keeps its counter going. No clocks are compared
across machines: whoever watches measures by its own clock how long a counter has stood still, and a worker gives up,
by its own clock, well before anybody else may take its job.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

TABLE = sa.Table(
    "pgstalker_workers", sa.MetaData(),
    sa.Column("executor_id", sa.Text, primary_key=True), sa.Column("beats", sa.BigInteger, nullable=False),
)  # fmt: skip
OWN_SHARE = 0.7
"""Of the lease: a worker that could not renew for so long stops, so that two never hold a job."""


def clock() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """One worker's lease of `seconds`, and its view of the others'. Renew it several times as often."""

    def __init__(
        self, engine: sa.Engine, executor_id: str, seconds: float, now: Callable[[], float] = clock
    ):  # a test brings its own clock
        self._engine, self._id, self.seconds, self._now = engine, executor_id, seconds, now
        self._seen: dict[str, tuple[int, float]] = {}
        TABLE.metadata.create_all(engine)
        self._renewed = now()
        self.renew()

    def renew(self) -> None:
        before = self._now()
        with self._engine.begin() as connection:
            own = TABLE.c.executor_id == self._id
            if connection.execute(sa.update(TABLE).where(own).values(beats=TABLE.c.beats + 1)).rowcount == 0:
                connection.execute(sa.insert(TABLE).values(executor_id=self._id, beats=1))
        self._renewed = before

    @property
    def is_held(self) -> bool:
        return self._now() - self._renewed < OWN_SHARE * self.seconds

    def expired(self) -> list[str]:
        """The workers whose counter has stood still for a whole lease since this one first saw it there."""
        with self._engine.connect() as connection:
            beats = {row.executor_id: row.beats for row in connection.execute(sa.select(TABLE))}
        beats.pop(self._id, None)
        now = self._now()
        before, self._seen = self._seen, {}
        for name, count in beats.items():
            known = before.get(name)
            self._seen[name] = known if known is not None and known[0] == count else (count, now)
        return [name for name, (_, since) in self._seen.items() if now - since > self.seconds]

    def bury(self, executor_id: str) -> None:
        """Forget an expired worker whose jobs were given back, unless its counter moves again."""
        count = self._seen.pop(executor_id)[0]
        with self._engine.begin() as connection:
            gone = (TABLE.c.executor_id == executor_id) & (TABLE.c.beats == count)
            connection.execute(sa.delete(TABLE).where(gone))
