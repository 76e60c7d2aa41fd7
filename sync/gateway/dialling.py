"""When the replications of one gateway connect: the first one leads, and one back-off serves all.

After an outage the first replication that the policy allows connects alone. The others follow once it has
sent what it had, so that an alarm goes before a month of readings. If it cannot connect, the others could not
either, and wait with it.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from sync.gateway.judging import judge_problem
from sync.gateway.report import GatewayState
from sync.net.retrying import Backoff
from sync.peer.problems import Problem

LEAD_S: Final = 10.0
"""Seconds after which the others follow a first replication that is still sending: it may have much, or a
narrow limit of its own."""


class Dialled(Protocol):
    """One replication."""

    @property
    def is_up(self) -> bool:
        """Return True while it has a connection."""

    @property
    def is_stopped(self) -> bool:
        """Return True if it neither has a connection nor tries to make one."""

    @property
    def is_caught_up(self) -> bool:
        """Return True if everything it has is sent."""

    @property
    def up_since(self) -> float | None:
        """Seconds of the clock when its connection was made, None without one."""

    @property
    def fails_alone(self) -> bool:
        """Return True if the gateway let it in last time, and then refused what it wanted."""

    def take_end(self) -> tuple[bool, Problem | None]:
        """Return whether it has ended since this was last asked, and what ended it."""

    def connect(self) -> None:
        """Make one attempt to connect."""


class Dialling:
    """Decides for one gateway. The clock is whatever `now` counts."""

    def __init__(self, backoff: Backoff, *, person_wait: float) -> None:
        """`person_wait`: least seconds between attempts where a person has to do something."""
        self._backoff, self._person_wait = backoff, person_wait
        self._again_at: float | None = None

    def attend(self, ways: Sequence[Dialled], now: float) -> float | None:
        """Connect what may connect. `ways`: those that the policy allows, the first before the others.

        Returns:
            Seconds until there is more to do, None if only an event can bring it.
        """
        self._take_ends(ways, now)
        if not ways:
            return None
        if all(way.is_up for way in ways) and ways[0].is_caught_up:
            self._backoff.succeeded()
        if self._again_at is not None and now < self._again_at:
            return self._again_at - now
        self._again_at = None
        first, *others = ways
        if first.is_stopped:
            first.connect()
        wait = self._lead(first, now)
        if wait is None or wait > 0:
            return wait
        for way in others:
            if way.is_stopped:
                way.connect()
        return None

    def try_at_once(self) -> None:
        """The network is another one: do not wait."""
        self._backoff.reachability_changed()
        self._again_at = None

    def _take_ends(self, ways: Sequence[Dialled], now: float) -> None:
        """Begin to wait if something has ended; what ends meanwhile waits with it."""
        for way in ways:
            has_ended, problem = way.take_end()
            if not has_ended or (self._again_at is not None and now < self._again_at):
                continue
            wait = self._backoff.next_delay() or 0.0
            if problem is not None and judge_problem(problem)[0] is GatewayState.REFUSED:
                wait = max(wait, self._person_wait)
            self._again_at = now + wait

    @staticmethod
    def _lead(first: Dialled, now: float) -> float | None:
        """Seconds until the others may follow; None if that is for an event to say."""
        if first.fails_alone:
            return 0.0
        if first.up_since is None:
            return None
        return 0.0 if first.is_caught_up else max(0.0, first.up_since + LEAD_S - now)
