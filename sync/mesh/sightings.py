"""What a vessel says of itself on the network, and the table of those that were seen. No sockets, no clock.

DNS-SD (RFC 6763): service `_logboat._tcp`, instance `<vessel>-<log>`, and a TXT record with `v`=1, `vessel`,
`fleet`, `db`, `store` (the database's UUID) and `links` (the vessels it has links with now, by comma; what
does not fit goes on in `links2`, `links3`). Nothing of it is proven: anybody on the network can say anything.
It tells where to knock; who opens is proven by certificate. Two instances with one vessel id are both kept:
whether that is a cloned card is judged elsewhere.
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
"""Of one string in a TXT record: its length is one byte (RFC 1035, section 3.3.14)."""

LINKS_STRINGS: Final = 4
"""Given to links: with them a record stays within one packet. 30 of the longest ids, 90 usual ones."""

TABLE_LIMIT: Final = 512
"""Instances kept; far more than vessels in reach. Strangers can fill a network with names, not our memory."""
VESSEL_LIMIT: Final = 64
"""Instances of one vessel. A vessel has one, for a while two; the others are forged, and are all tried."""

_LOG: Final = re.compile(r"[a-z]{1,8}")
_DB: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_FLEET_BYTES: Final = 64
_INSTANCE: Final = re.compile(r"[a-z0-9-]{1,32}-[a-z]{1,8}(?:-[0-9]{1,20})?")
"""`<vessel>-<log>`, with a number behind it if that name was taken. At most 62 of a label's 63 bytes."""
_MORE_LINKS: Final = tuple("links" if n == 1 else f"links{n}" for n in range(1, LINKS_STRINGS + 1))


class AdvertisementError(ValueError):
    """What a vessel says of itself is not what one may say. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What an appliance says of itself. Raises AdvertisementError."""

    vessel: str
    log: str
    """The recorder's six letters, or a word in their place while there is none."""
    fleet: str
    db: str
    """The database's name in its address."""
    store: str
    """The database's UUID."""
    port: int
    """Where its listener listens."""
    links: tuple[str, ...] = ()
    """The vessels it has links with now, for the topology. Those beyond `LINKS_STRINGS` are not told."""

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
        """Its DNS-SD instance name, if nobody else has that."""
        return f"{self.vessel}-{self.log}"

    def to_txt(self) -> dict[str, str]:
        """The TXT record's keys and values; none longer than a string may be."""
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
    """What somebody on the network says of itself, and where."""

    vessel: str
    log: str
    fleet: str
    db: str
    store: str
    links: tuple[str, ...]
    addresses: tuple[str, ...]
    """To be dialled, the likeliest first; link-local ones with their zone (`fe80::1%eth0`). May be empty."""
    port: int
    instance: str
    """The DNS-SD instance name, without the type: unique among those seen at one time."""

    def url(self, address: str) -> str:
        """Where its database is, at one of `addresses`: `wss://[fe80::1%25eth0]:4984/log`."""
        host = f"[{address.replace('%', '%25', 1)}]" if ":" in address else address
        return f"wss://{host}:{self.port}/{quote(self.db)}"

    @classmethod
    def from_txt(
        cls, instance: str, txt: Mapping[bytes, bytes | None], addresses: Iterable[str], port: int
    ) -> Self:
        """Raises AdvertisementError, with what is wrong, if it is not one of ours or says nonsense."""
        if (version := _text(txt, "v")) != VERSION:
            raise AdvertisementError(f"it speaks version {version!r} of the record; this is {VERSION}")
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


class ChangeKind(enum.Enum):
    """What became of a sighting."""

    FOUND = "found"
    CHANGED = "changed"
    """It says something else, or is elsewhere."""
    AGAIN = "again"
    """Heard again, unchanged, after it had left questions without answer: worth dialling at once."""
    GONE = "gone"
    """It said goodbye, or was not heard for so long that what it said has expired (two minutes)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the table, and the sighting as it is now; if it is gone, as it was."""

    kind: ChangeKind
    sighting: Sighting


