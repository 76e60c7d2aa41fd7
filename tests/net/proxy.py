"""A TCP proxy that delays, splits, stalls or cuts connections, or leaves them half open."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

_CHUNK = 65_536
_MASK_BYTES = 4


class Way(Enum):
    """Direction of data, as seen from the client."""

    THERE = "there"
    HERE = "here"


class Place(Enum):
    """Position in a stream of WebSocket frames that contain one BLIP frame with a checksum each."""

    IN_HANDSHAKE = "in the handshake"
    AFTER_HANDSHAKE = "after the handshake"
    IN_HEADER = "in a frame's header"
    AFTER_HEADER = "after a frame's header"
    IN_PAYLOAD = "in a frame's payload"
    IN_CHECKSUM = "in a frame's checksum"
    AFTER_FRAME = "after a frame"


class How(Enum):
    """Kind of connection fault that the proxy causes at a position in the stream."""

    RESET = "reset"
    CLOSE = "close"
    HALF_OPEN = "half open"
    """Disconnection of the client that the server does not detect.

    Data that the client had already sent reaches the server only after the client has connected again.
    """
    STALL = "stall"
    """Pause in which the proxy forwards no data until `Proxy.resume` is called."""


@dataclass(frozen=True)
class Fault:
    """Fault that the proxy causes on one connection, and its position in the stream."""

    how: How
    way: Way
    place: Place
    frame: int = 0


@dataclass
class Stream:
    """Data of a connection in one direction, divided into the HTTP handshake and WebSocket frames."""

    buffer: bytearray = field(default_factory=bytearray)
    frames: list[tuple[int, int, int]] = field(default_factory=list)
    """Offsets of the start, the end of the header, and the end of each frame found so far."""
    handshake_end: int | None = None

    def feed(self, data: bytes) -> None:
        self.buffer += data
        if self.handshake_end is None:
            found = self.buffer.find(b"\r\n\r\n")
            if found < 0:
                return
            self.handshake_end = found + 4
        while (frame := self._header(self.next_start)) is not None:
            self.frames.append(frame)

    @property
    def next_start(self) -> int:
        """Offset of the first frame whose header has not been received completely."""
        assert self.handshake_end is not None
        return self.frames[-1][2] if self.frames else self.handshake_end

    def offset(self, place: Place, number: int) -> int | None:
        """Return the offset of a position in the frame with this number, or None if it is not yet known."""
        if place is Place.IN_HANDSHAKE:
            return 20
        if self.handshake_end is None:
            return None
        if place is Place.AFTER_HANDSHAKE:
            return self.handshake_end
        if place is Place.IN_HEADER and number == len(self.frames):
            return self.next_start + 1
        if number >= len(self.frames):
            return None
        start, content, end = self.frames[number]
        return {
            Place.IN_HEADER: start + 1,
            Place.AFTER_HEADER: content,
            Place.IN_PAYLOAD: (content + end) // 2,
            Place.IN_CHECKSUM: end - 2,
            Place.AFTER_FRAME: end,
        }[place]

    def _header(self, start: int) -> tuple[int, int, int] | None:
        if len(self.buffer) < start + 2:
            return None
        length, at = self.buffer[start + 1] & 0x7F, start + 2
        more = {126: 2, 127: 8}.get(length, 0)
        if len(self.buffer) < at + more:
            return None
        if more:
            length = int.from_bytes(self.buffer[at : at + more], "big")
        content = at + more + (_MASK_BYTES if self.buffer[start + 1] & 0x80 else 0)
        return start, content, content + length


@dataclass
class _Passing:
    """Connection of a client to the server through the proxy."""

    fault: Fault | None
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    held: bytearray = field(default_factory=bytearray)
    """Data for the server that the proxy withholds in order to deliver it late."""
    is_cut: bool = False


class Proxy:
    """Faulty TCP proxy between two ports of 127.0.0.1, as a context manager."""

    def __init__(
        self,
        port: int,
        *,
        faults: Sequence[Fault] = (),
        slow: random.Random | None = None,
        most: int = _CHUNK,
    ) -> None:
        """Create a proxy that causes `faults` on the first connections, in order, and none on later ones.

        If `slow` is given, it generates random delays of some milliseconds. `most` is the maximum number of
        bytes to forward at a time.
        """
        self._target, self._slow, self._most = port, slow, most
        self._faults = list(faults)
        self._tasks: set[asyncio.Task[None]] = set()
        self._half_open: list[_Passing] = []
        self._resumed = asyncio.Event()
        self.stalled = asyncio.Event()
        self.connections = self.faults_met = 0
        self.late_bytes = 0
        """Number of bytes of half-open connections that were delivered late."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.drop_half_open()
        await self._server.wait_closed()
        await asyncio.sleep(0)  # allow transports to close their sockets

    def resume(self) -> None:
        """Resume forwarding on stalled connections."""
        self._resumed.set()

    def drop_half_open(self) -> None:
        """Abort the server's side of all half-open connections, so that the server detects their end."""
        for passing in self._half_open:
            passing.server.transport.abort()

    def _accepted(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        fault = self._faults.pop(0) if self._faults else None
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            client.transport.abort()
            return
        passing = _Passing(fault, client, server)
        self._deliver_late()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(passing, Way.THERE, reader, server))
                group.create_task(self._pass(passing, Way.HERE, from_server, client))
        finally:
            client.transport.abort()
            if passing not in self._half_open:
                server.transport.abort()

    async def _pass(
        self, passing: _Passing, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        stream, passed = Stream(), 0
        fault = passing.fault if passing.fault is not None and passing.fault.way is way else None
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if passing.is_cut:
                    return
                stream.feed(data)
                offset = None if fault is None else stream.offset(fault.place, fault.frame)
                if fault is None or offset is None or passed + len(data) < offset:
                    await self._forward(writer, data)
                    passed += len(data)
                    continue
                before = max(0, offset - passed)
                await self._forward(writer, data[:before])
                self.faults_met += 1
                if fault.how is not How.STALL:
                    self._cut(passing, fault, data[before:])
                    return
                fault = None
                self.stalled.set()
                await self._resumed.wait()
                await self._forward(writer, data[before:])
            if not passing.is_cut:
                writer.write_eof()

    async def _forward(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for start in range(0, len(data), self._most):
            if self._slow is not None:
                await asyncio.sleep(self._slow.uniform(0.0, 0.002))
            writer.write(data[start : start + self._most])
            await writer.drain()
            if self._most < _CHUNK:
                await asyncio.sleep(0)  # so that the receiver reads exactly these bytes at once

    def _cut(self, passing: _Passing, fault: Fault, rest: bytes) -> None:
        passing.is_cut = True
        if fault.how is How.HALF_OPEN:
            if fault.way is Way.THERE:
                passing.held += rest
            self._half_open.append(passing)
            passing.client.transport.abort()
            return
        for writer in (passing.client, passing.server):
            if fault.how is How.RESET:
                writer.transport.abort()
            else:
                writer.close()

    def _deliver_late(self) -> None:
        """Deliver the withheld data of half-open connections to the server."""
        for passing in self._half_open:
            self.late_bytes += len(passing.held)
            if passing.held and not passing.server.is_closing():
                passing.server.write(bytes(passing.held))
                passing.held.clear()
