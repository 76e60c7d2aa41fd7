"""The advertisement of a vessel, and the table of received advertisements.

This module does no I/O. An advertisement uses DNS-SD (RFC 6763): the service type `_logboat._tcp`, an
instance `<vessel>-<log>`, and a TXT record. The record has the keys `v` (always 1), `vessel`, `fleet`, `db`,
`store` (the database's UUID) and `links`. `links` lists the vessels with which the vessel has links,
separated by commas. If the list is long, it continues in `links2`, `links3` and so on.

The content of a record is not trusted, because anyone on the network can advertise anything. A record only
shows where to connect. The certificate then proves the identity of the peer. If two instances claim to be the
same vessel, both are kept. `duplicate_identities` detects whether the card was cloned.
"""

import enum
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import quote

from sync.documents import NAME

SERVICE_TYPE: Final = "_logboat._tcp.local."
VERSION: Final = "1"

STRING_BYTES: Final = 255
"""Maximum length of a string in a TXT record, in bytes.

The length field of such a string has one byte (RFC 1035, section 3.3.14).
"""

LINKS_STRINGS: Final = 4
"""Maximum number of TXT strings that list links, so that a record fits into one packet.

The strings have room for 30 vessel ids of the maximum length, or 90 of the usual length.
"""

TABLE_LIMIT: Final = 512
"""Maximum number of instances kept, so that forged records cannot fill the memory.

A real fleet has far fewer vessels in range of each other.
"""
VESSEL_LIMIT: Final = 64
"""Maximum number of instances kept for one vessel.

A real vessel has one instance, or two for a short time. All others are forged. But nothing distinguishes a
forged instance from the real one, so each instance is tried.
"""

_LOG: Final = re.compile(r"[a-z]{1,8}")
_DB: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_FLEET_BYTES: Final = 64
_INSTANCE: Final = re.compile(r"[a-z0-9-]{1,32}-[a-z]{1,8}(?:-[0-9]{1,20})?")
"""Pattern of an instance name, `<vessel>-<log>`. A number is appended if that name was already taken.

DNS allows up to 63 bytes.
"""
_MORE_LINKS: Final = tuple("links" if n == 1 else f"links{n}" for n in range(1, LINKS_STRINGS + 1))


class AdvertisementError(ValueError):
    """An advertisement is invalid. The message describes what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """The advertisement of an appliance. Raises AdvertisementError if it is invalid."""

    vessel: str
    log: str
    """Six-letter id of the recorder's current log; "none" if there is no log."""
    fleet: str
    db: str
    """Name of the database, as in its URL."""
    store: str
    """UUID of the database."""
    port: int
    """TCP port of the appliance's listener."""
    links: tuple[str, ...] = ()
    """Ids of the vessels with which this vessel has links, as many as fit into `LINKS_STRINGS` strings."""

    def __post_init__(self) -> None:
        _check(
            vessel=self.vessel,
            log=self.log,
            fleet=self.fleet,
            db=self.db,
            store=self.store,
            links=self.links,
        )
        _check_port(self.port)

    @property
    def instance(self) -> str:
        """The intended DNS-SD instance name. If it is already taken, discovery uses a different name."""
        return f"{self.vessel}-{self.log}"

    def to_txt(self) -> dict[str, str]:
        """Return the keys and values of the TXT record. Each pair fits into one string."""
        return {
            "v": VERSION,
            "vessel": self.vessel,
            "fleet": self.fleet,
            "db": self.db,
            "store": self.store,
            **_split_links(self.links),
        }


