"""A replication with a Couchbase gateway, which either pushes or pulls.

If it pushes, it pushes the documents of one part of the forwarding policy. Each call of `connect` starts one
attempt to connect. `connection_timing` decides when to call `connect`. Documents that the gateway rejects are
listed in `failed_documents`, and offered again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from sync.gateway.policy import PolicyPart
from sync.gateway.progress import Backlog
from sync.gateway.report import GatewayState
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.net.throttle import TokenBucket
from sync.peer.active import Activity
from sync.peer.failed_documents import FailedDocument, FailedDocuments
from sync.peer.problems import Problem
from sync.peer.progress import Direction, DocumentEnded
from sync.peer.selection import Stream
from sync.replication.checkpoint import PushProgress
from sync.store import DocumentChange

from .problem_classification import classify_problem

_STOP_S: Final = 3.0
"""Maximum number of seconds for which `end` waits until the checkpoint is stored."""
_PROBES: Final = 10
"""Maximum number of rejected documents to offer again at one time, one for each reason.

If a document is accepted, all other documents rejected for the same reason are offered too.
"""
_UP: Final = frozenset({Activity.BUSY, Activity.IDLE})


class ReplicationOwner(Protocol):
    """Interface of the gateway that owns a replication. The replication informs it of events."""

    def acknowledged(
        self, replication: "GatewayReplication", change: DocumentChange, *, was_refused: bool
    ) -> None:
        """Process the gateway's acknowledgement of a change, which it may have rejected before."""

    def ended(self, replication: "GatewayReplication", outcomes: Sequence[DocumentEnded]) -> None:
        """Process the outcomes of documents that were replicated or that failed."""

    def push_begins(self, replication: "GatewayReplication", progress: PushProgress) -> None:
        """Process the progress from which pushing continues on a new connection."""

    def changed(self) -> None:
        """Respond to a change of a replication's state."""


@dataclass(frozen=True, slots=True)
class GatewayReplicationOptions:
    """Options of one replication with a Couchbase gateway."""

    part: PolicyPart | None
    """Part of the forwarding policy whose documents are pushed; None to pull."""
    failed: FailedDocuments
    is_spared: Callable[[str], bool]
    """Function that returns True if another vessel has already forwarded the document with the given id."""
    limit: TokenBucket | None
    """Rate limit shared by all replications; None for no limit."""


