"""Publisher of the presence messages that `presence` decides on."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from sync.gateway.mqtt.client import Client
from sync.gateway.mqtt.presence import Presence
from sync.gateway.mqtt.topics import OFFLINE, ONLINE, Topics

from . import broker_errors
from .signs_of_life import SignOfLife

log = logging.getLogger(__name__)


class PresencePublisher:
    """Publisher of the presence of vessels at one broker, across all connections of a gateway."""

    def __init__(
        self, name: str, vessel: str, *, topics: Topics, is_recording: Callable[[], bool], look_every: float
    ) -> None:
        """Create a publisher.

        Args:
            name: name of the gateway.
            vessel: id of this vessel.
            topics: the gateway's topics.
            is_recording: returns True if this vessel's recorder is storing samples durably now.
            look_every: seconds between calls of `is_recording`.
        """
        self._name, self._vessel, self._topics = name, vessel, topics
        self._is_recording, self._look_every = is_recording, look_every
        self._records, self._asked_at = False, float("-inf")
        self.presence = Presence(vessel, now=time.monotonic())
        self._numbers: dict[int, str] = {}
        """Vessels whose presence message has not been acknowledged yet, by message id."""

    def resume(self, online: Iterable[str]) -> None:
        """Continue after a restart.

        `online` contains the other vessels that were last published as online.
        """
        self.presence = Presence(self._vessel, online=online, now=time.monotonic())

    def begin(self) -> bytes:
        """Begin a connection. Return the payload to publish for this vessel."""
        self.presence.begin()
        self._numbers.clear()
        self.presence.record_published(self._vessel, ONLINE if self._records_now() else OFFLINE)
        return self.presence.own_payload

    def publish_changes(self, client: Client, signs: Sequence[SignOfLife]) -> None:
        """Publish the presence of each vessel whose presence has changed.

        `signs` contains the new heartbeats. Raises BrokerError if the connection has ended.
        """
        now = time.monotonic()
        for sign in signs:
            self.presence.sign(sign.vessel, sign.holds_for, now)
        for vessel, payload in self.presence.due(now, is_recording=self._records_now()):
            self._say(client, vessel, payload)

    def publish_offline(self, client: Client) -> None:
        """Publish `offline` for this vessel and all vessels that this gateway has published as online.

        Raises BrokerError if the connection has ended.
        """
        for vessel in self.presence.vessels_to_leave():
            self._say(client, vessel, OFFLINE)

    @property
    def awaits_acknowledgement(self) -> bool:
        """True until the broker has acknowledged all presence messages published on this connection."""
        return bool(self._numbers)

    def acknowledged(self, number: int, code: int, name: str) -> bool:
        """Process the acknowledgement of a message. Return True if it was a presence message."""
        vessel = self._numbers.pop(number, None)
        if vessel is not None and code >= broker_errors.FAILURE:
            trouble = broker_errors.of_puback(code, name, self._topics.presence(vessel))
            log.warning("gateway %s: %s", self._name, trouble)
        return vessel is not None

    def _say(self, client: Client, vessel: str, payload: bytes) -> None:
        self._numbers[client.send(self._topics.presence(vessel), payload, retain=True)] = vessel
        self.presence.record_published(vessel, payload)

    def _records_now(self) -> bool:
        now = time.monotonic()
        if now - self._asked_at >= self._look_every:
            self._asked_at, records = now, self._is_recording()
            if records is not self._records:
                words = "this vessel records" if records else "this vessel does not record"
                log.info("gateway %s: %s", self._name, words)
            self._records = records
        return self._records
