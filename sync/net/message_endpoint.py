"""Replication over transports that are not IP networks, such as a serial line, Bluetooth or a radio.

The interface follows Couchbase Lite. The application implements a `MessageEndpointConnection`, which passes
the received data to a `ReplicatorConnection`. If the application's connection preserves the boundaries of
messages (`ProtocolType.MESSAGE_STREAM`), each message is one BLIP frame. If the connection carries a stream
of bytes (`BYTE_STREAM`), each BLIP frame is wrapped in a WebSocket frame, without an HTTP handshake. The
active side is the WebSocket client.

`sync.net.byte_streams` contains connections over asyncio streams and over file descriptors.
"""

import asyncio
import errno
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

from websockets.protocol import Protocol as WebSocketProtocol
from websockets.protocol import Side as WebSocketSide

from sync.blip.close_codes import CloseCode
from sync.net.framing import Framing, package_log
from sync.net.transport import FrameReceiver, Transport
from sync.net.websocket import Tuning, WebSocketTransport
from sync.peer.problems import Domain, Problem, ProblemError

from .endpoint_pipe import EndpointPipe
from .error_mapping import problem_of

_ORDINARY: Final = frozenset({CloseCode.NORMAL, CloseCode.GOING_AWAY})


class ProtocolType(Enum):
    """The kind of data that the application's connection carries."""

    MESSAGE_STREAM = auto()
    """Messages. The connection preserves their boundaries."""
    BYTE_STREAM = auto()
    """A stream of bytes. The connection preserves no message boundaries."""


class Side(Enum):
    """Role of one side of a connection. The active side starts the replication."""

    ACTIVE = auto()
    PASSIVE = auto()


class MessagingError(Exception):
    """A failure of the application's connection, which raises this error or passes it to `close`."""

    def __init__(self, error: Exception, *, is_recoverable: bool = True) -> None:
        super().__init__(str(error) or type(error).__name__)
        self.error = error
        self.is_recoverable = is_recoverable
        """True if the failure is temporary, so that another attempt to connect may succeed soon."""


class ReplicatorConnection:
    """The object to which the application's connection passes received data.

    Call its methods only in the event loop's thread.
    """

    def __init__(self, pipe: EndpointPipe) -> None:
        self._pipe = pipe

    def receive(self, data: bytes) -> None:
        """Process a received message or received bytes.

        If the buffer overflows because the caller does not wait for `ready`, the connection is closed.
        """
        self._pipe.received(data)

    async def ready(self) -> None:
        """Wait until more data may be passed to `receive`.

        Await this before each read, so that back-pressure reaches the other side. Do not await it within
        `MessageEndpointConnection.open`, because no data is processed before `open` returns.
        """
        await self._pipe.ready()

    def close(self, error: MessagingError | None = None) -> None:
        """Report that the connection has ended, normally or with `error`."""
        self._pipe.ended(error.error if error is not None else None)


class MessageEndpointConnection(Protocol):
    """The interface of a connection, which the application implements.

    If any of its methods raises an exception, the connection ends.
    """

    async def open(self, connection: ReplicatorConnection) -> None:
        """Connect to the other side, and pass all data that is received afterwards to `connection`."""

    async def send(self, data: bytes) -> None:
        """Send a message or bytes to the other side. Return when the connection can accept more data."""

    async def close(self, error: Exception | None) -> None:
        """Disconnect after sending all pending data. `error` is the cause, or None for a normal close."""


async def open_endpoint(
    connection: MessageEndpointConnection,
    receiver: Callable[[Transport], FrameReceiver],
    *,
    protocol_type: ProtocolType,
    side: Side,
    remote: str = "the other side of the application's connection",
    timeout: float = 15.0,  # noqa: ASYNC109 -- to distinguish it from a TimeoutError of the connection
    tuning: Tuning | None = None,
) -> Transport:
    """Open an application's connection, and return a transport over it.

    Args:
        connection: the application's connection, which must not be open yet.
        receiver: called with the transport; returns the receiver of its frames.
        protocol_type: the kind of data that the connection carries.
        side: the role of this side.
        remote: human-readable name of the other side.
        timeout: seconds within which the connection must open.
        tuning: limits and timings; None for the defaults.

    Raises:
        ProblemError: the connection does not open.
    """
    tuning = tuning or Tuning()
    pipe = EndpointPipe(connection.send, connection.close, close_timeout=tuning.close_timeout)
    try:
        async with asyncio.timeout(timeout) as limit:
            await connection.open(ReplicatorConnection(pipe))
    except Exception as error:
        pipe.abort()
        raise ProblemError(_problem(error, remote, timeout if limit.expired() else None)) from error
    except BaseException:
        pipe.abort()
        raise
    transport: WebSocketTransport | MessageTransport
    if protocol_type is ProtocolType.BYTE_STREAM:
        role = WebSocketSide.CLIENT if side is Side.ACTIVE else WebSocketSide.SERVER
        protocol = WebSocketProtocol(role, max_size=tuning.frame_bytes, logger=package_log)
        transport = WebSocketTransport(Framing(protocol), pipe, remote=remote, tuning=tuning)
    else:
        transport = MessageTransport(pipe, remote=remote, tuning=tuning)
    try:
        transport.start(receiver(transport))
    except BaseException:
        pipe.abort()
        raise
    return transport


