"""One replication with a Couchbase gateway: of a part of the policy, or what is pulled.

It makes one attempt to connect when it is told to; when to try again is `dialling`'s to say. What the gateway
refuses of it is kept in `failed`, and offered again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from sync.gateway.judging import judge_problem
from sync.gateway.policy import Part
from sync.gateway.progress import Backlog
from sync.gateway.report import GatewayState
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.net.throttle import TokenBucket
from sync.peer.active import Activity
from sync.peer.failed import FailedDocument, FailedDocuments
from sync.peer.problems import Problem
from sync.peer.progress import Direction, DocumentEnded
from sync.peer.selection import Stream
from sync.replication.checkpoint import PushProgress
from sync.store import Change

_STOP_S: Final = 3.0
"""For what is on its way to arrive, when we end."""
_PROBES: Final = 10
"""Refused documents that the schedule offers at most, one for each reason. Once it is taken, all follow."""
_UP: Final = frozenset({Activity.BUSY, Activity.IDLE})


class Owner(Protocol):
    """The gateway whose way it is."""

    def acknowledged(self, way: "Way", change: Change, *, was_refused: bool) -> None:
        """The gateway has said that it has a change; `was_refused`: it refused it before."""

    def ended(self, way: "Way", told: Sequence[DocumentEnded]) -> None:
        """What became of documents."""

    def begun(self, way: "Way", progress: PushProgress) -> None:
        """A connection begins to push from here on."""

    def changed(self) -> None:
        """Something is otherwise with a replication."""


@dataclass(frozen=True, slots=True)
class WayOptions:
    """What a way is for."""

    part: Part | None
    """What is pushed; None to pull."""
    failed: FailedDocuments
    is_spared: Callable[[str], bool]
    """Whether a document is known to be ashore by another vessel."""
    limit: TokenBucket | None
    """What all ways together may send; None for as much as the line takes."""


class Way:
    """One replication, from `connect` to `end`, again and again."""

    def __init__(
        self,
        owner: Owner,
        options: WayOptions,
        configure: Callable[..., ReplicatorConfiguration],
        *,
        rng: Random,
    ) -> None:
        """`configure` makes the replicator's configuration of what this adds to it. Raises StoreError."""
        part = options.part
        self.part: Final = part
        self.failed: Final = options.failed
        self.backlog: Final = Backlog()
        self.is_wanted = False
        """Whether the policy allows it just now."""
        self.up_since: float | None = None
        self.fails_alone = False
        self._owner, self._options = owner, options
        self._resets = self._has_ended = False
        self._problem: Problem | None = None
        """Why the last attempt or connection ended."""
        self._mended: set[str] = set()
        """Reasons for which documents were refused, and of which one has been taken since the last probe."""
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
            on_documents=lambda told: owner.ended(self, told),
            rng=rng,
        )
        self.has_pushed = part is not None and self._replicator.pushed.local > 0
        """Whether something was pushed there before."""

    # What goes by it

    def holds(self, document_id: str) -> bool:
        """Return True if a document is one of these."""
        return self.part is not None and self.part.holds(document_id)

    def is_sent(self, document_id: str) -> bool:
        """Return True if a document goes out here: not what others have brought ashore."""
        return self.holds(document_id) and not self._options.is_spared(document_id)

    def waits(self, change: Change) -> bool:
        """Return True if a change has yet to go out here."""
        return self.is_sent(change.id) and not self._replicator.pushed.is_complete(change.sequence)

    def is_there(self, document_id: str, sequence: int) -> bool:
        """Return True if the gateway has a document whose current revision has this sequence."""
        return (
            not self.failed.has_overflowed
            and self.failed.get(Direction.PUSH, document_id) is None
            and self._replicator.pushed.is_complete(sequence)
        )

    @property
    def stored(self) -> PushProgress:
        """What our own copy of the checkpoint says need not go there any more."""
        return self._replicator.stored

    @property
    def transferred(self) -> tuple[int, int]:
        """Bytes sent and received so far."""
        return self._replicator.transferred

    # How it stands

    @property
    def is_up(self) -> bool:
        """Return True while it has a connection."""
        return self._replicator.status.activity in _UP

    @property
    def is_stopped(self) -> bool:
        """Return True if it neither has a connection nor tries to make one."""
        return self._replicator.status.activity is Activity.STOPPED

    @property
    def is_caught_up(self) -> bool:
        """Return True if everything it has is sent."""
        return self._replicator.status.activity is Activity.IDLE

    @property
    def is_idle(self) -> bool:
        """Return True if nothing is to be done."""
        return self._replicator.status.activity is not Activity.BUSY

    @property
    def is_held(self) -> bool:
        """Return True if it waits for the first one to go ahead."""
        return self.is_stopped and self._problem is None

    @property
    def judged(self) -> tuple[GatewayState, str | None]:
        """How it stands, and why."""
        if self.is_up:
            return GatewayState.CONNECTED, None
        problem = self._replicator.status.problem or self._problem
        return (GatewayState.CONNECTING, None) if problem is None else judge_problem(problem)

    # What the gateway does with it

    def connect(self) -> None:
        """Make one attempt to connect."""
        self._has_ended = False
        self._replicator.start(reset_checkpoint=self._resets)

    def take_end(self) -> tuple[bool, Problem | None]:
        """Return whether it has ended since this was last asked, and what ended it."""
        has_ended, self._has_ended = self._has_ended, False
        return has_ended, self._problem

    async def rest(self) -> None:
        """End it for now: the policy keeps everything for another time."""
        self._problem = None
        if not self.is_stopped:
            await self._replicator.stop()
        self._has_ended = False

    async def reset(self) -> None:
        """Look at everything once more."""
        if self.part is not None:
            self._resets, self.has_pushed = True, False
            await self._replicator.stop()
            self._has_ended, self._problem = False, None

    async def end(self) -> None:
        """End in good order, if that does not take long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._replicator.stop()

    # What is refused

    @property
    def refused(self) -> list[FailedDocument]:
        """What the gateway refuses, and what of it cannot be taken, the one that failed last at the end."""
        return list(self.failed)

    def offer_refused(self) -> int:
        """Offer all that is refused once more; how many documents that is."""
        ids = self.failed.ids(Direction.PUSH)
        self._replicator.offer_again(ids)
        return len(ids)

    def probe(self) -> None:
        """Offer one document for each reason once more: if it is taken, those of the same reason follow."""
        self._mended.clear()
        found: dict[str, str] = {}
        for document in self.failed:
            if document.direction is Direction.PUSH:
                found.setdefault(document.reason, document.id)
        if self.is_up:
            self._replicator.offer_again(list(found.values())[:_PROBES])

    def forget_spared(self) -> None:
        """Forget what was refused here and another vessel has brought ashore. Raises StoreError."""
        self._forget(filter(self._options.is_spared, self.failed.ids(Direction.PUSH)))
        self.failed.save()

    def _forget(self, document_ids: Iterable[str]) -> None:
        for document_id in list(document_ids):
            self.failed.forget(Direction.PUSH, document_id)

    def _acknowledged(self, change: Change) -> None:
        was = self.failed.get(Direction.PUSH, change.id)
        if was is not None and was.reason not in self._mended:
            self._mended.add(was.reason)
            rest = self.failed.ids(Direction.PUSH, reason=was.reason)
            self._replicator.offer_again([document_id for document_id in rest if document_id != change.id])
        was_refused = was is not None and was.revision in ("", change.rev)
        self._owner.acknowledged(self, change, was_refused=was_refused)

    # Its replicator

    def _begun(self, progress: PushProgress) -> None:
        self._resets = False
        self._owner.begun(self, progress)

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
                    status.problem is not None and judge_problem(status.problem)[0] is GatewayState.REFUSED
                )
                self.fails_alone = was_up and is_refused
        self._owner.changed()

    def _bucket(self) -> TokenBucket | None:
        limit = None if self.part is None else self.part.limit
        if limit is None:
            return self._options.limit
        return TokenBucket(limit, now=time.monotonic(), lower=self._options.limit)
