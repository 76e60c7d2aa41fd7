"""Limits on a listener's connections: in total, unauthenticated, and without a client certificate.

A *stranger* is an unauthenticated client: it has connected and is not admitted yet. Connecting requires no
credentials, so each address has few slots for strangers. When the slots for strangers are full, the
longest-waiting stranger from the address with the most strangers is dropped.

Some slots for admitted connections are reserved for clients with an accepted certificate, so that users with
passwords cannot occupy all slots. A client with a certificate also counts as a stranger until its certificate
is accepted, because a certificate that chains to one of our roots may have been revoked. When the slots for
users are full, the oldest connection of the user with the most connections is dropped.

This module does no I/O: it returns the connections to drop.
"""

from collections import Counter
from typing import Final, Generic, TypeVar

PER_ADDRESS: Final = 8
"""Maximum number of unauthenticated clients from one address or one IPv6 /64 at the same time.

A peer may open two connections at once, and a handshake over a poor radio link takes a second.
"""
STRANGERS: Final = 40
"""Maximum number of unauthenticated clients, from all addresses combined."""
KEPT: Final = 40
"""Number of connection slots that are reserved for clients with a certificate."""

K = TypeVar("K")


class NoFreeSlotError(Exception):
    """No slot is free. The message states the limit that was reached."""


class ConnectionSlots(Generic[K]):
    """The connection slots of one listener. The caller chooses the keys that identify connections."""

    def __init__(
        self, most: int, *, reserved: int = 0, per_address: int = PER_ADDRESS, strangers: int = STRANGERS
    ) -> None:
        """Create the slots of a listener, all of which are free.

        Args:
            most: maximum number of admitted connections.
            reserved: number of these slots that are reserved for clients with a certificate.
            per_address: maximum number of unauthenticated clients from one address.
            strangers: maximum number of unauthenticated clients in total.
        """
        self.most, self._reserved = most, min(reserved, most)
        self._per_address, self._most_strangers = per_address, strangers
        self._strangers: dict[K, str] = {}
        """Address or IPv6 /64 of each unauthenticated client, by key, the longest-waiting client first."""
        self._known: set[K] = set()
        """Keys of the clients that are not admitted yet, but whose certificates were accepted."""
        self._members: dict[K, None] = {}
        self._others: dict[K, str] = {}
        """Owner of each admitted connection without a certificate, by the connection's key, oldest first."""

    def __len__(self) -> int:
        return len(self._strangers) + len(self._members) + len(self._others)

    def arrive(self, who: K, site: str) -> K | None:
        """Assign a slot to an unauthenticated client from `site`, an address or an IPv6 /64.

        Returns:
            Key of another client, which the caller must drop; None if there is none.

        Raises:
            NoFreeSlotError: no slot is free for the client.
        """
        if len(self._members) + (0 if self._reserved else len(self._others)) >= self.most:
            raise NoFreeSlotError(f"{self.most} connections are open, which is the limit")
        by_site = Counter(self._strangers.values())
        if by_site[site] >= self._per_address:
            raise NoFreeSlotError(
                f"{self._per_address} connections from this address are not authenticated yet, which is"
                " the limit"
            )
        dropped: K | None = None
        if len(self._strangers) >= self._most_strangers:
            strangers = {key: of for key, of in self._strangers.items() if key not in self._known}
            if not strangers:
                raise NoFreeSlotError(
                    f"{self._most_strangers} clients are being authenticated, which is the limit"
                )
            crowd = max(by_site[of] for of in strangers.values())
            dropped = next(key for key, of in strangers.items() if by_site[of] == crowd)
            self.leave(dropped)
        self._strangers[who] = site
        return dropped

    def show(self, who: K) -> None:
        """Record that an unauthenticated client's certificate was accepted."""
        if who in self._strangers:
            self._known.add(who)

    def enter(self, stranger: K, owner: str = "") -> K | None:
        """Admit a client that belongs to `owner`.

        Returns:
            Key of another connection, which the caller must drop; None if there is none.

        Raises:
            NoFreeSlotError: no slot is free for the connection.
        """
        is_member = stranger in self._known
        is_full = len(self._members) + len(self._others) >= self.most
        dropped: K | None = None
        if is_full or (not is_member and len(self._others) >= self.most - self._reserved):
            dropped = self._most_of_one(None if is_member else owner)
            if dropped is None:
                raise NoFreeSlotError(
                    f"{len(self._members) + len(self._others)} connections are open, which is the limit"
                )
            self.leave(dropped)
        self.leave(stranger)
        if is_member:
            self._members[stranger] = None
        else:
            self._others[stranger] = owner
        return dropped

    def _most_of_one(self, newcomer: str | None) -> K | None:
        """Return the oldest connection of the owner with the most connections, so that it can be dropped.

        `newcomer` is the owner of the new connection, which is counted too. If `newcomer` then has at least
        as many connections as the other owner, the result is None. If `newcomer` is None, the new client has
        a certificate, and the numbers are not compared.
        """
        by_owner = Counter(self._others.values())
        if not by_owner:
            return None
        greediest, most = by_owner.most_common(1)[0]
        if newcomer is not None and most <= by_owner[newcomer] + 1:
            return None
        return next(key for key, owner in self._others.items() if owner == greediest)

    def rename(self, before: K, after: K) -> None:
        """Change the key of an admitted connection from `before` to `after`."""
        if before in self._members:
            del self._members[before]
            self._members[after] = None
        elif before in self._others:
            self._others[after] = self._others.pop(before)

    def leave(self, who: K) -> None:
        """Free the slot of a connection that has ended."""
        self._strangers.pop(who, None)
        self._known.discard(who)
        self._members.pop(who, None)
        self._others.pop(who, None)
