"""Timing of one gateway's connections: one replication connects first, and all share one back-off.

After an outage, only the first replication that the policy allows connects. The others connect after it has
sent all its documents, so that an alarm is sent before a month of readings. If the first replication cannot
connect, the others could not connect either, so they wait too.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from sync.gateway.report import GatewayState
from sync.net.backoff import Backoff
from sync.peer.problems import Problem

from .problem_classification import classify_problem

LEAD_S: Final = 10.0
"""Delay in seconds after which the other replications connect even if the first one is still sending.

The first replication may have much data to send, or a low rate limit.
"""


class TimedReplication(Protocol):
    """A replication whose connections `ConnectionTimer` controls."""

    @property
    def is_up(self) -> bool:
        """True while the replication has a connection."""

    @property
    def is_stopped(self) -> bool:
        """True if the replication has no connection and is not trying to connect."""

    @property
    def is_caught_up(self) -> bool:
        """True if the replication has sent all the documents that it has to send."""

    @property
    def up_since(self) -> float | None:
        """Clock time at which the connection was opened; None if there is no connection."""

    @property
    def fails_alone(self) -> bool:
        """True if the gateway accepted the last connection but then rejected this replication's requests."""

    def take_end(self) -> tuple[bool, Problem | None]:
        """Return whether a connection or attempt has ended since the last call, and the problem if any."""

    def connect(self) -> None:
        """Start one attempt to connect the replication."""


class ConnectionTimer:
    """Timer that decides when each replication with one gateway connects.

    All times are those of the caller's monotonic clock.
    """

    def __init__(self, backoff: Backoff, *, person_wait: float) -> None:
        """Create a timer.

        `person_wait` is the minimum delay, in seconds, between attempts if a user must solve a problem first.
        """
        self._backoff, self._person_wait = backoff, person_wait
        self._again_at: float | None = None

    def attend(self, replications: Sequence[TimedReplication], now: float) -> float | None:
        """Start the connections that are due.

        Args:
            replications: the replications that the policy allows, in order of priority.
            now: current clock time, in seconds.

        Returns: Seconds until this method must be called again; None if it is only needed after an event.
        """
        self._take_ends(replications, now)
        if not replications:
            return None
        if all(replication.is_up for replication in replications) and replications[0].is_caught_up:
            self._backoff.succeeded()
        if self._again_at is not None and now < self._again_at:
            return self._again_at - now
        self._again_at = None
        first, *others = replications
        if first.is_stopped:
            first.connect()
        wait = self._lead(first, now)
        if wait is None or wait > 0:
            return wait
        for replication in others:
            if replication.is_stopped:
                replication.connect()
        return None

    def try_at_once(self) -> None:
        """Cancel the current delay between attempts, because the network has changed."""
        self._backoff.reachability_changed()
        self._again_at = None

    def _take_ends(self, replications: Sequence[TimedReplication], now: float) -> None:
        """Start a back-off delay if a connection, or an attempt to connect, has ended.

        If another one ends during the delay, the delay is not extended.
        """
        for replication in replications:
            has_ended, problem = replication.take_end()
            if not has_ended or (self._again_at is not None and now < self._again_at):
                continue
            wait = self._backoff.next_delay() or 0.0
            if problem is not None and classify_problem(problem)[0] is GatewayState.REFUSED:
                wait = max(wait, self._person_wait)
            self._again_at = now + wait

    @staticmethod
    def _lead(first: TimedReplication, now: float) -> float | None:
        """Return the number of seconds until the other replications may connect.

        Return None until the first replication is connected.
        """
        if first.fails_alone:
            return 0.0
        if first.up_since is None:
            return None
        return 0.0 if first.is_caught_up else max(0.0, first.up_since + LEAD_S - now)
