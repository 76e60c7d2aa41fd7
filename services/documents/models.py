"""Document types, with which views decode and validate documents.

A document may come from another vessel, a newer version of Logboat, or an app of the crew. Unknown fields are
ignored. If a document does not match its type, ShapeError is raised, and the view shows the error's message
instead. The code that writes documents is in `reading_documents` (readings) and `builders` (all other
documents).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from sensors.calendar_interval import CalendarInterval
from services.clocks.clock_quality import SYNCED, UNSYNCED, Anchor
from services.clocks.time_source import TimeSource
from sync import documents
from sync.documents import DocumentType

Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""Seconds on any clock, limited to 30,000 years so that sums and calendars never overflow."""
Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""A count, number or offset that JSON can represent exactly (RFC 8259, section 6)."""
Measured = bool | Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | float | None
"""A `sensors.sample.Value` whose integers JSON can represent exactly."""


def seconds_of(when: datetime) -> float:
    """Return a document's time as seconds since 1970; a time without a zone is taken as UTC."""
    # For a datetime without a zone, timestamp() uses the local time zone, and raises ValueError for the first
    # and last years.
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


def shown_seconds_of(when: datetime | None) -> float | None:
    """Return a document's time as `seconds_of` does, or None if it cannot be shown in every time zone.

    A time zone can move a time in the first or last days of the calendar out of the calendar. Only a damaged
    document states such a time.
    """
    seconds = None if when is None else seconds_of(when)
    return seconds if seconds is not None and _FIRST_S <= seconds <= _LAST_S else None


_FIRST_S: Final = datetime(1, 1, 3, tzinfo=UTC).timestamp()
_LAST_S: Final = datetime(9999, 12, 29, tzinfo=UTC).timestamp()


class ShapeError(ValueError):
    """Raised if a document does not match its type. The error message names the document and the field."""


class StoredDocument(Protocol):
    """A document from the store, with the attributes that views use."""

    @property
    def id(self) -> str:
        """The document's id in the store."""

    @property
    def rev(self) -> str:
        """The document's current revision."""

    @property
    def conflicted(self) -> bool:
        """True if the document has conflicting revisions."""

    @property
    def raw(self) -> bytes:
        """The document's body, as JSON."""


class DocumentSource(Protocol):
    """A source of documents: `sync.store.Database`, or a replacement in tests."""

    def get(self, doc_id: str, /) -> StoredDocument | None:
        """Return a document, or None if it does not exist."""

    def documents(
        self, prefix: str = "", /, *, after: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[StoredDocument]:
        """Yield documents whose ids begin with `prefix`, in order of id, starting after the id `after`."""


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base class for document types. In JSON, the fields of these types have camel-case names."""


class SampleEntry(msgspec.Struct, frozen=True, array_like=True):
    """A sample in a `reading` document, which contains the samples of one window."""

    offset: Whole
    """Time from the window's start to the sample, in milliseconds."""
    value: Measured
    state: str = "good"


class _Span(_Shape, frozen=True, kw_only=True):
    vessel: str
    sensor: str
    log: str
    first: Whole
    last: Whole


class ReadingHead(_Span, frozen=True, kw_only=True):
    """The header of a window: its position in the log, without the samples."""

    path: str = ""
    unit: str = ""
    boot: Whole
    start: Seconds
    """Boot clock time at the start of the window, in seconds."""
    end: Seconds
    start_utc: datetime | None = None
    """Start of the window in UTC, as known when the window was closed."""
    trust: str = ""
    """Whether the UTC times are `synced` or `unsynced`."""
    clock: str = UNSYNCED
    """Trust in the UTC times (see `trust`), in documents of earlier versions."""

    def recorded(self, clock: float) -> float | None:
        """Return the UTC time for a boot clock time, as known when the window was closed.

        The result is in seconds since 1970; None if the machine did not know the time then.
        """
        if self.start_utc is None or (self.trust or self.clock) != SYNCED:
            return None
        return seconds_of(self.start_utc) + clock - self.start


class ReadingDocument(ReadingHead, frozen=True, kw_only=True):
    """A `reading` document: all samples of a single window of a sensor."""

    samples: list[SampleEntry]


class GapDocument(_Span, frozen=True, kw_only=True):
    """A `gap` document: a range of missing samples, with the reason."""

    reason: str = ""
    when: datetime | None = None


class BootEnd(_Shape, frozen=True, kw_only=True):
    """Boot clock time of a boot's last durable data."""

    boot: Whole
    clock: Seconds


class BootDocument(_Shape, frozen=True, kw_only=True):
    """A `boot` document: one boot of a vessel's appliance."""

    vessel: str
    log: str
    number: Whole
    boot_id: str = ""
    previous_end: BootEnd | None = None
    anchors: list[tuple[Seconds, Seconds, TimeSource, Seconds]] = []

    def as_anchors(self) -> tuple[Anchor, ...]:
        """Return the boot's anchors exactly as the document states them."""
        return tuple(Anchor(*anchor) for anchor in self.anchors)


class BootMoment(_Shape, frozen=True, kw_only=True):
    """A point in time, on the boot clock, and in UTC as far as UTC was known then."""

    boot: Whole | None = None
    clock: Seconds
    utc: datetime | None = None
    trust: str = ""
    """Whether `utc` is `synced` or `unsynced`; empty in documents of earlier versions."""


class AcknowledgementDocument(_Shape, frozen=True, kw_only=True):
    """A person's acknowledgement of an alarm."""

    who: str
    when: datetime | None = None


class AlarmDocument(_Shape, frozen=True, kw_only=True):
    """An `alarm` document: an alarm episode, from when it is raised until it is cleared."""

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
    """An `equipment` document: the current value and state of a sensor."""

    vessel: str
    sensor: str
    name: str = ""
    path: str = ""
    unit: str = ""
    value: Measured = None
    state: str = "good"
    time: datetime | None = None
    trust: str = ""
    """Whether `time` is `synced` or `unsynced`; empty in documents of earlier versions."""
    boot: Whole
    clock: Seconds
    log: str
    sequence: Whole
    run_seconds: Seconds | None = None
    count: Whole | None = None
    alarm: str | None = None


class VesselSensor(_Shape, frozen=True, kw_only=True):
    """The entry for one sensor in a vessel's document."""

    name: str = ""
    path: str = ""
    unit: str = ""
    kind: str = ""
    display: str = ""
    """Unit in which the values are shown; empty for the default unit."""


class VesselDocument(_Shape, frozen=True, kw_only=True):
    """A `vessel` document: a vessel with its logs and sensors."""

    vessel: str
    name: str = ""
    mmsi: Whole | None = None
    logs: list[str] = []
    """Logs in the order in which they were started."""
    sensors: dict[str, VesselSensor] = {}


class ServicePlan(_Shape, frozen=True, kw_only=True):
    """The entry for one maintenance task (service) in a vessel's document, which states when it falls due."""

    name: str = ""
    sensor: str = ""
    run_seconds: Seconds | None = None
    calendar: CalendarInterval | None = None
    warn_run_seconds: Seconds | None = None
    warn_calendar: CalendarInterval | None = None
    last_run_seconds: Seconds | None = None
    last_done: datetime | None = None
    text: str = ""


class VesselServices(_Shape, frozen=True, kw_only=True):
    """The maintenance tasks (services) in a `vessel` document."""

    services: dict[str, ServicePlan] = {}


class ServiceDocument(_Shape, frozen=True, kw_only=True):
    """A `service` document: a record that a maintenance task was done."""

    service: str
    sensor: str = ""
    run_seconds: Seconds | None = None
    who: str = ""
    when: datetime | None = None
    trust: str = ""
    """Whether `when` is `synced` or `unsynced`."""
    text: str = ""
    replaces: list[str] = []
    """Ids of the service records that this record replaces."""


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
        VesselServices,
        ServiceDocument,
    )
}


