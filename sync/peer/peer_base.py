"""The interface through which a caller with a transport and a clock drives an active or passive peer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from sync.blip import BlipError
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Ledger
from sync.peer.receiver import ChangeReceiver
from sync.peer.sender import FeedSender
from sync.peer.session import Session
from sync.store import Database, StoreError


class PeerBase(ABC):
    """The state of one side of a connection, either active or passive.

    The caller passes received frames to `receive`. It then calls `turn`, and calls `next_frame` until no
    frame is left or the transport is full. It calls `turn` again when the transport has room, when the store
    has changed (after `wake`), and at `deadline`. The caller closes the transport when `session.is_over` is
    True. To limit the duration of a call, the caller sets `session.until`. If `session.is_interrupted` is
    True afterwards, the caller must call again.
    """

    def __init__(self, session: Session, database: Database, ledger: Ledger) -> None:
        self.session, self.database, self.ledger = session, database, ledger
        self.sender: FeedSender | None = None
        self.receiver: ChangeReceiver | None = None

    def receive(self, frames: Sequence[bytes]) -> int:
        """Process frames until the time `session.until`, and return the number of frames processed.

        `Session.receive` describes how to continue.
        """
        return self.session.receive(frames)

    def next_frame(self) -> bytes | None:
        """Return the next frame to write to the transport; None if there is none."""
        return self.session.next_frame()

    def turn(self) -> None:
        """Do the work that is due: run jobs, store received revisions, and queue messages to the peer."""
        session = self.session
        try:
            if not session.is_over:
                session.work.pump()
            if not session.is_over:
                if self.receiver is not None:
                    self.receiver.pump()
                if self.sender is not None:
                    self.sender.pump()
            if not session.is_over:
                self._advance()
            self.ledger.keep()
        except StoreError as error:
            session.fail(error)
        except BlipError as error:  # one of our own messages exceeds a limit of BLIP
            session.end(Problem(Domain.BLIP, 0, str(error)))
        self.ledger.flush()

    def wake(self) -> None:
        """Record that the store has changed. The next call of `turn` sends the changes."""
        if self.sender is not None:
            self.sender.wake()

    @property
    def deadline(self) -> float | None:
        """Time, by the session's clock, at which to call `turn` unless a message arrives earlier.

        It is None if no call is needed.
        """
        if self.session.is_over:
            return None
        times = (
            self.session.work.deadline,
            None if self.receiver is None else self.receiver.deadline,
            None if self.sender is None else self.sender.deadline,
            self._own_deadline(),
        )
        return min((time for time in times if time is not None), default=None)

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, used on behalf of the peer."""
        held = self.session.bytes_held
        if self.receiver is not None:
            held += self.receiver.bytes_held
        if self.sender is not None:
            held += self.sender.bytes_held
        return held

    @abstractmethod
    def _advance(self) -> None:
        """Do the work that is specific to the role: active or passive."""

    def _own_deadline(self) -> float | None:
        return None
