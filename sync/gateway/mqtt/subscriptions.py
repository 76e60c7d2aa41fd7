"""Messages received on one connection: retained messages, and the confirmation of our presence.

With MQTT 5, retained messages are requested at QoS 0, and normally arrive before the answer to the next
request. Some brokers answer earlier. So this vessel's own presence, which is certainly retained, is requested
each time. If a broker does not deliver it, it does not allow this gateway to read. In that case, messages may
be retained although they were not received. With MQTT 3.1.1, all messages are read at QoS 1 and in order,
followed by the presence.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from sync.gateway.mqtt.client import Client
from sync.gateway.mqtt.limits import Timeouts
from sync.gateway.mqtt.topics import Topics

from . import broker_errors
from .broker_errors import BrokerLostError, ErrorReaction

log = logging.getLogger(__name__)


class Subscriptions:
    """The subscriptions of one connection. Only one task may use them."""

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        vessel: str,
        topics: Topics,
        must_hear: bool,
        hears_discovery: bool,
        patience: Timeouts,
        wake: asyncio.Event,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Create the subscriptions of a connection.

        Args:
            client: the connection.
            name: name of the gateway.
            vessel: id of this vessel.
            topics: the gateway's topics.
            must_hear: whether each published message must be received back from the broker (MQTT 3.1.1).
            hears_discovery: whether discovery messages for Home Assistant are read too.
            patience: the timeouts.
            wake: set whenever a message has arrived, the connection has ended, or `is_over` has changed.
            is_over: returns True once the gateway stops. Waiting then ends.
        """
        self._client, self._name = client, name
        self._must_hear, self._hears_discovery = must_hear, hears_discovery
        self._patience, self._wake, self._is_over = patience, wake, is_over
        self._topics, self._presence = topics, topics.presence(vessel)
        self._number: int | None = None
        self._done: asyncio.Future[None] | None = None
        self._is_proven = False

    async def begin(self, payload: bytes) -> None:
        """Publish this vessel's presence for the first time on the connection.

        Raises BrokerError if the connection has ended.
        """
        if self._must_hear:
            self._require(await self._client.listen([self._presence], qos=1), (self._presence,))
        await self._say(payload)

    async def subscribe_to_birth(self) -> None:
        """Subscribe to Home Assistant's birth message. Raises BrokerError if the connection has ended."""
        for topic in await self._client.listen(self._topics.births, qos=0, wants_retained=False):
            self._warn(topic, "sensors are not announced again when Home Assistant starts")

    async def subscribe_to_commands(self) -> None:
        """Subscribe to Home Assistant's commands. Raises BrokerError if the connection has ended."""
        topic = self._topics.acknowledge("+", "+")
        if await self._client.listen([topic], qos=1, wants_retained=False):
            self._warn(topic, "Home Assistant cannot acknowledge alarms")

    async def read_retained(self, vessel: str, payload: bytes) -> bool:
        """Read the retained messages of a vessel.

        `payload` is this vessel's presence, which is published again with MQTT 3.1.1.

        Returns:
            True if reading was complete, so that messages that were not received are not retained.

        Raises:
            BrokerError: the connection has ended, or the broker does not allow us to read.
        """
        if self._must_hear:
            wanted, former = self._topics.everything_of(vessel), self._topics.former_of(vessel)
            refused = await self._client.listen((*wanted, *former), qos=1)
            self._require(refused, wanted)
            await self._say(payload)
            return True
        needed = self._topics.retained_of(vessel)
        discovery = (self._topics.discovery_of(vessel),) if self._hears_discovery else ()
        useful = (*dict.fromkeys((self._presence, self._topics.presence(vessel))), *discovery)
        useful = (*useful, *self._topics.former_of(vessel))
        documents = (*needed, *discovery)
        self._is_proven = False
        # Unless this gateway also requests its own messages, a broker may not deliver the retained messages
        # that this gateway has published.
        refused = await self._client.listen((*needed, *useful), qos=0, hears_own=True, as_published=documents)
        self._require(refused, needed)
        for each in refused:
            self._warn(each, "retained messages of this topic are not updated or removed")
        await self._wait(lambda: self._is_proven, self._patience.reading)
        if self._is_over():
            return False
        await self._client.listen(
            [each for each in (*needed, *useful) if each not in refused],
            qos=0,
            wants_retained=False,
            as_published=documents,
        )
        return self._is_proven

    def acknowledged(self, number: int, code: int, name: str) -> bool:
        """Process the acknowledgement of a message. Return True if this object sent the message."""
        if number != self._number:
            return False
        if code >= broker_errors.FAILURE:
            self._end(broker_errors.of_puback(code, name, self._presence))
        else:
            self._end(None)
        return True

    def message_received(self, topic: str, *, is_retained: bool) -> None:
        """Process a received message. Only messages on this vessel's presence topic have an effect."""
        if topic != self._presence:
            return
        if is_retained:
            self._is_proven = True
        elif self._must_hear:
            self._end(None)

    async def _say(self, payload: bytes) -> None:
        """Publish this vessel's presence, and wait until the message is acknowledged or read back.

        Raises BrokerError if the connection has ended.
        """
        self._done = done = asyncio.get_running_loop().create_future()
        number = self._client.send(self._presence, payload, retain=True)
        self._number = None if self._must_hear else number
        try:
            if not await self._wait(done.done, self._patience.connect):
                raise (
                    broker_errors.of_silence(self._presence)
                    if self._must_hear
                    else BrokerLostError(
                        f"the broker does not acknowledge {self._presence}", ErrorReaction.TRY_AGAIN
                    )
                )
            done.result()
        finally:
            self._number = self._done = None

    async def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds` returns True. Return False after `seconds`, or if the gateway stops first.

        Raises BrokerError if the connection has ended.
        """
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    if self._client.ended is not None:
                        raise self._client.ended
                    if self._is_over():
                        return False
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return holds()
        return True

    def _end(self, trouble: Exception | None) -> None:
        if self._done is None or self._done.done():
            return
        if trouble is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(trouble)

    @staticmethod
    def _require(refused: Sequence[str], needed: Sequence[str]) -> None:
        if any(each in needed for each in refused):
            raise broker_errors.of_subscription(", ".join(needed))

    def _warn(self, topic: str, words: str) -> None:
        log.warning("gateway %s: the broker does not allow subscribing to %s: %s", self._name, topic, words)
