"""Messages that announce and request changes: changes, proposeChanges, and their replies.

If items are omitted at the end of a reply to `changes`, the receiver does not want those revisions. If they
are omitted at the end of a reply to `proposeChanges`, the receiver wants them. Decoding adds the omitted
items. Encoding omits items at the end of a reply to `proposeChanges`, but not of a reply to `changes`.
"""

from enum import IntFlag
from typing import Any, ClassVar, Final

import msgspec

from sync.blip import RequestReceived, ResponseReceived
from sync.replication import fields
from sync.replication.errors import MessageError
from sync.replication.fields import EncodedMessage
from sync.replication.limits import MessageLimits


class RemovalFlags(IntFlag):
    """Flags that state why a document is no longer available to the reader (Sync Gateway 3, CBMobile_3)."""

    NO = 0
    DELETED = 1
    REVOKED = 2
    """The reader has lost access to the document."""
    REMOVED = 4
    """The document is no longer in any channel that the reader reads."""


class AnnouncedChange(msgspec.Struct, frozen=True, gc=False):
    """A changed document in a `changes` message."""

    sequence: str
    """The sender's sequence of the change, as JSON. It is opaque to the receiver."""
    id: str
    revision: str
    gone: int = 0
    """Combination of the flags in `RemovalFlags`."""
    size: int = 0
    """Approximate size in bytes of the document's body; 0 if unknown."""


class Changes(msgspec.Struct, frozen=True, gc=False):
    """A `changes` message: a list of changes, in the order of their sequences.

    An empty list means that there are no more changes. It needs no reply.
    """

    profile: ClassVar[str] = "changes"

    changes: tuple[AnnouncedChange, ...]
    collection: int | None = None
    no_reply: bool = False
    """True if a received message needs no reply.

    A message that is sent needs a reply unless its list is empty.
    """
    insists: bool = False
    """True if the receiver must process the message even if it accepts no conflicts (`ignoreNoConflicts`).

    An active Sync Gateway sends this flag when it pushes, and accepts only messages with this flag when it
    pulls.
    """

    def encode(self) -> EncodedMessage:
        """Encode the message for sending."""
        items: list[tuple[Any, ...]] = []
        for change in self.changes:
            gone: int | bool = True if change.gone == RemovalFlags.DELETED else int(change.gone)
            item = (msgspec.Raw(change.sequence.encode()), change.id, change.revision)
            if change.size:
                items.append((*item, gone, change.size))
            else:
                items.append((*item, gone) if gone else item)
        properties = fields.request(self.profile, self.collection)
        fields.put_flag(properties, "ignoreNoConflicts", value=self.insists)
        return _announcement(properties, msgspec.json.encode(items), empty=not items)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "Changes":
        """Decode a received message. Raises MessageError if it is invalid."""
        items = fields.body(_CHANGES, event.body, cls.profile) or ()
        fields.no_more(items, limits.batch, "changes")
        sequence, document_id, revision = fields.sequence_text, fields.document_id, fields.revision
        changes = tuple(
            [
                AnnouncedChange(
                    sequence(bytes(item.sequence), "sequence", limits),
                    document_id(item.id, limits),
                    revision(item.revision, limits),
                    _gone(item.gone),
                    _size(item.size),
                )
                for item in items
            ]
        )
        return cls(
            changes,
            fields.collection(event.properties, limits),
            event.no_reply,
            fields.boolean(event.properties, "ignoreNoConflicts"),
        )


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """A document that the sender proposes to push."""

    id: str
    revision: str
    parent: str | None = None
    """The last revision that the receiver is known to have; None if there is none."""
    size: int = 0
    """Approximate size in bytes of the document's body; 0 if unknown."""


