"""When to try again: which problems pass by themselves, and how long to wait.

What passes is decided as Couchbase Lite does, with a little more patience where an appliance must go on
unattended: a peer that is being restarted or was killed, and our own store while the card is full.
"""

import errno
import random
import socket
from typing import Final

from sync.peer.problems import Domain, Problem
from sync.replication.errors import LiteCoreCode

ONE_SHOT_ATTEMPTS: Final = 10
"""Attempts of a replication that is to end, the first included. A continuous one goes on for ever."""
MAX_WAIT_S: Final = 300.0
BASE_S: Final = 2.0
"""Nominal wait after the first failure; it doubles with each further one."""
JITTER: Final = 0.5
"""By which part of the nominal wait the actual one may be shorter."""

_TRANSIENT: Final[dict[Domain, frozenset[int]]] = {
    Domain.POSIX: frozenset(
        {
            errno.ENETRESET,
            errno.ECONNABORTED,
            errno.ECONNRESET,
            errno.ETIMEDOUT,
            errno.ECONNREFUSED,
            errno.EPIPE,  # as ECONNRESET, if the kernel knew of it before we wrote
        }
    ),
    Domain.WEBSOCKET: frozenset(
        {
            408,  # Request Timeout
            429,  # Too Many Requests
            502,  # Bad Gateway
            503,  # Service Unavailable
            504,  # Gateway Timeout
            1001,  # going away: the peer stops, perhaps to start again
            1006,  # closed without a word
            1012,  # service restart
            1013,  # try again later
            1014,  # bad gateway
            4001,  # Couchbase Lite's own for "try again"
        }
    ),
    Domain.LITECORE: frozenset({LiteCoreCode.BUSY}),
}
_NETWORK: Final = frozenset(
    {
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EADDRNOTAVAIL,
    }
)
_UNKNOWN_HOST: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)


def is_transient(problem: Problem) -> bool:
    """Whether the same attempt may succeed a little later, with nothing changed here."""
    if problem.domain is Domain.STORE:
        return True
    if problem.domain is Domain.DNS:
        return problem.code not in _UNKNOWN_HOST
    return problem.code in _TRANSIENT.get(problem.domain, frozenset())


def may_be_network_dependent(problem: Problem) -> bool:
    """Whether it may be gone once this machine is on another network."""
    return problem.domain is Domain.DNS or (problem.domain is Domain.POSIX and problem.code in _NETWORK)


def is_worth_retrying(problem: Problem, *, continuous: bool) -> bool:
    """Whether a replication goes on after this: a continuous one also waits for another network."""
    return is_transient(problem) or (continuous and may_be_network_dependent(problem))


class Backoff:
    """How long to wait before each further attempt: exponential, with jitter.

    The n-th wait is nominally `base_s * 2**(n - 1)`, at most `max_wait_s`, and actually between half of that
    and all of it. So no wait is shorter than the one before, until the longest is reached.
    """

    __slots__ = ("_at_once", "_base_s", "_failures", "_max_attempts", "_max_wait_s", "_rng")

    def __init__(
        self,
        rng: random.Random,
        *,
        max_attempts: int | None = None,
        max_wait_s: float = MAX_WAIT_S,
        base_s: float = BASE_S,
    ) -> None:
        """Begin before the first attempt.

        Args:
            rng: where the jitter comes from.
            max_attempts: how often to try in all, the first attempt included; None for ever.
            max_wait_s: the longest wait.
            base_s: the nominal first wait.

        Raises:
            ValueError: one of these is not positive.
        """
        if (max_attempts is not None and max_attempts < 1) or not (max_wait_s > 0 and base_s > 0):
            raise ValueError("max_attempts, max_wait_s and base_s must be positive")
        self._rng = rng
        self._max_attempts = max_attempts
        self._max_wait_s = max_wait_s
        self._base_s = base_s
        self._failures = 0
        self._at_once = False

    @property
    def failures(self) -> int:
        """Attempts that have failed in a row."""
        return self._failures

    def next_delay(self) -> float | None:
        """An attempt has failed: seconds to wait before the next; None when it is time to give up."""
        self._failures += 1
        at_once, self._at_once = self._at_once, False
        if self._max_attempts is not None and self._failures >= self._max_attempts:
            return None
        if at_once:
            return 0.0
        doublings = min(self._failures - 1, 64)
        nominal = min(self._base_s * 2.0**doublings, self._max_wait_s)
        return nominal * (1 - JITTER * self._rng.random())

    def succeeded(self) -> None:
        """A connection was made: what comes later begins anew."""
        self._failures = 0
        self._at_once = False

    def reachability_changed(self) -> None:
        """The network is another one: count anew, and do not wait before the next attempt.

        Whoever is waiting already tries now; if that fails, the next attempt is at once too, since a network
        that has just come up is often not quite there.
        """
        self._failures = 0
        self._at_once = True


def max_attempts(*, continuous: bool) -> int | None:
    """How often to try by default."""
    return None if continuous else ONE_SHOT_ATTEMPTS
