"""Ids, types and channels of Logboat's documents, and which types have a single writer.

The form of an id is `<type>:<vessel>[:<sensor>[:<log>[:<number>]]]`, with exceptions for some types. No other
module composes or parses ids.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
"""Pattern of vessel and sensor ids."""
SEQUENCE_DIGITS: Final = 12
REVOCATIONS: Final = "fleet:revocations"
RADIO_KEY: Final = "fleet:radio-key"
CA_STATEMENTS: Final = frozenset({REVOCATIONS, RADIO_KEY})
"""Ids of the documents that the fleet's CA issues.

Of two versions of such a document, the one with the higher `number` is valid.
"""


class DocumentType(StrEnum):
    """The types of documents. A type's value is the document's `type` field and the first part of its id."""

    VESSEL = "vessel"
    BOOT = "boot"
    EQUIPMENT = "equipment"
    READING = "reading"
    ALARM = "alarm"
    SILENCE = "silence"
    GAP = "gap"
    NOTE = "note"
    SERVICE = "service"
    FORWARDED = "forwarded"
    FLEET = "fleet"


CHANNELS: Final[dict[DocumentType, str]] = {
    DocumentType.READING: "readings",
    DocumentType.GAP: "readings",
    DocumentType.EQUIPMENT: "equipment",
    DocumentType.ALARM: "alarms",
    DocumentType.SILENCE: "alarms",
    DocumentType.NOTE: "notes",
    DocumentType.SERVICE: "notes",
    DocumentType.VESSEL: "vessels",
    DocumentType.BOOT: "boots",
    DocumentType.FORWARDED: "fleet",
    DocumentType.FLEET: "fleet",
}
"""Channel of each document type. Apps and gateways select the documents that they pull by channel."""

SINGLE_WRITER: Final = frozenset(
    {
        DocumentType.VESSEL,
        DocumentType.BOOT,
        DocumentType.EQUIPMENT,
        DocumentType.READING,
        DocumentType.GAP,
        DocumentType.FORWARDED,
    }
)
"""Types whose documents are each written by one vessel only.

So of two revisions of such a document, the one with the higher generation is newer.
"""


_IMMUTABLE: Final = f"{DocumentType.READING}:"
_HISTORY: Final = (f"{DocumentType.READING}:", f"{DocumentType.GAP}:")


@dataclass(frozen=True, slots=True)
class DocumentName:
    """A document id, parsed into its parts."""

    kind: DocumentType
    vessel: str
    sensor: str | None = None
    log: str | None = None
    number: int | None = None
    """Sequence number of a sample, or number of a boot; None for ids without a number."""


_SHAPES: Final = {
    DocumentType.VESSEL: re.compile(r"vessel:(?P<vessel>[a-z0-9-]{1,32})"),
    DocumentType.BOOT: re.compile(r"boot:(?P<vessel>[a-z0-9-]{1,32}):(?P<log>[a-z]{6}):(?P<number>[0-9]+)"),
    DocumentType.EQUIPMENT: re.compile(r"equipment:(?P<vessel>[a-z0-9-]{1,32}):(?P<sensor>[a-z0-9-]{1,32})"),
    DocumentType.NOTE: re.compile(r"note:(?P<vessel>[a-z0-9-]{1,32}):[0-9A-HJKMNP-TV-Z]{26}"),
    DocumentType.SERVICE: re.compile(r"service:(?P<vessel>[a-z0-9-]{1,32}):[0-9A-HJKMNP-TV-Z]{26}"),
    DocumentType.FORWARDED: re.compile(r"forwarded:[a-z0-9-]{1,32}:(?P<vessel>[a-z0-9-]{1,32})"),
} | {
    kind: re.compile(
        kind.value + r":(?P<vessel>[a-z0-9-]{1,32}):(?P<sensor>[a-z0-9-]{1,32})"
        r":(?P<log>[a-z]{6}):(?P<number>[0-9]{12})"
    )
    for kind in (DocumentType.READING, DocumentType.ALARM, DocumentType.SILENCE, DocumentType.GAP)
}


def parse_id(document_id: str) -> DocumentName | None:
    """Parse a document id. Return None if it is not one of Logboat's ids."""
    head = document_id.partition(":")[0]
    try:
        kind = DocumentType(head)
    except ValueError:
        return None
    if kind is DocumentType.FLEET:
        return DocumentName(kind=kind, vessel="")
    match = _SHAPES[kind].fullmatch(document_id)
    if match is None:
        return None
    parts = match.groupdict()
    number = parts.get("number")
    return DocumentName(
        kind=kind,
        vessel=parts["vessel"],
        sensor=parts.get("sensor"),
        log=parts.get("log"),
        number=None if number is None else int(number),
    )


