"""A gateway's replications connect in their order of priority, and share a single back-off."""

import random
from dataclasses import dataclass

from sync.gateway.connection_timing import LEAD_S, ConnectionTimer
from sync.net.backoff import Backoff
from sync.peer.problems import Domain, Problem

LOST = Problem(Domain.WEBSOCKET, 1006, "lost")
FORBIDDEN = Problem(Domain.WEBSOCKET, 403, "no")


@dataclass
class FakeWay:
    """Fake replication whose connection the test opens and closes."""

    is_up: bool = False
    is_stopped: bool = True
    is_caught_up: bool = False
    up_since: float | None = None
    fails_alone: bool = False
    attempts: int = 0
    ended: tuple[bool, Problem | None] = (False, None)

    def take_end(self) -> tuple[bool, Problem | None]:
        found, self.ended = self.ended, (False, None)
        return found

    def connect(self) -> None:
        self.attempts += 1
        self.is_stopped = False

    def comes_up(self, now: float) -> None:
        self.is_up, self.up_since = True, now

    def goes(self, problem: Problem) -> None:
        self.is_up = self.is_caught_up = False
        self.is_stopped, self.up_since, self.ended = True, None, (True, problem)


def dialling() -> ConnectionTimer:
    return ConnectionTimer(Backoff(random.Random(1)), person_wait=60.0)


def test_others_connect_once_the_first_has_caught_up() -> None:
    ways, found = [FakeWay() for _ in range(3)], dialling()
    assert found.attend(ways, 0.0) is None
    assert [way.attempts for way in ways] == [1, 0, 0]
    ways[0].comes_up(1.0)
    assert found.attend(ways, 1.0) == LEAD_S
    ways[0].is_caught_up = True
    found.attend(ways, 2.0)
    assert [way.attempts for way in ways] == [1, 1, 1]


def test_others_do_not_wait_for_a_first_one_with_a_large_backlog() -> None:
    ways, found = [FakeWay(), FakeWay()], dialling()
    found.attend(ways, 0.0)
    ways[0].comes_up(1.0)
    found.attend(ways, 1.0 + LEAD_S)
    assert ways[1].attempts == 1


def test_outage_counts_as_one_failure_and_the_first_reconnects_first() -> None:
    ways, found = [FakeWay(), FakeWay()], dialling()
    found.attend(ways, 0.0)
    for way in ways:
        way.is_stopped = False
        way.comes_up(0.0)
        way.is_caught_up = True
    found.attend(ways, 1.0)
    for way in reversed(ways):
        way.goes(LOST)
    wait = found.attend(ways, 2.0)
    assert wait is not None
    assert 1.0 <= wait <= 2.0
    before = [way.attempts for way in ways]
    found.attend(ways, 2.0 + wait)
    assert [way.attempts for way in ways] == [before[0] + 1, before[1]]


def test_others_continue_if_only_the_first_is_refused() -> None:
    ways, found = [FakeWay(), FakeWay()], dialling()
    found.attend(ways, 0.0)
    ways[0].goes(FORBIDDEN)
    ways[0].fails_alone = True
    assert found.attend(ways, 1.0) == 60.0
    found.attend(ways, 61.0)
    assert ways[1].attempts == 1


def test_another_network_is_tried_at_once() -> None:
    ways, found = [FakeWay()], dialling()
    found.attend(ways, 0.0)
    ways[0].goes(FORBIDDEN)
    found.attend(ways, 1.0)
    found.try_at_once()
    found.attend(ways, 1.0)
    assert ways[0].attempts == 2
