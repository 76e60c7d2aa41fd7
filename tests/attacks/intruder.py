"""Connection of an attacker who has logged in. It can send arbitrary frames, and records the replies."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from sync.blip import BlipConnection, Event
from sync.blip.codec import Decoder
from sync.blip.frames import COMPRESSED, KIND_MASK, MORE_COMING, NO_REPLY, FrameKind, decode_header
from sync.net.authenticators import BasicAuthenticator
from sync.net.tls_contexts import client_context
from sync.net.websocket import Tuning, WebSocketTransport
from sync.net.ws_client import connect
from sync.peer.problems import Problem, ProblemError
from tests.blip.wire import Maker, content
from tests.polling import PATIENCE_S

from .attacker import Target

_TUNING = Tuning(heartbeat=None, frame_bytes=1 << 20, buffer_bytes=1 << 20)
_ENOUGH = 64 * 1024 * 1024


class Intruder:
    """Connection of an attacker who has logged in, as a `FrameReceiver`. It answers no requests."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self.transport = transport
        self.maker = Maker()
        self.asked = 0
        """Number of the last request that was sent."""
        self.replies: dict[int, FrameKind] = {}
        """Kind of each complete reply (response or error), by request number."""
        self.bodies: dict[int, bytes] = {}
        """Encoded properties and body of each reply, by request number."""
        self.requests = 0
        """Number of request frames received from the vessel."""
        self.problem: Problem | None = None
        self.is_over = False
        self._decoder = Decoder(_ENOUGH)
        self._changed = asyncio.Event()
        self._speech: tuple[BlipConnection, Callable[[Event], None]] | None = None

    @classmethod
    async def enter(cls, target: Target, who: str | None = None, **how: Any) -> "Intruder":
        """Connect as the user `who`, or with another vessel's certificate if `who` is None."""
        identity = target.identity if who is None else None
        tls = client_context(pinned=target.fingerprint, identity=identity)
        headers = [] if who is None else list(BasicAuthenticator(who, target.password).headers().items())
        made: list[Intruder] = []

        def receiver(transport: WebSocketTransport) -> Intruder:
            made.append(cls(transport))
            return made[0]

        options: dict[str, Any] = {"tuning": _TUNING, "timeout": PATIENCE_S} | how
        await connect(
            f"{target.url}/_blipsync", receiver, ssl=tls.context, check=tls.check, headers=headers, **options
        )
        return made[0]

    # Actions

    def frame(
        self,
        properties: Mapping[str, str],
        body: bytes = b"",
        *,
        compressed: bool = False,
        no_reply: bool = False,
    ) -> bytes:
        """Return a frame that contains a complete request with the next request number."""
        self.asked += 1
        flags = (COMPRESSED if compressed else 0) | (NO_REPLY if no_reply else 0)
        return self.maker.frame(self.asked, content(body, properties), flags=flags)

    def ask(self, properties: Mapping[str, str], body: bytes = b"", *, compressed: bool = False) -> int:
        """Send a request of any size in a single frame, and return the request's number."""
        self.write(self.frame(properties, body, compressed=compressed))
        return self.asked

    def write(self, *frames: bytes) -> None:
        """Send encoded frames unchanged."""
        for frame in frames:
            self.transport.send(frame)
        self.transport.flush()

    def deaf(self) -> None:
        """Stop reading from the connection, to simulate a client that never reads its replies."""
        self.transport.pause()

    async def drained(self) -> None:
        """Wait until all queued data has been sent, or the connection has ended."""
        await self.until(lambda: self.transport.is_writable)

    async def answered(self, number: int) -> None:
        """Wait until a request has been answered, or until the connection has ended."""
        await self.until(lambda: number in self.replies)

    async def until(self, holds: Any) -> None:
        """Wait until `holds` returns True after data was received, or until the connection has ended."""
        while not (self.is_over or holds()):
            self._changed.clear()
            await self._changed.wait()

    def speaks(self, connection: BlipConnection, hear: Callable[[Event], None]) -> None:
        """From now on, pass received frames to a BLIP connection, and the connection's events to `hear`."""
        self._speech = connection, hear

    async def spoken(self) -> None:
        """Send the frames that are queued in the BLIP connection, and let the event loop receive data."""
        assert self._speech is not None
        connection, _ = self._speech
        while not self.is_over and (frame := connection.next_frame()) is not None:
            self.write(frame)
        await self.drained()
        await asyncio.sleep(0)

    def leave(self) -> None:
        """Abort the connection without a closing handshake."""
        self.transport.abort()

    # Methods of FrameReceiver

    def frames(self, frames: list[bytes]) -> None:
        if self._speech is not None:
            connection, hear = self._speech
            for frame in frames:
                for event in connection.receive(frame):
                    hear(event)
            self._changed.set()
            return
        for frame in frames:
            number, flags, start = decode_header(frame)
            kind = FrameKind(flags & KIND_MASK)
            if kind in (FrameKind.ACK_REQUEST, FrameKind.ACK_REPLY):
                continue
            plain = self._decoder.open(frame, start, flags)
            if kind is FrameKind.REQUEST:
                self.requests += 1
                continue
            self.bodies[number] = self.bodies.get(number, b"") + plain
            if not flags & MORE_COMING:
                self.replies[number] = kind
        self._changed.set()

    def writable(self) -> None:
        self._changed.set()

    def closed(self, problem: Problem | None) -> None:
        self.is_over, self.problem = True, problem
        self._changed.set()


async def entered(target: Target, who: str | None = None, **how: Any) -> Intruder | None:
    """Connect as the user `who` or as another vessel. Return None if the connection was refused."""
    try:
        return await Intruder.enter(target, who, **how)
    except (ProblemError, ssl.SSLError, OSError):
        return None