@dataclass(frozen=True, slots=True)
class Sighting:
    """A received advertisement of an appliance, with the appliance's addresses."""

    vessel: str
    log: str
    fleet: str
    db: str
    store: str
    links: tuple[str, ...]
    addresses: tuple[str, ...]
    """Addresses to dial, the most likely first. The list may be empty.

    Link-local addresses include their zone (`fe80::1%eth0`).
    """
    port: int
    instance: str
    """The DNS-SD instance name, without the service type. It is unique among the current sightings."""

    def url(self, address: str) -> str:
        """Return the URL of the database at one of `addresses`, such as `wss://[fe80::1%25eth0]:4984/log`."""
        host = f"[{address.replace('%', '%25', 1)}]" if ":" in address else address
        return f"wss://{host}:{self.port}/{quote(self.db)}"

    @classmethod
    def from_txt(
        cls, instance: str, txt: Mapping[bytes, bytes | None], addresses: Iterable[str], port: int
    ) -> Self:
        """Parse a TXT record. Raises AdvertisementError if it is malformed or does not belong to a vessel."""
        if (version := _text(txt, "v")) != VERSION:
            raise AdvertisementError(
                f"the record has version {version!r}, but only version {VERSION} is supported"
            )
        vessel = _text(txt, "vessel")
        log = _log_of(instance, vessel)
        fleet, db, store = _text(txt, "fleet"), _text(txt, "db"), _text(txt, "store")
        links = _joined_links(txt)
        _check(vessel=vessel, log=log, fleet=fleet, db=db, store=store, links=links)
        _check_port(port)
        return cls(
            vessel=vessel,
            log=log,
            fleet=fleet,
            db=db,
            store=store,
            links=links,
            addresses=tuple(addresses),
            port=port,
            instance=instance,
        )


class SightingChangeKind(enum.Enum):
    """Kind of a change in the table of received advertisements."""

    FOUND = "found"
    CHANGED = "changed"
    """The advertisement or the address has changed."""
    AGAIN = "again"
    """An unchanged advertisement was received again after a period of silence. Dialling may now succeed."""
    GONE = "gone"
    """The appliance has withdrawn its advertisement, or the records have expired (after two minutes)."""


@dataclass(frozen=True, slots=True)
class SightingChange:
    """A change in the table of sightings. It contains the new sighting, or the sighting that was removed."""

    kind: SightingChangeKind
    sighting: Sighting


class Sightings:
    """The table of received advertisements, by instance."""

    def __init__(self, *, limit: int = TABLE_LIMIT, limit_of_vessel: int = VESSEL_LIMIT) -> None:
        self._limit, self._limit_of_vessel = limit, limit_of_vessel
        self._proven: dict[str, None] = {}
        """Instances at which a vessel has proved its identity, the most recently proven last."""
        self._sightings: dict[str, Sighting] = {}
        self.refused = 0
        """Number of sightings that were ignored because the table was full."""

    def record(self, sighting: Sighting, *, was_silent: bool = False) -> SightingChange | None:
        """Record a sighting. Return the change of the table, or None if nothing has changed.

        `was_silent` is True if earlier queries for this instance were not answered.
        """
        before = self._sightings.get(sighting.instance)
        if before is None and not self._has_room(sighting):
            self.refused += 1
            return None
        self._sightings[sighting.instance] = sighting
        if before is None:
            return SightingChange(SightingChangeKind.FOUND, sighting)
        if before != sighting:
            return SightingChange(SightingChangeKind.CHANGED, sighting)
        return SightingChange(SightingChangeKind.AGAIN, sighting) if was_silent else None

    def prove(self, instance: str) -> None:
        """Record that a vessel has proved its identity at an instance, which is preferred from then on."""
        self._proven.pop(instance, None)
        self._proven[instance] = None
        while len(self._proven) > self._limit:
            del self._proven[next(iter(self._proven))]

    def _has_room(self, sighting: Sighting) -> bool:
        """Return True if there is room for a new sighting. A proven instance replaces an unproven one."""
        of_vessel = [each for each in self._sightings.values() if each.vessel == sighting.vessel]
        if len(of_vessel) >= self._limit_of_vessel:
            return self._gives_way(sighting, of_vessel)
        return len(self._sightings) < self._limit or self._gives_way(sighting, [*self._sightings.values()])

    def _gives_way(self, sighting: Sighting, others: list[Sighting]) -> bool:
        last = next((each for each in reversed(others) if each.instance not in self._proven), None)
        if sighting.instance not in self._proven or last is None:
            return False
        del self._sightings[last.instance]
        return True

    def lose(self, instance: str) -> SightingChange | None:
        """Remove the sighting of an instance. Return the change, or None if there was no such sighting."""
        before = self._sightings.pop(instance, None)
        return None if before is None else SightingChange(SightingChangeKind.GONE, before)

    def get(self, instance: str) -> Sighting | None:
        """Return the sighting of an instance, or None if there is none."""
        return self._sightings.get(instance)

    def of_vessel(self, vessel: str) -> tuple[Sighting, ...]:
        """Return all sightings of a vessel.

        There can be several if a card was cloned, if the vessel's log has just changed, or if records are
        forged.
        """
        return tuple(sighting for sighting in self if sighting.vessel == vessel)

    def __iter__(self) -> Iterator[Sighting]:
        """Iterate over the sightings in the order in which they were first seen."""
        return iter(tuple(self._sightings.values()))

    def __len__(self) -> int:
        return len(self._sightings)


