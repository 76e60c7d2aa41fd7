"""Storage of received revisions, and resolution of the conflicts that they cause.

A batch of revisions is stored in one transaction. The conflicts that it causes are resolved in the next
transaction.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from sync.blip import RequestReceived
from sync.peer import conflicts
from sync.peer.conflicts import ConflictResolver, default_resolver
from sync.peer.problems import Problem
from sync.peer.quotas import Quota
from sync.peer.selection import EVERYTHING, Selection
from sync.peer.session import Session
from sync.replication.messages import MessageError, Rev
from sync.store import ConflictError, Database, Document, DocumentError, InsertOutcome

from .echo_suppression import EchoSuppression

Rule = Callable[[Document], str | None]
"""Function that returns the reason why a received document must not be stored, or None to allow it.

It is called with an `OfferedRevision` whose sequence is 0.
"""
IdRule = Callable[[str, str, bool], str | None]
"""Function that returns the reason why a revision must not be stored, regardless of its body.

It is called before any expensive work. Its arguments are the document id, the revision id, and True if the
revision is a deletion. It returns None if the revision may be stored, or if that depends on the body.
"""


class TemporaryObjection(str):
    """A reason, returned by a `Rule`, for rejecting a document temporarily.

    The peer offers the document again later.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class OfferedRevision(Document):
    """A revision that a peer has sent to be stored."""

    history: tuple[str, ...] = ()
    """The revision's ancestors as the peer has listed them, newest first."""
    is_replaced: bool = False
    """True if this is a branch's tombstone, stored together with a live revision that replaces the branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveOptions:
    """The options for received revisions."""

    active: bool
    """True on the active side, which accepts and resolves conflicts."""
    deltas: bool = True
    conflict_resolver: ConflictResolver = default_resolver
    rule: Rule | None = None
    id_rule: IdRule | None = None
    readable: Selection = EVERYTHING
    """Selection of the documents that the peer may read. Other documents are treated as nonexistent."""
    keeps: Callable[[str], bool] = lambda _: True
    purges_removed: bool = False
    """True to purge a local document when it leaves the channels that we read at the peer."""
    prove_blobs: bool = False
    """True if a peer must prove that it has a blob before its documents may refer to the stored blob."""
    quota: Callable[[], Quota | None] = lambda: None
    """Function that returns the peer's quota, or None for no limit. Call it when the peer is known."""


class ReceivedRevision(msgspec.Struct):
    """A received revision that is not stored yet.

    The garbage collector tracks these objects, because an error or a callback may cause a reference cycle.
    """

    event: RequestReceived | None
    """The peer's request to which to reply; None for a revision that was requested individually."""
    rev: Rev
    raw: bytes
    tickets: list[int] | None
    wire_bytes: int
    is_removed: bool = False
    outcome: InsertOutcome | None = None
    error: MessageError | None = None
    end: "ReceivedRevision | None" = None
    """The tombstone of the branch that this revision replaces. Either both are stored, or neither."""
    ended: "Callable[[MessageError | None], None] | None" = None
    """Function to call with None when an individually requested revision is stored, or with the error."""

    @property
    def bytes_held(self) -> int:
        """Approximate memory, in bytes, used by the message, and by the body if it is a separate object."""
        return self.rev.bytes_held + (0 if self.raw is self.rev.body else len(self.raw))


