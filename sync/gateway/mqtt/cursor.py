"""Progress of an MQTT gateway, stored in the local document `gateway:<name>`.

The key depends on the gateway's name, not on its address. A store that was recreated or salvaged numbers its
changes from the beginning. In that case all documents are sent again, because a duplicate does less harm than
a missing document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sync.gateway.mqtt.lanes import DocumentLane, LaneSettings
from sync.gateway.mqtt.messages import MessageAge
from sync.gateway.mqtt.topics import DISCOVERY_PREFIX, PREFIX
from sync.gateway.report import RefusedDocument
from sync.store import Database

MOST_ASIDE: Final = 1_000
"""Maximum number of rejected documents that a lane (group of documents) sets aside before it stops."""


def local_key(name: str) -> str:
    """Return the key of the local document that contains a gateway's positions."""
    return f"gateway:{name}"


@dataclass(slots=True)
class _StoredDocument:
    """A local document of the store. It is written only if its body has changed."""

    key: str
    revision: str | None = None
    body: dict[str, Any] = field(default_factory=dict)

    def load(self, database: Database) -> dict[str, Any]:
        document = database.get_local(self.key)
        if document is not None:
            self.revision, self.body = document.rev, document.body
        return self.body

    def save(self, database: Database, body: dict[str, Any]) -> bool:
        if body == self.body:
            return False
        self.revision = database.put_local(self.key, body, parent=self.revision)
        self.body = body
        return True


@dataclass(frozen=True, slots=True)
class LastPublishedState:
    """The presence and discovery messages that a gateway last published on a broker."""

    online: frozenset[str] = frozenset()
    """Vessels, other than this one, that were published as online."""
    has_discovery: bool = False
    """True if discovery messages for Home Assistant were published."""
    prefixes: tuple[tuple[str, str], ...] = ((PREFIX, DISCOVERY_PREFIX),)
    """Pairs of topic prefixes with which messages may be retained:

    Logboat's own prefix and the discovery prefix.
    """


NOTHING: Final = LastPublishedState()


class Cursor:
    """A gateway's progress in each lane (group of documents), and the state that it last published."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._positions = _StoredDocument(local_key(name))
        self._retained = _StoredDocument(f"{local_key(name)}:retained")

    def lanes(self, settings: Sequence[LaneSettings]) -> list[DocumentLane]:
        """Return the lanes, each at its saved position."""
        body = self._positions.load(self._database)
        known = body.get("lanes", {}) if body.get("store") == self._database.uuid else {}
        return [
            DocumentLane(
                lane,
                position=int(known.get(lane.name, {}).get("position", 0)),
                aside=_aside(known.get(lane.name, {}).get("aside", ())),
            )
            for lane in settings
        ]

    def save(self, lanes: Sequence[DocumentLane]) -> bool:
        """Write the lanes' positions durably if they have changed. Return True if they were written.

        Raises StoreError if the store fails.
        """
        positions = {
            lane.settings.name: {"position": lane.position}
            | (
                {"aside": [[each.id, each.reason, each.when] for each in lane.aside.values()]}
                if lane.aside
                else {}
            )
            for lane in lanes
        }
        return self._positions.save(self._database, {"store": self._database.uuid, "lanes": positions})

    def standings(self) -> dict[str, MessageAge]:
        """Return the age of the message that the broker was last known to retain on each topic, by topic."""
        body = self._retained.load(self._database)
        ages = body.get("topics", {})
        return {topic: MessageAge(*fields) for topic, fields in ages.items()}

    def left(self) -> LastPublishedState:
        """Return which presence and discovery messages an earlier run has left on the broker.

        Raises StoreError if the record cannot be read.
        """
        body = self._retained.load(self._database)
        return LastPublishedState(
            frozenset(body.get("online", ())),
            has_discovery=bool(body.get("discovery")),
            # Earlier versions always used the default prefixes.
            prefixes=tuple(
                (pair[0], pair[1]) for pair in body.get("prefixes", NOTHING.prefixes if body else ())
            ),
        )

    def save_standings(self, known: Mapping[str, MessageAge], left: LastPublishedState = NOTHING) -> bool:
        """Record which messages the broker retains, if this has changed.

        Return True if the record was written. Raises StoreError if the store fails.
        """
        topics = {
            topic: [standing.log, standing.sequence, standing.boot, standing.clock]
            for topic, standing in sorted(known.items())
        }
        body: dict[str, Any] = {"topics": topics}
        if left.online:
            body["online"] = sorted(left.online)
        if left.has_discovery:
            body["discovery"] = True
        if left.prefixes != NOTHING.prefixes:
            body["prefixes"] = [list(pair) for pair in left.prefixes]
        return self._retained.save(self._database, body)


def _aside(entries: Iterable[Any]) -> dict[str, RefusedDocument]:
    """Return the documents that a lane has set aside, by document id.

    Earlier versions stored only the ids.
    """
    refusals = [
        RefusedDocument(*entry) if isinstance(entry, list) else RefusedDocument(entry, _UNKNOWN, 0.0)
        for entry in entries
    ]
    return {refused.id: refused for refused in refusals}


_UNKNOWN: Final = "rejected before Logboat was updated; the reason was not stored"
