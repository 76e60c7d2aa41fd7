"""Detection and correction of a vessel's missing, outdated and left-over retained messages on a broker.

A broker without persistence loses all retained messages when it restarts. A broker with persistence may
restart with a state that is, for example, half an hour old. So an acknowledgement does not prove that a
message is still retained. In addition, a broker keeps the retained messages of sensors that were removed or
renamed, perhaps while the daemon was not running. For these reasons, the retained messages are compared with
the store on each connection, vessel by vessel. Documents that were not sent yet are ignored, because they
will be sent from the changes feed.
"""

from collections.abc import Iterator, Sequence

from sync import documents
from sync.documents import DocumentType
from sync.gateway.mqtt import homeassistant, limits
from sync.gateway.mqtt.feed import LaneFeed
from sync.gateway.mqtt.lanes import DocumentLane, LaneEntry, Repair, RepairReason
from sync.gateway.mqtt.messages import Message, message_age
from sync.gateway.mqtt.topics import RetainedTopic
from sync.gateway.mqtt.vessels import VesselFacts
from sync.store import Database, Document

from .retained_messages import RetainedMessages, is_older

_ANY_LOG = "aaaaaa"


def vessels(database: Database, lanes: Sequence[DocumentLane]) -> list[str]:
    """Return the vessels for which a broker should retain messages. Raises StoreError if the store fails."""
    ids: dict[str, None] = {}
    for kind in (DocumentType.VESSEL, DocumentType.EQUIPMENT, DocumentType.ALARM):
        after = ""
        while True:
            document = next(iter(database.documents(f"{kind}:", after=after, limit=1, deleted=True)), None)
            if document is None:
                break
            name = documents.parse_id(document.id)
            if name is None:
                after = document.id
                continue
            if _lane_of(document.id, lanes) is not None:
                ids[name.vessel] = None
            after = f"{kind}:{name.vessel}:~" if kind is not DocumentType.VESSEL else document.id
    return sorted(ids)


def find_missing(
    vessel: str,
    feed: LaneFeed,
    lanes: Sequence[DocumentLane],
    standings: RetainedMessages,
    *,
    only: str | None = None,
) -> None:
    """Find a vessel's messages that the broker should retain but that are missing or outdated there.

    The corrections are added to `repairs` of the documents' lanes. `only` limits the search to one topic.
    Raises StoreError if the store fails.
    """
    facts = feed.facts(vessel)
    for document in _retained(feed.database, facts) if only is None else _at(only, feed, facts):
        lane = _lane_of(document.id, lanes)
        if lane is None or _is_to_come(document, lane):
            continue
        if any(standings.lacks(message, facts.logs) for message in feed.messages(document) or ()):
            lane.repairs[Repair(document.id)] = None


def find_left_over(
    vessel: str,
    feed: LaneFeed,
    lanes: Sequence[DocumentLane],
    standings: RetainedMessages,
    *,
    clears_discovery: bool,
    only: str | None = None,
) -> None:
    """Find retained messages for sensors that a vessel no longer has. Raises StoreError if the store fails.

    `clears_discovery` is True if this gateway may clear the vessel's discovery messages. `only` limits the
    search to one topic.
    """
    facts = feed.facts(vessel)
    if not _knows_best(facts, feed, lanes, standings):
        return
    wanted = _topics(facts, feed)
    before = {each.presence(vessel) for each in feed.topics.former if each.vessel(vessel) in standings.known}
    for topic in standings.topics(vessel):
        if only not in {None, topic}:
            continue
        place = feed.topics.parse(topic)
        if place is None or topic in wanted or (place.sensor is None and not place.is_former):
            continue
        # A retained message that is not one of our documents was not published by this program.
        if place.part == "config":
            is_ours = clears_discovery
        elif place.part == "presence":
            is_ours = vessel == feed.options.forwarder or topic in before
        else:
            is_ours = topic in standings.known
        document_id = _document_of(place)
        lane = _lane_of(document_id, lanes)
        if is_ours and lane is not None:
            lane.repairs[Repair(document_id, RepairReason.LEFT_OVER, topic)] = None


def load(feed: LaneFeed, lane: DocumentLane, standings: RetainedMessages) -> None:
    """Queue the next corrections of a lane's retained messages. Raises StoreError if the store fails."""
    entries: list[LaneEntry] = []
    while lane.repairs and len(entries) < limits.REPAIRS:
        repair = next(iter(lane.repairs))
        del lane.repairs[repair]
        messages = _messages(repair, feed, lane, standings)
        name = documents.parse_id(repair.document_id)
        assert name is not None
        if messages:
            size = sum(message.size for message in messages)
            entries.append(LaneEntry(0, repair.document_id, name.vessel, messages, size, repair=repair))
    lane.load(entries, lane.scanned)


