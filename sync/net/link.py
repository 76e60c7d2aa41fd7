"""A peer on a transport: carries frames between them, and keeps the peer's time.

The peer is sans-I/O; this is the thin shell around it, the same for both roles and every transport.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sync.net.transport import Transport
from sync.net.watching import watch
from sync.peer.peer import PeerBase
from sync.peer.problems import Domain, Problem
from sync.store import StoreError

log = logging.getLogger(__name__)

_FLUSH_EVERY: Final = 64 * 1024
"""Bytes put in line before they are written: one system call and one TLS record set for many frames."""
_FRAMES_AT_ONCE: Final = 100
"""Frames taken in before the other side hears of it: half a transaction's worth of small documents."""
_NORMAL: Final = 1000
_POLICY: Final = 1008
_INTERNAL: Final = 1011


class Link:
    """Drives one peer. It is a `sync.net.transport.Receiver`."""

    def __init__(
        self,
        peer: PeerBase,
        transport: Transport,
        *,
        over: Callable[[Problem | None], None] | None = None,
        turned: Callable[[], None] | None = None,
    ) -> None:
        """`over` is called once, when the transport is closed, with what ended it; `turned` whenever the peer
        has done what it could."""
        self.peer, self.transport = peer, transport
        self._over, self._turned = over, turned
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._is_closing = False
        self._wake_is_due = self._run_is_due = False
        self.is_closed = False
        peer.session.nudge = self._nudged
        self._unwatch = watch(peer.database, self, self._changed)

    # What the transport tells

    def frames(self, frames: list[bytes]) -> None:
        """Frames have come. What follows from the first goes out before the last are looked at."""
        for start in range(0, len(frames), _FRAMES_AT_ONCE):
            some = frames if len(frames) <= _FRAMES_AT_ONCE else frames[start : start + _FRAMES_AT_ONCE]
            self._guarded(lambda some=some: self.peer.receive(some))  # type: ignore[misc]

    def writable(self) -> None:
        """The transport has room again."""
        self.run()

    def closed(self, problem: Problem | None) -> None:
        """The transport is closed."""
        if self.is_closed:
            return
        self.is_closed = self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._unwatch()
        session = self.peer.session
        was_over = session.is_over
        session.end(problem)
        try:
            self.peer.ledger.keep()
        except StoreError as error:
            # The checkpoint has not passed them either: they are sent again, and fail again.
            log.warning("%s: which documents failed cannot be kept: %s", self.transport.remote, error)
        self.peer.ledger.flush()
        if self._over is not None:
            self._over(session.problem if was_over else problem)

    # Work

    def run(self) -> None:
        """Do what can be done now, and write what is to be written."""
        self._guarded(None)

    def close(self, problem: Problem | None = None) -> None:
        """End the session, and the connection with it."""
        self.peer.session.end(problem)
        self.run()

    def _guarded(self, first: Callable[[], None] | None) -> None:
        """A fault of ours ends this connection, and no other."""
        if self.is_closed:
            return
        try:
            if first is not None:
                first()
            self._run()
        except Exception as error:
            log.exception("the connection with %s ends: a fault of ours", self.transport.remote)
            self.peer.session.end(Problem(Domain.BLIP, _INTERNAL, f"a fault of ours: {error!r}"))
            self._close(_INTERNAL, "internal error")

    def _run(self) -> None:
        peer, transport = self.peer, self.transport
        while True:
            peer.turn()
            sent = waiting = 0
            while transport.is_writable and (frame := peer.next_frame()) is not None:
                transport.send(frame)
                sent += 1
                waiting += len(frame)
                if waiting >= _FLUSH_EVERY:
                    transport.flush()
                    waiting = 0
            if waiting:
                transport.flush()
            if not sent or peer.session.is_over:
                break
        if peer.session.is_over:
            self._close_by(peer.session.problem)
        else:
            self._set_timer(peer.deadline)
            if self._turned is not None:
                self._turned()

    def _close_by(self, problem: Problem | None) -> None:
        if problem is None:
            self._close(_NORMAL, "")
        elif problem.domain is Domain.BLIP and problem.code > _NORMAL:
            self._close(problem.code, problem.text)
        elif problem.domain is Domain.STORE:
            self._close(_INTERNAL, "the store is not available")
        else:
            self._close(_POLICY, problem.text)

    def _close(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.transport.close(code, reason.encode()[:120].decode(errors="ignore"))

    def _set_timer(self, deadline: float | None) -> None:
        if self._timer is not None:
            if deadline is not None and self._due <= deadline:
                return  # it goes off earlier; then this is asked again
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._due = deadline
            self._timer = self._loop.call_at(deadline, self._rung)

    def _rung(self) -> None:
        self._timer = None
        self.run()

    def _nudged(self) -> None:
        """What the peer has waited for has happened in another session."""
        if not (self._run_is_due or self._wake_is_due or self.is_closed):
            self._run_is_due = True
            self._loop.call_soon(self._run_soon)

    def _run_soon(self) -> None:
        self._run_is_due = False
        self.run()

    def _changed(self) -> None:
        """The store has changed: once per turn of the event loop is enough."""
        if not self._wake_is_due and not self.is_closed:
            self._wake_is_due = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._wake_is_due = False
        self.peer.wake()
        self.run()
