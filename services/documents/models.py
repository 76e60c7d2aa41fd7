"""Documents as views read them: typed, and checked when they are decoded.

A document may come from another vessel, a newer version or a crew's app. Unknown fields are ignored, and a
document that does not fit raises ShapeError with a sentence, which a view shows instead. The documents that
the recorder writes are in `builders`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from services.clocks.clock_quality import Anchor, TimeSource
from sync import documents
from sync.documents import DocumentType

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
    """Document that does not have the shape of its type; the text says which document and field."""


class StoredDocument(Protocol):
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


class DocumentSource(Protocol):
    """A source of documents: `sync.store.Database`, or a test's own."""

    def get(self, doc_id: str, /) -> StoredDocument | None:
        """Return a document, or None if it does not exist."""

    def documents(
        self, prefix: str = "", /, *, after: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[StoredDocument]:
        """Yield documents whose ids begin with `prefix`, in order of id, starting after `after`."""


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base class for structures whose fields have camel-case names in the document."""


class SampleEntry(msgspec.Struct, frozen=True, array_like=True):
    """A sample of a window."""

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
    """Boot clock at the start, in seconds."""
    end: Seconds
    start_utc: datetime | None = None
    """Start of the window, as known when it was closed."""
    clock: str = "unsynced"

    def recorded(self, clock: float) -> float | None:
        """Return the UTC of a moment of the boot's clock, as known when the window was closed.

        The result is in seconds since 1970; None if the machine did not know the time then.
        """
        if self.start_utc is None or self.clock != "synced":
            return None
        return seconds_of(self.start_utc) + clock - self.start


class ReadingDocument(ReadingHead, frozen=True, kw_only=True):
    """All samples of one window."""

    samples: list[SampleEntry]


class GapDocument(_Span, frozen=True, kw_only=True):
    """The explanation of missing samples."""

    reason: str = ""
    when: datetime | None = None


class BootEnd(_Shape, frozen=True, kw_only=True):
    """The last durable moment of a boot, on its clock."""

    boot: Whole
    clock: Seconds


class BootDocument(_Shape, frozen=True, kw_only=True):
    """A boot of the machine."""

    vessel: str
    log: str
    number: Whole
    boot_id: str = ""
    previous_end: BootEnd | None = None
    anchors: list[tuple[Seconds, Seconds, TimeSource, Seconds]] = []

    def as_anchors(self) -> tuple[Anchor, ...]:
        """Return its anchors, unchanged from the document."""
        return tuple(Anchor(*anchor) for anchor in self.anchors)


class BootMoment(_Shape, frozen=True, kw_only=True):
    """A moment on the boot clock, and in UTC as known at the time."""

    boot: Whole | None = None
    clock: Seconds
    utc: datetime | None = None


class AcknowledgementDocument(_Shape, frozen=True, kw_only=True):
    """A person's acknowledgement of an alarm."""

    who: str
    when: datetime | None = None


class AlarmDocument(_Shape, frozen=True, kw_only=True):
    """An alarm, from its start until it is cleared."""

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
    raised: BootMoment
    cleared: BootMoment | None = None
    acks: list[AcknowledgementDocument] = []


class EquipmentDocument(_Shape, frozen=True, kw_only=True):
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
    """The entry of one sensor in its vessel's document."""

    name: str = ""
    path: str = ""
    unit: str = ""
    kind: str = ""


class VesselDocument(_Shape, frozen=True, kw_only=True):
    """A vessel with its logs and sensors."""

    vessel: str
    name: str = ""
    mmsi: Whole | None = None
    logs: list[str] = []
    """Logs in the order in which they were begun."""
    sensors: dict[str, VesselSensor] = {}


_S = TypeVar("_S", bound=_Shape)
_DECODERS: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape)
    for shape in (
        ReadingDocument,
        ReadingHead,
        GapDocument,
        BootDocument,
        AlarmDocument,
        EquipmentDocument,
        VesselDocument,
    )
}


def read(document: StoredDocument, shape: type[_S]) -> _S:
    """Return the document in typed form. Raise ShapeError if it does not have that shape."""
    try:
        decoded: _S = _DECODERS[shape].decode(document.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"{document.id}: {error}") from error
    return decoded


def vessels(source: DocumentSource) -> list[str]:
    """Return every vessel that has written a document, in alphabetical order.

    It takes one look-up for each vessel and type, however much history there is.
    """
    ids: set[str] = set()
    for kind in (
        DocumentType.VESSEL,
        DocumentType.BOOT,
        DocumentType.READING,
        DocumentType.GAP,
        DocumentType.EQUIPMENT,
        DocumentType.ALARM,
    ):
        ids.update(_names(source, f"{kind}:"))
    return sorted(ids)


def sensors(source: DocumentSource, vessel: str) -> list[str]:
    """Return every sensor of a vessel with readings, gaps or a current value, by id."""
    ids: set[str] = set()
    for kind in (DocumentType.READING, DocumentType.GAP, DocumentType.EQUIPMENT):
        ids.update(_names(source, f"{kind}:{vessel}:"))
    return sorted(ids)


def logs(source: DocumentSource, vessel: str, sensor: str) -> list[str]:
    """Return every log with readings of a sensor: in the order of the vessel's document, then the others."""
    used = set(_names(source, f"{DocumentType.READING}:{vessel}:{sensor}:"))
    known = log_order(source, vessel)
    return [log for log in known if log in used] + sorted(used.difference(known))


def log_order(source: DocumentSource, vessel: str) -> list[str]:
    """Return a vessel's logs in the order in which they were begun, according to its document."""
    document = source.get(documents.vessel_id(vessel))
    if document is None:
        return []
    try:
        return read(document, VesselDocument).logs
    except ShapeError:  # `verify` reports it; the order is not essential
        return []


def _names(source: DocumentSource, prefix: str) -> Iterator[str]:
    """Yield the distinct names that follow a prefix in ids, with one look-up for each."""
    after = ""
    while True:
        document = next(iter(source.documents(prefix, after=after, limit=1)), None)
        if document is None:
            return
        name = document.id.removeprefix(prefix).partition(":")[0]
        if documents.NAME.fullmatch(name):
            yield name
        # ";" is the character after ":", so this skips everything that begins with this name.
        after = document.id if document.id == prefix + name else f"{prefix}{name};"
