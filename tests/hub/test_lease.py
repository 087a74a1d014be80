"""A lease ends for its holder before it ends for those who watch, by each one's own clock."""

from __future__ import annotations

from hub.jobs.lease import OWN_SHARE, Lease
from hub.jobs.queue import open_engine

SECONDS = 10.0


class Clock:
    def __init__(self, now: float = 0.0):
        self.now = now

    def __call__(self) -> float:
        return self.now


def pair(tmp_path, other_starts=5000.0):
    """Two workers whose clocks have nothing in common."""
    engine = open_engine(f"sqlite:///{tmp_path}/queue.sqlite")
    clocks = Clock(), Clock(other_starts)
    return [Lease(engine, name, SECONDS, clock) for name, clock in zip("ab", clocks)], clocks


def test_a_counter_that_stands_still_for_a_lease_is_a_lost_worker(tmp_path):
    (one, two), (clock_one, clock_two) = pair(tmp_path)
    assert two.expired() == []
    clock_two.now += 0.9 * SECONDS
    assert two.expired() == []
    one.renew()
    clock_two.now += 0.9 * SECONDS
    assert two.expired() == []  # it has moved in between
    clock_one.now += OWN_SHARE * SECONDS + 0.1
    assert not one.is_held  # it knows before anybody else does
    clock_two.now += 0.9 * SECONDS
    assert two.expired() == []
    clock_two.now += 0.2 * SECONDS
    assert two.expired() == ["a"]


def test_who_is_buried_is_forgotten_unless_it_lives_after_all(tmp_path):
    (one, two), (_, clock_two) = pair(tmp_path)
    two.expired()
    clock_two.now += 1.1 * SECONDS
    assert two.expired() == ["a"]
    one.renew()
    two.bury("a")
    assert two.expired() == []
    clock_two.now += 1.1 * SECONDS
    assert two.expired() == ["a"]
    two.bury("a")
    clock_two.now += 2 * SECONDS
    assert two.expired() == []
    one.renew()  # it comes back as somebody new
    assert one.is_held and two.expired() == []
