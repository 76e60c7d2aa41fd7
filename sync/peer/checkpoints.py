"""Replication checkpoints: our own, of which the peer stores a second copy, and those that peers store here.

When our own checkpoint is saved, the peer's copy is stored first, and then the local copy. If only the first
step succeeds, `reconcile` finds the last position on which both copies agree.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from weakref import WeakKeyDictionary

from sync.blip import ErrorReceived, RequestReceived
from sync.peer.problems import Domain, Problem
from sync.peer.session import Reply, Session
from sync.replication.checkpoint import Checkpoint, reconcile
from sync.replication.messages import (
    CollectionCheckpoint,
    Failure,
    GetCheckpoint,
    GetCheckpointReply,
    GetCollections,
    GetCollectionsReply,
    MessageError,
    SetCheckpoint,
    SetCheckpointReply,
)
from sync.store import ConflictError, Database, DocumentError
from sync.store.checkpoints import LARGEST
from sync.store.remotes import unnamed

from . import limits

log = logging.getLogger(__name__)

_OWN: Final = "checkpoint:"
_CONFLICTS_MOST: Final = 3
"""Maximum number of consecutive conflicts with saves of another replication before a save is abandoned."""
_NO_COLLECTIONS: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_IMPLEMENTED})
"""HTTP status codes with which peers report that they do not support collections.

