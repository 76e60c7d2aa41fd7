"""How far a gateway has come, kept in the store: a local document `gateway:<name>`.

It goes by the gateway's name, not by its address. A store that was begun anew or salvaged numbers its changes
anew: then everything is sent once more, since twice is better than never.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sync.gateway.mqtt.lanes import Lane, LaneSettings
from sync.gateway.mqtt.messages import Standing
from sync.gateway.report import RefusedDocument
from sync.store import Database

MOST_ASIDE: Final = 1_000
"""Documents set aside in a lane; with more, whatever the broker has against them is not against each."""


def local_key(name: str) -> str:
    """Where a gateway's positions are kept."""
    return f"gateway:{name}"


@dataclass(slots=True)
class _Kept:
    """A local document, written only when it says something new."""

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
class Left:
    """What is left at a broker beside documents."""

    online: frozenset[str] = frozenset()
    """Other vessels that were said to be online."""
    has_discovery: bool = False
    """Whether Home Assistant was told of sensors."""


NOTHING: Final = Left()


class Cursor:
    """The positions of a gateway's lanes, and what it last left at the broker."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._positions = _Kept(local_key(name))
        self._retained = _Kept(f"{local_key(name)}:retained")

    def lanes(self, settings: Sequence[LaneSettings]) -> list[Lane]:
        """The lanes, each where it was."""
        body = self._positions.load(self._database)
        known = body.get("lanes", {}) if body.get("store") == self._database.uuid else {}
        return [
            Lane(
                lane,
                position=int(known.get(lane.name, {}).get("position", 0)),
                aside=_aside(known.get(lane.name, {}).get("aside", ())),
            )
            for lane in settings
        ]

    def save(self, lanes: Sequence[Lane]) -> bool:
        """Write the positions down, if they have moved; durable when this returns. Raises StoreError."""
        kept = {
            lane.settings.name: {"position": lane.position}
            | (
                {"aside": [[each.id, each.reason, each.when] for each in lane.aside.values()]}
                if lane.aside
                else {}
            )
            for lane in lanes
        }
        return self._positions.save(self._database, {"store": self._database.uuid, "lanes": kept})

    def standings(self) -> dict[str, Standing]:
        """What was last left at the broker, by topic."""
        body = self._retained.load(self._database)
        found = body.get("topics", {})
        return {topic: Standing(*fields) for topic, fields in found.items()}

    def left(self) -> Left:
        """Return what else was left there. Raises StoreError."""
        body = self._retained.load(self._database)
        return Left(frozenset(body.get("online", ())), has_discovery=bool(body.get("discovery")))

    def save_standings(self, known: Mapping[str, Standing], left: Left = NOTHING) -> bool:
        """Write down what is retained now. Raises StoreError."""
        topics = {
            topic: [standing.log, standing.sequence, standing.boot, standing.clock]
            for topic, standing in sorted(known.items())
        }
        body: dict[str, Any] = {"topics": topics}
        if left.online:
            body["online"] = sorted(left.online)
        if left.has_discovery:
            body["discovery"] = True
        return self._retained.save(self._database, body)


def _aside(kept: Iterable[Any]) -> dict[str, RefusedDocument]:
    """What was set aside; earlier versions kept ids alone."""
    found = [
        RefusedDocument(*entry) if isinstance(entry, list) else RefusedDocument(entry, _UNKNOWN, 0.0)
        for entry in kept
    ]
    return {refused.id: refused for refused in found}


_UNKNOWN: Final = "refused before an update of Logboat; the reason was not kept"
