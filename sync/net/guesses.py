"""How often a password may be guessed: a policy without sockets, hashes or a clock of its own.

Each attempt is counted when it begins, so that many at once gain nothing, and taken back if it was right.
Wrong ones count for a while against the address they come from (of IPv6, its /64: whoever has one address of
it has all) and against the user they name. Whoever is over a limit must wait, and no hash is computed for it.
The user's limit is not held against addresses from which that user has come in before: or anybody could lock
out anybody else. Nor is, at just such an address, what others of its /64 have guessed: there only wrong
passwords for this user from this address count.
"""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from sync.net.welcome import USERS, Welcome, exact, site_of

WINDOW_S: Final = 300.0
"""How long a wrong password counts."""
PER_ADDRESS: Final = 10
"""Wrong passwords from one address in that time: more than a person mistypes, 3,000 a day."""
PER_USER: Final = 50
"""Wrong passwords for one user in that time, from wherever."""
KEPT: Final = 1024
"""Addresses, users, and pairs of them that are remembered, each: 2 MB at most. To drive one out takes as many
wrong passwords for others, of which each costs a hash."""

_NAME_CHARACTERS: Final = 100
"""Of a user's name; a stranger may send long ones."""


class Guesses:
    """Remembers wrong passwords for `window_s` seconds, those of `kept` addresses and users at most."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        per_address: int = PER_ADDRESS,
        per_user: int = PER_USER,
        window_s: float = WINDOW_S,
        kept: int = KEPT,
        welcome: Welcome | None = None,
        on_welcome: Callable[[], None] = lambda: None,
    ) -> None:
        """`clock`: seconds that only rise; `welcome`: from where users have come in before; `on_welcome` is
        called when that is to be kept. Raises ValueError for a limit that is not positive."""
        if min(per_address, per_user, kept) < 1 or not window_s > 0:
            msg = "per_address, per_user, window_s and kept must be positive"
            raise ValueError(msg)
        self._clock = clock
        self._window_s = window_s
        self._by_address = _Counts(per_address, kept)
        self._by_user = _Counts(per_user, kept)
        self._by_pair = _Counts(per_address, kept)
        self.welcome: Final = welcome or Welcome(utc=time.time, users=min(kept, USERS))
        """From where users have come in."""
        self._on_welcome = on_welcome

    def attempt(self, address: str, user: str) -> float:
        """Before a password is looked at: 0 to go on, and the attempt counts; else the seconds to wait."""
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
        """The last attempt of these was no wrong password: it could not be judged."""
        user = user[:_NAME_CHARACTERS]
        self._by_pair.take_back(_pair(address, user))
        self._by_address.take_back(site_of(address))
        self._by_user.take_back(user)

    def succeeded(self, address: str, user: str) -> None:
        """The last attempt of these was right."""
        self.take_back(address, user)
        if self.welcome.note(user[:_NAME_CHARACTERS], address):
            self._on_welcome()


def _pair(address: str, user: str) -> str:
    return f"{exact(address)} {user}"


class _Counts:
    """When the last `most` attempts of each name were, for the `kept` names that came last."""

    def __init__(self, most: int, kept: int) -> None:
        self._most, self._kept = most, kept
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def free_at(self, name: str, since: float) -> float:
        """The time of the attempt that must be forgotten first; minus infinity if there is none."""
        times = self._times.get(name)
        while times and times[0] <= since:
            times.popleft()
        return times[0] if times is not None and len(times) >= self._most else -math.inf

    def add(self, name: str, now: float) -> None:
        self._times.setdefault(name, deque(maxlen=self._most)).append(now)
        self._times.move_to_end(name)
        while len(self._times) > self._kept:
            self._times.popitem(last=False)

    def take_back(self, name: str) -> None:
        times = self._times.get(name)
        if times:
            times.pop()
        if not times:
            self._times.pop(name, None)