def _problem(error: Exception, remote: str, timed_out: float | None) -> Problem:
    doing = f"opening the connection to {remote}"
    if timed_out is not None:
        return Problem(Domain.POSIX, errno.ETIMEDOUT, f"{doing}: no connection within {timed_out:g} s")
    return problem_of(error.error if isinstance(error, MessagingError) else error, doing)


class MessageTransport(asyncio.Protocol):
    """A transport that sends each frame as one message over the application's connection.

    `sync.net.transport.Transport` describes the methods. There is no closing handshake, so close codes are
    not sent to the other side. Unless the application's connection reports an error, the transport ends
    normally.
    """

    def __init__(self, pipe: EndpointPipe, *, remote: str, tuning: Tuning) -> None:
        self.remote = remote
        self.bytes_received = 0
        self.bytes_sent = 0
        self.silence = 0.0
        """Always 0, because no pings are sent. The application itself must detect a lost connection."""
        self._pipe = pipe
        self._tuning = tuning
        self._receiver: FrameReceiver | None = None
        self._line: list[bytes] = []
        self._is_stuffed = False
        self._is_closing = False
        self._is_over = False
        self._problem: Problem | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def start(self, receiver: FrameReceiver) -> None:
        """Start receiving, and pass frames to `receiver`."""
        self._receiver = receiver
        self._pipe.set_protocol(self)
        self._pipe.set_write_buffer_limits(high=self._tuning.buffer_bytes)
        self._pipe.deliver = self._received
        self._pipe.resume_reading()

    @property
    def is_writable(self) -> bool:
        """True if more data should be sent now, because the buffer is not full."""
        return not self._is_stuffed

    @property
    def unwritten(self) -> int:
        """Number of bytes passed to `send` that are still waiting to be written."""
        return 0 if self._is_over else self._pipe.get_write_buffer_size()

    def send(self, frame: bytes) -> None:
        """Queue one frame. Nothing is written before `flush`."""
        if not self._is_closing:
            self._line.append(frame)
            self.bytes_sent += len(frame)

    def flush(self) -> None:
        """Write all queued frames."""
        if self._line and not self._is_over:
            line, self._line = self._line, []
            self._pipe.writelines(line)

    def pause(self) -> None:
        """Stop reading until `resume` is called."""
        self._pipe.pause_reading()

    def resume(self) -> None:
        """Resume reading after `pause`."""
        self._pipe.resume_reading()

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send the queued frames, and close. Frames that arrive afterwards are dropped."""
        if self._is_closing:
            return
        self.flush()
        if code not in _ORDINARY:
            self._problem = Problem(Domain.WEBSOCKET, code, reason or f"closed with code {code}")
        self._is_closing = True
        seconds = self._tuning.close_timeout
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._run_out)
        self._pipe.close()

    def abort(self) -> None:
        """Close immediately, without sending the queued frames."""
        self._cut(f"{self.remote}: the connection was aborted on this side")

    def pause_writing(self) -> None:
        """Stop sending, because the buffer is full."""
        self._is_stuffed = True

    def resume_writing(self) -> None:
        """Resume sending, because the buffer has drained."""
        self._is_stuffed = False
        if not self._is_closing and self._receiver is not None:
            self._receiver.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection to the receiver."""
        self._is_closing = self._is_over = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._problem is None and exc is not None:
            self._problem = problem_of(exc, self.remote)
        if self._receiver is not None:
            self._receiver.closed(self._problem)

    def _received(self, frames: list[bytes]) -> None:
        if self._is_closing:
            return
        limit = self._tuning.frame_bytes
        for at, frame in enumerate(frames):
            if len(frame) > limit:
                text = f"{self.remote} sent a message of {len(frame)} bytes; the limit is {limit}"
                self._hand_over(frames[:at])
                self.close(CloseCode.TOO_BIG, text)
                return
        self._hand_over(frames)

    def _hand_over(self, frames: list[bytes]) -> None:
        if frames:
            self.bytes_received += sum(map(len, frames))
            assert self._receiver is not None
            self._receiver.frames(frames)

    def _run_out(self) -> None:
        self._cut(
            f"{self.remote}: the remaining data could not be written within {self._tuning.close_timeout:g} s"
        )

    def _cut(self, text: str) -> None:
        if not self._is_over:
            self._is_closing = True
            self._problem = self._problem or Problem(Domain.WEBSOCKET, CloseCode.ABNORMAL, text)
            self._pipe.abort()
