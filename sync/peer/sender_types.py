"""Inputs of a sender, and its records of changes in flight."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sync.peer.blob_access import BlobAccess
from sync.peer.selection import EVERYTHING, Selection
from sync.replication.messages import Failure, RemovalFlags
from sync.store import model

from . import limits


class MissingRevisionSource(Protocol):
    """A source of the peer's revision of a document; see `missing_revision_fetch.MissingRevisionFetch`."""

    def about(
        self,
        document_id: str,
        revision: str | None,
        answered: Callable[[str | None], None],
        failed: Callable[[Failure], None],
    ) -> None:
        """Obtain the revision that the peer has of a document; None if it has not said which.

        `answered` is called with the revision when it is stored, `failed` with the reason why it cannot be
        had.
        """

    def forget(self, document_id: str) -> None:
        """Allow a document to be requested again."""

    def give_up(self, failure: Failure) -> None:
        """Call `failed` with this reason for everything that waits, and for all later requests."""


Acknowledged = Callable[[model.DocumentChange], None]
"""Called for each change that the peer has confirmed, whether just accepted or known before."""


@dataclass(frozen=True, slots=True)
class ChannelRemoval(model.DocumentChange):
    """A change by which a document left what the peer reads: announced to the peer without a revision."""

    @classmethod
    def of(cls, change: model.DocumentChange) -> "ChannelRemoval":
        """Return the departure that the feed announces with this change."""
        return cls(change.sequence, change.id, change.rev, change.deleted, change.conflicted, size=0)


def removal_flags(change: model.DocumentChange) -> RemovalFlags:
    """Return how the document of a change is gone, as announced to a peer.

    A tombstone is announced as a plain one even if it has left the channels too, so that every peer accepts
    it.
    """
    if isinstance(change, ChannelRemoval):
        return RemovalFlags.REMOVED
    return RemovalFlags.DELETED if change.deleted else RemovalFlags.NO


class FeedProgress(Protocol):
    """The progress of a feed, such as `sync.replication.checkpoint.PushProgress`."""

    def is_complete(self, sequence: int) -> bool:
        """Return True if a change need not be sent."""

    def scanned(self, through: int, pending: "list[int]") -> None:
        """Record how far the feed was read, and which new changes are to be sent."""

    def complete(self, sequence: int) -> None:
        """Record that a change is done."""

    def reopen(self, sequence: int) -> None:
        """Record that a completed change is to be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """The options for sending a feed."""

    proposes: bool
    """True for the active peer, which proposes changes; the passive one announces them."""
    continuous: bool
    selection: Selection = EVERYTHING
    batch: int = limits.BATCH
    deltas: bool = True
    keeps: Callable[[str], bool] = lambda _: True
    """Function that returns True for documents of which the peer's revision is recorded.

    That excludes documents that never change.
    """
    is_gateway: bool = False
    """True if the peer is a Sync Gateway, which accepts a branch's tombstone only before its successor."""
    insists: bool = False
    """True if the peer is a Sync Gateway that accepts only insisting lists of changes; see `Changes`."""
    inquirer: MissingRevisionSource | None = None
    """Obtains the peer's revision of a document, as the same replication pulls and resolves conflicts."""
    acknowledged: Acknowledged | None = None
    blobs: BlobAccess | None = None
    """Records each body in flight, which may refer to blobs."""
    tells_departures: bool = False
    """True if the peer wants announcements of documents that have left what it reads."""

    @property
    def may_be_pulled(self) -> bool:
        """True if the same replication pulls."""
        return self.inquirer is not None


class ChangeInFlight(msgspec.Struct, gc=False):
    """A change in flight."""

    change: model.DocumentChange
    ancestors: tuple[str, ...] = ()
    """Ancestors known to be at the peer, nearest first."""
    is_guess: bool = False
    """True if the peer only accepted the change as a successor of its ancestor, or has nothing of it."""
    as_delta: bool = True
    attempts: int = 0
    size: int = 0
    then: "ChangeInFlight | None" = None
    """The change to propose once this one, a branch's tombstone, has arrived."""
    forks: frozenset[str] = frozenset()
    """Ancestors that a revision shares with a branch that was closed at the peer.

    They are left out of its history, so that a Sync Gateway accepts it as a branch of its own.
    """
    onto: str | None = None
    """The peer's revision on another line that this one replaces, and in which its history must end."""
    blobs: tuple[str, ...] = ()
    """Digests of its blobs, while it is in flight to a peer that may not read everything."""
    closes: tuple[str, ...] = ()
    """The tombstone that closed the peer's branch here, and its ancestors down to the peer's revision.

    They are ordered newest first.
    """


class OfferedChange(msgspec.Struct, gc=False):
    """A change that is proposed or announced."""

    change: model.DocumentChange
    parent: str | None = None
    """The revision that it is proposed to follow."""
    is_guess: bool = False
    """True if the peer is not known to have that revision."""
    plan: ChangeInFlight | None = None
    """The way to send it if accepted; None for the usual way."""

    def sending(self) -> ChangeInFlight:
        """Return the change to send, now that the peer accepts it."""
        if self.plan is not None:
            return self.plan
        known = () if self.parent is None else (self.parent,)
        return ChangeInFlight(self.change, known, is_guess=self.is_guess, size=self.change.size)
