"""A BLIP peer on a real WebSocket, which sends and answers the requests of the interoperability tests."""

import asyncio
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from websockets.asyncio.connection import Connection as WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sync.blip import (
    Acknowledged,
    BlipConnection,
    BodySource,
    ErrorReceived,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
)

SUBPROTOCOL = Subprotocol("BLIP_3+CBMobile_3")

Reply = ResponseReceived | ErrorReceived


def pattern(kind: str, size: int) -> bytes:
    """Return the same `size` bytes as the `pattern` function of the Go peer."""
    if kind == "blank":
        return bytes(size)
    out = bytearray()
    block = kind.encode()
    for line in itertools.count():
        if len(out) >= size:
            return bytes(out[:size])
        if kind == "text":
            out += b"line %d of the engine's log\n" % line
        else:
            block = hashlib.sha256(block).digest()
            out += block
    raise AssertionError


@dataclass
class Talker:
    """BLIP peer that sends and answers requests over one WebSocket."""

    socket: WebSocket
    connection: BlipConnection = field(default_factory=BlipConnection)
    replies: dict[int, asyncio.Future[Reply]] = field(default_factory=dict)
    parts: dict[int, list[bytes]] = field(default_factory=dict)
    acknowledged: int = 0
    notes: int = 0

    def __post_init__(self) -> None:
        self._to_send = asyncio.Event()

    async def run(self) -> None:
        """Send and receive frames until the peer closes the WebSocket."""
        writer = asyncio.create_task(self._write())
        try:
            async for frame in self.socket:
                assert isinstance(frame, bytes)
                for event in self.connection.receive(frame):
                    self._happened(event)
                self._to_send.set()
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self) -> None:
        try:
            while True:
                await self._to_send.wait()
                self._to_send.clear()
                while (frame := self.connection.next_frame()) is not None:
                    await self.socket.send(frame)
        except ConnectionClosed:
            return

    async def ask(
        self,
        profile: str,
        body: bytes | BodySource = b"",
        *,
        properties: Mapping[str, str] | None = None,
        urgent: bool = False,
        compressed: bool = False,
        in_parts: bool = False,
    ) -> Reply:
        """Send a request, and return its reply."""
        number = self.connection.send_request(
            {**(properties or {}), "Profile": profile},
            body,
            urgent=urgent,
            compressed=compressed,
            in_parts=in_parts,
        )
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.replies[number] = reply
        self._to_send.set()
        return await reply

    def note(self, body: bytes, *, compressed: bool) -> None:
        """Send a request for which no reply is expected."""
        self.connection.send_request({"Profile": "note"}, body, compressed=compressed, no_reply=True)
        self._to_send.set()

    def _happened(self, event: object) -> None:
        match event:
            case RequestReceived():
                self._answer(event)
            case ResponseReceived(number=number) | ErrorReceived(number=number):
                self.replies.pop(number).set_result(event)
            case ResponsePart(number=number, data=data):
                self.parts.setdefault(number, []).append(data)
            case Acknowledged():
                self.acknowledged += 1

    def _answer(self, request: RequestReceived) -> None:
        send, number = self.connection.send_response, request.number
        match request.profile:
            case "echo":
                renamed = {f"Re-{name}": value for name, value in request.properties.items()}
                send(number, renamed, request.body, compressed=request.compressed)
            case "digest":
                send(number, {}, hashlib.sha256(request.body).hexdigest().encode())
            case "make":
                made = pattern(request.properties["Pattern"], int(request.properties["Size"]))
                send(number, {}, made, compressed=request.compressed)
            case "fail":
                self.connection.send_error(
                    number,
                    int(request.properties["Code"]),
                    request.body.decode(),
                    domain=request.properties["Domain"],
                )
            case "note":
                self.notes += 1
            case "notes":
                send(number, {}, str(self.notes).encode())
            case _:
                self.connection.send_not_handled(request)
