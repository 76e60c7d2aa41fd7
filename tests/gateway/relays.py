"""TCP relays between a gateway and its broker, which simulate faulty connections and other brokers."""

import asyncio
import contextlib
from typing import Final, Self

PUBACK: Final = 0x40
"""First byte of a PUBACK packet, which acknowledges a single message (MQTT 5, section 3.4.1)."""


class Relay:
    """TCP relay to a port on loopback, as a context manager that closes all connections at its end."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._is_open = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # allow transports to close their sockets

    def open(self) -> None:
        self._is_open = True

    def close(self) -> None:
        self._is_open = False
        for writer in self._writers:
            writer.transport.abort()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            first = await reader.read(4096)
            if self._is_open and first and await self.lets_in(first, writer):
                there, here = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(here)
                here.write(first)
                back = asyncio.create_task(self.answers(there, writer))
                await self.questions(reader, here)
                here.close()
                await back
                self._writers.discard(here)
        writer.close()
        self._writers.discard(writer)

    async def lets_in(self, first: bytes, writer: asyncio.StreamWriter) -> bool:
        """Return True to relay a connection on which the client has sent these first bytes."""
        del first, writer
        return True

    async def questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay data from the client to the broker until either side closes the connection."""
        await _pass(reader, writer)

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay data from the broker to the client until the connection ends, and then close it."""
        await _pass(reader, writer)
        writer.close()


class Cutting(Relay):
    """Relay that cuts each connection after a given number of bytes from the broker."""

    def __init__(self, port: int, after: list[int]) -> None:
        super().__init__(port)
        self._after = list(after)
        self.cuts = 0

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._after.pop(0) if self._after else None
        while data := await reader.read(256):
            if left is not None:
                left -= len(data)
                if left < 0:
                    self.cuts += 1
                    break
            writer.write(data)
        writer.transport.abort()


class Withholding(Relay):
    """Relay that discards all data from the broker while `holds` is True, like a link that works one way."""

    holds = False

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.told = bytearray()
        """Data that was relayed to the broker."""

    async def questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.told += data
            writer.write(data)

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if not self.holds:
                writer.write(data)
        writer.close()


class Garbling(Relay):
    """Relay that sends the client one additional packet before the broker's first PUBACK."""

    def __init__(self, port: int, packet: bytes) -> None:
        super().__init__(port)
        self._packet = packet
        self.has_garbled = False

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if not self.has_garbled and data[0] == PUBACK:
                self.has_garbled = True
                writer.write(self._packet)
            writer.write(data)
        writer.close()


class Elderly(Relay):
    """Relay that refuses MQTT 5 clients, like a broker that supports only MQTT 3.1.1."""

    refused = 0

    async def lets_in(self, first: bytes, writer: asyncio.StreamWriter) -> bool:
        if b"MQTT\x05" not in first[:16]:
            return True
        self.refused += 1
        writer.write(b"\x20\x02\x00\x01")  # CONNACK in MQTT 3.1.1: unacceptable protocol version
        await writer.drain()
        return False


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