def read(document: StoredDocument, shape: type[_S]) -> _S:
    """Decode a document as the type `shape`. Raise ShapeError if the document does not match that type."""
    try:
        decoded: _S = _DECODERS[shape].decode(document.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"{document.id}: {error}") from error
    return decoded


def display_units(source: DocumentSource, vessel: str) -> Mapping[str, str]:
    """Return the display units that a vessel's configuration selects, by sensor id."""
    document = source.get(documents.vessel_id(vessel))
    if document is None:
        return {}
    try:
        sensors = read(document, VesselDocument).sensors
    except ShapeError:  # `verify` reports the invalid document
        return {}
    return {name: sensor.display for name, sensor in sensors.items() if sensor.display}


def vessels(source: DocumentSource) -> list[str]:
    """Return every vessel that has written a document, in alphabetical order.

    This takes one lookup per vessel and type, regardless of the length of the history.
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
    """Return the id of every sensor of a vessel that has readings, gaps or a current value."""
    ids: set[str] = set()
    for kind in (DocumentType.READING, DocumentType.GAP, DocumentType.EQUIPMENT):
        ids.update(_names(source, f"{kind}:{vessel}:"))
    return sorted(ids)


def logs(source: DocumentSource, vessel: str, sensor: str) -> list[str]:
    """Return every log that has readings from a sensor; logs listed in the vessel's document come first."""
    used = set(_names(source, f"{DocumentType.READING}:{vessel}:{sensor}:"))
    known = log_order(source, vessel)
    return [log for log in known if log in used] + sorted(used.difference(known))


def log_order(source: DocumentSource, vessel: str) -> list[str]:
    """Return a vessel's logs in the order in which they were started, according to its document."""
    document = source.get(documents.vessel_id(vessel))
    if document is None:
        return []
    try:
        return read(document, VesselDocument).logs
    except ShapeError:  # `verify` reports the invalid document; the order is not essential
        return []


def _names(source: DocumentSource, prefix: str) -> Iterator[str]:
    """Yield the distinct names that follow a prefix in document ids, with one lookup for each name."""
    after = ""
    while True:
        document = next(iter(source.documents(prefix, after=after, limit=1)), None)
        if document is None:
            return
        name = document.id.removeprefix(prefix).partition(":")[0]
        if documents.NAME.fullmatch(name):
            yield name
        # ";" is the character after ":", so this skips all ids that begin with this name.
        after = document.id if document.id == prefix + name else f"{prefix}{name};"
