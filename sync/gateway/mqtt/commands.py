"""Commands that arrive from a broker: acknowledgements of alarms by Home Assistant.

The payload of a command is the id of the alarm. So a command that arrives late, or twice, acknowledges only
the alarm that the user saw. Any client of the broker may be allowed to publish on the topics, so every part
of a command is checked.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sync import documents
from sync.documents import DocumentType
from sync.fleet.acknowledgements import acknowledge
from sync.gateway.mqtt.lanes import DocumentLane
from sync.gateway.mqtt.topics import Topics
from sync.store import Database

MOST_WAITING: Final = 100
"""Maximum number of received commands that one gateway keeps until they are carried out."""
MOST_WARNINGS: Final = 20
"""Maximum number of warnings about ignored commands that are logged on one connection."""
_LONGEST: Final = 120
"""Maximum size of a command's payload, in bytes. The id of an alarm is shorter."""
_SHOWN: Final = 60
log = logging.getLogger(__name__)


class CommandInbox:
    """The received commands that acknowledge alarms and that have not been carried out yet.

    They are kept when a connection ends.
    """

    def __init__(self, database: Database, name: str, topics: Topics, now: Callable[[], datetime]) -> None:
        """Create an empty inbox.

        Args:
            database: the store that contains the alarms.
            name: name of the gateway, which is recorded in acknowledgements.
            topics: the gateway's topics.
            now: returns the current time as an aware datetime, which is recorded in acknowledgements.
        """
        self._database, self._name, self._topics, self._now = database, name, topics, now
        self._waiting: deque[tuple[str, str]] = deque()
        """Topic and alarm id of each waiting command, in the order of arrival."""
        self._warnings = 0

    @property
    def author(self) -> str:
        """Name that is recorded in documents as the author of the acknowledgements."""
        return f"Home Assistant, by broker {self._name}"

    def begin(self) -> None:
        """Begin a connection. The limit on warnings applies to each connection separately."""
        self._warnings = 0

    def receive(self, topic: str, payload: bytes, *, is_retained: bool) -> bool:
        """Process a message if it is a command. Return False if it is not.

        The command is carried out by `carry_out`, or logged and ignored if it is invalid.
        """
        target = self._topics.parse_acknowledge(topic)
        if target is None:
            return False
        alarm, problem = _checked(*target, payload)
        if is_retained:
            problem = "it is retained; publish commands without the retain flag"
        elif len(self._waiting) >= MOST_WAITING:
            problem = f"{MOST_WAITING} other commands are waiting; send it again later"
        if problem:
            self._ignore(topic, problem)
        else:
            self._waiting.append((topic, alarm))
        return True

    def carry_out(self, lanes: Sequence[DocumentLane]) -> None:
        """Carry out the waiting commands. Only alarms in the gateway's `lanes` can be acknowledged.

        Raises StoreError if the store fails. A later call then carries out the remaining commands.
        """
        while self._waiting:
            topic, alarm = self._waiting[0]
            if not any(lane.includes(alarm) for lane in lanes):
                self._ignore(topic, f"the gateway's policy does not send {alarm}")
            else:
                self._acknowledge(topic, alarm)
            self._waiting.popleft()

    def _acknowledge(self, topic: str, alarm: str) -> None:
        moment = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
        is_new = acknowledge(self._database, alarm, who=self.author, when=moment.replace("+00:00", "Z"))
        if is_new is None:
            self._ignore(topic, f"unknown alarm {alarm}")
        elif is_new:
            log.info("gateway %s: %s acknowledged by Home Assistant", self._name, alarm)

    def _ignore(self, topic: str, problem: str) -> None:
        self._warnings += 1
        if self._warnings <= MOST_WARNINGS:
            more = "; further ones are not logged" if self._warnings == MOST_WARNINGS else ""
            log.warning("gateway %s: command on topic %s ignored: %s%s", self._name, topic, problem, more)


def _checked(vessel: str, sensor: str, payload: bytes) -> tuple[str, str]:
    """Return the id of the alarm that a command names, and an empty string.

    If the command is invalid, return an empty string and the reason why it is invalid.
    """
    if len(payload) > _LONGEST:
        return "", f"the payload has {len(payload)} bytes instead of an alarm's id"
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return "", "the payload is not UTF-8 text"
    name = documents.parse_id(text)
    if name is None or name.kind is not DocumentType.ALARM:
        return "", f"{text[:_SHOWN]!r} is not the id of an alarm"
    if (name.vessel, name.sensor) != (vessel, sensor):
        return "", f"{text} is an alarm of another sensor"
    return text, ""
