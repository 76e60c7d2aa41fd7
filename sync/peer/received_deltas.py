"""Applies received deltas, within the connection's work limit and without revealing hidden documents.

If a delta cannot be applied, the reply is status 422, and the peer then sends the whole body. The reply does
not say which part of the delta does not match, because that would reveal content of the base revision.
"""

from collections.abc import Callable, Generator
from http import HTTPStatus

from sync import delta
from sync.delta import DeltaError
from sync.peer.session import Session
from sync.replication.messages import MessageError, Rev
from sync.store import Database

from . import limits, wire_bodies
from .revision_writer import ReceivedRevision, RevisionWriter


class ReceivedDeltas:
    """Queue of the received deltas of one session."""

    def __init__(
        self,
        session: Session,
        database: Database,
        arrivals: RevisionWriter,
        patched: Callable[[ReceivedRevision], None],
    ) -> None:
        """Create an empty queue.

        Args:
            session: the session with the peer.
            database: the store.
            arrivals: decides which documents and base revisions the peer may read.
            patched: called with each revision once its complete body or its error is set.
        """
        self._session, self._database, self._arrivals = session, database, arrivals
        self._patched = patched
        self.waiting = 0
        """Number of revisions whose deltas have not been applied yet."""
        self.bytes_held = 0
        """Memory, in bytes, used by the revisions whose deltas have not been applied yet."""

    def apply(self, arrived: ReceivedRevision, source: str) -> None:
        """Queue a received delta, to be applied to the base revision `source` when the work limit allows."""
        arrived.error = self._objection(arrived.rev, source)
        if arrived.error is None:
            self._hold(arrived)
            try:
                self._session.work.begin(self._patching(arrived, source))
            except MessageError as error:
                self._let_go(arrived)
                arrived.error = error.without_traceback()
            else:
                return
        self._patched(arrived)

    def _objection(self, rev: Rev, source: str) -> MessageError | None:
        """Return an error if a delta must be rejected without an attempt to apply it; otherwise None."""
        if len(rev.body) > limits.DELTA_BYTES:
            return _too_large(rev)
        if self._arrivals.hidden([rev.id]):
            return _unknown_base(rev, source)
        if self._database.stored_bytes(rev.id) > limits.DELTA_STORED:
            return _too_large(rev)
        if self.bytes_held + len(rev.body) > limits.BYTES_FETCHING:
            return MessageError(
                f"{rev.id}: too many deltas are waiting; try again later", code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        return None

    def _patching(self, arrived: ReceivedRevision, source: str) -> Generator[int, None, None]:
        """Apply a delta to its base revision `source`. This runs as a job in the queue `Session.work`."""
        self._let_go(arrived)
        rev = arrived.rev
        size = len(rev.body)
        try:
            base = self._database.get(rev.id, rev=source)
            if base is None or not self._arrivals.shows_base(base):
                raise _unknown_base(rev, source)
            if len(base.raw) > limits.DELTA_BYTES:
                raise _too_large(rev)
            size += len(base.raw)
            arrived.raw = delta.apply_json(wire_bodies.delta_base(base.raw, rev.body), rev.body)
        except DeltaError:
            text = f"{rev.id}: the delta does not match its base revision {source}"
            arrived.error = MessageError(text, code=HTTPStatus.UNPROCESSABLE_ENTITY)
        except MessageError as error:
            arrived.error = error.without_traceback()
        self._patched(arrived)
        yield limits.PATCH_COST * size

    def _hold(self, arrived: ReceivedRevision) -> None:
        self.waiting += 1
        self.bytes_held += arrived.rev.bytes_held

    def _let_go(self, arrived: ReceivedRevision) -> None:
        self.waiting -= 1
        self.bytes_held -= arrived.rev.bytes_held


def _unknown_base(rev: Rev, source: str) -> MessageError:
    return MessageError(
        f"{rev.id}: the base revision {source} is not stored here", code=HTTPStatus.UNPROCESSABLE_ENTITY
    )


def _too_large(rev: Rev) -> MessageError:
    return MessageError(
        f"{rev.id}: the document is too large for a delta; send the full body",
        code=HTTPStatus.UNPROCESSABLE_ENTITY,
    )