Some peers support no collections at all, and others do not support them on the current connection.
"""
_DEFAULT_COLLECTION: Final = "_default"
DEFAULT_COLLECTIONS: Final = frozenset({"_default", "_default._default"})


class OwnCheckpoint:
    """The checkpoint of one of our own replications, stored here and at the peer."""

    def __init__(self, session: Session, database: Database, name: str) -> None:
        """Create a checkpoint. `name` is a result of `sync.replication.checkpoint_id`."""
        self._session, self._database, self._name = session, database, name
        self._revision: str | None = None
        self._saved: Checkpoint | None = None
        self._saving: Checkpoint | None = None
        self._conflicts = 0
        self.saved_at: float = session.clock()
        """Time, by the session's clock, at which the last save ended.

        Until the first save ends, this is the time at which the object was created.
        """

    @property
    def is_saving(self) -> bool:
        """True while a save is in progress."""
        return self._saving is not None

    def is_saved(self, checkpoint: Checkpoint) -> bool:
        """Return True if both stored copies equal this checkpoint, as shortened to the maximum size."""
        return self._saved is not None and checkpoint.within(LARGEST) == self._saved

    def load(self, then: Callable[[Checkpoint], None], *, names_collection: bool = False) -> None:
        """Request the peer's copy, and call `then` with the checkpoint on which both copies agree.

        With `names_collection`, the first message is getCollections, and each later message names the
        collection, because Couchbase Lite 4 rejects messages without one. If the peer does not support
        getCollections, the checkpoint is requested without it.
        """
        if names_collection:
            request = GetCollections((_DEFAULT_COLLECTION,), (self._name,))
            self._session.ask_for_collections(request, self._collections_told, then)
        else:
            self._ask(then)

    def _ask(self, then: Callable[[Checkpoint], None]) -> None:
        self._session.request(
            GetCheckpoint(self._name, self._session.collection).encode(), self._loaded, then
        )

    def _collections_told(self, reply: Reply, then: Callable[[Checkpoint], None]) -> None:
        if isinstance(reply, ErrorReceived):
            failure = Failure.decode(reply)
            if failure.is_unhandled or failure.status in _NO_COLLECTIONS:
                self._session.forgo_collections()
                self._ask(then)
            else:
                text = f"the peer refuses to send its checkpoint: {failure.text or failure.code}"
                self._session.end(Problem(Domain.WEBSOCKET, failure.status or failure.code, text))
            return
        (checkpoint,) = GetCollectionsReply.decode(reply, self._session.limits, asked=1).checkpoints
        if checkpoint is None:
            text = (
                "the peer's database has no default collection, the only one that is replicated here;"
                " create it there"
            )
            self._session.end(Problem(Domain.WEBSOCKET, HTTPStatus.NOT_FOUND, text))
            return
        self._session.collection = 0
        self._revision = checkpoint.revision
        # An empty body means that the peer has no checkpoint, because a checkpoint's body is never empty.
        self._reconcile(None if checkpoint.body == b"{}" else checkpoint.body, then)

    def forget(self) -> None:
        """Delete our own copy of the checkpoint, so that the replication starts from the beginning."""
        document = self._database.get_local(_OWN + self._name)
        if document is not None:
            self._database.delete_local(document.key, parent=document.rev)

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint at the peer and here, unless it is already stored or a save is in progress."""
        if self.is_saving or self.is_saved(checkpoint):
            return
        self._saving = checkpoint = checkpoint.within(LARGEST)
        self._session.request(
            SetCheckpoint(self._name, checkpoint.encode(), self._revision, self._session.collection).encode(),
            self._stored,
        )

    def _loaded(self, reply: Reply, then: Callable[[Checkpoint], None]) -> None:
        theirs: bytes | None = None
        if isinstance(reply, ErrorReceived):
            failure = Failure.decode(reply)
            if failure.status != HTTPStatus.NOT_FOUND or failure.is_unhandled:
                self._session.end(
                    Problem(
                        Domain.WEBSOCKET,
                        failure.status,
                        f"the peer refuses to send its checkpoint: {failure.text}",
                    )
                )
                return
        else:
            answer = GetCheckpointReply.decode(reply, self._session.limits)
            self._revision = answer.revision
            theirs = answer.body
        self._reconcile(theirs, then)

    def _reconcile(self, body: bytes | None, then: Callable[[Checkpoint], None]) -> None:
        theirs = None if body is None else _decoded(body, "the peer's copy of the checkpoint")
        ours = stored(self._database, self._name)
        reconciled = reconcile(ours, theirs)
        if not reconciled.agreed:
            log.info("the two copies of a checkpoint differ; continuing from the position that both confirm")
        elif ours is not None:
            self._saved = ours
        then(reconciled.checkpoint)

    def _stored(self, reply: Reply, _: None) -> None:
        saving, self._saving = self._saving, None
        self.saved_at = self._session.clock()
        assert saving is not None
        if isinstance(reply, ErrorReceived):
            failure = Failure.decode(reply)
            if failure.status == HTTPStatus.CONFLICT and self._conflicts < _CONFLICTS_MOST:
                # Another replication has stored a checkpoint under this name. Read its revision, and store
                # our checkpoint as its successor.
                self._conflicts += 1
                self._session.request(
                    GetCheckpoint(self._name, self._session.collection).encode(), self._reread, saving
                )
                self._saving = saving
            else:
                log.warning("the peer refuses to store our checkpoint: %s", failure.text or failure.code)
                self._saved = saving  # do not try again until the checkpoint has advanced
            return
        self._conflicts = 0
        self._revision = SetCheckpointReply.decode(reply, self._session.limits).revision
        document = self._database.get_local(_OWN + self._name)
        self._database.put_local(
            _OWN + self._name, saving.encode(), parent=None if document is None else document.rev
        )
        self._saved = saving

    def _reread(self, reply: Reply, saving: Checkpoint) -> None:
        self._saving = None
        if isinstance(reply, ErrorReceived):
            self._revision = None
        else:
            self._revision = GetCheckpointReply.decode(reply, self._session.limits).revision
        self.save(saving)


def stored(database: Database, name: str) -> Checkpoint | None:
    """Return our own copy of a replication's checkpoint, or None if it is missing or unreadable."""
    document = database.get_local(_OWN + name)
    return None if document is None else _decoded(document.raw, "our copy of the checkpoint")


@dataclass(slots=True)
class _Pace:
    """Rate limit for saving one owner's checkpoints, shared by all connections."""

    due: float = float("-inf")
    """Earliest time, by the sessions' clock, at which the next checkpoint may be stored."""

    def allows(self, now: float) -> bool:
        """Return True if a checkpoint may be stored at time `now`, and count it as stored."""
        if now < self.due:
            return False
        burst = limits.PEERS_CHECKPOINTS_AT_ONCE * limits.PEERS_CHECKPOINT_EVERY
        self.due = max(self.due, now - burst) + limits.PEERS_CHECKPOINT_EVERY
        return True


