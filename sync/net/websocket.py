"""A WebSocket after its handshake, as a `Transport`: made for very many small frames.

One read gives all frames that it brought to the receiver in one call; `send` only puts in line, `flush`
writes once. `ws_client` and `ws_server` shake hands and make one of these; `message` makes one over a byte
stream of the application's, where there is no handshake.
"""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from websockets.datastructures import Headers

from sync.net.faults import ABNORMAL, problem_of
from sync.net.framing import DEFAULT_FRAME_BYTES, Framing
from sync.net.heartbeat import Heartbeat
from sync.net.transport import Receiver
from sync.peer.problems import Domain, Problem

_NORMAL: Final = 1000
_GOING_AWAY: Final = 1001
_NO_STATUS: Final = 1005
_TRY_AGAIN: Final = 4001
_ANSWERS: Final = frozenset({_GOING_AWAY, _NO_STATUS, _TRY_AGAIN})
_ORDINARY: Final = frozenset({_NORMAL, _GOING_AWAY, _TRY_AGAIN})


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in seconds, sizes in bytes."""

    heartbeat: float | None = 300.0
    """Between pings; Couchbase Lite's default. None or 0: none."""
    grace: float = 30.0
    """How long nothing may come after a ping; a slow link takes a while to send what is before it."""
    close_timeout: float = 10.0
    """How long a close may take before it is cut short."""
    frame_bytes: int = DEFAULT_FRAME_BYTES
    """The largest message taken from the peer."""
    buffer_bytes: int = 256 * 1024
    """`is_writable` until so much waits to be written; again when a quarter of it is left."""


