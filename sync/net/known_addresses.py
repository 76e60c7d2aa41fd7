"""Addresses from which users have logged in before.

`login_rate_limit` treats these addresses separately, so that attackers who send wrong passwords from other
addresses cannot lock out a user. A few addresses are kept for each user, for 90 days after their last use.
This module does no I/O: the caller passes in a clock, and stores the result of `as_json` between two runs.

    addresses = KnownAddresses(utc=time.time, stored=stored)
    if addresses.note("anna", "192.0.2.7"):    # True if the change must be stored
        store(addresses.as_json())
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

ADDRESSES: Final = 8
"""Maximum number of addresses kept for each user.

This is enough for a phone and a tablet, each on board and on other networks.
"""
USERS: Final = 128
"""Maximum number of users whose addresses are kept. No crew has more members.

Only users who have sent the correct password are counted.
"""
EXPIRES_S: Final = 90 * 86_400.0
"""Seconds for which an unused address is kept: about as long as a boat is laid up in winter."""
NOTE_EVERY_S: Final = 86_400.0
"""Minimum seconds between two updates of the same address. Each update writes to the card."""

_IPV6_SITE: Final = 64
_LONGEST: Final = 100
"""Length, in characters, to which user names and addresses are truncated. Clients may send longer ones."""


def exact(address: str) -> str:
    """Return an address in its canonical form, or unchanged if it is not valid."""
    parsed = _parsed(address)
    return address[:_LONGEST] if parsed is None else str(parsed)


def site_of(address: str) -> str:
    """Return the site of an address: the /64 of an IPv6 address, or the IPv4 address itself.

    The site of a link-local IPv6 address is the address itself, because all neighbours on a network share the
    /64 of link-local addresses. An invalid address is returned unchanged.
    """
    parsed = _parsed(address)
    if parsed is None:
        return address
    if isinstance(parsed, ipaddress.IPv4Address) or parsed.is_link_local:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), _IPV6_SITE), strict=False))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


class KnownAddresses:
    """The addresses from which each user has logged in."""

    def __init__(
        self,
        *,
        utc: Callable[[], float],
        stored: Mapping[str, Any] | None = None,
        expires_s: float = EXPIRES_S,
        users: int = USERS,
    ) -> None:
        """Create the collection from stored content.

        Args:
            utc: returns seconds since 1970.
            stored: the stored result of `as_json`; None for an empty collection. Malformed entries are
                ignored. A time in the future, which was recorded while the clock was wrong, is replaced by
                the current time.
            expires_s: seconds from the last use of an address until its removal.
            users: maximum number of users.
        """
        self._utc, self._expires_s, self._most = utc, expires_s, users
        self._users: dict[str, dict[str, float]] = {}
        now = utc()
        for user, addresses in (stored or {}).items():
            if not isinstance(addresses, dict):
                continue
            for address, when in addresses.items():
                if isinstance(when, int | float) and not isinstance(when, bool):
                    self._put(user[:_LONGEST], exact(address), min(float(when), now))

    def has(self, user: str, address: str) -> bool:
        """Return True if a user has logged in from exactly this address."""
        return exact(address) in self._fresh(user)

    def has_site(self, user: str, address: str) -> bool:
        """Return True if a user has logged in from this address, or from the same IPv6 /64."""
        site = site_of(address)
        return any(site_of(known) == site for known in self._fresh(user))

    def note(self, user: str, address: str) -> bool:
        """Record that a user has logged in from an address. Return True if the change must be stored."""
        now = self._utc()
        before = self._fresh(user).get(exact(address))
        if before is not None and 0 <= now - before < NOTE_EVERY_S:
            return False
        self._put(user[:_LONGEST], exact(address), now)
        return True

    def forget(self, users: Iterable[str]) -> bool:
        """Remove the addresses of users whose passwords have changed. Return True if any were removed."""
        known = {user[:_LONGEST] for user in users} & self._users.keys()
        for user in known:
            del self._users[user]
        return bool(known)

    def as_json(self) -> dict[str, dict[str, float]]:
        """Return all addresses, by user, each with the time of its last use in seconds since 1970."""
        return {user: dict(addresses) for user, addresses in self._users.items()}

    def _fresh(self, user: str) -> dict[str, float]:
        addresses = self._users.get(user[:_LONGEST], {})
        oldest = self._utc() - self._expires_s
        return {address: when for address, when in addresses.items() if when > oldest}

    def _put(self, user: str, address: str, when: float) -> None:
        addresses = self._users.pop(user, {})
        addresses.pop(address, None)
        addresses[address] = when
        while len(addresses) > ADDRESSES:
            del addresses[min(addresses, key=lambda known: addresses[known])]
        self._users[user] = addresses
        while len(self._users) > self._most:
            del self._users[next(iter(self._users))]
