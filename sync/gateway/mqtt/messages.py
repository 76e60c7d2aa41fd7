"""A document of the store as messages of MQTT. Pure.

One document is one message, on its own topic: its JSON with `_id` in front. The options add to that:
a vessel's document also tells Home Assistant of its sensors, a current value is also said in Signal K's way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeGuard

import msgspec

from sync import documents
from sync.documents import DocumentName, Kind
from sync.gateway.mqtt import homeassistant, signalk, topics
from sync.gateway.mqtt.vessels import VesselFacts
from sync.store import DocumentError, bodies, revisions


class Retention(Enum):
    """Whether a broker keeps a message for those who subscribe later."""

    NO = "no"
    ALWAYS = "always"
    LATEST = "latest"
    """Only what is not older than what is retained; what is older is not published at all."""
    LATEST_OR_PASSING = "latest or passing"
    """What is older than what is retained is published all the same, not retained."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How new what a message says is, within a vessel; see `standing`."""

    log: str
    sequence: int
    boot: int = 0
    """Of a vessel's document: the generation of its revision."""
    clock: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish, at QoS 1."""

    topic: str
    payload: bytes
    retention: Retention = Retention.NO
    standing: Standing | None = None
    ranked_by: str | None = None
    """The topic whose retained message decides for this one too; its own if None."""

    @classmethod
    def clearing(cls, topic: str) -> "Message":
        """Return the message after which a topic has nothing retained."""
        return cls(topic, b"", Retention.ALWAYS)

    @property
    def is_retained(self) -> bool:
        """Whether the broker is to keep it."""
        return self.retention is not Retention.NO

    @property
    def size(self) -> int:
        """Bytes on the wire, about: MQTT adds up to ten."""
        return len(self.topic) + len(self.payload) + 10


@dataclass(frozen=True, slots=True)
class Options:
    """What is published beside the documents themselves."""

    forwarder: str
    """The vessel whose gateway this is."""
    home_assistant: bool = False
    signalk: bool = False


@dataclass(frozen=True, slots=True)
class _Shape:
    part: str
    retention: Retention = Retention.NO


_OF_SENSORS: Final[Mapping[Kind, _Shape]] = {
    Kind.EQUIPMENT: _Shape("state", Retention.LATEST),
    Kind.READING: _Shape("reading"),
    Kind.ALARM: _Shape("alarm", Retention.LATEST_OR_PASSING),
    Kind.GAP: _Shape("gap"),
}
_NEVER: Final = frozenset({Kind.FLEET, Kind.FORWARDED})
"""What vessels tell each other, and nobody else."""


def topic_of(name: DocumentName, document_id: str) -> str | None:
    """The topic of a document; None if it has none: the fleet's own affairs."""
    if name.kind in _OF_SENSORS:
        assert name.sensor is not None
        return topics.sensor(name.vessel, name.sensor, _OF_SENSORS[name.kind].part)
    if name.kind is Kind.VESSEL:
        return topics.vessel(name.vessel)
    if name.kind is Kind.BOOT:
        assert name.log is not None
        assert name.number is not None
        return topics.boot(name.vessel, name.log, name.number)
    if name.kind is Kind.NOTE:
        return topics.note(name.vessel, document_id.rpartition(":")[2])
    return None


def is_published(document_id: str) -> bool:
    """Whether documents with this id are published at all: not the fleet's own, not those of crew's apps."""
    name = documents.parse_id(document_id)
    return name is not None and name.kind not in _NEVER