class ProposeChanges(msgspec.Struct, frozen=True, gc=False):
    """A `proposeChanges` message: a list of proposed changes, for a peer that accepts no conflicts."""

    profile: ClassVar[str] = "proposeChanges"

    proposals: tuple[Proposal, ...]
    conflict_includes_revision: bool = False
    """True if an answer with status 409 (conflict) should contain the receiver's current revision."""
    collection: int | None = None
    no_reply: bool = False
    """True if a received message needs no reply.

    A message that is sent needs a reply unless its list is empty.
    """

    def encode(self) -> EncodedMessage:
        """Encode the message for sending."""
        items: list[tuple[Any, ...]] = []
        for proposal in self.proposals:
            item = (proposal.id, proposal.revision)
            if proposal.size:
                items.append((*item, proposal.parent or "", proposal.size))
            else:
                items.append((*item, proposal.parent) if proposal.parent else item)
        properties = fields.request(self.profile, self.collection)
        fields.put_flag(properties, "conflictIncludesRev", value=self.conflict_includes_revision)
        return _announcement(properties, msgspec.json.encode(items), empty=not items)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "ProposeChanges":
        """Decode a received message. Raises MessageError if it is invalid."""
        items = fields.body(_PROPOSALS, event.body, cls.profile) or ()
        fields.no_more(items, limits.batch, "proposals")
        document_id, revision = fields.document_id, fields.revision
        proposals = tuple(
            [
                Proposal(
                    document_id(item.id, limits),
                    revision(item.revision, limits),
                    revision(item.parent, limits) if item.parent else None,
                    _size(item.size),
                )
                for item in items
            ]
        )
        properties = event.properties
        return cls(
            proposals,
            fields.boolean(properties, "conflictIncludesRev"),
            fields.collection(properties, limits),
            event.no_reply,
        )


class DeliveryTerms(msgspec.Struct, frozen=True, gc=False):
    """The conditions under which the receiver accepts revisions.

    They are sent as properties of the replies to `changes` and `proposeChanges`.
    """

    max_history: int | None = None
    """Maximum number of ancestors that may be sent with a revision; None for no limit."""
    deltas: bool | None = None
    """True if the receiver accepts deltas.

    None if the reply does not say. The terms of the previous reply then still apply.
    """
    blobs: bool = False
    """True if the receiver supports blobs in bodies.

    If the receiver does not, blobs are listed in `_attachments`.
    """
    send_replacements: bool = False
    """True if the receiver accepts a newer revision instead of a requested one that no longer exists."""

    def add_to(self, properties: dict[str, str]) -> None:
        """Add the terms to a reply's properties."""
        fields.put(properties, "maxHistory", self.max_history)
        if self.deltas is not None:
            properties["deltas"] = "true" if self.deltas else "false"
        fields.put_flag(properties, "blobs", value=self.blobs)
        fields.put_flag(properties, "sendReplacementRevs", value=self.send_replacements)

    @classmethod
    def parse(cls, properties: dict[str, str]) -> "DeliveryTerms":
        """Parse the terms from a reply's properties."""
        most = fields.integer(properties, "maxHistory")
        return cls(
            None if most is None else max(most, 1),
            fields.boolean(properties, "deltas") if "deltas" in properties else None,
            fields.boolean(properties, "blobs"),
            fields.boolean(properties, "sendReplacementRevs"),
        )


Answer = tuple[str, ...] | int
"""Answer to an announced change: a tuple to request the revision, or a number to reject it.

The tuple contains the ancestors that the receiver has, and may be empty. The number is NOT_WANTED or an HTTP
status code.
"""
NOT_WANTED: Final = 0


class ChangesReply(msgspec.Struct, frozen=True, gc=False):
    """The reply to a `changes` message: one answer for each change, in order."""

    answers: tuple[Answer, ...]
    terms: DeliveryTerms = DeliveryTerms()

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending, with an answer for each change.

        The protocol allows a reply to end after the last wanted change. But the checkpoint of an active Sync
        Gateway includes only changes that have an answer, so the gateway would list all other changes again
        at each start.
        """
        properties: dict[str, str] = {}
        self.terms.add_to(properties)
        return EncodedMessage(properties, msgspec.json.encode(self.answers), compressed=True)

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits, *, asked: int) -> "ChangesReply":
        """Decode a received reply to a list of `asked` changes. The result has an answer for each of them.

        Raises MessageError if the reply is invalid.
        """
        items = _replies(_ANSWERS, event.body, asked, "the reply to changes")
        answers: list[Answer] = []
        for item in items:
            if isinstance(item, list):
                fields.no_more(item, limits.history, "known ancestors")
                answers.append(tuple([fields.revision(ancestor, limits) for ancestor in item]))
            else:
                answers.append(_status(item))
        answers.extend([NOT_WANTED] * (asked - len(answers)))
        return cls(tuple(answers), DeliveryTerms.parse(event.properties))


class ProposalAnswer(msgspec.Struct, frozen=True, gc=False):
    """The receiver's answer to one proposal of a `proposeChanges` message."""

    status: int = 0
    """HTTP status code, such as 304 (already stored) or 409 (conflict); 0 to request the revision."""
    current: str | None = None
    """The receiver's current revision if `status` is 409 and the proposer has requested it; else None."""


