"""A TCP relay to a port of this machine, which counts bytes and can break connections."""

import asyncio
import threading
from types import TracebackType
from typing import Self


class CountingRelay:
    """TCP relay from a free port of 127.0.0.1 to `port`, as a context manager."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self.there = 0
        """Total number of bytes from clients to the port, on all connections."""
        self.back = 0

    def __enter__(self) -> Self:
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="relay")
        self._thread.start()
        assert self._listening.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def reset(self) -> None:
        """Reset the counters of both directions to zero."""
        self.there = self.back = 0

    def cut(self) -> None:
        """Abort all connections without closing them properly."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stopping.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(reader, to_writer, there=True))
                ways.create_task(self._carry(to_reader, writer, there=False))
        finally:
            self._connections.discard(task)
            self._writers.discard(writer)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, there: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if there:
                    self.there += len(data)
                else:
                    self.back += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # One side has broken the connection. The other side is closed below.
        finally:
            writer.close()
