"""Types that a sender uses: its options and callbacks, and its records of offered and requested changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

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
        """Obtain the peer's revision of a document.

        Args:
            document_id: the document's id.
            revision: the peer's revision; None if the peer has not reported it.
            answered: called with the revision id once the revision is stored here.
            failed: called with the reason if the revision cannot be obtained.
        """

    def forget(self, document_id: str) -> None:
        """Allow a document to be requested again, although it was requested before."""

    def give_up(self, failure: Failure) -> None:
        """Report `failure` as the outcome of all waiting requests, and of all later ones."""


Acknowledged = Callable[[model.DocumentChange], None]
"""Function called for each change that the peer has confirmed, even if the peer already had the revision."""


@dataclass(frozen=True, slots=True)
class ChannelRemoval(model.DocumentChange):
    """A change by which a document has left the channels that the peer reads.

    It is announced to the peer, but its revision is not sent.
    """

    @classmethod
    def of(cls, change: model.DocumentChange) -> "ChannelRemoval":
        """Return the announcement of a channel removal for a change in the feed."""
        return cls(change.sequence, change.id, change.rev, change.deleted, change.conflicted, size=0)


def removal_flags(change: model.DocumentChange) -> RemovalFlags:
    """Return the flags with which to announce a change to a peer.

    A tombstone is announced only as deleted, even if the document has also left the peer's channels.
    Otherwise some peers would not accept the tombstone.
    """
    if isinstance(change, ChannelRemoval):
        return RemovalFlags.REMOVED
    return RemovalFlags.DELETED if change.deleted else RemovalFlags.NO


class FeedProgress(Protocol):
    """The progress of a feed, such as `sync.replication.checkpoint.PushProgress`."""

    def is_complete(self, sequence: int) -> bool:
        """Return True if the change at a local sequence does not have to be sent."""

    def scanned(self, through: int, pending: "list[int]") -> None:
        """Record that the feed was read up to the sequence `through`.

        `pending` contains the sequences of those changes that must be sent.
        """

    def complete(self, sequence: int) -> None:
        """Record that the change at a local sequence is done."""

    def reopen(self, sequence: int) -> None:
        """Record that the change at a local sequence, although it was done, must be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """The options for sending a feed."""

    proposes: bool
    """True for the active peer, which proposes changes. The passive peer announces changes."""
    continuous: bool
    selection: Selection = EVERYTHING
    batch: int = limits.BATCH
    deltas: bool = True
    keeps: Callable[[str], bool] = lambda _: True
    """Function that returns True if the peer's revision of the document with the given id must be recorded.

    It returns False for documents that never change.
    """
    is_gateway: bool = False
    """True if the peer is a Sync Gateway.

    A Sync Gateway must receive a branch's tombstone before the revision that replaces the branch.
    """
    insists: bool = False
    """True if the peer is a Sync Gateway that accepts only `changes` messages with the `insists` flag."""
    inquirer: MissingRevisionSource | None = None
    """Source from which to obtain the peer's revisions; None if the replication does not also pull."""
    acknowledged: Acknowledged | None = None
    blobs: BlobAccess | None = None
    """Record of the blobs that the peer may fetch, including the blobs of each document in flight."""
    tells_departures: bool = False
    """True if the peer has requested to be informed when a document leaves the channels that it reads."""

    @property
    def may_be_pulled(self) -> bool:
        """True if the same replication also pulls."""
        return self.inquirer is not None


_CHANGE: Final = 400
"""Approximate memory, in bytes, used by the record of a change in flight, without its ancestors."""
_ANCESTOR: Final = 64
"""Memory, in bytes, used by the revision id of an ancestor, in addition to its text."""


class ChangeInFlight(msgspec.Struct, gc=False):
    """A change that the peer has requested, and how to send it."""

    change: model.DocumentChange
    ancestors: tuple[str, ...] = ()
    """Revision ids of the ancestors that the peer is known to have, nearest first."""
    is_guess: bool = False
    """True if the peer may lack the ancestor, although it has accepted the change as its successor."""
    as_delta: bool = True
    attempts: int = 0
    size: int = 0
    then: "ChangeInFlight | None" = None
    """The change to propose once the peer has received this change, if this is a branch's tombstone."""
    forks: frozenset[str] = frozenset()
    """Revision ids of ancestors that the revision shares with a branch that was closed at the peer.

    These ids are omitted from the history that is sent, so that a Sync Gateway accepts the revision as a
    separate branch.
    """
    onto: str | None = None
    """Id of the peer's revision on another branch, if this revision replaces it.

    The history that is sent then ends with the peer's revision.
    """
    blobs: tuple[str, ...] = ()
    """Digests of the revision's blobs, while it is in flight to a peer with limited access."""
    closes: tuple[str, ...] = ()
    """Revision ids of the tombstone that closed the peer's branch here, and of its ancestors.

    They are ordered newest first, and end with the peer's revision.
    """

    @property
    def bytes_held(self) -> int:
        """Approximate memory, in bytes, used by the change and the ancestors that the peer has reported."""
        return _CHANGE + _ANCESTOR * len(self.ancestors) + sum(map(len, self.ancestors))


class OfferedChange(msgspec.Struct, gc=False):
    """A change that is proposed or announced."""

    change: model.DocumentChange
    parent: str | None = None
    """Id of the revision that the proposed one replaces; None for the first revision of a document."""
    is_guess: bool = False
    """True if the peer is not known to have the revision in `parent`."""
    plan: ChangeInFlight | None = None
    """How to send the change if the peer accepts it; None for the usual way."""

    def sending(self) -> ChangeInFlight:
        """Return the record of the change in flight. Call this when the peer has accepted the offer."""
        if self.plan is not None:
            return self.plan
        known = () if self.parent is None else (self.parent,)
        return ChangeInFlight(self.change, known, is_guess=self.is_guess, size=self.change.size)
