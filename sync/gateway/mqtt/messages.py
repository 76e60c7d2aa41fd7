"""Conversion of a stored document to MQTT messages, without I/O.

Each document is converted to one message on its own topic: the document's JSON with `_id` as the first
member. Depending on the options, a vessel's document is also converted to Home Assistant discovery messages,
and a current value or an alarm also to a Signal K delta.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeGuard

import msgspec

from sync import documents
from sync.documents import DocumentName, DocumentType
from sync.gateway.mqtt import homeassistant, signalk, topics
from sync.gateway.mqtt.homeassistant import DiscoveryStyle
from sync.gateway.mqtt.keys import DEFAULTS, MqttOptions
from sync.gateway.mqtt.presentation import ContactClass, Presenter, as_stored, no_class
from sync.gateway.mqtt.topics import Topics
from sync.gateway.mqtt.vessels import VesselFacts
from sync.store import DocumentError, bodies, revisions


class RetainRule(Enum):
    """Rule that decides whether a message is published, and whether the broker retains it."""

    NO = "no"
    ALWAYS = "always"
    LATEST = "latest"
    """The message is published and retained only if it is not older than the retained one."""
    LATEST_OR_PASSING = "latest or passing"
    """The message is always published. It is retained only if it is not older than the retained one."""
    PASSING_IF_LATEST = "passing if latest"
    """The message is published only if it is not older than the retained one.

    The broker does not retain it.
    """


@dataclass(frozen=True, slots=True)
class MessageAge:
    """Position of a message's content in a vessel's logs, which shows which of two messages is newer.

    `retained_messages` compares these positions.
    """

    log: str
    sequence: int
    boot: int = 0
    """Boot number; for a vessel's document, the generation of its revision."""
    clock: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish with QoS 1."""

    topic: str
    payload: bytes
    retention: RetainRule = RetainRule.NO
    standing: MessageAge | None = None
    ranked_by: str | None = None
    """Topic whose retained message is compared with this message; None for the message's own topic."""

    @classmethod
    def clearing(cls, topic: str) -> "Message":
        """Return a message that clears the retained message of a topic."""
        return cls(topic, b"", RetainRule.ALWAYS)

    @property
    def is_retained(self) -> bool:
        """True if the message asks the broker to retain it."""
        return self.retention not in {RetainRule.NO, RetainRule.PASSING_IF_LATEST}

    @property
    def size(self) -> int:
        """Approximate transmitted size of the message in bytes, including ten bytes for MQTT's headers."""
        return len(self.topic) + len(self.payload) + 10


