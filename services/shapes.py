"""Documents as views read them: typed, and checked when they are decoded.

A document may come from another vessel, a newer version or a crew's app. Unknown fields are ignored, and a
document that does not fit raises ShapeError with a sentence, which a view shows instead. The documents that
the recorder writes are in `records`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from sync import documents
from sync.documents import Kind

from .timekeeping import Anchor, Source

Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""Seconds on any clock, within 30,000 years, so that sums and calendars never overflow."""
Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""A count, number or offset that JSON can represent exactly (RFC 8259, section 6)."""
Measured = bool | Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | float | None
"""A `sensors.sample.Value` within the range of exact integers."""


def seconds_of(when: datetime) -> float:
    """Return a document's time as seconds since 1970; a time without a zone counts as UTC."""
    # A datetime without a zone uses the machine's calendar, which raises ValueError at both of its ends.
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


class ShapeError(ValueError):
    """A document does not have the shape of its type; the text says which document and field."""


class Stored(Protocol):
    """A document from the store, as far as views use it."""

    @property
    def id(self) -> str:
        """The document's id in the store."""

    @property
    def rev(self) -> str:
        """The document's current revision."""

    @property
    def conflicted(self) -> bool:
        """True if it has conflicting revisions."""

    @property
    def raw(self) -> bytes:
        """The document's body, as JSON."""


class Documents(Protocol):
    """A source of documents: `sync.store.Database`, or a test's own."""

    def get(self, doc_id: str, /) -> Stored | None:
        """Return a document, or None if it does not exist."""

    def documents(
        self, prefix: str = "", /, *, after: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[Stored]:
        """Yield documents whose ids begin with `prefix`, in order of id, starting after `after`."""


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base class for structures whose fields have camel-case names in the document."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One sample of a window."""

    offset: Whole
    """Milliseconds after the window's start."""
    value: Measured
    state: str = "good"


class _Span(_Shape, frozen=True, kw_only=True):
    vessel: str
    sensor: str
    log: str
    first: Whole
    last: Whole


class ReadingHead(_Span, frozen=True, kw_only=True):
    """A window without its samples: its position in the log."""

    path: str = ""
    unit: str = ""
    boot: Whole
    start: Seconds
    """Boot clock, seconds."""
    end: Seconds
    start_utc: datetime | None = None
    """As known when the window was closed."""
    clock: str = "unsynced"

    def recorded(self, clock: float) -> float | None:
        """UTC (seconds since 1970) of a moment of the boot's clock, as was known when the window was closed;
        None if the machine did not know the time then."""
        if self.start_utc is None or self.clock != "synced":
            return None
        return seconds_of(self.start_utc) + clock - self.start


class Reading(ReadingHead, frozen=True, kw_only=True):
    """All samples of one window."""

    samples: list[Entry]


class Gap(_Span, frozen=True, kw_only=True):
    """Why samples are not there."""

    reason: str = ""
    when: datetime | None = None


class End(_Shape, frozen=True, kw_only=True):
    """The last durable moment of a boot, boot clock."""

    boot: Whole
    clock: Seconds


class BootFacts(_Shape, frozen=True, kw_only=True):
    """One start of the machine."""

    vessel: str
    log: str
    number: Whole
    boot_id: str = ""
    previous_end: End | None = None
    anchors: list[tuple[Seconds, Seconds, Source, Seconds]] = []

    def as_anchors(self) -> tuple[Anchor, ...]:
        """Its anchors, as they stand in the document."""
        return tuple(Anchor(*anchor) for anchor in self.anchors)


class When(_Shape, frozen=True, kw_only=True):
    """A moment, on the boot clock and as UTC was known then."""

    boot: Whole | None = None
    clock: Seconds
    utc: datetime | None = None


class Acknowledgement(_Shape, frozen=True, kw_only=True):
    """Somebody has seen an alarm."""

    who: str
    when: datetime | None = None


class Alarm(_Shape, frozen=True, kw_only=True):
    """One alarm, from raising to clearing."""

    vessel: str
    sensor: str
    log: str
    sequence: Whole
    path: str = ""
    unit: str = ""
    severity: str
    text: str = ""
    condition: str = ""
    value: Measured = None
    raised: When
    cleared: When | None = None
    acks: list[Acknowledgement] = []


class Equipment(_Shape, frozen=True, kw_only=True):
    """The current value and state of a sensor."""

    vessel: str
    sensor: str
    name: str = ""
    path: str = ""
    unit: str = ""
    value: Measured = None
    state: str = "good"
    time: datetime | None = None
    boot: Whole
    clock: Seconds
    log: str
    sequence: Whole
    run_seconds: Seconds | None = None
    count: Whole | None = None
    alarm: str | None = None


class VesselSensor(_Shape, frozen=True, kw_only=True):
    """What a vessel's document says of one sensor."""

    name: str = ""
    path: str = ""
    unit: str = ""
    kind: str = ""


class Vessel(_Shape, frozen=True, kw_only=True):
    """A vessel and what it has."""

    vessel: str
    name: str = ""
    mmsi: Whole | None = None
    logs: list[str] = []
    """In the order in which they were begun."""
    sensors: dict[str, VesselSensor] = {}


_S = TypeVar("_S", bound=_Shape)
_DECODERS: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape)
    for shape in (Reading, ReadingHead, Gap, BootFacts, Alarm, Equipment, Vessel)
}


def read(document: Stored, shape: type[_S]) -> _S:
    """The document, typed. Raises ShapeError."""
    try:
        found: _S = _DECODERS[shape].decode(document.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"{document.id}: {error}") from error
    return found


def vessels(source: Documents) -> list[str]:
    """Every vessel of which there is a document of its own making, in alphabetical order.

    Costs one look-up per vessel and type, however much history there is.
    """
    found: set[str] = set()
    for kind in (Kind.VESSEL, Kind.BOOT, Kind.READING, Kind.GAP, Kind.EQUIPMENT, Kind.ALARM):
        found.update(_names(source, f"{kind}:"))
    return sorted(found)


def sensors(source: Documents, vessel: str) -> list[str]:
    """Every sensor of a vessel of which there are readings, gaps or a current value, by id."""
    found: set[str] = set()
    for kind in (Kind.READING, Kind.GAP, Kind.EQUIPMENT):
        found.update(_names(source, f"{kind}:{vessel}:"))
    return sorted(found)


def logs(source: Documents, vessel: str, sensor: str) -> list[str]:
    """Every log in which a sensor has readings: as the vessel's document orders them, then the others."""
    found = set(_names(source, f"{Kind.READING}:{vessel}:{sensor}:"))
    known = log_order(source, vessel)
    return [log for log in known if log in found] + sorted(found.difference(known))


def log_order(source: Documents, vessel: str) -> list[str]:
    """A vessel's logs in the order in which they were begun, as far as its document tells."""
    document = source.get(documents.vessel_id(vessel))
    if document is None:
        return []
    try:
        return read(document, Vessel).logs
    except ShapeError:  # `verify` says so; an order can be had without it
        return []


def _names(source: Documents, prefix: str) -> Iterator[str]:
    """The different names that follow a prefix in ids: one look-up each, whatever stands behind them."""
    after = ""
    while True:
        document = next(iter(source.documents(prefix, after=after, limit=1)), None)
        if document is None:
            return
        name = document.id.removeprefix(prefix).partition(":")[0]
        if documents.NAME.fullmatch(name):
            yield name
        # ";" is the character after ":": past everything that begins with this name.
        after = document.id if document.id == prefix + name else f"{prefix}{name};"