class Sightings:
    """Who is to be seen on the network, by instance."""

    def __init__(self, *, limit: int = TABLE_LIMIT, limit_of_vessel: int = VESSEL_LIMIT) -> None:
        self._limit, self._limit_of_vessel = limit, limit_of_vessel
        self._proven: dict[str, None] = {}
        """Instances at which a vessel has shown its certificate, the latest last."""
        self._seen: dict[str, Sighting] = {}
        self.refused = 0
        """Sightings that found no room."""

    def see(self, sighting: Sighting, *, was_silent: bool = False) -> Change | None:
        """It is there, and says this. None if that is no news.

        `was_silent`: before, it had left questions without answer.
        """
        before = self._seen.get(sighting.instance)
        if before is None and not self._has_room(sighting):
            self.refused += 1
            return None
        self._seen[sighting.instance] = sighting
        if before is None:
            return Change(ChangeKind.FOUND, sighting)
        if before != sighting:
            return Change(ChangeKind.CHANGED, sighting)
        return Change(ChangeKind.AGAIN, sighting) if was_silent else None

    def prove(self, instance: str) -> None:
        """Its vessel has shown its certificate there: it is kept before those that have not."""
        self._proven.pop(instance, None)
        self._proven[instance] = None
        while len(self._proven) > self._limit:
            del self._proven[next(iter(self._proven))]

    def _has_room(self, sighting: Sighting) -> bool:
        """Return True if one more may be kept; a proven one takes the place of one that is not."""
        of_vessel = [each for each in self._seen.values() if each.vessel == sighting.vessel]
        if len(of_vessel) >= self._limit_of_vessel:
            return self._gives_way(sighting, of_vessel)
        return len(self._seen) < self._limit or self._gives_way(sighting, [*self._seen.values()])

    def _gives_way(self, sighting: Sighting, others: list[Sighting]) -> bool:
        last = next((each for each in reversed(others) if each.instance not in self._proven), None)
        if sighting.instance not in self._proven or last is None:
            return False
        del self._seen[last.instance]
        return True

    def lose(self, instance: str) -> Change | None:
        """It is no longer there. None if it was not."""
        before = self._seen.pop(instance, None)
        return None if before is None else Change(ChangeKind.GONE, before)

    def get(self, instance: str) -> Sighting | None:
        """The sighting of an instance."""
        return self._seen.get(instance)

    def of_vessel(self, vessel: str) -> tuple[Sighting, ...]:
        """All that say they are this vessel; more than one is a cloned card, or one that has just changed."""
        return tuple(sighting for sighting in self if sighting.vessel == vessel)

    def __iter__(self) -> Iterator[Sighting]:
        """In the order in which they were first seen."""
        return iter(tuple(self._seen.values()))

    def __len__(self) -> int:
        return len(self._seen)


def is_instance(name: str) -> bool:
    """Return True if a vessel can be advertised by this DNS-SD instance name.

    Every other name is a stranger's, and may hold anything that fits into a packet: control characters,
    dots, bytes that are no text.
    """
    return _INSTANCE.fullmatch(name) is not None


def with_links(advertisement: Advertisement, links: Iterable[str]) -> Advertisement:
    """The same with other links, in an order that says nothing."""
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
    found: list[str] = []
    for key in _MORE_LINKS:
        if txt.get(key.encode()):
            found += _text(txt, key).split(",")
    return tuple(found)


def _text(txt: Mapping[bytes, bytes | None], key: str) -> str:
    value = txt.get(key.encode())
    if value is None:
        raise AdvertisementError(f"its record has no {key}")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise AdvertisementError(f"its {key} is no text: {value[:40]!r}") from error


def _log_of(instance: str, vessel: str) -> str:
    """`<vessel>-<log>`, with `-<number>` behind it if that name was taken."""
    if not instance.startswith(f"{vessel}-"):
        raise AdvertisementError(f"its name does not begin with its vessel {vessel[:40]!r}")
    log, _, number = instance[len(vessel) + 1 :].partition("-")
    if number and not (number.isascii() and number.isdigit()):
        raise AdvertisementError(f"its name ends in {number[:40]!r} instead of a number")
    return log


def _check(*, vessel: str, log: str, fleet: str, db: str, store: str, links: tuple[str, ...]) -> None:
    for what, value, pattern in (("vessel", vessel, NAME), ("log", log, _LOG), ("db", db, _DB)):
        if not pattern.fullmatch(value):
            raise AdvertisementError(f"{what} {value[:40]!r} is not {pattern.pattern}")
    if not fleet or not fleet.isprintable() or len(fleet.encode(errors="replace")) > _FLEET_BYTES:
        raise AdvertisementError(f"fleet {fleet[:40]!r} is not 1 to {_FLEET_BYTES} bytes of plain text")
    try:
        is_canonical = str(uuid.UUID(store)) == store
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise AdvertisementError(f"store {store[:40]!r} is no UUID")
    for link in links:
        if not NAME.fullmatch(link):
            raise AdvertisementError(f"link {link[:40]!r} is no vessel's id")


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise AdvertisementError(f"port {port} is none")