@dataclass(frozen=True, slots=True)
class Options:
    """Options that determine which messages are published in addition to the documents."""

    forwarder: str
    """Id of the vessel that runs the gateway."""
    mqtt: MqttOptions = DEFAULTS
    presenter: Presenter = as_stored
    topics: Topics = topics.DEFAULT
    contact_class: ContactClass = no_class

    @property
    def discovery(self) -> DiscoveryStyle:
        """The settings of the discovery messages for Home Assistant."""
        return DiscoveryStyle(
            self.presenter,
            self.contact_class,
            self.topics,
            acknowledges=self.mqtt.acknowledge,
            forwarder=self.forwarder,
            configuration_url=self.mqtt.configuration_url,
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    part: str
    retention: RetainRule = RetainRule.NO


_OF_SENSORS: Final[Mapping[DocumentType, _Shape]] = {
    DocumentType.EQUIPMENT: _Shape("state", RetainRule.LATEST),
    DocumentType.READING: _Shape("reading"),
    DocumentType.ALARM: _Shape("alarm", RetainRule.LATEST_OR_PASSING),
    DocumentType.SILENCE: _Shape("silence"),
    DocumentType.GAP: _Shape("gap"),
}
_EACH_ONCE: Final = frozenset(
    {
        DocumentType.READING,
        DocumentType.SILENCE,
        DocumentType.GAP,
        DocumentType.BOOT,
        DocumentType.NOTE,
        DocumentType.SERVICE,
    }
)
"""Types whose documents are published unchanged, one message for each revision."""
_NEVER: Final = frozenset({DocumentType.FLEET, DocumentType.FORWARDED})
"""Types of documents that are never published, because vessels use them only among themselves."""


def topic_of(name: DocumentName, document_id: str, topics: Topics = topics.DEFAULT) -> str | None:
    """Return the topic of a document, or None for a document that the fleet uses only internally."""
    if name.kind in _OF_SENSORS:
        assert name.sensor is not None
        return topics.sensor(name.vessel, name.sensor, _OF_SENSORS[name.kind].part)
    if name.kind is DocumentType.VESSEL:
        return topics.vessel(name.vessel)
    if name.kind is DocumentType.BOOT:
        assert name.log is not None
        assert name.number is not None
        return topics.boot(name.vessel, name.log, name.number)
    if name.kind is DocumentType.NOTE:
        return topics.note(name.vessel, document_id.rpartition(":")[2])
    if name.kind is DocumentType.SERVICE:
        return topics.service(name.vessel, document_id.rpartition(":")[2])
    return None


def is_published(document_id: str) -> bool:
    """Return True if the document with this id is published.

    The fleet's own documents and those of crew apps are not published.
    """
    name = documents.parse_id(document_id)
    return name is not None and name.kind not in _NEVER


def messages_of(
    document_id: str,
    raw: bytes,
    *,
    deleted: bool,
    facts: VesselFacts,
    options: Options,
    rev: str = "",
    is_silenced: bool = False,
) -> tuple[Message, ...]:
    """Return the messages of a document, in the order of publication; empty if it is not published.

    If the vessel no longer has the document's sensor, nothing is retained: its current value is not
    published, and an alarm is published without retention.

    Args:
        document_id: the document's id.
        raw: the document's body as JSON text.
        deleted: whether the document is a tombstone, which is published with `_deleted`. The tombstone of a
            current value clears its topic.
        facts: facts about the document's vessel.
        options: determines which additional messages to publish.
        rev: the document's revision, which shows which of two versions of a vessel's document is newer.
        is_silenced: whether the document is an alarm that is silenced now.

    Raises:
        DocumentError: the body is not a JSON object.
    """
    name = documents.parse_id(document_id)
    topic = None if name is None else topic_of(name, document_id, options.topics)
    if name is None or topic is None:
        return ()
    if deleted:
        if name.kind is DocumentType.EQUIPMENT:
            return (Message.clearing(topic),)
        return (Message(topic, msgspec.json.encode({"_deleted": True, "_id": document_id})),)
    if name.kind in _EACH_ONCE:
        return (Message(topic, with_id(document_id, raw)),)
    if name.kind is DocumentType.VESSEL:
        body = {**bodies.decode(document_id, raw), "_rev": rev}
        return _of_vessel(document_id, topic, body, facts, options)
    return _of_sensor(name, document_id, raw, facts, options, is_silenced=is_silenced)


def _of_sensor(
    name: DocumentName,
    document_id: str,
    raw: bytes,
    facts: VesselFacts,
    options: Options,
    *,
    is_silenced: bool,
) -> tuple[Message, ...]:
    is_gone = name.sensor is not None and not facts.may_have(name.sensor)
    if is_gone and name.kind is DocumentType.EQUIPMENT:
        return ()
    body, topic = bodies.decode(document_id, raw), topic_of(name, document_id, options.topics)
    assert topic is not None
    retention = RetainRule.NO if is_gone else _OF_SENSORS[name.kind].retention
    messages = [Message(topic, with_id(document_id, raw), retention, message_age(body))]
    if options.mqtt.signalk:
        where = options.topics.signalk(name.vessel)
        if name.kind is DocumentType.EQUIPMENT:
            delta = signalk.delta(facts.uuid, body, options.presenter)
            if delta is not None:
                messages.append(Message(where, msgspec.json.encode(delta)))
        elif name.kind is DocumentType.ALARM and (not is_gone or _ends_a_path(body, facts)):
            delta = signalk.notification(facts.uuid, body, is_silenced=is_silenced)
            if delta is not None:
                # An earlier alarm of the sensor may be acknowledged later, and must not end a newer one.
                rule = RetainRule.PASSING_IF_LATEST
                payload = msgspec.json.encode(delta)
                messages.append(Message(where, payload, rule, message_age(body), ranked_by=topic))
    return tuple(messages)


def _ends_a_path(alarm: Mapping[str, Any], facts: VesselFacts) -> bool:
    """Return True if an alarm of a removed sensor has been cleared and no other sensor uses its path."""
    return bool(alarm.get("cleared")) and all(each.path != alarm.get("path") for each in facts.sensors)


def _of_vessel(
    document_id: str, topic: str, body: Mapping[str, Any], facts: VesselFacts, options: Options
) -> tuple[Message, ...]:
    standing = message_age(body)
    payload = msgspec.json.encode({"_id": document_id, "_rev": body["_rev"], **body})
    messages = [Message(topic, payload, RetainRule.LATEST_OR_PASSING, standing)]
    if options.mqtt.home_assistant:
        messages += [
            Message(where, msgspec.json.encode(config), RetainRule.LATEST, standing, ranked_by=topic)
            for where, config in homeassistant.discovery(facts, options.discovery)
        ]
    return tuple(messages)


def with_id(document_id: str, raw: bytes) -> bytes:
    """Return the body with `_id` as its first member. If the body is canonical JSON, so is the result."""
    head = b'{"_id":' + msgspec.json.encode(document_id)
    if raw[:2] == b"{}":
        return head + b"}"
    # Canonical JSON sorts keys. All of our keys begin with a lower-case letter, which sorts after "_".
    if raw[:2] == b'{"' and raw[2:3].islower():
        return head + b"," + raw[1:]
    return msgspec.json.encode({"_id": document_id, **bodies.decode(document_id, raw)})


def message_age(body: Mapping[str, Any]) -> MessageAge | None:
    """Return the age of a current value, an alarm or a vessel's document; None if the body has none."""
    if body.get("type") == DocumentType.VESSEL.value:
        logs = body.get("logs")
        last = logs[-1] if isinstance(logs, list) and logs else None
        if not isinstance(last, str) or not isinstance(logs, list):
            return None
        return MessageAge(last, len(logs), _generation(body.get("_rev")))
    log, sequence = body.get("log"), body.get("sequence")
    if not isinstance(log, str) or not _is_whole(sequence):
        return None
    if body.get("type") == DocumentType.ALARM.value:
        # Clearing or acknowledging an alarm makes a newer state of that alarm.
        changes = sum(len(body[key]) for key in ("acks", "history") if isinstance(body.get(key), list))
        return MessageAge(log, sequence, 1 if body.get("cleared") else 0, float(changes))
    boot, clock = body.get("boot"), body.get("clock")
    return MessageAge(
        log,
        sequence,
        boot if _is_whole(boot) else 0,
        float(clock) if isinstance(clock, (int, float)) and not isinstance(clock, bool) else 0.0,
    )


def _generation(rev: object) -> int:
    """Return the generation number of a revision id, or 0 for an invalid id, which may have been forged."""
    try:
        return revisions.generation(rev) if isinstance(rev, str) else 0
    except DocumentError:
        return 0


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