def is_instance(name: str) -> bool:
    """Return True if a vessel can have this DNS-SD instance name.

    Any other name must not be used. It may contain anything that fits into a packet, such as control
    characters, dots and invalid UTF-8.
    """
    return _INSTANCE.fullmatch(name) is not None


def with_links(advertisement: Advertisement, links: Iterable[str]) -> Advertisement:
    """Return a copy of an advertisement in which the links are replaced by `links`, in alphabetical order."""
    return replace(advertisement, links=tuple(sorted(set(links))))


def _split_links(links: tuple[str, ...]) -> dict[str, str]:
    strings: dict[str, str] = {}
    rest = list(links)
    for key in _MORE_LINKS:
        room = STRING_BYTES - len(key) - len("=")
        taken: list[str] = []
        while rest and len(",".join([*taken, rest[0]])) <= room:
            taken.append(rest.pop(0))
        if taken:
            strings[key] = ",".join(taken)
    return strings


def _joined_links(txt: Mapping[bytes, bytes | None]) -> tuple[str, ...]:
    vessels: list[str] = []
    for key in _MORE_LINKS:
        if txt.get(key.encode()):
            vessels += _text(txt, key).split(",")
    return tuple(vessels)


def _text(txt: Mapping[bytes, bytes | None], key: str) -> str:
    value = txt.get(key.encode())
    if value is None:
        raise AdvertisementError(f"the record has no {key}")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise AdvertisementError(f"{key} is not text: {value[:40]!r}") from error


def _log_of(instance: str, vessel: str) -> str:
    """Return the log id in an instance name, `<vessel>-<log>` or `<vessel>-<log>-<number>`."""
    if not instance.startswith(f"{vessel}-"):
        raise AdvertisementError(f"the name does not begin with the vessel's id {vessel[:40]!r}")
    log, _, number = instance[len(vessel) + 1 :].partition("-")
    if number and not (number.isascii() and number.isdigit()):
        raise AdvertisementError(f"the name ends in {number[:40]!r} instead of a number")
    return log


def _check(*, vessel: str, log: str, fleet: str, db: str, store: str, links: tuple[str, ...]) -> None:
    for what, value, pattern in (("vessel", vessel, NAME), ("log", log, _LOG), ("db", db, _DB)):
        if not pattern.fullmatch(value):
            raise AdvertisementError(f"{what} {value[:40]!r} does not match {pattern.pattern}")
    if not fleet or not fleet.isprintable() or len(fleet.encode(errors="replace")) > _FLEET_BYTES:
        raise AdvertisementError(f"fleet {fleet[:40]!r} is not 1 to {_FLEET_BYTES} bytes of plain text")
    try:
        is_canonical = str(uuid.UUID(store)) == store
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise AdvertisementError(f"store {store[:40]!r} is not a UUID")
    for link in links:
        if not NAME.fullmatch(link):
            raise AdvertisementError(f"links: {link[:40]!r} is not the id of a vessel")


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise AdvertisementError(f"port {port} is not valid")