def messages_of(
    document_id: str, raw: bytes, *, deleted: bool, facts: VesselFacts, options: Options, rev: str = ""
) -> tuple[Message, ...]:
    """Return the messages of a document, in the order in which they go out; none if it is not published.

    Of a sensor that the vessel has no more, nothing is retained: its current value is not published, an alarm
    is published to those who listen now.

    Args:
        document_id: its id.
        raw: its body, JSON.
        deleted: whether it is a tombstone: that is published too, with `_deleted`; that of a current value
            empties its topic.
        facts: of the vessel whose document it is.
        options: what else is published.
        rev: its revision, which tells which of two states of a vessel's document is newer.

    Raises DocumentError if the body is no JSON object.
    """
    name = documents.parse_id(document_id)
    topic = None if name is None else topic_of(name, document_id)
    if name is None or topic is None:
        return ()
    if deleted:
        if name.kind is Kind.EQUIPMENT:
            return (Message.clearing(topic),)
        return (Message(topic, msgspec.json.encode({"_deleted": True, "_id": document_id})),)
    if name.kind in {Kind.READING, Kind.GAP, Kind.BOOT, Kind.NOTE}:
        return (Message(topic, with_id(document_id, raw)),)
    if name.kind is Kind.VESSEL:
        body = {**bodies.decode(document_id, raw), "_rev": rev}
        return _of_vessel(document_id, topic, body, facts, options)
    return _of_sensor(name, document_id, raw, facts, options)


def _of_sensor(
    name: DocumentName, document_id: str, raw: bytes, facts: VesselFacts, options: Options
) -> tuple[Message, ...]:
    is_gone = name.sensor is not None and not facts.may_have(name.sensor)
    if is_gone and name.kind is Kind.EQUIPMENT:
        return ()
    body, topic = bodies.decode(document_id, raw), topic_of(name, document_id)
    assert topic is not None
    retention = Retention.NO if is_gone else _OF_SENSORS[name.kind].retention
    found = [Message(topic, with_id(document_id, raw), retention, standing_of(body))]
    if name.kind is Kind.EQUIPMENT and options.signalk:
        delta = signalk.delta(facts.uuid, body)
        if delta is not None:
            found.append(Message(topics.signalk(name.vessel), msgspec.json.encode(delta)))
    return tuple(found)


def _of_vessel(
    document_id: str, topic: str, body: Mapping[str, Any], facts: VesselFacts, options: Options
) -> tuple[Message, ...]:
    standing = standing_of(body)
    payload = msgspec.json.encode({"_id": document_id, "_rev": body["_rev"], **body})
    found = [Message(topic, payload, Retention.LATEST_OR_PASSING, standing)]
    if options.home_assistant:
        found += [
            Message(where, msgspec.json.encode(config), Retention.LATEST, standing, ranked_by=topic)
            for where, config in homeassistant.discovery(facts)
        ]
    return tuple(found)


def with_id(document_id: str, raw: bytes) -> bytes:
    """The body with `_id` in it, canonical as far as the body is."""
    head = b'{"_id":' + msgspec.json.encode(document_id)
    if raw[:2] == b"{}":
        return head + b"}"
    # Canonical JSON sorts keys; all of ours begin with a small letter, which comes after "_".
    if raw[:2] == b'{"' and raw[2:3].islower():
        return head + b"," + raw[1:]
    return msgspec.json.encode({"_id": document_id, **bodies.decode(document_id, raw)})


def standing_of(body: Mapping[str, Any]) -> Standing | None:
    """How new a current value, an alarm or a vessel's document is; None if it does not say."""
    if body.get("type") == Kind.VESSEL.value:
        logs = body.get("logs")
        last = logs[-1] if isinstance(logs, list) and logs else None
        if not isinstance(last, str) or not isinstance(logs, list):
            return None
        return Standing(last, len(logs), _generation(body.get("_rev")))
    log, sequence = body.get("log"), body.get("sequence")
    if not isinstance(log, str) or not _is_whole(sequence):
        return None
    if body.get("type") == Kind.ALARM.value:
        # An alarm that is cleared or acknowledged is newer than the same before.
        changes = sum(len(body[key]) for key in ("acks", "history") if isinstance(body.get(key), list))
        return Standing(log, sequence, 1 if body.get("cleared") else 0, float(changes))
    boot, clock = body.get("boot"), body.get("clock")
    return Standing(
        log,
        sequence,
        boot if _is_whole(boot) else 0,
        float(clock) if isinstance(clock, (int, float)) and not isinstance(clock, bool) else 0.0,
    )


def _generation(rev: object) -> int:
    """Return the generation of a revision that somebody else may have made up; 0 if it is none."""
    try:
        return revisions.generation(rev) if isinstance(rev, str) else 0
    except DocumentError:
        return 0


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
