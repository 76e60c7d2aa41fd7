"""Connections of the type `ProtocolType.BYTE_STREAM`, over asyncio streams and over file descriptors."""

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .message_endpoint import MessagingError, ReplicatorConnection

_READ_BYTES: Final = 64 * 1024


class StreamConnection:
    """A connection over an asyncio reader and writer. The connection owns both, and closes them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._task: asyncio.Task[None] | None = None

    async def open(self, connection: ReplicatorConnection) -> None:
        """Start reading from the stream."""
        self._task = asyncio.create_task(self._read(connection))

    async def send(self, data: bytes) -> None:
        """Write the data, and wait until the writer's buffer has room."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self, error: Exception | None) -> None:
        """Close the reader and the writer. If `error` is not None, discard unsent data."""
        if self._task is not None:
            self._task.cancel()
        if error is not None:
            self._writer.transport.abort()
        self._writer.close()
        with suppress(OSError):  # The stream had already failed, and that failure was reported.
            await self._writer.wait_closed()

    async def _read(self, connection: ReplicatorConnection) -> None:
        try:
            while True:
                await connection.ready()
                data = await self._reader.read(_READ_BYTES)
                if not data:
                    break
                connection.receive(data)
        except OSError as error:
            connection.close(MessagingError(error))
        else:
            connection.close()


class DescriptorConnection:
    """A connection over pollable file descriptors: a serial device or pty in raw mode, a pipe or a socket.

    The connection owns the descriptors, and closes them. `write_fd` defaults to `read_fd`.
    """

    def __init__(self, read_fd: int, write_fd: int | None = None) -> None:
        self._read_fd = read_fd
        self._write_fd = read_fd if write_fd is None else write_fd
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def open(self, connection: ReplicatorConnection) -> None:
        """Start reading from the descriptor."""
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._task = asyncio.create_task(self._read(connection))

    async def send(self, data: bytes) -> None:
        """Write all data, in several parts if the descriptor does not accept it at once."""
        loop = asyncio.get_running_loop()
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._write_fd, rest) :]
            except BlockingIOError:
                await _wait(loop.add_writer, loop.remove_writer, self._write_fd)

    async def close(self, error: Exception | None) -> None:  # noqa: ARG002 -- the other end cannot be informed
        """Close the descriptors. Data still in a device's output buffer may be sent or lost."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for fd in {self._read_fd, self._write_fd}:
            os.close(fd)

    async def _read(self, connection: ReplicatorConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await connection.ready()
            try:
                data = os.read(self._read_fd, _READ_BYTES)
            except BlockingIOError:
                await _wait(loop.add_reader, loop.remove_reader, self._read_fd)
                continue
            except OSError as error:
                # A pty raises EIO when its other end is closed. An unplugged serial adapter raises it too.
                connection.close(None if error.errno == errno.EIO else MessagingError(error))
                return
            if not data:
                connection.close()
                return
            connection.receive(data)


async def _wait(
    add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool], fd: int
) -> None:
    """Wait until a file descriptor is ready for reading or writing."""
    is_due = asyncio.Event()
    add(fd, is_due.set)
    try:
        await is_due.wait()
    finally:
        remove(fd)