class RevisionWriter:
    """Writer that stores the revisions of one peer."""

    def __init__(
        self, session: Session, database: Database, options: ReceiveOptions, echo: EchoSuppression | None
    ) -> None:
        """Create a writer, which records the stored revisions in `echo` unless that is None."""
        self._session, self._database = session, database
        self._options, self._echo = options, echo

    def objection_to_id(self, rev: Rev) -> MessageError | None:
        """Return an error if a revision must not be stored, regardless of its body; otherwise None."""
        rule = self._options.id_rule
        reason = None if rule is None else rule(rev.id, rev.revision, rev.deleted)
        return None if reason is None else MessageError(f"{rev.id}: {reason}", code=HTTPStatus.FORBIDDEN)

    def is_allowed(self, arrived: ReceivedRevision) -> bool:
        """Return True if the rules allow a revision to be stored. Otherwise, set the revision's error."""
        return arrived.is_removed or self._is_wanted(arrived)

    def hidden(self, document_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the given document ids whose existence must not be revealed to the peer."""
        readable = self._options.readable
        if readable.is_everything:
            return frozenset()
        ids, policy = set(document_ids), self._database.policy
        hidden = {document_id for document_id in ids if readable.rules_out(policy, document_id)}
        here = self._database.current(ids - hidden)
        for document_id, (_, deleted) in here.items():
            if not readable.shows(self._database, document_id, deleted=deleted):
                hidden.add(document_id)
        return frozenset(hidden)

    def shows_base(self, base: Document) -> bool:
        """Return True if the peer may read the base revision of a delta that it has sent."""
        readable, policy = self._options.readable, self._database.policy
        return readable.is_everything or readable.shows_revision(policy, base)

    def store(self, arrivals: Sequence[ReceivedRevision]) -> list[tuple[str, Problem]]:
        """Store the revisions, and set the outcome or the error of each.

        Returns:
            The id of each document whose conflict remains unresolved, with the reason.

        Raises:
            StoreError: the store cannot be written.
        """
        contested: list[tuple[str, str | None]] = []
        with self._database.transaction():
            wanted: list[ReceivedRevision] = []
            for arrived in arrivals:
                if arrived.error is None and self._is_wanted(arrived):
                    wanted.append(arrived)
                elif arrived.is_removed and self._options.purges_removed:
                    self._database.purge([arrived.rev.id])
                    wanted = [earlier for earlier in wanted if earlier.rev.id != arrived.rev.id]
            if not self._insert_new(wanted):
                for arrived in wanted:
                    self._insert(arrived, contested)
        if not contested:
            return []
        with self._database.transaction():
            results = [(document_id, self._resolve(document_id, of)) for document_id, of in contested]
        return [(document_id, result) for document_id, result in results if isinstance(result, Problem)]

    def _resolve(self, document_id: str, deletion: str | None) -> object:
        resolver = self._options.conflict_resolver
        return conflicts.resolve(self._database, document_id, resolver, deletion=deletion)

    def _is_wanted(self, arrived: ReceivedRevision, *, is_replaced: bool = False) -> bool:
        rev, options = arrived.rev, self._options
        if arrived.end is not None and not self._is_wanted(arrived.end, is_replaced=not rev.deleted):
            arrived.error = arrived.end.error
            return False
        if arrived.is_removed:
            return False
        if options.rule is not None:
            document = OfferedRevision(
                rev.id, rev.revision, 0, rev.deleted, False, arrived.raw, tuple(rev.history), is_replaced
            )
            try:
                reason = options.rule(document)
            except DocumentError as error:  # the rule tried to decode a malformed body
                arrived.error = MessageError(str(error))
                return False
            if reason is not None:
                code = (
                    HTTPStatus.SERVICE_UNAVAILABLE
                    if isinstance(reason, TemporaryObjection)
                    else HTTPStatus.FORBIDDEN
                )
                arrived.error = MessageError(f"{rev.id}: {reason}", code=code)
                return False
        return True

    def _insert_new(self, wanted: list[ReceivedRevision]) -> bool:
        """Store the revisions together if all of them are new documents, which is the most common case.

        Return False, and store nothing, if the revisions must be stored one by one.
        """
        ids = {arrived.rev.id for arrived in wanted if not arrived.rev.history}
        if not wanted or len(ids) < len(wanted):
            return False
        try:
            if not self._database.insert_new(
                [(a.rev.id, a.rev.revision, a.raw, a.rev.deleted) for a in wanted]
            ):
                return False
        except DocumentError:
            return False
        for arrived in wanted:
            arrived.outcome = InsertOutcome.NEW
            self._note(arrived.rev, InsertOutcome.NEW)
        return True

    def _insert(self, arrived: ReceivedRevision, contested: list[tuple[str, str | None]]) -> None:
        rev = arrived.rev
        try:
            if arrived.end is None:
                outcome = self._store(arrived)
            else:
                with self._database.transaction():
                    self._store(arrived.end)
                    outcome = self._store(arrived)
            arrived.outcome = outcome
        except ConflictError as error:
            arrived.error = self._conflict(rev.id, error)
            return
        except DocumentError as error:
            arrived.error = MessageError(str(error))
            return
        if outcome is InsertOutcome.CONFLICT:
            contested.append((rev.id, None))
        elif outcome is InsertOutcome.BRANCHED:
            contested.append((rev.id, self._deletion(rev)))
        self._note(rev, outcome)

    def _conflict(self, document_id: str, error: ConflictError) -> MessageError:
        if self.hidden([document_id]):
            # The peer cannot pull the conflicting revision, and its id must not be revealed.
            return MessageError(
                f"{document_id}: you do not have permission to write this document", code=HTTPStatus.FORBIDDEN
            )
        return MessageError(str(error), code=HTTPStatus.CONFLICT)

    def _store(self, arrived: ReceivedRevision) -> InsertOutcome:
        rev, options = arrived.rev, self._options
        return self._database.insert(
            rev.id,
            rev.revision,
            rev.history,
            arrived.raw,
            deleted=rev.deleted,
            allow_conflict=options.active and not rev.no_conflicts,
        )

    def _note(self, rev: Rev, outcome: InsertOutcome) -> None:
        """Record that the peer has a revision that it has just sent."""
        options = self._options
        if self._echo is not None and outcome.stored:
            self._echo.note(rev.id, rev.revision)
        remote = self._session.remote
        if remote is not None and options.keeps(rev.id) and outcome is not InsertOutcome.UNWANTED:
            self._database.set_remote_revision(rev.id, remote, rev.revision)

    def _deletion(self, rev: Rev) -> str | None:
        """Return the id of a deletion that conflicts with a live branch after `rev` was stored, or None."""
        if rev.deleted:
            return rev.revision
        others = [leaf for leaf in self._database.leaves(rev.id) if leaf.rev != rev.revision]
        if not others or not all(leaf.deleted for leaf in others):
            return None
        return conflicts.intended_deletion(self._database, others)