def is_single_writer(document_id: str) -> bool:
    """Return True if documents of this document's type are each written by one vessel only."""
    name = parse_id(document_id)
    return name is not None and name.kind in SINGLE_WRITER


def is_history(document_id: str) -> bool:
    """Return True if the document is a reading or a gap. Readings and gaps are not urgent."""
    return document_id.startswith(_HISTORY)


def is_immutable(document_id: str) -> bool:
    """Return True if a document never changes.

    The store does not record which revisions of such documents a peer has.
    """
    return document_id.startswith(_IMMUTABLE)


def channels_of(document_id: str) -> frozenset[str] | None:
    """Return a document's channels, derived from its id; None if it is not one of Logboat's documents."""
    name = parse_id(document_id)
    return None if name is None else frozenset(channels(name.kind, name.vessel))


class _Policy:
    """Logboat's implementation of `sync.store.DocumentPolicy`."""

    immutable_prefixes: tuple[str, ...] = (_IMMUTABLE,)
    is_single_writer = staticmethod(is_single_writer)
    is_immutable = staticmethod(is_immutable)
    channels_of = staticmethod(channels_of)


POLICY: Final = _Policy()
"""Document policy of every store of Logboat's documents."""


def vessel_id(vessel: str) -> str:
    """Return the id of the document about a vessel."""
    return f"{DocumentType.VESSEL}:{vessel}"


def boot_id(vessel: str, log: str, number: int) -> str:
    """Return the id of the document about one boot of a vessel's appliance."""
    return f"{DocumentType.BOOT}:{vessel}:{log}:{number}"


def equipment_id(vessel: str, sensor: str) -> str:
    """Return the id of the document with a sensor's current value."""
    return f"{DocumentType.EQUIPMENT}:{vessel}:{sensor}"


def reading_prefix(vessel: str, sensor: str, log: str) -> str:
    """Return the prefix of the ids of all of a sensor's readings within a log."""
    return f"{DocumentType.READING}:{vessel}:{sensor}:{log}:"


def reading_id(vessel: str, sensor: str, log: str, first: int) -> str:
    """Return the id of the reading whose first sample has sequence number `first`."""
    return f"{reading_prefix(vessel, sensor, log)}{first:0{SEQUENCE_DIGITS}d}"


def alarm_prefix(vessel: str, sensor: str, log: str) -> str:
    """Return the prefix of the ids of all of a sensor's alarms within a log."""
    return f"{DocumentType.ALARM}:{vessel}:{sensor}:{log}:"


def alarm_id(vessel: str, sensor: str, log: str, sequence: int) -> str:
    """Return the id of the alarm raised at the sample with this sequence number."""
    return f"{alarm_prefix(vessel, sensor, log)}{sequence:0{SEQUENCE_DIGITS}d}"


def silence_id(alarm: str) -> str:
    """Return the id of the silence of an alarm, whose document has the id `alarm`."""
    return DocumentType.SILENCE + alarm.removeprefix(DocumentType.ALARM)


def silenced_alarm(silence: str) -> str:
    """Return the id of the alarm that a silence with the id `silence` concerns."""
    return DocumentType.ALARM + silence.removeprefix(DocumentType.SILENCE)


def gap_prefix(vessel: str, sensor: str, log: str) -> str:
    """Return the prefix of the ids of all of a sensor's gaps within a log."""
    return f"{DocumentType.GAP}:{vessel}:{sensor}:{log}:"


def gap_id(vessel: str, sensor: str, log: str, first: int) -> str:
    """Return the id of the gap whose first missing sample has sequence number `first`."""
    return f"{gap_prefix(vessel, sensor, log)}{first:0{SEQUENCE_DIGITS}d}"


def note_id(vessel: str, ulid: str) -> str:
    """Return the id of a note. `ulid` has 26 characters of Crockford's base 32."""
    return f"{DocumentType.NOTE}:{vessel}:{ulid}"


def service_prefix(vessel: str) -> str:
    """Return the prefix of the ids of all records of completed service on a vessel."""
    return f"{DocumentType.SERVICE}:{vessel}:"


def service_id(vessel: str, ulid: str) -> str:
    """Return the id of a record of completed service. `ulid` has the form of a note's."""
    return f"{service_prefix(vessel)}{ulid}"


def channels(kind: DocumentType, vessel: str) -> list[str]:
    """Return the `channels` field of a document: its type's channel and its vessel's channel."""
    return [CHANNELS[kind], f"vessel.{vessel}"]
