"""A subclass of aiomqtt's client that adds the features that a gateway needs.

aiomqtt's `publish` ignores reason codes. If the broker disconnects silently, `publish` waits until its
timeout. Received messages are put into an unbounded queue. paho-mqtt, on which aiomqtt is built, reports
reason codes, disconnections and received messages through callbacks. After aiomqtt has set its own callbacks,
this class replaces or wraps them through paho's public attributes. aiomqtt connects in a thread, subscribes
and disconnects; `paho_socket` serves the socket.

This module uses three private names, because the libraries have no public equivalent:

- `aiomqtt.Client._client` is the paho client.
- paho's `_sock_close` closes a connection without a DISCONNECT packet, so that the broker publishes the last
  will. `disconnect` sends the packet, and blocks while the broker does not read.
- paho's `_handle_pubackcomp` raises an exception for reason codes that MQTT 5 does not list for a PUBACK; see
  `_on_puback`.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Container, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY as CLEAN_START_FIRST_ONLY
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.limits import Timeouts
from sync.gateway.mqtt.topics import OFFLINE
from sync.net.tls_contexts import ClientTLS
from sync.store import StoreError

from . import broker_errors
from .broker_errors import BrokerConnectError, BrokerError, BrokerLostError
from .paho_socket import PahoSocket

PACKETS_SIZE: Final = 268_435_455
"""Maximum size of a packet in bytes (MQTT 5, section 1.5.5)."""


SESSION_S: Final = 86_400
"""Number of seconds for which a broker keeps this gateway's session after the connection has ended.

If a broker loses the session earlier, it was restarted without its stored sessions.
"""
_CODE_AT: Final = 2
"""Offset of the reason code in a PUBACK, after the packet identifier (MQTT 5, section 3.4.2)."""
_UNSPECIFIED: Final = 0x80
_Result = TypeVar("_Result")
log = logging.getLogger(__name__)

_quiet: Final = logging.getLogger("sync.gateway.mqtt.paho")
"""Logger that paho uses.