SEND: Final = ProposalAnswer()


class ProposeChangesReply(msgspec.Struct, frozen=True, gc=False):
    """The reply to a `proposeChanges` message: one answer for each proposal, in order."""

    verdicts: tuple[ProposalAnswer, ...]
    terms: DeliveryTerms = DeliveryTerms()

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending. Answers with status 0 at the end are omitted."""
        items = [
            {"status": verdict.status, "rev": verdict.current} if verdict.current else verdict.status
            for verdict in self.verdicts
        ]
        properties: dict[str, str] = {}
        self.terms.add_to(properties)
        return EncodedMessage(properties, msgspec.json.encode(_trimmed(items)), compressed=True)

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits, *, asked: int) -> "ProposeChangesReply":
        """Decode a received reply to a list of `asked` proposals.

        The result has an answer for each proposal. Raises MessageError if the reply is invalid.
        """
        items = _replies(_VERDICTS, event.body, asked, "the reply to proposeChanges")
        verdicts = [_verdict(item, limits) for item in items]
        verdicts.extend([SEND] * (asked - len(verdicts)))
        return cls(tuple(verdicts), DeliveryTerms.parse(event.properties))


class _Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    sequence: msgspec.Raw
    id: str
    revision: str
    gone: bool | int | None = None
    size: int | None = None


class _Proposal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: str
    revision: str
    parent: str | None = None
    size: int | None = None


class _Refusal(msgspec.Struct, frozen=True, gc=False):
    status: int
    rev: str | None = None


# Sync Gateway sends null instead of an empty list to report that all changes were announced.
_CHANGES: Final = msgspec.json.Decoder(list[_Change] | None)
_PROPOSALS: Final = msgspec.json.Decoder(list[_Proposal] | None)
_ANSWERS: Final = msgspec.json.Decoder(list[list[str] | int | None] | None)
_VERDICTS: Final = msgspec.json.Decoder(list[_Refusal | int | None] | None)


def _announcement(properties: dict[str, str], body: bytes, *, empty: bool) -> EncodedMessage:
    """Encode a list of changes as an urgent message, so that it is not delayed by large documents."""
    return EncodedMessage(properties, body, urgent=True, compressed=True, no_reply=empty)


def _gone(value: bool | int | None) -> int:
    if not value:
        return RemovalFlags.NO
    if not 0 < value <= RemovalFlags.DELETED | RemovalFlags.REVOKED | RemovalFlags.REMOVED:
        raise MessageError(f"the change has an unknown deletion flag: {str(value)[:80]}")
    return int(value)


def _size(value: int | None) -> int:
    """Return a size estimate, or 0 if it is not plausible."""
    return value if value is not None and 0 < value < 2**53 else 0


def _status(value: int | None) -> int:
    if value is None:
        return 0
    if value != 0 and not 100 <= value <= 999:
        raise MessageError(f"{str(value)[:80]} is not a valid status")
    return value


def _verdict(item: _Refusal | int | None, limits: MessageLimits) -> ProposalAnswer:
    if isinstance(item, _Refusal):
        return ProposalAnswer(_status(item.status), fields.revision(item.rev, limits) if item.rev else None)
    return ProposalAnswer(status) if (status := _status(item)) else SEND


def _replies(
    decoder: "msgspec.json.Decoder[list[fields.T] | None]", body: bytes, asked: int, what: str
) -> "list[fields.T]":
    """Decode the items in a reply.

    Couchbase Lite and Sync Gateway may send an empty body if there are no items.
    """
    items = (fields.body(decoder, body, what) if body else None) or []
    if len(items) > asked:
        raise MessageError(f"{what} has {len(items)} items, but {asked} were requested")
    return items


def _trimmed(items: "list[fields.T]") -> "list[fields.T]":
    """Return the items without the zeros at the end."""
    end = len(items)
    while end and items[end - 1] == 0:
        end -= 1
    return items[:end]
