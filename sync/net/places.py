"""Who finds a place at a listener: so many connections, some places kept for certificates, few strangers.

A stranger is whoever has connected and is not let in yet. It costs nothing to be one, so there are few places
for each address; and when strangers fill all their places, the one that has taken longest gives way. Whoever
shows a certificate that leads to a root of ours finds a place even where users have taken all of theirs. And
where all places of users are taken, the oldest connection of whoever has most of them gives way.

Pure: it knows neither sockets nor a clock, and says who is to be dropped.
"""

from collections import Counter
from typing import Final, Generic, TypeVar

PER_ADDRESS: Final = 8
"""Strangers from one address, or one /64 of IPv6, at the same time. A vessel makes two connections, and a
handshake takes a second where the radio is poor."""
STRANGERS: Final = 40
"""Strangers in all."""
KEPT: Final = 40
"""Places of all that are kept for holders of certificates."""

K = TypeVar("K")


class FullError(Exception):
    """There is no place; the text says of what."""


class Places(Generic[K]):
    """Those of one listener. What a connection is called is the caller's."""

    def __init__(
        self, most: int, *, kept: int = 0, per_address: int = PER_ADDRESS, strangers: int = STRANGERS
    ) -> None:
        """`most`: connections that are let in; `kept`: those of them that only certificates get."""
        self.most, self._kept = most, min(kept, most)
        self._per_address, self._most_strangers = per_address, strangers
        self._strangers: dict[K, str] = {}
        """By their address, those first that have taken longest."""
        self._known: set[K] = set()
        """Of these, who has shown a certificate."""
        self._members: dict[K, None] = {}
        self._others: dict[K, str] = {}
        """By whose they are."""

    def __len__(self) -> int:
        return len(self._strangers) + len(self._members) + len(self._others)

    def arrive(self, who: K, site: str) -> K | None:
        """Take in a stranger from there; return another one who is to be dropped for it.

        Raises:
            FullError: there is no place for it.
        """
        if len(self._members) + (0 if self._kept else len(self._others)) >= self.most:
            raise FullError(f"{self.most} connections are open, the limit")
        by_site = Counter(self._strangers.values())
        if by_site[site] >= self._per_address:
            raise FullError(f"{self._per_address} connections from there have not been let in yet, the limit")
        dropped: K | None = None
        if len(self._strangers) >= self._most_strangers:
            strangers = {found: of for found, of in self._strangers.items() if found not in self._known}
            if not strangers:
                raise FullError(f"{self._most_strangers} vessels are being let in, the limit")
            crowd = max(by_site[of] for of in strangers.values())
            dropped = next(found for found, of in strangers.items() if by_site[of] == crowd)
            self.leave(dropped)
        self._strangers[who] = site
        return dropped

    def show(self, who: K) -> None:
        """Take note that a stranger has shown a certificate that leads to a root."""
        if who in self._strangers:
            self._known.add(who)

    def enter(self, stranger: K, owner: str = "") -> K | None:
        """Let a stranger in, who belongs to `owner`; return another one that is to be dropped for it.

        Raises:
            FullError: there is no place for it.
        """
        is_member = stranger in self._known
        is_full = len(self._members) + len(self._others) >= self.most
        dropped: K | None = None
        if is_full or (not is_member and len(self._others) >= self.most - self._kept):
            dropped = self._most_of_one(None if is_member else owner)
            if dropped is None:
                raise FullError(f"{len(self._members) + len(self._others)} connections are open, the limit")
            self.leave(dropped)
        self.leave(stranger)
        if is_member:
            self._members[stranger] = None
        else:
            self._others[stranger] = owner
        return dropped

    def _most_of_one(self, newcomer: str | None) -> K | None:
        """Return the oldest connection of whoever has most, if a newcomer would still have less."""
        by_owner = Counter(self._others.values())
        if not by_owner:
            return None
        greediest, most = by_owner.most_common(1)[0]
        if newcomer is not None and most <= by_owner[newcomer] + 1:
            return None
        return next(found for found, owner in self._others.items() if owner == greediest)

    def rename(self, before: K, after: K) -> None:
        """Take note that one who was let in is called otherwise from now on."""
        if before in self._members:
            del self._members[before]
            self._members[after] = None
        elif before in self._others:
            self._others[after] = self._others.pop(before)

    def leave(self, who: K) -> None:
        """Free the place of a connection that has gone."""
        self._strangers.pop(who, None)
        self._known.discard(who)
        self._members.pop(who, None)
        self._others.pop(who, None)
