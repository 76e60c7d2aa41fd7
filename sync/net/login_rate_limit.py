"""Limits on the number of wrong passwords, to prevent password guessing.

This module does no I/O and computes no hashes. Each attempt is counted when it begins, so that parallel
attempts do not exceed the limits. If the password is correct, the attempt is no longer counted. For some
minutes, a wrong password counts against the sender's address and against the user. For an IPv6 address, the
/64 is counted instead, because a host with one address in a /64 can use all other addresses of that /64. A
client that has reached a limit must wait, and no hash is computed for its attempts.

The limit per user does not apply to an address, or an IPv6 /64, from which that user has logged in before.
Otherwise anyone could lock out the user. If the user has logged in from exactly the same address, the limit
per address does not apply either. In that case, only the user's own wrong passwords from this address count.
"""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from .known_addresses import USERS, KnownAddresses, exact, site_of

WINDOW_S: Final = 300.0
"""Seconds for which a wrong password is counted."""
PER_ADDRESS: Final = 10
"""Maximum number of wrong passwords from one address within `WINDOW_S`.

Users rarely mistype a password more often. An attacker is limited to about 3,000 attempts per day.
"""
PER_USER: Final = 50
"""Maximum number of wrong passwords for one user within `WINDOW_S`, from all addresses combined."""
KEPT: Final = 1024
"""Maximum number of entries of each kind: addresses, users, and pairs of both. They use at most 2 MB.

To displace an entry, an attacker must send wrong passwords for this number of other users, or from this
number of other addresses.
"""

_NAME_CHARACTERS: Final = 100
"""Length in characters to which a user name is truncated, because clients may send long names."""


class LoginAttempts:
    """Record of login attempts, with limits on wrong passwords."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        per_address: int = PER_ADDRESS,
        per_user: int = PER_USER,
        window_s: float = WINDOW_S,
        capacity: int = KEPT,
        welcome: KnownAddresses | None = None,
        on_welcome: Callable[[], None] = lambda: None,
    ) -> None:
        """Create an empty record.

        Args:
            clock: returns monotonic seconds.
            per_address: maximum number of wrong passwords from one address.
            per_user: maximum number of wrong passwords for one user.
            window_s: seconds for which a wrong password is counted.
            capacity: maximum number of addresses and of users in the record.
            welcome: the addresses from which users have logged in before.
            on_welcome: called when `welcome` has changed and must be stored.

        Raises:
            ValueError: a limit is not positive.
        """
        if min(per_address, per_user, capacity) < 1 or not window_s > 0:
            msg = "per_address, per_user, window_s and capacity must be positive"
            raise ValueError(msg)
        self._clock = clock
        self._window_s = window_s
        self._by_address = _Counts(per_address, capacity)
        self._by_user = _Counts(per_user, capacity)
        self._by_pair = _Counts(per_address, capacity)
        self.welcome: Final = welcome or KnownAddresses(utc=time.time, users=min(capacity, USERS))
        """The addresses from which users have logged in before."""
        self._on_welcome = on_welcome

    def attempt(self, address: str, user: str) -> float:
        """Count a login attempt. Call this before the password is checked.

        Returns:
            0.0 if the password may be checked. Otherwise, the seconds to wait; the attempt is not counted.
        """
        now, site, user = self._clock(), site_of(address), user[:_NAME_CHARACTERS]
        since = now - self._window_s
        if self.welcome.has(user, address):
            wait_until = self._by_pair.free_at(_pair(address, user), since)
        else:
            wait_until = self._by_address.free_at(site, since)
            if not self.welcome.has_site(user, address):
                wait_until = max(wait_until, self._by_user.free_at(user, since))
        wait = wait_until + self._window_s - now
        if wait > 0:
            return wait
        self._by_pair.add(_pair(address, user), now)
        self._by_address.add(site, now)
        self._by_user.add(user, now)
        return 0.0

    def take_back(self, address: str, user: str) -> None:
        """Stop counting a user's last attempt from an address, because the password could not be checked."""
        user = user[:_NAME_CHARACTERS]
        self._by_pair.take_back(_pair(address, user))
        self._by_address.take_back(site_of(address))
        self._by_user.take_back(user)

    def succeeded(self, address: str, user: str) -> None:
        """Record that the password in a user's last attempt from an address was correct."""
        self.take_back(address, user)
        if self.welcome.note(user[:_NAME_CHARACTERS], address):
            self._on_welcome()


def _pair(address: str, user: str) -> str:
    return f"{exact(address)} {user}"


class _Counts:
    """The times of the last `most` login attempts for each name, for the `capacity` most recent names."""

    def __init__(self, most: int, capacity: int) -> None:
        self._most, self._capacity = most, capacity
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def free_at(self, name: str, since: float) -> float:
        """Return the time of the attempt that must expire before a further attempt is allowed for a name.

        Attempts at or before the time `since` have expired. The result is minus infinity if a further attempt
        is allowed now.
        """
        times = self._times.get(name)
        while times and times[0] <= since:
            times.popleft()
        return times[0] if times is not None and len(times) >= self._most else -math.inf

    def add(self, name: str, now: float) -> None:
        self._times.setdefault(name, deque(maxlen=self._most)).append(now)
        self._times.move_to_end(name)
        while len(self._times) > self._capacity:
            self._times.popitem(last=False)

    def take_back(self, name: str) -> None:
        times = self._times.get(name)
        if times:
            times.pop()
        if not times:
            self._times.pop(name, None)