class WebSocketTransport(asyncio.Protocol):
    """One open WebSocket; see `sync.net.transport.Transport` for the calls.

    `closed` is given None if we closed with 1000, 1001 or 4001 and the peer answered or hung up, or if the
    peer closed with 1000; otherwise the close code, ours or theirs; the `errno` of the socket; or 1006.
    """

    def __init__(
        self,
        framing: Framing,
        pipe: asyncio.Transport,
        *,
        remote: str,
        subprotocol: str = "",
        headers: Headers | None = None,
        tuning: Tuning | None = None,
        ended: Callable[["WebSocketTransport"], None] | None = None,
    ) -> None:
        """Over `pipe`, which is open. Nothing happens before `start`. `ended` is called after `closed`."""
        self.remote = remote
        self.subprotocol = subprotocol
        self.headers = headers if headers is not None else Headers()
        """What the other side said in its half of the handshake: cookies, its name."""
        self.bytes_received = 0
        self.bytes_sent = 0
        self._framing = framing
        self._pipe = pipe
        self._tuning = tuning or Tuning()
        self._ended = ended
        self._receiver: Receiver | None = None
        self._loop = asyncio.get_running_loop()
        self._is_paused = False
        self._is_stuffed = False
        """Whether too much waits to be written."""
        self._said_goodbye = False
        self._is_hung_up = False
        self._is_over = False
        self._problem: Problem | None = None
        self._is_settled = False
        """Whether `_problem`, or that there is none, is final: what comes first is the cause."""
        self._heartbeat: Heartbeat | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def start(self, receiver: Receiver, rest: bytes = b"") -> None:
        """Begin. `rest` are bytes that came behind the handshake."""
        self._receiver = receiver
        pipe, tuning = self._pipe, self._tuning
        pipe.set_protocol(self)
        pipe.set_write_buffer_limits(high=tuning.buffer_bytes)
        if tuning.heartbeat and not self._is_over:
            self._heartbeat = Heartbeat(
                self._loop,
                interval=tuning.heartbeat,
                grace=tuning.grace,
                ping=self._ping,
                lost=self._lost,
            )
            self._heartbeat.is_deaf = self._is_paused
        if rest:
            self.data_received(rest)
        if not self._is_paused and not self._is_hung_up:
            pipe.resume_reading()

    # Transport

    @property
    def is_writable(self) -> bool:
        """Whether it is sensible to send more: what was sent is not waiting in a long buffer."""
        return not self._is_stuffed

    @property
    def unwritten(self) -> int:
        """Bytes that were sent and wait here to be written."""
        return 0 if self._is_over else self._pipe.get_write_buffer_size()

    @property
    def silence(self) -> float:
        """Seconds since a ping that nothing has come after; 0 if something has, or much waits to be sent."""
        return 0.0 if self._heartbeat is None or self._is_stuffed else self._heartbeat.silence

    def send(self, frame: bytes) -> None:
        """Put one frame in line; nothing is written before `flush`."""
        if self._framing.is_open and not self._is_hung_up:
            self._framing.send(frame)
            self.bytes_sent += len(frame)

    def flush(self) -> None:
        """Write everything that was sent."""
        if self._framing.has_output and not self._is_hung_up:
            self._pipe.write(self._framing.take())

    def pause(self) -> None:
        """Read no more for now."""
        if not self._is_paused and not self._said_goodbye and not self._is_hung_up:
            self._is_paused = True
            if self._heartbeat is not None:
                self._heartbeat.is_deaf = True
            self._pipe.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._is_paused and not self._is_hung_up:
            self._is_paused = False
            if self._heartbeat is not None:
                self._heartbeat.is_deaf = False
                self._heartbeat.heard = True  # Whatever came meanwhile, we did not listen.
            self._pipe.resume_reading()

    def close(self, code: int = _NORMAL, reason: str = "") -> None:
        """Send what is in line, say goodbye, and close; frames that still come are dropped."""
        if not self._framing.is_open or self._is_hung_up:
            return
        self.resume()  # The answer must be read.
        self._said_goodbye = True
        if code not in _ORDINARY:
            self._settle(Problem(Domain.WEBSOCKET, code, reason or f"closed with code {code}"))
        self._framing.close(code, reason)
        self.flush()
        self._give_time()

    def abort(self) -> None:
        """Close at once, without a word."""
        self._cut(Problem(Domain.WEBSOCKET, ABNORMAL, f"{self.remote}: the connection was cut on this side"))

    # asyncio

    def data_received(self, data: bytes) -> None:
        """All that one read brought."""
        if self._is_hung_up:
            return
        if self._heartbeat is not None:
            self._heartbeat.heard = True
        is_dropping = self._said_goodbye
        frames = self._framing.receive(data)
        if frames and not is_dropping:
            self.bytes_received += sum(map(len, frames))
            assert self._receiver is not None
            self._receiver.frames(frames)
        self._go_on()

    def _go_on(self) -> None:
        """Do what a read calls for beside its frames."""
        framing = self._framing
        if self._is_hung_up:
            return
        if framing.failure is not None:
            self._failed(framing.failure.code, framing.failure.reason)
        elif framing.peer_goodbye is not None:
            self._answered(framing.peer_goodbye.code, framing.peer_goodbye.reason)
        elif framing.has_output and not self._is_stuffed:
            self.flush()

    def eof_received(self) -> None:
        """The peer will send no more; asyncio closes."""
        if not self._is_hung_up:
            self._settle(None if self._said_goodbye else problem_of(None, self.remote))
            self._is_hung_up = True
            self._give_time()

    def pause_writing(self) -> None:
        """Too much waits."""
        self._is_stuffed = True

    def resume_writing(self) -> None:
        """Little waits."""
        self._is_stuffed = False
        if self._is_hung_up:
            return
        self.flush()
        if not self._is_stuffed and self._framing.is_open and self._receiver is not None:
            self._receiver.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, for whatever reason."""
        if self._is_over:
            return
        self._is_over = self._is_hung_up = True
        self._settle(None if self._said_goodbye else problem_of(exc, self.remote))
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            if self._receiver is not None:
                self._receiver.closed(self._problem)
        finally:
            if self._ended is not None:
                self._ended(self)

    # How it ends

    def _settle(self, problem: Problem | None) -> None:
        if not self._is_settled:
            self._is_settled = True
            self._problem = problem

    def _failed(self, code: int, reason: str) -> None:
        """The peer broke the protocol: it is told so, and has some time to read that and hang up."""
        self._settle(Problem(Domain.WEBSOCKET, code, f"{self.remote} broke the WebSocket protocol: {reason}"))
        self._said_goodbye = True
        self.flush()
        self._give_time()

    def _answered(self, code: int, reason: str) -> None:
        """Both sides have said goodbye, or will have when this is flushed."""
        is_ordinary = code == _NORMAL or (self._said_goodbye and code in _ANSWERS)
        text = f"{self.remote} closed the connection with code {code}" + (f": {reason}" if reason else "")
        self._settle(None if is_ordinary else Problem(Domain.WEBSOCKET, code, text))
        self._said_goodbye = True
        self.flush()
        self._hang_up()

    def _hang_up(self) -> None:
        self._is_hung_up = True
        self._give_time()
        self._pipe.close()

    def _give_time(self) -> None:
        if self._deadline is None and not self._is_over:
            self._deadline = self._loop.call_later(self._tuning.close_timeout, self._run_out)

    def _run_out(self) -> None:
        seconds = self._tuning.close_timeout
        text = f"{self.remote} did not close the connection within {seconds:g} s of being asked to"
        self._cut(Problem(Domain.WEBSOCKET, ABNORMAL, text))

    def _cut(self, problem: Problem) -> None:
        if self._is_over:
            return
        self._settle(problem)
        self._is_hung_up = True
        self._pipe.abort()

    # Heartbeat

    def _ping(self) -> None:
        if self._framing.is_open and not self._is_hung_up:
            self._framing.ping()
            self.flush()

    def _lost(self) -> None:
        text = f"{self.remote} is gone: nothing has come for {self._tuning.grace:g} s after a ping"
        self._cut(Problem(Domain.POSIX, errno.ETIMEDOUT, text))
