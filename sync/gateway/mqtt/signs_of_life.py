"""Heartbeats (signs of life): new documents that prove that sensors are being recorded.

While a sensor's value does not change, no new current value is written, but one reading is still written for
each window. The reading shows that the value is still valid. For another vessel whose documents are forwarded
here, the reading also shows that the vessel is still recording. Each document contains the time of its
samples, so a document that arrives too late does not count as a heartbeat.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sync import documents
from sync.documents import DocumentType
from sync.store import Database, DocumentChange, DocumentError

LATE_S: Final = 900.0
"""Maximum delay, in seconds, with which a document still counts as a heartbeat.

The window's length is added.
"""
WINDOW_S: Final = 300.0
"""Assumed window length, in seconds, of a sensor whose window is unknown. It is the recorder's default."""
_KINDS: Final = {DocumentType.READING: "endUtc", DocumentType.EQUIPMENT: "time"}
"""Types of documents that count as heartbeats, each with the name of the field that contains its time."""
_PREFIXES: Final = tuple(f"{kind}:" for kind in _KINDS)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """Heartbeat of a sensor: evidence that the sensor was recorded recently."""

    vessel: str
    sensor: str
    holds_for: float
    """Number of seconds within which the sensor's next heartbeat must arrive."""


class SignsOfLife:
    """Collector of heartbeats, which finds them among the documents that change in the store."""

    def __init__(self, database: Database) -> None:
        """Create a collector. Documents that are already stored do not count as heartbeats.

        Raises StoreError if the store fails.
        """
        self._database = database
        self._since = database.last_sequence
        self._changed: dict[tuple[str, str], str] = {}

    def note_change(self, change: DocumentChange) -> None:
        """Process a change in the store's changes feed. The changed document may be a heartbeat."""
        if change.sequence <= self._since or change.deleted or not change.id.startswith(_PREFIXES):
            return
        name = documents.parse_id(change.id)
        if name is not None and name.sensor is not None:
            self._changed[name.vessel, name.sensor] = change.id

    def new_signs(self, utc: float) -> list[SignOfLife]:
        """Return the heartbeats found since the last call. `utc` is the current time in seconds since 1970.

        Raises StoreError if the store fails.
        """
        changed, self._changed = self._changed, {}
        signs = []
        for (vessel, sensor), document_id in changed.items():
            document = self._database.get(document_id)
            name = documents.parse_id(document_id)
            if document is None or document.deleted or name is None:
                continue
            try:
                body = document.body
            except DocumentError:
                continue  # a document from another vessel may contain anything
            window, when = _window(body), _when(body, _KINDS[name.kind])
            # A constant value is recorded once per window, with the time at which the window began.
            if when is not None and when >= utc - window - LATE_S:
                signs.append(SignOfLife(vessel, sensor, 2 * window + LATE_S))
        return signs


def _window(body: Mapping[str, Any]) -> float:
    window = body.get("window")
    if isinstance(window, bool) or not isinstance(window, (int, float)):
        return WINDOW_S
    return float(window) if 0 < window <= _MOST_WINDOW_S else WINDOW_S


_MOST_WINDOW_S: Final = 3600.0
"""Maximum length of a window, in seconds, that `sensors.toml` accepts."""


def _when(body: Mapping[str, Any], key: str) -> float | None:
    text = body.get(key)
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if moment is None or moment.tzinfo is None else moment.timestamp()
    except (ValueError, OverflowError):
        return None
