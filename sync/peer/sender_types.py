"""What a sender is told, and what it keeps of each change on its way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sync.peer.blob_access import BlobAccess
from sync.peer.selection import EVERYTHING, Selection
from sync.replication.messages import Failure, Gone
from sync.store import model

from . import limits


class Inquirer(Protocol):
    """Something that fetches what the peer holds of a document, as `missing_revision_fetch.Inquiry` does."""

    def about(
        self,
        document_id: str,
        revision: str | None,
        answered: Callable[[str | None], None],
        failed: Callable[[Failure], None],
    ) -> None:
        """Have the revision that the peer holds of a document; None if it has not said which.

        `answered` is called with it when it is here, `failed` with the reason why it cannot be had.
        """

    def forget(self, document_id: str) -> None:
        """Allow a document to be asked for again."""

    def give_up(self, failure: Failure) -> None:
        """Call `failed` with this reason for everything that waits, and for what is asked from now on."""


Acknowledged = Callable[[model.Change], None]
"""Told of each change that the peer has said it holds: taken just now, or known before."""


@dataclass(frozen=True, slots=True)
class Departure(model.Change):
    """A change by which a document left what the peer reads: the peer is told so, and given no revision."""

    @classmethod
    def of(cls, change: model.Change) -> "Departure":
        """Return the departure of which the feed tells with this change."""
        return cls(change.sequence, change.id, change.rev, change.deleted, change.conflicted, size=0)


def gone(change: model.Change) -> Gone:
    """Return in what way the document of a change is gone, as a peer is told.

    A tombstone is told as a plain one even where it has left the channels too, so that every peer takes it.
    """
    if isinstance(change, Departure):
        return Gone.REMOVED
    return Gone.DELETED if change.deleted else Gone.NO


class Feed(Protocol):
    """Where in the feed we are; `sync.replication.checkpoint.PushProgress` is one."""

    def is_complete(self, sequence: int) -> bool:
        """Whether this change need not be sent."""

    def scanned(self, through: int, pending: "list[int]") -> None:
        """The feed was read so far; of what was new, only these are to be sent."""

    def complete(self, sequence: int) -> None:
        """One is done."""

    def reopen(self, sequence: int) -> None:
        """Take note that one which is complete is to be sent all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a feed is sent."""

    proposes: bool
    """The active peer proposes changes; the passive one tells them."""
    continuous: bool
    selection: Selection = EVERYTHING
    batch: int = limits.BATCH
    deltas: bool = True
    keeps: Callable[[str], bool] = lambda _: True
    """Of which documents is kept which revision the peer holds: not of those that never change."""
    is_gateway: bool = False
    """Whether the peer is a Sync Gateway, which takes the end of a branch only before its successor."""
    insists: bool = False
    """Whether the peer is a Sync Gateway that takes lists of changes only if they insist; see `Changes`."""
    inquirer: Inquirer | None = None
    """The same replication pulls, so that a conflict resolves itself: this sees to it that what the peer
    holds of a document comes."""
    acknowledged: Acknowledged | None = None
    blobs: BlobAccess | None = None
    """Told of each body that is on its way, and may lead to blobs."""
    tells_departures: bool = False
    """Whether the peer wants to be told of documents that have left what it reads."""

    @property
    def may_be_pulled(self) -> bool:
        """Whether the same replication pulls."""
        return self.inquirer is not None


class Sending(msgspec.Struct, gc=False):
    """One change on its way."""

    change: model.Change
    ancestors: tuple[str, ...] = ()
    """Known to be there, nearest first."""
    is_guess: bool = False
    """Whether the peer has only let the change come as a successor of its ancestor, or has nothing of it."""
    as_delta: bool = True
    attempts: int = 0
    size: int = 0
    then: "Sending | None" = None
    """It is the tombstone of a branch: what is proposed once that is there."""
    forks: frozenset[str] = frozenset()
    """Ancestors that a revision shares with a branch that has ended at the peer. They are left out of its
    history, so that a Sync Gateway takes it as a branch of its own."""
    onto: str | None = None
    """The revision of another line that the peer holds and this one replaces: its history is told to lead
    there."""
    blobs: tuple[str, ...] = ()
    """Digests of the blobs that it leads to, while it is on its way to a peer that may not see everything."""
    closes: tuple[str, ...] = ()
    """The tombstone that ended here the branch on which the peer is, and its ancestors down to the peer's
    revision, newest first."""


class Offer(msgspec.Struct, gc=False):
    """One change that is proposed or told."""

    change: model.Change
    parent: str | None = None
    """What it is proposed to follow."""
    is_guess: bool = False
    """Whether nobody knows that the peer holds that."""
    plan: Sending | None = None
    """How it is sent if it may come, if that is not the usual way."""

    def sending(self) -> Sending:
        """Return what is sent now that the peer lets it come."""
        if self.plan is not None:
            return self.plan
        known = () if self.parent is None else (self.parent,)
        return Sending(self.change, known, is_guess=self.is_guess, size=self.change.size)
