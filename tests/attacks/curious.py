"""Connection of a user who follows the BLIP protocol, but requests documents without permission."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from sync.blip import BlipConnection, ErrorReceived, RequestReceived, ResponseReceived
from sync.net.authenticators import BasicAuthenticator
from sync.net.tls_contexts import client_context
from sync.net.websocket import WebSocketTransport
from sync.net.ws_client import connect
from sync.peer.problems import Problem
from sync.replication.messages import EncodedMessage
from tests.polling import PATIENCE_S

from .attacker import Target

Reply = ResponseReceived | ErrorReceived


class Curious:
    """Connection of a user who requests documents without permission. It is a `FrameReceiver`.

    Requests from the vessel are answered only when the test calls `answer` or `refuse`.
    """

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport
        self._connection = BlipConnection()
        self._changed = asyncio.Event()
        self.replies: dict[int, Reply] = {}
        self.requests: list[RequestReceived] = []
        """Requests from the vessel that the test has not yet taken."""
        self.is_over = False

    def post(self, message: EncodedMessage | Mapping[str, str], body: bytes = b"") -> int:
        """Send a request to the vessel, and return the request's number."""
        if isinstance(message, EncodedMessage):
            number = self._connection.send_request(message.properties, message.body)
        else:
            number = self._connection.send_request(message, body)
        self._write()
        return number

    async def ask(self, message: EncodedMessage | Mapping[str, str], body: bytes = b"") -> Reply:
        """Send a request to the vessel, and return the reply."""
        number = self.post(message, body)
        return await self.reply_to(number)

    async def reply_to(self, number: int) -> Reply:
        """Wait for the reply to a request, and return the reply."""
        await self._until(lambda: number in self.replies)
        return self.replies.pop(number)

    async def asked(self, profile: str) -> RequestReceived:
        """Wait until the vessel sends a request of this message type, and return the request."""
        await self._until(lambda: any(event.profile == profile for event in self.requests))
        found = next(event for event in self.requests if event.profile == profile)
        self.requests.remove(found)
        return found

    def answer(self, event: RequestReceived, body: bytes = b"") -> None:
        """Send a reply to one of the vessel's requests."""
        self._connection.send_response(event.number, {}, body)
        self._write()

    def refuse(self, event: RequestReceived, code: int) -> None:
        """Send an error as the reply to one of the vessel's requests."""
        self._connection.send_error(event.number, code, "no", domain="HTTP")
        self._write()

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                assert not self.is_over, "the vessel has hung up"
                self._changed.clear()
                await self._changed.wait()

    def _write(self) -> None:
        while (frame := self._connection.next_frame()) is not None:
            self._transport.send(frame)
        self._transport.flush()

    # Methods of FrameReceiver

    def frames(self, frames: list[bytes]) -> None:
        for frame in frames:
            for event in self._connection.receive(frame):
                if isinstance(event, RequestReceived):
                    self.requests.append(event)
                elif isinstance(event, ResponseReceived | ErrorReceived):
                    self.replies[event.number] = event
        self._write()
        self._changed.set()

    def writable(self) -> None:
        self._write()

    def closed(self, _: Problem | None) -> None:
        self.is_over = True
        self._changed.set()

    def leave(self) -> None:
        self._transport.abort()


@asynccontextmanager
async def curious(target: Target, who: str) -> AsyncIterator[Curious]:
    """Connect to the vessel as the user `who` for the duration of the block."""
    tls = client_context(pinned=target.fingerprint)
    headers = list(BasicAuthenticator(who, target.password).headers().items())
    made: list[Curious] = []

    def receiver(transport: WebSocketTransport) -> Curious:
        made.append(Curious(transport))
        return made[0]

    await connect(f"{target.url}/_blipsync", receiver, ssl=tls.context, check=tls.check, headers=headers)
    try:
        yield made[0]
    finally:
        made[0].leave()
