"""The driver of a peer: passes frames between the peer and a transport, and runs the peer's timers.

The peer itself does no I/O. The driver is the same for active and passive peers, and for every transport.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from sync.blip.close_codes import CloseCode
from sync.net.memory import CONNECTION, memory
from sync.net.throttle import TokenBucket
from sync.net.transport import Transport
from sync.peer.peer_base import PeerBase
from sync.peer.problems import Domain, Problem
from sync.store import StoreError

from .store_watch import watch
from .turn_scheduler import TURN_S, ConnectionOwner, turn_scheduler

log = logging.getLogger(__name__)

_FLUSH_EVERY: Final = 64 * 1024
"""Number of queued bytes at which frames are written. One system call then writes many frames."""
_FRAMES_AT_ONCE: Final = 100
"""Number of received frames that are processed before replies are sent.

This is enough for half a transaction of small documents.
"""
INBOUND_MOST: Final = 256 * 1024
"""Number of received but unprocessed bytes above which reading stops."""
INBOUND_LEAST: Final = 64 * 1024
"""Number of received but unprocessed bytes below which reading resumes."""
INFLATED_A_SECOND: Final = 32 * 1024 * 1024
"""Maximum output rate of decompression for one connection, in bytes per second.

After a pause, this number of bytes may be decompressed in one burst. In measurements, the fastest replication
decompressed 15 MiB per second, and replication of text over Wi-Fi half of that.
"""


class PeerDriver:
    """The driver of one peer: a `FrameReceiver` that works in the time slices of a scheduler."""

    def __init__(
        self,
        peer: PeerBase,
        transport: Transport,
        *,
        over: Callable[[Problem | None], None] | None = None,
        turned: Callable[[], None] | None = None,
        owner: ConnectionOwner | None = None,
    ) -> None:
        """Connect a peer to an open transport.

        Args:
            peer: the peer to drive.
            transport: the transport that carries its frames.
            over: called once, when the transport is closed, with the problem that ended it, or None.
            turned: called whenever the peer has finished the work that was due.
            owner: the party to which this connection's processor time is charged; None to create one.
        """
        self.peer, self.transport = peer, transport
        self.owner = owner or ConnectionOwner(transport.remote)
        self._over, self._turned = over, turned
        self._loop = asyncio.get_running_loop()
        self._turns, self._memory = turn_scheduler(), memory()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._inbound: deque[bytes] = deque()
        """Received frames that are not processed yet."""
        self._inbound_bytes = 0
        self._has_paused = False
        """True while reading is paused because too many received bytes are unprocessed."""
        self._inflation = TokenBucket(INFLATED_A_SECOND, now=self._loop.time())
        self._inflated = 0
        """Total number of decompressed bytes that have been charged to `_inflation`."""
        self._is_closing = False
        self._wake_is_due = self._run_is_due = False
        self._ending: tuple[Problem | None] | None = None
        """One-element tuple of the problem that closed the transport, or None; None while it is open."""
        self.is_closed = False
        peer.session.nudge = self._schedule_turn
        self._loop.call_soon(self._report)  # Otherwise a peer that never sends data would not be counted.
        self._unwatch = watch(peer.database, self, self._changed)

    # Calls from the transport

    def frames(self, frames: list[bytes]) -> None:
        """Queue received frames, and request a time slice in which to process them."""
        if self.is_closed or self.peer.session.is_over:
            return
        self._inbound += frames
        self._inbound_bytes += sum(map(len, frames))
        self.run()
        if self._inbound_bytes > INBOUND_MOST and not self._has_paused:
            self._has_paused = True
            self.transport.pause()
        self._report()

    def writable(self) -> None:
        """Continue sending, because the transport has room again."""
        self.run()

    def closed(self, problem: Problem | None) -> None:
        """Record that the transport is closed. Frames that were received before are still processed."""
        if self.is_closed or self._ending is not None:
            return
        self._ending = (problem,)
        if self._inbound and not self.peer.session.is_over:
            self._turns.request(self)
        else:
            self._end()

    def _end(self) -> None:
        assert self._ending is not None
        (problem,) = self._ending
        self.is_closed = self._is_closing = True
        self._turns.forget(self)
        self._memory.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        self._unwatch()
        session = self.peer.session
        was_over = session.is_over
        session.end(problem)
        try:
            self.peer.ledger.keep()
        except StoreError as error:
            # The checkpoint has not advanced past these documents either, so they will be sent again, and
            # fail again.
            log.warning("%s: the list of failed documents cannot be stored: %s", self.transport.remote, error)
        self.peer.ledger.flush()
        if self._over is not None:
            self._over(session.problem if was_over else problem)

    # Memory budget

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, that this connection uses on behalf of its peer."""
        held = CONNECTION + self._inbound_bytes + self.transport.unwritten
        return held if self.peer.session.is_over else held + self.peer.bytes_held

    def _report(self) -> None:
        if not self.is_closed:
            self._memory.report(self, self.bytes_held)

    def shed(self, why: str = "too much memory is used for this peer") -> int:
        """Close the connection to free memory. The close code asks the peer to connect again.

        Return the number of bytes that the connection still uses until it is closed.
        """
        if self.is_closed:
            return 0
        self.peer.session.end(Problem(Domain.BLIP, CloseCode.RECONNECT, why))
        self._drop_inbound()
        if self.transport.is_writable:
            self._turns.request(self)
        else:
            self.transport.abort()  # A close frame would wait behind data that the peer does not read.
        return self.bytes_held

    def _drop_inbound(self) -> None:
        self._inbound.clear()
        self._inbound_bytes = 0

    # Turns

    def run(self) -> None:
        """Request a time slice in which to process and write frames. It may start immediately."""
        if not self.is_closed:
            self._turns.request(self)

    def close(self, problem: Problem | None = None) -> None:
        """End the session, and close the connection."""
        self.peer.session.end(problem)
        if not self.is_closed:
            self.take_turn(self._loop.time())

    def take_turn(self, until: float) -> bool:
        """Work until the time `until`, by the event loop's clock. Return True if more work is left.

        If an internal error occurs, it ends only this connection.
        """
        if self.is_closed:
            return False
        session = self.peer.session
        session.until, session.is_interrupted = until, False
        try:
            has_more = self._work()
        except Exception as error:
            log.exception("closing the connection with %s: internal error", self.transport.remote)
            session.end(Problem(Domain.BLIP, CloseCode.INTERNAL_ERROR, f"internal error: {error!r}"))
            self._close(CloseCode.INTERNAL_ERROR, "internal error")
            has_more = False
        if session.is_over:
            self._drop_inbound()
        if self._ending is not None and not self._has_inbound:
            self._end()
            return False
        if self._has_paused and self._inbound_bytes <= INBOUND_LEAST:
            self._has_paused = False
            self.transport.resume()
        self._report()
        return has_more

    def _work(self) -> bool:
        """Process received frames, and send replies and changes, until the time `until`.

        Return True if more work is left.
        """
        session = self.peer.session
        until = session.until
        while True:
            if self._may_take_in():
                self._take_in()
                self._report()  # Otherwise the data processed in one time slice could exceed the budget.
                # Reserve time for sending. Otherwise a peer that sends without pause would get no replies.
                session.until = max(until, self._loop.time() + TURN_S / 2)
            session.is_interrupted = False
            self._run()
            if session.is_over:
                return False
            if session.is_interrupted:
                return True
            if not self._may_take_in():
                return False
            if self._loop.time() >= until:
                return True

    @property
    def _has_inbound(self) -> bool:
        return bool(self._inbound) or self.peer.session.connection.is_amid

    def _may_take_in(self) -> bool:
        """Return True if received frames may be processed now.

        If a lot of data was decompressed recently, further frames must wait.
        """
        if not self._has_inbound:
            return False
        now = self._loop.time()
        wait = self._inflation.wait(now)
        if wait > 0:
            self._set_timer(now + wait)
        return wait <= 0

    def _take_in(self) -> None:
        inbound, session = self._inbound, self.peer.session
        some = [inbound[place] for place in range(min(len(inbound), _FRAMES_AT_ONCE))]
        taken = self.peer.receive(some)
        for _ in range(min(taken, len(inbound))):
            self._inbound_bytes -= len(inbound.popleft())
        if (more := session.connection.inflated - self._inflated) > 0:
            self._inflated += more
            self._inflation.spend(more, self._loop.time())

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
            if not sent or peer.session.is_over or not peer.session.has_time():
                break
        if peer.session.is_over:
            self._close_by(peer.session.problem)
        else:
            self._set_timer(peer.deadline)
            if self._turned is not None:
                self._turned()

    def _close_by(self, problem: Problem | None) -> None:
        if problem is None:
            self._close(CloseCode.NORMAL, "")
        elif problem.domain is Domain.BLIP and problem.code > CloseCode.NORMAL:
            self._close(problem.code, problem.text)
        elif problem.domain is Domain.STORE:
            self._close(CloseCode.INTERNAL_ERROR, "the store is not available")
        else:
            self._close(CloseCode.POLICY_VIOLATION, problem.text)

    def _close(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.transport.close(code, reason.encode()[:120].decode(errors="ignore"))

    def _set_timer(self, deadline: float | None) -> None:
        if self._timer is not None:
            if deadline is not None and self._due <= deadline:
                return  # the timer fires before the deadline, and is then set to the deadline
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._due = deadline
            self._timer = self._loop.call_at(deadline, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self.run()

    def _schedule_turn(self) -> None:
        """Request a time slice soon, because an event in another session may allow the peer to continue."""
        if not (self._run_is_due or self._wake_is_due or self.is_closed):
            self._run_is_due = True
            self._loop.call_soon(self._run_soon)

    def _run_soon(self) -> None:
        self._run_is_due = False
        self.run()

    def _changed(self) -> None:
        """Wake the peer soon after a change of the store, at most once per iteration of the event loop."""
        if not self._wake_is_due and not self.is_closed:
            self._wake_is_due = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._wake_is_due = False
        self.peer.wake()
        self.run()