Its messages are suppressed, because `Client.ended` contains a more precise reason.
"""
_quiet.setLevel(logging.CRITICAL)


class _Socket(ssl.SSLSocket):
    """A TLS socket that is closed after a failed handshake, and that stores the TLS alert sent by the broker.

    The socket that paho itself uses does neither.
    """

    alert: ssl.SSLError | None = None

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.alert = error
            raise


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """The limits that a broker announced when it accepted a connection."""

    receive_maximum: int = 65_535
    """Maximum number of unacknowledged messages that the broker accepts."""
    maximum_packet: int = PACKETS_SIZE
    retains: bool = True
    maximum_qos: int = 2


class Client(aiomqtt.Client):
    """A client for a single connection to a broker."""

    def __init__(
        self,
        configuration: MqttGatewayConfiguration,
        *,
        identifier: str,
        vessel: str,
        protocol: aiomqtt.ProtocolVersion,
        security: ClientTLS | None,
        patience: Timeouts,
    ) -> None:
        """Create a client.

        Args:
            configuration: the gateway's configuration.
            identifier: the MQTT client identifier.
            vessel: id of the vessel whose presence is set to offline by the last will.
            protocol: the MQTT version.
            security: the TLS context, and the check of the broker's certificate; None for no TLS.
            patience: the timeouts.
        """
        self._topics: Final = configuration.options.topics
        is_5 = protocol is aiomqtt.ProtocolVersion.V5
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = SESSION_S
        super().__init__(
            configuration.host,
            configuration.port,
            username=configuration.user,
            password=configuration.password,
            identifier=identifier,
            protocol=protocol,
            will=aiomqtt.Will(self._topics.presence(vessel), OFFLINE, qos=1, retain=True),
            clean_session=None if is_5 else True,
            logger=_quiet,
            timeout=patience.connect,
            keepalive=patience.keepalive,
            clean_start=False if is_5 else CLEAN_START_FIRST_ONLY,
            properties=session if is_5 else None,
            # Our own send window is smaller. paho would send queued messages at unexpected times.
            max_inflight_messages=0,
            tls_context=None if security is None else security.context,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        self._unlisted: int | None = None
        """Reason code of the acknowledgement being read, if paho does not support that code; else None."""
        self._security = security
        self._socket: object = None
        self._has_answered = False
        """True once the broker has accepted or refused the connection."""
        if security is not None:
            security.context.sslsocket_class = _Socket
        self._client.connect_timeout = patience.connect
        self._where: Final = f"{configuration.host}:{configuration.port}"
        self.terms = BrokerLimits()
        self.is_known = False
        """True if the broker still has the session of the previous connection."""
        self.ended: BrokerError | None = None
        """Reason for which the connection has ended; None while it is open."""
        self.store_error: StoreError | None = None
        """StoreError with which `on_acknowledged` or `on_heard` ended the connection; None if neither did."""
        self._ignored: set[tuple[str, str]] = set()
        """Pairs (kind of topic, kind of error) for which a warning has already been logged."""
        self.on_acknowledged: Callable[[int, int, str], None] = lambda _mid, _code, _name: None
        """Function called for each acknowledgement with message id, reason code, and name of the code."""
        self.on_heard: Callable[[str, bytes, bool], None] = lambda _topic, _payload, _retained: None
        """Function called for each received message with topic, payload, and whether it was retained."""
        self.on_ended: Callable[[], None] = lambda: None
        self._over: Final = asyncio.Event()
        """Event that is set once `ended` has a value."""
        self._events: Final = asyncio.get_running_loop()

        paho = self._client
        self._handle_puback = paho._handle_pubackcomp  # noqa: SLF001 -- see the module's docstring
        paho._handle_pubackcomp = self._on_puback  # type: ignore[method-assign]  # noqa: SLF001 -- likewise
        # Typed as Any, because paho's type allows for the signatures of both versions of its interface.
        self._tell_connected: Any = paho.on_connect
        self._tell_disconnected: Any = paho.on_disconnect
        paho.on_connect = self._connected_to_broker
        paho.on_disconnect = self._disconnected_from_broker
        paho.on_publish = self._published
        paho.on_message = self._received
        PahoSocket(paho, self._events, on_open=self._socket_opened, on_error=self._socket_failed)

    async def open(self) -> None:
        """Connect to the broker. Raises BrokerError if this fails."""
        opening = asyncio.ensure_future(self.__aenter__())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((opening, over), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # A thread of aiomqtt's is resolving the host. It cannot be stopped, but will end.
            opening.add_done_callback(self._too_late)
            raise
        finally:
            over.cancel()
        try:
            if opening.done() or self.ended is None:
                await opening
                return
            opening.cancel()
        except Exception as error:
            self.abandon()
            raise self._why_not(error) from error
        self.abandon()
        raise self.ended

    def send(self, topic: str, payload: bytes, *, retain: bool) -> int:
        """Publish a message at QoS 1.

        Return the message id, with which the broker will acknowledge the message. Raises BrokerLostError if
        the connection is broken.
        """
        info = self._client.publish(topic, payload, qos=1, retain=retain and self.terms.retains)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self.ended or broker_errors.of_disconnect(0, "", self._where)
        return info.mid

    async def listen(
        self,
        filters: Sequence[str],
        *,
        qos: int,
        hears_own: bool = False,
        wants_retained: bool = True,
        as_published: Container[str] = (),
    ) -> list[str]:
        """Subscribe to topics.

        Args:
            filters: the topic filters.
            qos: maximum quality of service.
            hears_own: whether our own messages are delivered; always True with MQTT 3.1.1.
            wants_retained: whether retained messages are delivered now; always True with MQTT 3.1.1.
            as_published: filters whose later messages also state whether they are retained; not available
                with MQTT 3.1.1.

        Returns:
            The filters that the broker rejects.

        Raises:
            BrokerError: the connection has ended, or the broker does not answer.
        """
        try:
            if self._is_5:
                handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
                if not wants_retained:
                    handling = SubscribeOptions.RETAIN_DO_NOT_SEND
                wanted: Any = [
                    (
                        name,
                        SubscribeOptions(
                            qos=qos,
                            noLocal=not hears_own,
                            retainAsPublished=name in as_published,
                            retainHandling=handling,
                        ),
                    )
                    for name in filters
                ]
            else:
                wanted = [(name, qos) for name in filters]
            answers: Sequence[Any] = await self._unless_ended(self.subscribe(wanted))
        except aiomqtt.MqttError as error:
            raise self.ended or BrokerLostError(
                f"subscribing at {self._where}: {error}", broker_errors.ErrorReaction.TRY_AGAIN
            ) from error
        return [
            name
            for name, answer in zip(filters, answers, strict=True)
            if (answer.value if isinstance(answer, ReasonCode) else answer) >= broker_errors.FAILURE
        ]

    async def close(self) -> None:
        """Send a DISCONNECT packet if connected, so that the broker does not publish our last will."""
        if self.ended is None:
            try:
                async with asyncio.timeout(self.timeout):
                    await self._unless_ended(self.__aexit__(None, None, None))
            except (aiomqtt.MqttError, BrokerError, TimeoutError):
                pass  # the broker has hung up or does not answer; `abandon` closes the connection
        self.abandon()

    def abandon(self) -> None:
        """Close the connection without a DISCONNECT packet."""
        self._client._sock_close()  # noqa: SLF001 -- see the module's docstring

    async def _unless_ended(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Return the result of `work`. Raises the error in `ended` if the connection ends first."""
        task, over = asyncio.ensure_future(work), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((task, over), return_when=asyncio.FIRST_COMPLETED)
            if self.ended is not None and not task.done():
                raise self.ended
            return await task
        finally:
            task.cancel()
            over.cancel()

    @property
    def _is_5(self) -> bool:
        return int(self._client.protocol) == int(aiomqtt.ProtocolVersion.V5)

    def _too_late(self, opening: "asyncio.Future[Any]") -> None:
        if not opening.cancelled():
            opening.exception()
        self.abandon()

    def _why_not(self, error: Exception) -> BrokerError:
        if self.ended is not None:
            return self.ended
        # aiomqtt raises an error of its own, whose context is the system's error.
        cause = error.__context__ if isinstance(error, aiomqtt.MqttError) else error
        if isinstance(cause, TimeoutError) and self._client.socket() is None:
            return broker_errors.of_error(cause, self._where)
        if isinstance(cause, TimeoutError):
            return BrokerConnectError(
                f"connecting to {self._where}: the server accepts the connection but does not answer",
                broker_errors.ErrorReaction.SPEAK_OLDER
                if self._is_5
                else broker_errors.ErrorReaction.TRY_AGAIN,
            )
        return broker_errors.of_error(cause or error, self._where)

    # --- callbacks of paho

    def _socket_opened(self, sock: Any) -> None:
        # This code runs in the thread that connects. Nothing has been sent yet.
        self._socket = sock
        if self._security is not None and isinstance(sock, ssl.SSLSocket):
            self._security.check(sock)  # type: ignore[arg-type]  # it only reads the certificate

    def _socket_failed(self, error: Exception) -> None:
        """End the connection because paho raised an error. It does so on packets that it cannot decode."""
        if self.ended is None:
            of = broker_errors.of_failure if self._has_answered else broker_errors.of_error
            self.ended = of(error, self._where)
        self.abandon()
        self._finish()

    def _finish(self) -> None:
        self._over.set()
        self.on_ended()

    def _connected_to_broker(
        self,
        client: Paho,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._has_answered = True
        self.is_known = bool(flags.session_present)
        if reason_code.is_failure:
            self.ended = broker_errors.of_connack(reason_code.value, reason_code.getName(), self._where)
        elif properties is not None:
            limits: dict[str, Any] = properties.json()  # type: ignore[no-untyped-call]
            usual = BrokerLimits()
            self.terms = BrokerLimits(
                receive_maximum=limits.get("ReceiveMaximum", usual.receive_maximum),
                maximum_packet=limits.get("MaximumPacketSize", usual.maximum_packet),
                retains=bool(limits.get("RetainAvailable", usual.retains)),
                maximum_qos=limits.get("MaximumQoS", usual.maximum_qos),
            )
        self._tell_connected(client, userdata, flags, reason_code, properties)

    def _disconnected_from_broker(
        self,
        client: Paho,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        alert = self._socket.alert if isinstance(self._socket, _Socket) else None
        if alert is not None and self.ended is None:
            self.ended = broker_errors.of_error(alert, self._where)
        if self.ended is None and not self._has_answered:
            self.ended = BrokerConnectError(
                f"connecting to {self._where}: the server accepts the connection and then closes it without"
                " an answer",
                broker_errors.ErrorReaction.SPEAK_OLDER
                if self._is_5
                else broker_errors.ErrorReaction.TRY_AGAIN,
            )
        elif self.ended is None:
            code = reason_code.value if flags.is_disconnect_packet_from_server else 0
            self.ended = broker_errors.of_disconnect(code, reason_code.getName(), self._where)
        if not reason_code.is_failure:
            # aiomqtt waits for this future only after its own DISCONNECT. If the connection ended for another
            # reason, the error would stay in a future that no task reads, and asyncio would log that.
            self._tell_disconnected(client, userdata, flags, reason_code, properties)
        # If CONNECT cannot be sent, this runs in the thread that connects.
        self._events.call_soon_threadsafe(self._finish)

    def _on_puback(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        # mosquitto answers a message above its `message_size_limit` with 0x95, which MQTT 5 (section 3.4.2.1)
        # defines for other packets only. paho raises an error on this code, which ends the connection. After
        # reconnecting, the same would happen again, so no later message would ever be sent.
        packet: bytearray = self._client._in_packet["packet"]  # noqa: SLF001
        self._unlisted = None
        if self._is_5 and len(packet) > _CODE_AT and not _is_listed(packet[_CODE_AT]):
            self._unlisted = packet[_CODE_AT]
            packet[_CODE_AT] = _UNSPECIFIED if self._unlisted >= broker_errors.FAILURE else 0
        return self._handle_puback(cmd)

    def _published(
        self,
        client: Paho,  # noqa: ARG002
        userdata: Any,  # noqa: ARG002
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        code, name = reason_code.value, reason_code.getName()
        if self._unlisted is not None:
            code, name = self._unlisted, f"reason code 0x{self._unlisted:02X}"
        try:
            self.on_acknowledged(mid, code, name)
        except StoreError as error:
            self._end_for_store(error)

    def _received(self, client: Paho, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002
        # The message is not put into aiomqtt's queue, because no task would read it from there.
        if self.store_error is not None:
            return
        try:
            self.on_heard(message.topic, bytes(message.payload), message.retain)
        except StoreError as error:
            self._end_for_store(error)
        except Exception as error:  # noqa: BLE001 -- anyone may have published the message
            # If the exception left this method, paho would process the same packet again and again, and no
            # other packet.
            place = self._topics.parse(message.topic)
            kind = "other" if place is None else place.part, type(error).__name__
            if kind not in self._ignored:
                self._ignored.add(kind)
                log.warning(
                    "%s: message on topic %s ignored: %s: %s; similar messages are not logged",
                    *(self._where, message.topic, kind[1], error),
                )

    def _end_for_store(self, error: StoreError) -> None:
        """End the connection because of a store error. This error must not reach paho (see `_received`)."""
        self.store_error = self.store_error or error
        self.ended = self.ended or BrokerLostError(
            f"store error: {error}", broker_errors.ErrorReaction.TRY_AGAIN
        )
        self.on_ended()


def _is_listed(code: int) -> bool:
    """Return True if paho supports this reason code in the acknowledgement of a message."""
    try:
        ReasonCode(PacketTypes.PUBACK, identifier=code)
    except (KeyError, ValueError):
        return False
    return True