def _messages(
    repair: Repair, feed: LaneFeed, lane: DocumentLane, standings: RetainedMessages
) -> tuple[Message, ...]:
    name = documents.parse_id(repair.document_id)
    assert name is not None
    facts = feed.facts(name.vessel)
    if repair.wrong is RepairReason.LEFT_OVER:
        # The sensor may have been added again in the meantime.
        return () if repair.topic in _topics(facts, feed) else (Message.clearing(repair.topic),)
    document = feed.database.get(repair.document_id)
    if document is None or _is_to_come(document, lane):
        return ()
    if repair.wrong is RepairReason.SILENCE_ENDED:
        return feed.notifications(repair.document_id)
    messages = feed.messages(document) or ()
    if repair.wrong is RepairReason.UNKNOWN:
        return messages[1:]
    if repair.wrong is RepairReason.ELDERLY:
        return messages[:1]
    return tuple(message for message in messages if standings.lacks(message, facts.logs))


def _is_to_come(document: Document, lane: DocumentLane) -> bool:
    """Return True if a document has not yet been sent from the changes feed, or if the broker rejects it."""
    return document.sequence > lane.position or document.id in lane.aside


def _retained(database: Database, facts: VesselFacts) -> Iterator[Document]:
    """Yield the documents of a vessel that the broker should retain as messages.

    Of the alarms of each sensor, only the newest is included.
    """
    about = database.get(documents.vessel_id(facts.id))
    if about is not None and not about.deleted:
        yield about
    yield from database.documents(f"{DocumentType.EQUIPMENT}:{facts.id}:", deleted=True)
    for sensor in facts.sensors:
        newest = _newest_alarm(sensor.id, database, facts)
        if newest is not None:
            yield newest


def _at(topic: str, feed: LaneFeed, facts: VesselFacts) -> Iterator[Document]:
    """Yield the document whose message belongs on a retained topic, if `_retained` includes that document."""
    place, database = feed.topics.parse(topic), feed.database
    if place is None or place.is_former:
        return
    if place.part == "alarm" and place.sensor is not None:
        document = _newest_alarm(place.sensor, database, facts) if facts.sensor(place.sensor) else None
    else:
        document = database.get(_document_of(place))
    if document is not None and (place.part == "state" or not document.deleted):
        yield document


def _newest_alarm(sensor: str, database: Database, facts: VesselFacts) -> Document | None:
    for log in reversed(facts.logs):
        prefix = documents.alarm_prefix(facts.id, sensor, log)
        newest = next(iter(database.documents(prefix, reverse=True, limit=1)), None)
        if newest is not None:
            return newest
    return None


def _knows_best(
    facts: VesselFacts, feed: LaneFeed, lanes: Sequence[DocumentLane], standings: RetainedMessages
) -> bool:
    """Return True if the store contains the newest known list of the vessel's sensors.

    Another vessel's gateway may have published a newer list with an additional sensor. That list may not have
    been received here yet.
    """
    document_id = documents.vessel_id(facts.id)
    document = feed.database.get(document_id)
    if not facts.lists_sensors or document is None or document.deleted:
        return False
    if facts.id == feed.options.forwarder:
        return True
    ours = message_age({**document.body, "_rev": document.rev})
    theirs = standings.known.get(feed.topics.vessel(facts.id))
    if theirs is None:
        return _lane_of(document_id, lanes) is not None
    return ours is not None and not is_older(ours, theirs, facts.logs)


def _topics(facts: VesselFacts, feed: LaneFeed) -> frozenset[str]:
    """Return the topics on which messages about a vessel's sensors may be retained."""
    expected = {
        feed.topics.sensor(facts.id, sensor.id, part)
        for sensor in facts.sensors
        for part in ("state", "alarm")
    }
    if feed.options.mqtt.home_assistant:
        expected |= {topic for topic, _ in homeassistant.discovery(facts, feed.options.discovery)}
    return frozenset(expected)


def _document_of(place: RetainedTopic) -> str:
    """Return the id of a document that is published on a topic. The id determines the topic's lane."""
    if place.sensor is None or place.part == "config":
        return documents.vessel_id(place.vessel)
    if place.part == "state":
        return documents.equipment_id(place.vessel, place.sensor)
    return documents.alarm_id(place.vessel, place.sensor, _ANY_LOG, 0)


def _lane_of(document_id: str, lanes: Sequence[DocumentLane]) -> DocumentLane | None:
    return next((lane for lane in lanes if lane.includes(document_id)), None)
