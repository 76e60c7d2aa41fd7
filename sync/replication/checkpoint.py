"""Progress of a replication: the checkpoint that both sides store, and how it advances during the transfer.

    checkpoint = reconcile(ours, theirs).checkpoint           # both copies, read at the start
    push = PushProgress(checkpoint.completed)
    pull = PullProgress(checkpoint.remote)
    …
    Checkpoint(push.completed, pull.position).encode()        # to be stored there, then here

A checkpoint never contains a change that is not done. A pushed change is done when the peer has confirmed
that the change is durable there. A pulled change is done when it is durable here. The encoding is that of
Couchbase Lite, including sparse sets. `checkpoint_id` determines the checkpoint's name.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from sync.replication import fields
from sync.replication.errors import MessageError
from sync.replication.limits import DEFAULT, MessageLimits
from sync.replication.sequences import LIMIT, SequenceSet

_FIRST: Final = (0, 1)
"""Range with sequence 0 only, which precedes the sequences of all documents and is always complete."""


def _nothing() -> SequenceSet:
    return SequenceSet([_FIRST])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of one side's copy of a checkpoint. Do not change `completed` in place."""

    completed: SequenceSet = field(default_factory=_nothing)
    """Local sequences whose changes need not be pushed again."""
    remote: str | None = None
    """Remote sequence, as JSON, up to which all changes have been pulled; None for the beginning."""

    @property
    def local(self) -> int:
        """Local sequence up to which all changes have been pushed."""
        return _local(self.completed)

    def encode(self, *, time: int | None = None) -> bytes:
        """Encode the body to store. `time`, in seconds since 1970, is stored for information only."""
        body: dict[str, object] = {}
        if time is not None:
            body["time"] = time
        if self.local:
            body["local"] = self.local
        if len(self.completed) > 1:
            body["localCompleted"] = self.completed.flat()
        if self.remote is not None:
            body["remote"] = msgspec.Raw(self.remote.encode())
        return msgspec.json.encode(body)

    def within(self, most: int) -> "Checkpoint":
        """Return this checkpoint, without its highest ranges if its body would otherwise exceed `most` bytes.

        Omitted sequences count as not done. Their changes are offered again, and the peer answers that it
        already has them.
        """
        size = len(self.encode())
        if size <= most:
            return self
        ranges = list(self.completed)
        while size > most and len(ranges) > 1:
            ranges = ranges[: max(len(ranges) * most // size - 1, 1)]
            size = len(Checkpoint(SequenceSet(ranges), self.remote).encode())
        return Checkpoint(SequenceSet(ranges), self.remote)

    @classmethod
    def decode(cls, body: bytes, limits: MessageLimits = DEFAULT) -> "Checkpoint":
        """Decode a stored body.

        Raises:
            MessageError: the body is malformed. It is then safe to start from the beginning.
        """
        if len(body) > limits.checkpoint_bytes:
            raise MessageError(
                f"the checkpoint has {len(body)} bytes; the limit is {limits.checkpoint_bytes}"
            )
        stored = fields.body(_BODY, body, "a checkpoint")
        completed = _nothing()
        try:
            if stored.local_completed is not None:
                completed = SequenceSet.from_flat([*stored.local_completed, *_FIRST])
            elif stored.local is not None:
                completed.add(0, stored.local + 1)
        except ValueError as error:
            raise MessageError(f"the checkpoint's local sequences are malformed: {error}") from error
        remote = bytes(stored.remote)
        if remote.strip() in (b"", b"null"):
            return cls(completed)
        return cls(completed, fields.sequence_text(remote, "remote", limits))


@dataclass(frozen=True, slots=True)
class ReconciledCheckpoint:
    """The checkpoint from which a replication continues, and whether both copies were equal."""

    checkpoint: Checkpoint
    agreed: bool


def reconcile(ours: Checkpoint | None, theirs: Checkpoint | None) -> ReconciledCheckpoint:
    """Return the progress that both copies of a checkpoint confirm.

    Pass None for a copy that is missing or malformed.

    Either side may have been restored to an earlier state, so progress in only one copy counts as not done.
    The result contains the local sequences that are in both copies, and the lower remote sequence. Remote
    sequences are compared only if both are plain numbers. If they have another form and differ, pulling
    starts from the beginning.
    """
    if ours is None or theirs is None:
        return ReconciledCheckpoint(Checkpoint(), agreed=ours is theirs)
    if ours == theirs:
        return ReconciledCheckpoint(ours, agreed=True)
    completed = ours.completed.intersection(theirs.completed)
    return ReconciledCheckpoint(Checkpoint(completed, _lower(ours.remote, theirs.remote)), agreed=False)


class PushProgress:
    """Progress of pushing: the local sequences whose changes are done, and those that are being pushed."""

    __slots__ = ("_completed", "_pending", "_scanned")

    def __init__(self, completed: SequenceSet | None = None) -> None:
        """Start from the sequences in a checkpoint.

        The changes feed must then be read starting after `local`.
        """
        self._completed = _nothing() if completed is None else completed.copy()
        self._completed.add(*_FIRST)
        self._scanned = _local(self._completed)
        self._pending: set[int] = set()

    @property
    def completed(self) -> SequenceSet:
        """A copy of the set of sequences that a checkpoint may contain now."""
        return self._completed.copy()

    @property
    def local(self) -> int:
        """Sequence up to which the changes are all done."""
        return _local(self._completed)

    @property
    def pending(self) -> int:
        """Number of sequences that are being pushed."""
        return len(self._pending)

    def is_complete(self, sequence: int) -> bool:
        """Return True if the change with this sequence in the feed does not need to be pushed."""
        return sequence in self._completed

    def lacks(self, other: "PushProgress") -> bool:
        """Return True if any sequence is done in `other` but not in this progress."""
        theirs = other.completed
        return self._completed.intersection(theirs) != theirs

    def scanned(self, through: int, pending: Iterable[int]) -> None:
        """Record that the feed was read up to the sequence `through`, and which sequences are to be pushed.

        All other sequences in that part count as done. They belong to changes that are not selected, or no
        longer belong to any document. The feed must be read in order, starting after `local`.

        Raises:
            ValueError: a pending sequence is not in the part that was just read.
        """
        waiting = sorted(set(pending))
        if waiting and not self._scanned < waiting[0] <= waiting[-1] <= through:
            span = f"{self._scanned + 1} to {through}"
            raise ValueError(f"sequences {waiting[0]} to {waiting[-1]} are not within {span}")
        start = self._scanned + 1
        for number in waiting:
            if start < number:
                self._completed.add(start, number)
            self._completed.remove(number)
            start = number + 1
        if start <= through:
            self._completed.add(start, through + 1)
        self._pending.update(waiting)
        self._scanned = max(self._scanned, through)

    def complete(self, sequence: int) -> None:
        """Record that a sequence is done: its change is durable at the peer, or will never be sent.

        Raises:
            ValueError: the sequence was not pending.
        """
        try:
            self._pending.remove(sequence)
        except KeyError:
            raise ValueError(f"sequence {sequence} is not being pushed") from None
        self._completed.add(sequence, sequence + 1)

    def reopen(self, sequence: int) -> None:
        """Mark a completed sequence as pending again."""
        self._completed.remove(sequence)
        self._pending.add(sequence)


_CHANGE: Final = 250
"""Approximate memory used by a waiting sequence, in bytes, not counting its text.

It includes the memory that the receiver of the change uses.
"""


class PullProgress:
    """Progress of pulling. The peer's sequences are opaque; only their order of arrival is known.

    Each announced change has a ticket, a number by which it is later reported as done.
    """

    __slots__ = ("_begun", "_done", "_first", "_text_bytes", "_waiting", "position")

    def __init__(self, position: str | None = None) -> None:
        self.position = position
        """Remote sequence up to which all changes are done; None for the beginning."""
        self._waiting: deque[str] = deque()
        """Announced sequences, starting with the first one that is not done."""
        self._done: set[int] = set()
        """Tickets of those sequences in `_waiting` that are done."""
        self._first = self._begun = 0
        self._text_bytes = 0
        """Total length of the waiting sequences, in characters."""

    @property
    def pending(self) -> int:
        """Number of announced changes that are not done."""
        return len(self._waiting) - len(self._done)

    @property
    def waiting(self) -> int:
        """Number of announced changes, counted from the first one that is not done."""
        return len(self._waiting)

    @property
    def bytes_held(self) -> int:
        """Approximate memory used by the waiting sequences, in bytes."""
        return _CHANGE * len(self._waiting) + self._text_bytes

    def arrived(self, sequence: str) -> int:
        """Record an announced change. Return the ticket to pass to `complete`."""
        ticket = self._begun
        self._begun += 1
        self._waiting.append(sequence)
        self._text_bytes += len(sequence)
        return ticket

    def complete(self, ticket: int) -> None:
        """Record that a change is done: it is durable here, not requested, or will never arrive.

        Raises:
            ValueError: there is no such ticket, or it was already used.
        """
        if not self._first <= ticket < self._begun or ticket in self._done:
            raise ValueError(f"ticket {ticket} does not exist, or was already used")
        self._done.add(ticket)
        while self._first in self._done:
            self._done.remove(self._first)
            self._first += 1
            self.position = self._waiting.popleft()
            self._text_bytes -= len(self.position)

    def close(self) -> None:
        """Discard the waiting sequences, because the session is over. The position does not change."""
        self._waiting.clear()
        self._done.clear()
        self._first, self._text_bytes = self._begun, 0


class _Body(msgspec.Struct, frozen=True):
    local: int | None = None
    local_completed: list[int] | None = msgspec.field(default=None, name="localCompleted")
    remote: msgspec.Raw = msgspec.Raw(b"")


_BODY: Final = msgspec.json.Decoder(_Body)


def _local(completed: SequenceSet) -> int:
    return next(end for _, end in completed) - 1


def _lower(ours: str | None, theirs: str | None) -> str | None:
    if ours == theirs:
        return ours
    if ours is None or theirs is None or not (_is_number(ours) and _is_number(theirs)):
        return None
    return min(ours, theirs, key=int)


def _is_number(sequence: str) -> bool:
    return sequence.isascii() and sequence.isdigit() and len(sequence) < len(str(LIMIT))
