"""Adapter that presents an application's connection as an asyncio transport with bounded buffers."""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

log = logging.getLogger(__name__)

_PIECE: Final = 16 * 1024
"""Maximum number of bytes of a byte stream that are passed to the application's connection at once.

Sending this many bytes over a slow line takes seconds. With TLS, they form one record.
"""
_READY_BYTES: Final = 64 * 1024
"""Number of received but undelivered bytes above which `ready` waits."""
_MOST_BYTES: Final = 1024 * 1024
"""Number of received but undelivered bytes above which a connection that ignores `ready` is closed."""


class EndpointPipe(asyncio.Transport):
    """An asyncio transport whose data is carried by an application's connection.

    Received bytes are delivered after the first call of `resume_reading`.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        close: Callable[[Exception | None], Awaitable[None]],
        *,
        close_timeout: float,
    ) -> None:
        super().__init__()
        self.deliver: Callable[[list[bytes]], None] = self._deliver_bytes
        """Function to call with a list of received pieces of data.

        By default, the pieces are joined and passed to the protocol.
        """
        self._send = send
        self._close = close
        self._close_timeout = close_timeout
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.Protocol | None = None
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._high, self._low = _READY_BYTES, _READY_BYTES // 4
        self._is_stuffed = False
        self._writer: asyncio.Task[None] | None = None
        self._finisher: asyncio.Task[None] | None = None
        self._in: list[bytes] = []
        self._in_bytes = 0
        self._is_paused = True
        self._is_due = False
        self._ready = asyncio.Event()
        self._is_at_end = False
        self._is_closing = False

    # Calls from the application's connection

    def received(self, data: bytes) -> None:
        """Buffer bytes that the application's connection has received, until they can be delivered."""
        if self._is_closing and self._finisher is not None:
            return
        self._in.append(bytes(data))
        self._in_bytes += len(data)
        if self._in_bytes > _MOST_BYTES:
            text = f"{self._in_bytes} bytes were received faster than they can be processed; wait for `ready`"
            self._finish(OSError(errno.ENOBUFS, text))
            return
        self._schedule()
        self._look_if_ready()

    async def ready(self) -> None:
        """Wait until the application's connection may receive more bytes, or is closed."""
        await self._ready.wait()

    def ended(self, error: Exception | None) -> None:
        """Handle the end of the connection. If `error` is None, deliver the buffered bytes first."""
        if error is not None:
            self._finish(error)
            return
        self._is_at_end = True
        self._schedule()

    # asyncio.Transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set the protocol that receives the events."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Return True if the transport is closing or closed, so that no more data can be written."""
        return self._is_closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the buffer sizes in bytes at which the protocol is paused and resumed."""
        self._high = _READY_BYTES if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        """Return the number of written bytes that are not yet passed to the application's connection."""
        return self._out_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes for writing. They may be passed to the connection in pieces of any size."""
        view = memoryview(data)
        self.writelines(bytes(view[at : at + _PIECE]) for at in range(0, len(view), _PIECE))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Queue several pieces for writing. Each piece is passed to the connection separately."""
        if self._is_closing:
            return
        for piece in list_of_data:
            self._out.append(bytes(piece))
            self._out_bytes += len(piece)
        if self._out_bytes > self._high and not self._is_stuffed:
            self._is_stuffed = True
            if self._protocol is not None:
                self._protocol.pause_writing()
        if self._out and self._writer is None:
            self._writer = self._loop.create_task(self._write_out())

    def pause_reading(self) -> None:
        """Stop delivering received bytes."""
        self._is_paused = True
        self._look_if_ready()

    def resume_reading(self) -> None:
        """Start or resume delivering received bytes."""
        self._is_paused = False
        self._look_if_ready()
        self._schedule()

    def close(self) -> None:
        """Close the connection after writing the buffered bytes."""
        self._is_closing = True
        if self._writer is None:
            self._finish(None)

    def abort(self) -> None:
        """Close the connection at once."""
        self._finish(None, ConnectionAbortedError(errno.ECONNABORTED, "aborted on this side"))

    # Internals

    def _schedule(self) -> None:
        if not self._is_due and not self._is_paused and (self._in or self._is_at_end):
            self._is_due = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_due = False
        if self._is_paused or self._finisher is not None:
            return
        pieces, self._in, self._in_bytes = self._in, [], 0
        if pieces:
            try:
                self.deliver(pieces)
            except Exception as error:
                log.exception("received data could not be processed")
                self._finish(error)
                return
        self._look_if_ready()
        if self._is_at_end and not self._in:
            if self._protocol is not None:
                self._protocol.eof_received()
            self._finish(None)

    def _deliver_bytes(self, pieces: list[bytes]) -> None:
        if self._protocol is not None:
            self._protocol.data_received(b"".join(pieces))

    def _look_if_ready(self) -> None:
        if self._finisher is not None or (not self._is_paused and self._in_bytes <= _READY_BYTES):
            self._ready.set()
        else:
            self._ready.clear()

    async def _write_out(self) -> None:
        try:
            while self._out:
                piece = self._out[0]
                await self._send(piece)
                self._out.popleft()
                self._out_bytes -= len(piece)
                if self._is_stuffed and self._out_bytes <= self._low:
                    self._is_stuffed = False
                    if self._protocol is not None:
                        self._protocol.resume_writing()
        except Exception as error:  # noqa: BLE001 -- application code: any exception ends the connection
            self._writer = None
            self._finish(error)
            return
        self._writer = None
        if self._is_closing:
            self._finish(None)

    def _finish(self, error: Exception | None, reported: Exception | None = None) -> None:
        """Close the connection, then report its loss to the protocol.

        Args:
            error: the error to report to the protocol; None for a normal end.
            reported: the error to pass to the application's connection; None to pass `error`.
        """
        if self._finisher is not None:
            return
        self._is_closing = True
        if self._writer is not None:
            self._writer.cancel()
        self._in.clear()
        self._in_bytes = 0
        inner = getattr(error, "error", error)
        self._finisher = self._loop.create_task(self._finishing(inner, reported or error))
        self._ready.set()

    async def _finishing(self, error: Exception | None, reported: Exception | None) -> None:
        try:
            async with asyncio.timeout(self._close_timeout):
                await self._close(reported)
        except Exception as failure:  # noqa: BLE001 -- application code: the connection ends in any case
            log.warning("closing the application's connection failed: %s", failure or type(failure).__name__)
        if self._protocol is not None:
            self._protocol.connection_lost(error)
