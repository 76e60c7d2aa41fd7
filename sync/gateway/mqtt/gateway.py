"""The MQTT gateway: a permanent connection to a broker, on which the fleet's documents are published.

    gateway = MqttGateway(database, MqttGatewayConfiguration("shore", "mqtts://broker"), vessel="argo")
    gateway.start()

`outbox` decides which message is sent when, and `broker_errors` decides how to react to an error. This module
owns the connection and the timers.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import aiomqtt

from sync.gateway.forwarded import Forwarded
from sync.gateway.mqtt.client import Client
from sync.gateway.mqtt.commands import CommandInbox
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.cursor import Cursor, LastPublishedState
from sync.gateway.mqtt.feed import LaneFeed
from sync.gateway.mqtt.limits import SAVE_DOCUMENTS, SendWindow, Timeouts
from sync.gateway.mqtt.messages import Options
from sync.gateway.mqtt.outbox import NothingDue, Outbox, ReadyMessage, UnpreparedVessel
from sync.gateway.mqtt.topics import ONLINE, Topics
from sync.gateway.progress import Rate
from sync.gateway.report import MOST_NAMED, GatewayReport, GatewayState, describe_refused
from sync.gateway.task_errors import PAUSE_S, TaskErrors
from sync.net import certificates
from sync.net.backoff import Backoff
from sync.net.tls_contexts import ClientTLS, client_context
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import ProblemError
from sync.store import Database, Document, StoreError

from . import broker_errors, cursor, non_brokers
from .broker_errors import BrokerConnectError, BrokerError, BrokerLostError, ErrorReaction
from .presence_publisher import PresencePublisher
from .retained_messages import RetainedMessages
from .signs_of_life import SignOfLife
from .subscriptions import Subscriptions

log = logging.getLogger(__name__)

_TURN: Final = 32
"""Maximum number of messages sent before other tasks of the event loop may run."""
_LOOK_EVERY: Final = 5.0
"""Seconds between checks of conditions that change without notification, such as the forwarding policy's."""
_PERSON_S: Final = 60.0
"""Minimum number of seconds between attempts to connect if a user must solve a problem first."""
_WRITE_EVERY: Final = 30.0
"""Seconds between two writes of this vessel's `forwarded` document (see `sync.gateway.forwarded`)."""
_STOOD_S: Final = 60.0
"""Duration of a connection, in seconds, after which it counts as stable.

When a stable connection ends, the gateway tries to reconnect immediately.
"""
_LAST_LOOKS: Final = 40
"""Maximum number of steps for updating the record of forwarded documents when a connection ends."""