class GatewayReplication:
    """A replication with a Couchbase gateway, which can be connected and stopped repeatedly."""

    def __init__(
        self,
        owner: ReplicationOwner,
        options: GatewayReplicationOptions,
        configure: Callable[..., ReplicatorConfiguration],
        *,
        rng: Random,
    ) -> None:
        """Create a replication. Raises StoreError if the store fails.

        Args:
            owner: the gateway, which is informed of events.
            options: the options of this replication.
            configure: returns the replicator's configuration. It is called with the stream to push, or None
                to pull, and with options of `ReplicatorConfiguration` as keyword arguments.
            rng: random number generator for the jitter in waiting times.
        """
        part = options.part
        self.part: Final = part
        self.failed: Final = options.failed
        self.backlog: Final = Backlog()
        self.is_wanted = False
        """True if the policy allows this replication now."""
        self.up_since: float | None = None
        self.fails_alone = False
        self._owner, self._options = owner, options
        self._resets = self._has_ended = False
        self._problem: Problem | None = None
        """Problem that ended the last connection or attempt to connect; None if there was none."""
        self._mended: set[str] = set()
        """Reasons for rejection for which the gateway has accepted a document since the last probe."""
        self._replicator = Replicator(
            configure(
                None if part is None else Stream(part.name, self.is_sent),
                max_attempts=1,
                failed=options.failed,
                bandwidth=self._bucket(),
                acknowledged=self._acknowledged,
                begun=self._begun,
            ),
            on_status=self._status,
            on_documents=lambda outcomes: owner.ended(self, outcomes),
            rng=rng,
        )
        self.has_pushed = part is not None and self._replicator.pushed.local > 0
        """True if any document was ever pushed to the gateway."""

    # Documents

    def includes(self, document_id: str) -> bool:
        """Return True if a document belongs to the part of the policy that this replication pushes."""
        return self.part is not None and self.part.holds(document_id)

    def is_sent(self, document_id: str) -> bool:
        """Return True if this replication pushes a document.

        The document must be included, and no other vessel may have forwarded it.
        """
        return self.includes(document_id) and not self._options.is_spared(document_id)

    def is_waiting(self, change: DocumentChange) -> bool:
        """Return True if this replication still has to push a change."""
        return self.is_sent(change.id) and not self._replicator.pushed.is_complete(change.sequence)

    def has_arrived(self, document_id: str, sequence: int) -> bool:
        """Return True if the gateway has the current revision of a document.

        `sequence` is the sequence number of that revision.
        """
        return (
            not self.failed.has_overflowed
            and self.failed.get(Direction.PUSH, document_id) is None
            and self._replicator.pushed.is_complete(sequence)
        )

    @property
    def stored(self) -> PushProgress:
        """Progress of pushing according to the local copy of the checkpoint."""
        return self._replicator.stored

    @property
    def transferred(self) -> tuple[int, int]:
        """Total numbers of bytes sent and received."""
        return self._replicator.transferred

    # State

    @property
    def is_up(self) -> bool:
        """True while the replication has a connection."""
        return self._replicator.status.activity in _UP

    @property
    def is_stopped(self) -> bool:
        """True if the replication has no connection and is not trying to connect."""
        return self._replicator.status.activity is Activity.STOPPED

    @property
    def is_caught_up(self) -> bool:
        """True if the replication has sent all the documents that it has to send."""
        return self._replicator.status.activity is Activity.IDLE

    @property
    def is_idle(self) -> bool:
        """True unless the replication is transferring documents."""
        return self._replicator.status.activity is not Activity.BUSY

    @property
    def is_held(self) -> bool:
        """True if this replication is waiting because another replication must connect first."""
        return self.is_stopped and self._problem is None

    @property
    def state(self) -> tuple[GatewayState, str | None]:
        """State of the gateway as seen by this replication, and the reason for the state, if any."""
        if self.is_up:
            return GatewayState.CONNECTED, None
        problem = self._replicator.status.problem or self._problem
        return (GatewayState.CONNECTING, None) if problem is None else classify_problem(problem)

    # Control by the gateway

    def connect(self) -> None:
        """Start one attempt to connect."""
        self._has_ended = False
        self._replicator.start(reset_checkpoint=self._resets)

    def take_end(self) -> tuple[bool, Problem | None]:
        """Return whether a connection or attempt has ended since the last call, and the problem if any."""
        has_ended, self._has_ended = self._has_ended, False
        return has_ended, self._problem

    async def suspend(self) -> None:
        """Stop the replication until the next `connect`, because the policy does not allow a connection."""
        self._problem = None
        if not self.is_stopped:
            await self._replicator.stop()
        self._has_ended = False

    async def reset(self) -> None:
        """Stop the replication, and make its next connection start from the beginning of the changes feed."""
        if self.part is not None:
            self._resets, self.has_pushed = True, False
            await self._replicator.stop()
            self._has_ended, self._problem = False, None

    async def end(self) -> None:
        """Stop the replication, and store its checkpoint if the gateway answers within a few seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._replicator.stop()

    # Rejected documents

    @property
    def refused(self) -> list[FailedDocument]:
        """Documents that the gateway rejects, and received documents that cannot be stored here.

        The most recent failure is last.
        """
        return list(self.failed)

    def offer_refused(self) -> int:
        """Offer all rejected documents again. Return their number."""
        ids = self.failed.ids(Direction.PUSH)
        self._replicator.offer_again(ids)
        return len(ids)

    def probe(self) -> None:
        """Offer again one rejected document for each reason.

        If it is accepted, all other documents rejected for the same reason are offered too.
        """
        self._mended.clear()
        by_reason: dict[str, str] = {}
        for document in self.failed:
            if document.direction is Direction.PUSH:
                by_reason.setdefault(document.reason, document.id)
        if self.is_up:
            self._replicator.offer_again(list(by_reason.values())[:_PROBES])

    def forget_spared(self) -> None:
        """Remove from the list of rejected documents those that another vessel has forwarded.

        Raises StoreError if the store fails.
        """
        self._forget(filter(self._options.is_spared, self.failed.ids(Direction.PUSH)))
        self.failed.save()

    def _forget(self, document_ids: Iterable[str]) -> None:
        for document_id in list(document_ids):
            self.failed.forget(Direction.PUSH, document_id)

    def _acknowledged(self, change: DocumentChange) -> None:
        was = self.failed.get(Direction.PUSH, change.id)
        if was is not None and was.reason not in self._mended:
            self._mended.add(was.reason)
            rest = self.failed.ids(Direction.PUSH, reason=was.reason)
            self._replicator.offer_again([document_id for document_id in rest if document_id != change.id])
        was_refused = was is not None and was.revision in ("", change.rev)
        self._owner.acknowledged(self, change, was_refused=was_refused)

    # Calls from the replicator

    def _begun(self, progress: PushProgress) -> None:
        self._resets = False
        self._owner.push_begins(self, progress)

    def _status(self, status: Status) -> None:
        if status.activity in _UP:
            self.up_since = time.monotonic() if self.up_since is None else self.up_since
            self._problem, self.fails_alone = None, False
            if status.activity is Activity.IDLE and self.part is not None:
                self.backlog.reset()
        else:
            was_up, self.up_since = self.up_since is not None, None
            if status.activity is Activity.STOPPED:
                self._has_ended, self._problem = True, status.problem
                is_refused = (
                    status.problem is not None and classify_problem(status.problem)[0] is GatewayState.REFUSED
                )
                self.fails_alone = was_up and is_refused
        self._owner.changed()

    def _bucket(self) -> TokenBucket | None:
        limit = None if self.part is None else self.part.limit
        if limit is None:
            return self._options.limit
        return TokenBucket(limit, now=time.monotonic(), lower=self._options.limit)
