"""Retry policy: classification of temporary problems, and the time to wait before a retry.

The classification follows Couchbase Lite, with two additions, because an appliance runs unattended. The
restart or crash of a peer counts as a temporary problem. An error from our own store, such as a full SD card,
counts as temporary too.
"""

import errno
import random
import socket
from http import HTTPStatus
from typing import Final

from sync.blip.close_codes import CloseCode
from sync.peer.problems import Domain, Problem
from sync.replication.errors import LiteCoreCode

ONE_SHOT_ATTEMPTS: Final = 10
"""Maximum number of attempts for a one-shot replication, including the first.

A continuous replication has no limit.
"""
MAX_WAIT_S: Final = 300.0
BASE_S: Final = 2.0
"""Nominal seconds to wait after the first failure. The nominal wait doubles with each further failure."""
JITTER: Final = 0.5
"""Maximum fraction by which the actual wait may be shorter than the nominal wait."""

_TRANSIENT: Final[dict[Domain, frozenset[int]]] = {
    Domain.POSIX: frozenset(
        {
            errno.ENETRESET,
            errno.ECONNABORTED,
            errno.ECONNRESET,
            errno.ETIMEDOUT,
            errno.ECONNREFUSED,
            errno.EPIPE,  # raised instead of ECONNRESET if the kernel detected the reset before we wrote
        }
    ),
    Domain.WEBSOCKET: frozenset(
        {
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.GATEWAY_TIMEOUT,
            CloseCode.GOING_AWAY,
            CloseCode.ABNORMAL,
            CloseCode.SERVICE_RESTART,
            CloseCode.TRY_AGAIN_LATER,
            CloseCode.BAD_GATEWAY,
            CloseCode.RECONNECT,
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
    """Return True if a problem is temporary: another attempt may soon succeed without a change here."""
    if problem.domain is Domain.STORE:
        return True
    if problem.domain is Domain.DNS:
        return problem.code not in _UNKNOWN_HOST
    return problem.code in _TRANSIENT.get(problem.domain, frozenset())


def may_be_network_dependent(problem: Problem) -> bool:
    """Return True if a problem may disappear when this machine connects to another network."""
    return problem.domain is Domain.DNS or (problem.domain is Domain.POSIX and problem.code in _NETWORK)


def is_worth_retrying(problem: Problem, *, continuous: bool) -> bool:
    """Return True if a replication should try to connect again after a problem.

    A continuous replication also tries again after problems that may disappear on another network.
    """
    return is_transient(problem) or (continuous and may_be_network_dependent(problem))


class Backoff:
    """The waiting times between attempts to connect: exponential backoff with jitter.

    The nominal n-th wait is `base_s * 2**(n - 1)`, but at most `max_wait_s`. The actual wait is between half
    of the nominal wait and the whole nominal wait. So until the maximum is reached, no wait is shorter than
    the previous wait.
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
        """Create a backoff, before the first attempt.

        Args:
            rng: source of the jitter.
            max_attempts: maximum number of attempts, including the first; None for no limit.
            max_wait_s: maximum wait in seconds.
            base_s: nominal first wait in seconds.

        Raises:
            ValueError: an argument is not positive.
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
        """Number of consecutive failed attempts."""
        return self._failures

    def next_delay(self) -> float | None:
        """Record a failed attempt. Return the seconds to wait before the next attempt, or None to give up."""
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
        """Reset the count of failures, because a connection was opened."""
        self._failures = 0
        self._at_once = False

    def reachability_changed(self) -> None:
        """Reset the count of failures, because the network has changed.

        A caller that is waiting should try to connect now. If that attempt fails, the next attempt also
        follows without a wait, because a new network is often not ready immediately.
        """
        self._failures = 0
        self._at_once = True


def max_attempts(*, continuous: bool) -> int | None:
    """Return the default maximum number of attempts to connect; None for no limit."""
    return None if continuous else ONE_SHOT_ATTEMPTS