class MqttGateway:
    """A gateway to one broker, which runs in one event loop."""

    def __init__(
        self,
        database: Database,
        configuration: MqttGatewayConfiguration,
        *,
        vessel: str,
        forwarded: Forwarded | None = None,
        is_recording: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] | None = None,
        patience: Timeouts | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Create a gateway.

        Args:
            database: the store whose documents are forwarded.
            configuration: the gateway's configuration.
            vessel: id of this vessel.
            forwarded: the record of documents forwarded to this gateway, which vessels share; None if vessels
                do not share such a record.
            is_recording: returns True if this vessel's recorder is storing samples durably now.
            now: returns the current time as an aware datetime, for checking certificates.
            patience: the timeouts; None for the defaults.
            rng: random number generator for the jitter in waiting times.
        """
        self.configuration: Final = configuration
        self._database, self._vessel = database, vessel
        self._patience = patience or Timeouts()
        self._now = now or (lambda: datetime.now(UTC))
        self._forwarded = forwarded
        self._noted_at = self._looked_at = 0.0
        self._probed_at = time.monotonic()
        self._backoff = Backoff(
            rng or random.Random(),  # noqa: S311 -- jitter
            max_wait_s=self._patience.longest,
            base_s=self._patience.retry,
        )
        self._cursor = Cursor(database, configuration.name)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._protocol = aiomqtt.ProtocolVersion.V5
        self._outbox: Outbox | None = None
        self._client: Client | None = None
        self._saved_at = 0.0
        self._saved_standings = 0
        self._has_spoken_5 = self._is_known = False
        """True if the broker probably still has this gateway's session from an earlier connection."""
        self._rate = Rate(time.monotonic)
        self._listening: Subscriptions | None = None
        self._topics = configuration.options.topics
        self._attendance = PresencePublisher(
            configuration.name,
            vessel,
            topics=self._topics,
            is_recording=is_recording,
            look_every=self._patience.recorder,
        )
        self._commands = (
            CommandInbox(database, configuration.name, self._topics, self._now)
            if configuration.options.acknowledge
            else None
        )
        self._left = cursor.NOTHING
        """The stored record of the presence and discovery messages that were left on the broker."""
        self._report = GatewayReport(configuration.name, "mqtt", configuration.url, since=time.time())
        self._endurance = TaskErrors(database, configuration.name)

    # Public methods

    def start(self) -> None:
        """Start in the running event loop. `report` shows errors that occur later."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Disconnect from the broker, and store the record of forwarded documents."""
        self._is_stopping = True
        self._wake.set()
        if self._task is None:
            return
        try:
            async with asyncio.timeout(self._patience.stop):
                await asyncio.shield(self._task)
        except TimeoutError:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def network_changed(self) -> None:
        """Try to connect immediately, because network interfaces have changed."""
        self._backoff.reachability_changed()
        if self._outbox is not None:
            self._outbox.try_again()
        self._wake.set()

    def retry(self) -> int:
        """Connect immediately, and offer all rejected documents again. Return the number of these documents.

        Raises StoreError if the store fails.
        """
        self.network_changed()
        return 0 if self._outbox is None else self._outbox.offer_refused()

    def report(self) -> GatewayReport:
        """Return the current state of the gateway."""
        report = self._report
        if self._outbox is not None:
            report.backlog_documents, report.backlog_bytes = self._outbox.backlog
            refused = self._outbox.refused
            report.refused_documents, report.refused = len(refused), refused[-MOST_NAMED:]
            report.backlog_documents = max(report.backlog_documents, len(refused))
        report.rate = self._rate.value()
        return report

    # The outer loop

    async def _run(self) -> None:
        while not self._is_stopping:
            try:
                await self._forward()
            except Exception as error:  # noqa: BLE001 -- no document may end the forwarding of the others
                goes_on = self._endurance.outlasts(error)
                words = self._endurance.words or str(error)
                self._say(
                    GatewayState.CONNECTING,
                    f"store error: {words}" if isinstance(error, StoreError) else words,
                )
                if not goes_on:
                    return
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self._wake.wait()

    async def _forward(self) -> None:
        """Maintain a connection until stopped, starting from the saved positions.

        Raises StoreError if the store fails.
        """
        outbox = self._outbox = self._begin()
        while self._feed.count(outbox.lanes):  # noqa: ASYNC110 -- otherwise the report would show no backlog
            await asyncio.sleep(0)
        while not self._is_stopping:
            if not outbox.is_open:
                self._say(GatewayState.WAITING, None)
                await self._rest(outbox, _LOOK_EVERY, lambda: outbox.is_open)
                continue
            trouble = await self._attempt(outbox)
            if trouble is not None and not self._is_stopping:
                await self._rest_after(outbox, trouble)

    def _begin(self) -> Outbox:
        configuration = self.configuration
        if self._forwarded is not None:
            self._forwarded.everything()
        self._left = self._cursor.left()
        former = tuple(Topics(*pair) for pair in self._left.prefixes if pair != self._prefixes)
        self._topics = replace(configuration.options.topics, former=former)
        options = Options(
            self._vessel,
            configuration.options,
            configuration.presenter,
            self._topics,
            configuration.contact_class,
        )
        feed = LaneFeed(self._database, options, self._wants)
        lanes = self._cursor.lanes(configuration.lanes)
        self._attendance.resume(self._left.online)
        feed.start_counting(lanes)
        self._feed = feed
        return Outbox(
            lanes,
            feed,
            RetainedMessages(self._cursor.standings(), self._topics),
            limit=configuration.limit,
            now=time.monotonic(),
            patience=self._patience,
            hears_discovery=self._hears_discovery,
        )

    @property
    def _prefixes(self) -> tuple[str, str]:
        """The configured topic prefixes: Logboat's own, and that of discovery topics."""
        return self._topics.prefix, self._topics.discovery_prefix

    @property
    def _hears_discovery(self) -> bool:
        """True if discovery messages for Home Assistant must be maintained or removed."""
        return self.configuration.options.home_assistant or self._left.has_discovery

    def _wants(self, document_id: str, body: Mapping[str, Any]) -> bool:
        if self._forwarded is not None and self._forwarded.is_ashore(document_id):
            return False  # another vessel has forwarded it
        return self.configuration.wants is None or self.configuration.wants(document_id, body)

    async def _attempt(self, outbox: Outbox) -> BrokerError | None:
        """Open a connection and use it until it ends.

        Return the reason for the end, or None if this gateway ended the connection. Raises StoreError if the
        store fails.
        """
        self._say(GatewayState.CONNECTING, self._report.problem)
        try:
            client = self._make_client()
            await self._open(client)
        except ProblemError as error:
            return BrokerConnectError(error.problem.text, ErrorReaction.ASK_SOMEBODY)
        except BrokerError as trouble:
            return self._classify_failure(trouble)
        try:
            why = await self._talk(client, outbox)
            if client.store_error is not None:
                raise client.store_error
            return why
        finally:
            self._client = self._listening = None
            outbox.end()
            self._save(outbox)
            self._note(outbox, ends=True)

    async def _open(self, client: Client) -> None:
        """Connect to the broker, unless the gateway is stopped first. Raises BrokerError if this fails."""
        opening = asyncio.ensure_future(client.open())
        while not opening.done() and not self._is_stopping:
            self._wake.clear()
            waiting = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait((opening, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if not opening.done():
            opening.cancel()
            with suppress(asyncio.CancelledError, BrokerError):
                await opening
            raise BrokerLostError("stopped", ErrorReaction.TRY_AGAIN)
        await opening

    def _make_client(self) -> Client:
        """Return a client for the next connection. Raises BrokerError or ProblemError if this fails."""
        configuration = self.configuration
        if configuration.read_password is not None:
            try:
                configuration = replace(configuration, password=configuration.read_password())
            except (OSError, ValueError) as error:
                where = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
                raise BrokerConnectError(where, ErrorReaction.ASK_SOMEBODY) from error
        client = Client(
            configuration,
            identifier=f"logboat-{self._vessel}-{configuration.name}",
            vessel=self._vessel,
            protocol=self._protocol,
            security=self._security(),
            patience=self._patience,
        )
        client.on_acknowledged = self._acknowledged
        client.on_heard = self._message_received
        client.on_ended = self._wake.set
        return client

    def _security(self) -> ClientTLS | None:
        configuration = self.configuration
        if not configuration.has_tls:
            return None
        try:
            identity = None
            if configuration.certificate is not None and configuration.key is not None:
                identity = TLSIdentity.load(configuration.certificate, configuration.key)
            roots = None if configuration.ca is None else certificates.load_certificates(configuration.ca)
            return client_context(roots=roots, identity=identity, now=self._now)
        except (OSError, ValueError) as error:
            where = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            raise BrokerConnectError(
                f"the certificates cannot be used: {where}", ErrorReaction.ASK_SOMEBODY
            ) from error

    def _classify_failure(self, trouble: BrokerError) -> BrokerError:
        """Select the MQTT version for the next connection.

        Return the reason why the last connection failed.
        """
        if trouble.what is not ErrorReaction.SPEAK_OLDER:
            return trouble
        if self._protocol is aiomqtt.ProtocolVersion.V5 and not self._has_spoken_5:
            log.info("gateway %s: %s; trying MQTT 3.1.1", self.configuration.name, trouble)
            self._protocol = aiomqtt.ProtocolVersion.V311
            return trouble
        self._protocol = aiomqtt.ProtocolVersion.V5
        return BrokerConnectError(trouble.text, ErrorReaction.TRY_AGAIN)

    async def _rest_after(self, outbox: Outbox, trouble: BrokerError) -> None:
        if trouble.what is ErrorReaction.SPEAK_OLDER:
            return  # connect at once, with the older version
        if isinstance(trouble, BrokerConnectError) and trouble.what is ErrorReaction.TRY_AGAIN:
            trouble = await self._stranger() or trouble
        delay = self._backoff.next_delay() or 0.0
        if trouble.what is ErrorReaction.TRY_SOON:
            delay = min(delay, self._patience.soon)
        asks = trouble.what is ErrorReaction.ASK_SOMEBODY
        if asks:
            delay = max(delay, min(_PERSON_S, self._patience.longest))
        if trouble.text != self._report.problem:
            log.warning("gateway %s: %s", self.configuration.name, trouble)
        self._say(GatewayState.REFUSED if asks else GatewayState.CONNECTING, trouble.text)
        await self._rest(outbox, delay)

    async def _stranger(self) -> BrokerError | None:
        """Return an error if the server at the configured address is clearly not a broker; otherwise None."""
        configuration = self.configuration
        with suppress(ProblemError, BrokerError):
            security = self._security()
            first = await non_brokers.first_bytes(
                configuration.host,
                configuration.port,
                None if security is None else security.context,
                self._patience.probe,
            )
            return broker_errors.of_stranger(first, f"{configuration.host}:{configuration.port}")
        return None

    async def _rest(self, outbox: Outbox, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until `seconds` have passed, the gateway is woken, or `until` returns True.

        Meanwhile, new changes are counted for the backlog.
        """
        end = time.monotonic() + seconds
        with self._database.watch() as watcher:
            while not self._is_stopping and (left := end - time.monotonic()) > 0:
                if watcher.drain() | watcher.ask():
                    outbox.changed()
                    self._read_bounds()
                has_counted = not self._feed.count(outbox.lanes)
                self._wake.clear()
                if not has_counted:
                    await asyncio.sleep(0)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK_EVERY)):
                        await self._wake.wait()
                        return
                if until():
                    return

    # A connection

    async def _talk(self, client: Client, outbox: Outbox) -> BrokerError | None:
        """Use a connection until it ends or the gateway stops.

        Return the reason for the end. Raises StoreError if the store fails.
        """
        must_hear = self._protocol is not aiomqtt.ProtocolVersion.V5
        if client.terms.maximum_qos < 1:
            await client.close()
            return BrokerConnectError(
                f"the broker at {self.configuration.host} does not support QoS 1",
                ErrorReaction.ASK_SOMEBODY,
            )
        self._client = client
        self._saved_at = began_at = time.monotonic()
        window = SendWindow(messages=min(SendWindow().messages, client.terms.receive_maximum - 1))
        outbox.begin(
            time.monotonic(),
            window=window,
            must_hear=must_hear,
            largest=client.terms.maximum_packet - 1_000,
            is_forgotten=self._is_known and not client.is_known,
        )
        self._is_known = self._has_spoken_5 = not must_hear
        self._protocol = aiomqtt.ProtocolVersion.V5  # the next connection tries MQTT 5 again
        self._listening = listening = Subscriptions(
            client,
            name=self.configuration.name,
            vessel=self._vessel,
            topics=self._topics,
            must_hear=must_hear,
            hears_discovery=self._hears_discovery,
            patience=self._patience,
            wake=self._wake,
            is_over=lambda: self._is_stopping,
        )
        try:
            await listening.begin(self._attendance.begin())
            if self.configuration.options.home_assistant:
                await listening.subscribe_to_birth()
            if self._commands is not None:
                self._commands.begin()
                await listening.subscribe_to_commands()
            await self._read_retained(listening, outbox, self._vessel)
            self._say(GatewayState.CONNECTED, None)
            with self._database.watch() as watcher:
                while not self._is_stopping and outbox.is_open:
                    if client.ended is not None:
                        return client.ended
                    if watcher.drain() | watcher.ask():
                        outbox.changed()
                        self._read_bounds()
                    if self._commands is not None:
                        self._commands.carry_out(outbox.lanes)
                    lost = outbox.overdue(time.monotonic())
                    if isinstance(lost, BrokerLostError):
                        return lost
                    self._wake.clear()
                    later = await self._send(client, listening, outbox)
                    unheard = outbox.next_unheard()
                    if unheard is not None:
                        await self._read_retained(listening, outbox, unheard)
                        later = 0.0
                    is_counted = not self._feed.count(outbox.lanes)
                    self._attendance.publish_changes(client, self._signs(outbox))
                    self._take_note(outbox)
                    self._probe(outbox)
                    await self._pause(later if is_counted else 0.0)
            await self._await_acknowledgements(client, lambda: outbox.in_flight > 0)
        except BrokerError as trouble:
            return client.ended or trouble
        finally:
            if time.monotonic() - began_at >= _STOOD_S:
                self._backoff.succeeded()
            await self._say_goodbye(client)
        return None

    async def _send(self, client: Client, listening: Subscriptions, outbox: Outbox) -> float:
        """Send the messages that are due. Return the number of seconds until more messages may be due.

        Raises BrokerError if the connection fails, and StoreError if the store fails.
        """
        for _ in range(_TURN):
            now = time.monotonic()
            due = outbox.due(now)
            if isinstance(due, NothingDue):
                return due.seconds
            if isinstance(due, UnpreparedVessel):
                await self._read_retained(listening, outbox, due.vessel)
            if isinstance(due, ReadyMessage):
                message = due.message
                number = client.send(message.topic, message.payload, retain=message.is_retained)
                outbox.sent(due, number, now)
        return 0.0

    async def _read_retained(self, listening: Subscriptions, outbox: Outbox, vessel: str) -> None:
        """Read the messages that the broker retains for a vessel.

        Afterwards, an older message is not published in place of a retained one, and missing messages are
        found.

        Raises BrokerError if the connection fails, and StoreError if the store fails.
        """
        is_complete = False
        outbox.standings.begin_reading(vessel)
        try:
            is_complete = await listening.read_retained(vessel, self._attendance.presence.own_payload)
        finally:
            outbox.standings.end_reading(is_complete=is_complete)
        # If the broker still has our session but does not let us read, it still has the retained messages.
        outbox.prepared(
            vessel, seeks_missing=is_complete or self._client is None or not self._client.is_known
        )
        if outbox.has_current_values(vessel):
            self._attendance.presence.bring(vessel)

    def _signs(self, outbox: Outbox) -> list[SignOfLife]:
        """Return the new heartbeats, and publish again the values that they confirm, where necessary.

        Raises StoreError if the store fails.
        """
        signs = self._feed.signs.new_signs(self._now().timestamp())
        for sign in signs:
            if outbox.has_read_retained(sign.vessel) and outbox.has_current_values(sign.vessel):
                self._attendance.presence.bring(sign.vessel)
            if self.configuration.options.home_assistant:
                outbox.refresh(sign.vessel, sign.sensor, time.monotonic())
        return signs

    async def _await_acknowledgements(self, client: Client, is_owed: Callable[[], bool]) -> None:
        """Wait for pending acknowledgements, for at most a third of `Timeouts.stop`.

        `is_owed` returns True while acknowledgements are pending.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.stop / 3):
                while is_owed() and client.ended is None:
                    self._wake.clear()
                    await self._wake.wait()

    async def _say_goodbye(self, client: Client) -> None:
        """Publish `offline` for this vessel and for all vessels published as online, and disconnect.

        This is done whatever the reason for disconnecting, and even if the broker is slow. After a normal
        disconnection, the broker does not publish the last will, and other vessels have no last will. The
        gateway waits for the broker's answers, because an answer that reaches a closed socket resets the
        connection, and the broker then loses all messages that it has not read.
        """
        try:
            with suppress(BrokerError):
                if client.ended is None:
                    self._attendance.publish_offline(client)
                    await self._await_acknowledgements(
                        client, lambda: self._attendance.awaits_acknowledgement
                    )
        finally:
            if client.ended is None:
                await client.close()
            else:
                client.abandon()

    def _acknowledged(self, number: int, code: int, name: str) -> None:
        self._wake.set()
        if self._listening is not None and self._listening.acknowledged(number, code, name):
            return
        if self._attendance.acknowledged(number, code, name) or self._outbox is None:
            return
        trouble = self._outbox.acknowledged(number, code, name, time.monotonic())
        if trouble is not None:
            log.warning("gateway %s: %s", self.configuration.name, trouble)

    def _message_received(self, topic: str, payload: bytes, is_retained: bool) -> None:
        self._wake.set()
        if self._commands is not None and self._commands.receive(topic, payload, is_retained=is_retained):
            return
        if self._outbox is None or self._listening is None:
            return
        now = time.monotonic()
        if topic in self._topics.births:
            if payload == ONLINE and not is_retained and self.configuration.options.home_assistant:
                self._outbox.announce()
            return
        place = self._topics.parse(topic)
        if place is not None and place.part == "presence" and not place.is_former:
            self._attendance.presence.record_received(place.vessel, payload, now, is_retained=is_retained)
            self._listening.message_received(topic, is_retained=is_retained)
            return
        vessel = None if place is None else place.vessel
        self._outbox.message_received(topic, payload, is_retained=is_retained, vessel=vessel, now=now)

    def _take_note(self, outbox: Outbox) -> None:
        """Record the documents that the broker has acknowledged or rejected.

        Raises StoreError if the store fails.
        """
        ended, outbox.ended = outbox.ended, []
        if ended:
            self._report.last_acknowledged = time.time()
            self._rate.add(len(ended))
            self._backoff.succeeded()
            if not all(entry.sequence for entry in ended):
                outbox.offer_refused()  # the broker has now accepted one of them
            if self._forwarded is not None:
                for entry in ended:
                    self._forwarded.acknowledged(entry.document_id)
        idle = outbox.in_flight == 0
        if self._published_state(outbox) != self._left:
            self._save(outbox)
        if outbox.unsaved >= SAVE_DOCUMENTS or (
            outbox.unsaved and (idle or time.monotonic() - self._saved_at >= self._patience.save)
        ):
            self._save(outbox)
        self._note(outbox)
        refusal, refused = outbox.refusal, outbox.refused
        if refusal is not None:
            self._say(GatewayState.REFUSED, refusal.text)
        elif refused:
            self._say(GatewayState.REFUSED, describe_refused(self.configuration.name, refused))
        elif self._report.state is not GatewayState.CONNECTED:
            self._say(GatewayState.CONNECTED, None)

    def _probe(self, outbox: Outbox) -> None:
        """If a retry is due, offer one rejected document again for each reason of rejection.

        Raises StoreError if the store fails.
        """
        now = time.monotonic()
        if now - self._probed_at >= self._patience.refused:
            self._probed_at = now
            outbox.offer_refused(one_for_each_reason=True)

    def _save(self, outbox: Outbox) -> None:
        with self._database.transaction():
            self._cursor.save(outbox.lanes)
            left = self._published_state(outbox)
            if outbox.standings.changes != self._saved_standings or left != self._left:
                self._cursor.save_standings(outbox.standings.known, left)
        self._saved_standings, self._left = outbox.standings.changes, left
        self._saved_at = time.monotonic()
        outbox.saved()

    def _published_state(self, outbox: Outbox) -> LastPublishedState:
        """Return the record of published presence and discovery messages, which a later run needs."""
        return LastPublishedState(
            frozenset(self._attendance.presence.online),
            has_discovery=self.configuration.options.home_assistant
            or (self._left.has_discovery and not outbox.has_compared),
            prefixes=(self._prefixes,)
            if outbox.has_compared
            else tuple(dict.fromkeys((*self._left.prefixes, self._prefixes))),
        )

    def _read_bounds(self) -> None:
        """Read which documents other vessels have forwarded, if a check is due.

        Raises StoreError if the store fails.
        """
        now = time.monotonic()
        if self._forwarded is not None and now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._forwarded.read_bounds()

    def _note(self, outbox: Outbox, *, ends: bool = False) -> None:
        """Update the record of documents that this vessel has forwarded, and write it if a write is due.

        Raises StoreError if the store fails.
        """
        if self._forwarded is None:
            return

        def is_there(document: Document) -> bool:
            lane = next((lane for lane in outbox.lanes if lane.includes(document.id)), None)
            return lane is not None and lane.position >= document.sequence and document.id not in lane.aside

        has_more = self._forwarded.advance(is_there)
        for _ in range(_LAST_LOOKS if ends else 0):
            has_more = has_more and self._forwarded.advance(is_there)
        now = time.monotonic()
        if ends or now - self._noted_at >= (_LOOK_EVERY if outbox.backlog[0] == 0 else _WRITE_EVERY):
            self._noted_at = now
            self._forwarded.write()

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(
                min(seconds, _LOOK_EVERY, self._patience.save, self._patience.recorder)
            ):
                await self._wake.wait()

    def _say(self, state: GatewayState, problem: str | None) -> None:
        report = self._report
        if state is not report.state:
            report.state, report.since = state, time.time()
            log.info("gateway %s: %s", self.configuration.name, state.value)
        report.problem = problem
