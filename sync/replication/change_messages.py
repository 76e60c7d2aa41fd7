"""What has changed, and which of it is wanted: changes, proposeChanges, and the replies to them.

The two replies are alike but for what an item that is left out means: of `changes` it is *not wanted*, of
`proposeChanges` it is *send it*. Decoding fills in what was left out. Encoding leaves out what is allowed at
the end of a reply to `proposeChanges`, and nothing of a reply to `changes`.
"""

from enum import IntFlag
from typing import Any, ClassVar, Final

import msgspec

from sync.blip import RequestReceived, ResponseReceived
from sync.replication import fields
from sync.replication.errors import MessageError
from sync.replication.fields import Encoded
from sync.replication.limits import Limits


class Gone(IntFlag):
    """In what ways a changed document is no longer there (Sync Gateway 3, of CBMobile_3)."""

    NO = 0
    DELETED = 1
    REVOKED = 2
    """The reader lost access to it."""
    REMOVED = 4
    """It left the channels that are read."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One changed document."""

    sequence: str
    """Of the sender's, as JSON; opaque."""
    id: str
    revision: str
    gone: int = 0
    """Gone's flags."""
    size: int = 0
    """About how many bytes its body has; 0 if that is not known."""


class Changes(msgspec.Struct, frozen=True, gc=False):
    """Tells of changes, in the order of their sequences. An empty one says that these were all: no reply."""

    profile: ClassVar[str] = "changes"

    changes: tuple[Change, ...]
    collection: int | None = None
    no_reply: bool = False
    """As received. What is sent wants a reply unless it is empty."""
    insists: bool = False
    """Whether a peer that takes no conflicts shall not refuse the list. An active Sync Gateway pushes so, and
    takes no others when it pulls."""

    def encode(self) -> Encoded:
        """As it is sent."""
        items: list[tuple[Any, ...]] = []
        for change in self.changes:
            gone: int | bool = True if change.gone == Gone.DELETED else int(change.gone)
            item = (msgspec.Raw(change.sequence.encode()), change.id, change.revision)
            if change.size:
                items.append((*item, gone, change.size))
            else:
                items.append((*item, gone) if gone else item)
        properties = fields.request(self.profile, self.collection)
        fields.put_flag(properties, "ignoreNoConflicts", value=self.insists)
        return _announcement(properties, msgspec.json.encode(items), empty=not items)

    @classmethod
    def decode(cls, event: RequestReceived, limits: Limits) -> "Changes":
        """As it was received."""
        items = fields.body(_CHANGES, event.body, cls.profile) or ()
        fields.no_more(items, limits.batch, "changes")
        sequence, document_id, revision = fields.sequence_text, fields.document_id, fields.revision
        changes = tuple(
            [
                Change(
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
    """One document that the sender would like to push."""

    id: str
    revision: str
    parent: str | None = None
    """The last revision that the sender knows the receiver to have."""
    size: int = 0
    """About how many bytes its body has; 0 if that is not known."""


class ProposeChanges(msgspec.Struct, frozen=True, gc=False):
    """Proposes changes to a peer that takes no conflicts."""

    profile: ClassVar[str] = "proposeChanges"

    proposals: tuple[Proposal, ...]
    conflict_includes_revision: bool = False
    """Asks that a refusal for conflict (409) tells the receiver's current revision."""
    collection: int | None = None
    no_reply: bool = False
    """As received. What is sent wants a reply unless it is empty."""

    def encode(self) -> Encoded:
        """As it is sent."""
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
    def decode(cls, event: RequestReceived, limits: Limits) -> "ProposeChanges":
        """As it was received."""
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


class Terms(msgspec.Struct, frozen=True, gc=False):
    """How the receiver of changes wants their revisions sent: properties of both replies."""

    max_history: int | None = None
    """The most ancestors in a history; None for no limit."""
    deltas: bool | None = None
    """Whether it takes deltas; None if it does not say, and what it said before holds."""
    blobs: bool = False
    """Whether it knows blobs in the body. To others they are shown under `_attachments`."""
    send_replacements: bool = False
    """Whether it takes a newer revision where the one it wants is gone."""

    def put(self, properties: dict[str, str]) -> None:
        """Add them to a reply's properties."""
        fields.put(properties, "maxHistory", self.max_history)
        if self.deltas is not None:
            properties["deltas"] = "true" if self.deltas else "false"
        fields.put_flag(properties, "blobs", value=self.blobs)
        fields.put_flag(properties, "sendReplacementRevs", value=self.send_replacements)

    @classmethod
    def of(cls, properties: dict[str, str]) -> "Terms":
        """Read them from a reply's properties."""
        most = fields.integer(properties, "maxHistory")
        return cls(
            None if most is None else max(most, 1),
            fields.boolean(properties, "deltas") if "deltas" in properties else None,
            fields.boolean(properties, "blobs"),
            fields.boolean(properties, "sendReplacementRevs"),
        )


Answer = tuple[str, ...] | int
"""To a change. A tuple: send it; of its ancestors, these are here (there may be none). NOT_WANTED, or the
HTTP status of a refusal: do not."""
NOT_WANTED: Final = 0


class ChangesReply(msgspec.Struct, frozen=True, gc=False):
    """Which of the changes are wanted: an answer for each, in their order."""

    answers: tuple[Answer, ...]
    terms: Terms = Terms()

    def encode(self) -> Encoded:
        """Return the reply as it is sent, with an answer for each change.

        The protocol lets a reply end after the last change that is wanted. But the checkpoint of an active
        Sync Gateway passes only changes that have an answer. It would list the others again at each start.
        """
        properties: dict[str, str] = {}
        self.terms.put(properties)
        return Encoded(properties, msgspec.json.encode(self.answers), compressed=True)

    @classmethod
    def decode(cls, event: ResponseReceived, limits: Limits, *, asked: int) -> "ChangesReply":
        """As it was received, to `asked` changes; each has an answer then."""
        items = _replies(_ANSWERS, event.body, asked, "the reply to changes")
        answers: list[Answer] = []
        for item in items:
            if isinstance(item, list):
                fields.no_more(item, limits.history, "known ancestors")
                answers.append(tuple([fields.revision(ancestor, limits) for ancestor in item]))
            else:
                answers.append(_status(item))
        answers.extend([NOT_WANTED] * (asked - len(answers)))
        return cls(tuple(answers), Terms.of(event.properties))


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """On a proposal."""

    status: int = 0
    """0: send it. 304: it is here already. 409: it would be a conflict. Or another HTTP status."""
    current: str | None = None
    """With 409, the receiver's revision, if it was asked to tell."""


SEND: Final = Verdict()


class ProposeChangesReply(msgspec.Struct, frozen=True, gc=False):
    """Which of the proposals are allowed: a verdict on each, in their order."""

    verdicts: tuple[Verdict, ...]
    terms: Terms = Terms()

    def encode(self) -> Encoded:
        """As it is sent; what is allowed at the end is left out, so that an empty list allows all."""
        items = [
            {"status": verdict.status, "rev": verdict.current} if verdict.current else verdict.status
            for verdict in self.verdicts
        ]
        properties: dict[str, str] = {}
        self.terms.put(properties)
        return Encoded(properties, msgspec.json.encode(_trimmed(items)), compressed=True)

    @classmethod
    def decode(cls, event: ResponseReceived, limits: Limits, *, asked: int) -> "ProposeChangesReply":
        """As it was received, to `asked` proposals; on each there is a verdict then."""
        items = _replies(_VERDICTS, event.body, asked, "the reply to proposeChanges")
        verdicts = [_verdict(item, limits) for item in items]
        verdicts.extend([SEND] * (asked - len(verdicts)))
        return cls(tuple(verdicts), Terms.of(event.properties))


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


# Sync Gateway says "caught up" with null for an empty list.
_CHANGES: Final = msgspec.json.Decoder(list[_Change] | None)
_PROPOSALS: Final = msgspec.json.Decoder(list[_Proposal] | None)
_ANSWERS: Final = msgspec.json.Decoder(list[list[str] | int | None] | None)
_VERDICTS: Final = msgspec.json.Decoder(list[_Refusal | int | None] | None)


def _announcement(properties: dict[str, str], body: bytes, *, empty: bool) -> Encoded:
    """Urgent, as Couchbase Lite sends them, so that big documents do not starve what follows."""
    return Encoded(properties, body, urgent=True, compressed=True, no_reply=empty)


def _gone(value: bool | int | None) -> int:
    if not value:
        return Gone.NO
    if not 0 < value <= Gone.DELETED | Gone.REVOKED | Gone.REMOVED:
        raise MessageError(f"a change is deleted in a way that is not known: {str(value)[:80]}")
    return int(value)


def _size(value: int | None) -> int:
    """It is an estimate at best, so that a senseless one is as good as none."""
    return value if value is not None and 0 < value < 2**53 else 0


def _status(value: int | None) -> int:
    if value is None:
        return 0
    if value != 0 and not 100 <= value <= 999:
        raise MessageError(f"{str(value)[:80]} is no status")
    return value


def _verdict(item: _Refusal | int | None, limits: Limits) -> Verdict:
    if isinstance(item, _Refusal):
        return Verdict(_status(item.status), fields.revision(item.rev, limits) if item.rev else None)
    return Verdict(status) if (status := _status(item)) else SEND


def _replies(
    decoder: "msgspec.json.Decoder[list[fields.T] | None]", body: bytes, asked: int, what: str
) -> "list[fields.T]":
    """The items of a reply; no body is an empty list, which both makers of peers send for one."""
    items = (fields.body(decoder, body, what) if body else None) or []
    if len(items) > asked:
        raise MessageError(f"{what} has {len(items)} items, but {asked} were asked about")
    return items


def _trimmed(items: "list[fields.T]") -> "list[fields.T]":
    """Without the zeros at the end."""
    end = len(items)
    while end and items[end - 1] == 0:
        end -= 1
    return items[:end]