_paces: Final[WeakKeyDictionary[Database, dict[str, _Pace]]] = WeakKeyDictionary()


class PeersCheckpoints:
    """Handler of a peer's requests to store its checkpoints here, and to read them."""

    def __init__(self, session: Session, database: Database, *, owner: str) -> None:
        """Register the handlers of requests for the checkpoints of `owner`.

        `sync.store.checkpoints` describes the format of `owner`.
        """
        self._session, self._database, self._owner = session, database, owner
        self._pace = _paces.setdefault(database, {}).setdefault(owner, _Pace())
        self._waiting: deque[tuple[SetCheckpoint, RequestReceived]] = deque()
        session.handle(GetCheckpoint, self._get)
        session.handle(SetCheckpoint, self._set)
        session.handle(GetCollections, self._collections)
        session.at_end(self._waiting.clear)

    def _get(self, request: GetCheckpoint, event: RequestReceived) -> None:
        if self._session.connection.queued > limits.MESSAGES_QUEUED:
            raise MessageError(
                "too many requests; send fewer at the same time", code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        self._recognise(request.client)
        checkpoint = self._database.checkpoints.get(self._owner, request.client)
        if checkpoint is None:
            raise MessageError("the checkpoint does not exist", code=HTTPStatus.NOT_FOUND)
        self._session.respond(event, GetCheckpointReply(checkpoint.rev, checkpoint.raw).encode())

    def _set(self, request: SetCheckpoint, event: RequestReceived) -> None:
        if len(request.body) > LARGEST:
            text = f"the checkpoint has {len(request.body)} bytes; the limit is {LARGEST}"
            raise MessageError(text, code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if len(self._waiting) >= limits.PEERS_CHECKPOINTS_WAITING:
            raise MessageError(
                "too many checkpoints; save them less often", code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        self._waiting.append((request, event))
        self.pump()

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, used by the checkpoints that wait to be stored."""
        return sum(len(request.body) for request, _ in self._waiting)

    @property
    def deadline(self) -> float | None:
        """Time at which to call `pump`; None if no checkpoint is waiting."""
        return self._pace.due if self._waiting else None

    def pump(self) -> None:
        """Store the waiting checkpoints that the owner's rate limit allows.

        Raises StoreError if the store fails.
        """
        while self._waiting and self._pace.allows(self._session.clock()):
            request, event = self._waiting.popleft()
            try:
                self._store(request, event)
            except (MessageError, DocumentError) as error:
                refusal = error if isinstance(error, MessageError) else MessageError(str(error))
                self._session.refuse(event, refusal)

    def _store(self, request: SetCheckpoint, event: RequestReceived) -> None:
        try:
            revision = self._database.checkpoints.put(
                self._owner, request.client, request.body, parent=request.revision
            )
        except ConflictError as error:
            raise MessageError("the checkpoint has a different revision", code=HTTPStatus.CONFLICT) from error
        self._session.respond(event, SetCheckpointReply(revision).encode())

    def _collections(self, request: GetCollections, event: RequestReceived) -> None:
        checkpoints: list[CollectionCheckpoint | None] = []
        for index, (name, client) in enumerate(zip(request.collections, request.clients, strict=True)):
            if name not in DEFAULT_COLLECTIONS:
                checkpoints.append(None)
                continue
            self._session.collection = index
            self._recognise(client)
            checkpoint = self._database.checkpoints.get(self._owner, client)
            checkpoints.append(
                CollectionCheckpoint()
                if checkpoint is None
                else CollectionCheckpoint(checkpoint.rev, checkpoint.raw)
            )
        self._session.respond(event, GetCollectionsReply(tuple(checkpoints)).encode())

    def _recognise(self, client: str) -> None:
        """Use the id of a peer's checkpoint, which is unique to the peer's store, as the name of the peer.

        This applies only to a peer without a name.
        """
        self._session.remote = self._session.remote or unnamed(self._owner, client)


def _decoded(body: bytes, what: str) -> Checkpoint | None:
    """Decode a copy of a checkpoint. If it is malformed, log a warning and return None."""
    try:
        return Checkpoint.decode(body)
    except MessageError as error:
        log.warning("%s is malformed, so replication starts from the beginning: %s", what, error.text)
        return None
