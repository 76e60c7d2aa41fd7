"""Rules that define who may write which documents, applied to each received revision.

    rights = Rights(vessel="argo", log=…, trust=…, leaves=database.leaves)
    PassiveOptions(rule=rights.rule(CertifiedVessel("brigid")))

    what             a vessel                                             the crew
    ---------------  ---------------------------------------------------  ----------------------------------
    reading          of any vessel, at generation 1, never deleted        of a sensor of kind manual, in a log
                                                                          of its own
    gap              of any vessel, never deleted                         -
    boot, vessel     its own; another vessel's if that vessel has signed  -
                     it; never deleted
    equipment        of any vessel                                        -
    forwarded        its own; another vessel's if that vessel has signed  -
                     it, or has a version that does not sign; otherwise
                     `TemporaryObjection` if unsigned; never deleted
    alarm            of any vessel; deleted only if the branch lost a     adding acknowledgements
                     conflict
    silence          of any vessel; deleted only if the branch lost a     of any vessel; never deleted
                     conflict
    note             of any vessel                                        of any vessel
    service          of any vessel, at generation 1; deleted only if the  of any vessel, at generation 1, if
                     branch lost a conflict                               none is stored here; never deleted
    fleet            with the CA's signature; revocations and radio key   -
                     only with a higher number than the stored one
    other types      any                                                  -

Only this vessel itself writes its current log, so a received document of that log is rejected if it is not
stored here. Documents of its older logs are accepted, with a signature where one is required. So after a card
was replaced, other vessels can restore its history. Any vessel of the fleet is trusted to pass on the
documents of other vessels unchanged. Only boots (which contain the time), vessels, and records of forwarded
documents have a signature. For limits on the generation, see `sync.fleet.generations`.

A crew member's app assigns the numbers of the readings that it adds. So these readings cannot belong to a log
or a boot of a vessel's recorder. To add a reading to the recorder's log, use `logboat log SENSOR --add`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sync import documents
from sync.documents import RADIO_KEY, REVOCATIONS, DocumentName, DocumentType
from sync.fleet import radio_key, signatures, signing
from sync.fleet.errors import RadioKeyError, RevocationsError, SignatureError
from sync.fleet.generations import Generations, Leaves
from sync.fleet.revocations import from_body
from sync.fleet.trust import FleetTrust
from sync.peer.conflicts import is_closing
from sync.peer.revision_writer import IdRule, OfferedRevision, Rule, TemporaryObjection
from sync.store import Document, bodies, revisions


@dataclass(frozen=True, slots=True)
class CertifiedVessel:
    """A vessel of the fleet, identified by its certificate."""

    name: str


@dataclass(frozen=True, slots=True)
class CrewMember:
    """A member of the crew, identified by a password."""

    user: str
    read_write: bool = True
    channels: tuple[str, ...] | None = None
    """Channels that the member may access; None for all."""


Writer = CertifiedVessel | CrewMember


class _Head(msgspec.Struct, frozen=True, gc=False):
    """The members of a document's body that repeat parts of the document's id.

    Other members, which may be large, are not decoded.
    """

    type: str
    vessel: str | None = None
    sensor: str | None = None
    log: str | None = None
    first: int | None = None
    last: int | None = None
    sequence: int | None = None
    number: int | None = None


_head: Final = msgspec.json.Decoder(_Head).decode
_NUMBERED: Final = {
    DocumentType.READING: "first",
    DocumentType.GAP: "first",
    DocumentType.ALARM: "sequence",
    DocumentType.SILENCE: "sequence",
    DocumentType.BOOT: "number",
}
"""For each type of document, the member of the body that repeats the number contained in the id."""
_DIGEST: Final = re.compile(r"[0-9a-f]{1,64}")
"""Pattern of the digests that are accepted in revision ids of Logboat's documents.

Our digests have 32 digits, and those of Couchbase Lite have 40. A digest of any other form could only be
meant to win against other revisions of the same generation.
"""
_KINDS: Final = frozenset(kind.value for kind in DocumentType)
_NEVER_DELETED: Final = frozenset(
    {DocumentType.READING, DocumentType.GAP, DocumentType.BOOT, DocumentType.VESSEL, DocumentType.FORWARDED}
)
_UNCHANGED: Final = {
    DocumentType.READING: "readings cannot be changed",
    DocumentType.SERVICE: "service records cannot be changed",
}
"""Reasons for rejecting revisions with a generation other than 1, by type of document."""
_LOGGED: Final = frozenset({DocumentType.READING, DocumentType.GAP, DocumentType.BOOT, DocumentType.ALARM})
"""Types of documents written by the recorder of the log that their ids name."""
_CLOSED: Final = frozenset(
    {DocumentType.ALARM, DocumentType.SILENCE, DocumentType.FLEET, DocumentType.SERVICE}
)
"""Types of documents that a vessel deletes only to end a branch that lost a conflict."""
_LAST: Final = 10**documents.SEQUENCE_DIGITS - 1
"""Highest sequence number that fits into a document id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A peer's unverified claim that our current log contains a document that is not stored here."""

    log: str
    sensor: str | None = None
    """Sensor of the reading; None for a boot."""
    number: int
    """Last sample number of the reading, or the number of the boot."""
    is_signed: bool = False
    """True if this vessel itself has signed the document. Readings have no signature."""
    contradicts: bool = False
    """True if a different boot with the same number is stored here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rights of other vessels and of the crew to write to one vessel's store."""

    vessel: str
    """Id of the vessel whose store this is."""
    log: Callable[[], str | None]
    """Function that returns the id of the log that this vessel's recorder is writing, if any."""
    trust: Callable[[], FleetTrust]
    """Function that returns the current trust, so that new revocations take effect immediately."""
    leaves: Leaves
    """Function that returns the leaf revisions of a document: `Database.leaves` of the store."""
    stored_voucher: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    """Function that returns the signed body of a vessel's stored voucher with the highest generation.

    It is used by `Generations`.
    """
    on_ahead: Callable[[str, Claim], object] = lambda _, __: None
    """Function called when another vessel claims that our current log has more than is stored here.

    It is called with the other vessel's id and the claim.
    """
    generations: Generations = field(init=False)
    """Checker of the generations of received revisions."""

    def __post_init__(self) -> None:
        judge = Generations(
            vessel=self.vessel, trust=self.trust, leaves=self.leaves, stored_voucher=self.stored_voucher
        )
        object.__setattr__(self, "generations", judge)

    def rule(self, writer: Writer) -> Rule:
        """Return the rule with which a receiver checks each revision that a writer sends."""

        def objection(document: Document) -> str | None:
            return self.objection(writer, document)

        return objection

    def id_rule(self, writer: Writer) -> IdRule:
        """Return the rule with which a receiver checks the id of each document that a writer sends.

        The rule is applied before the body is read.
        """

        def objection(document_id: str, revision: str, deleted: bool) -> str | None:
            return self.objection_to_id(writer, document_id, revision, deleted=deleted)

        return objection

    def objection_to_id(
        self, writer: Writer, document_id: str, revision: str, *, deleted: bool
    ) -> str | None:
        """Return why a writer must not write a revision, as far as this can be decided without its body.

        Return None if the revision is acceptable so far.
        """
        if isinstance(writer, CrewMember) and not writer.read_write:
            return f"{writer.user} has read access only"
        name = documents.parse_id(document_id)
        if name is None:
            head = document_id.partition(":")[0]
            if head in _KINDS:
                return f"the id is not a valid id of a {head} document"
            return (
                "crew members can write only Logboat's own document types"
                if isinstance(writer, CrewMember)
                else None
            )
        if isinstance(writer, CrewMember):
            why_not = _unwritten(writer, name, deleted=deleted)
        else:
            is_kept = deleted and name.kind in _NEVER_DELETED
            why_not = f"{name.kind} documents cannot be deleted" if is_kept else None
        if why_not is None and not deleted and revisions.generation(revision) != 1:
            why_not = _UNCHANGED.get(name.kind)
        return why_not

    def objection(self, writer: Writer, document: Document) -> str | None:
        """Return why a writer must not write a document, or None if the writer may write it.

        Raises DocumentError if the body is malformed, and StoreError if the store cannot be read.
        """
        why_not = self.objection_to_id(writer, document.id, document.rev, deleted=document.deleted)
        name = documents.parse_id(document.id)
        if why_not is not None:
            return why_not
        if name is None:
            return self.generations.objection(None, document)
        if (why_not := self._implausible(writer, name, document)) is not None:
            return why_not
        if isinstance(writer, CrewMember):
            return self._crew(name, document)
        return self._vessel(writer, name, document)

    def _implausible(self, writer: Writer, name: DocumentName, document: Document) -> str | None:
        """Return why a revision of one of Logboat's documents is invalid, or None if it is valid."""
        if _DIGEST.fullmatch(revisions.split(document.rev)[1]) is None:
            return f"the digest of revision {document.rev[:80]} is not hexadecimal"
        direct = isinstance(writer, CertifiedVessel) and writer.name == name.vessel
        why_not = self.generations.objection(name, document, direct=direct)
        if why_not is None and not document.deleted:
            why_not = _disagreement(name, document)
        return why_not

    # Vessels

    def _vessel(self, writer: CertifiedVessel, name: DocumentName, document: Document) -> str | None:
        kind = name.kind
        if document.deleted:
            return self._deletion(name, document)
        if kind in _LOGGED and self._is_current(name) and not self._is_here(kind, document):
            claim = self._claim(name, document)
            if claim is not None:
                self.on_ahead(writer.name, claim)
            return f"only {self.vessel} itself can write its current log {name.log}"
        if kind is DocumentType.FLEET:
            return self._fleet(document)
        if self._is_to_be_signed(name, document):
            return self._signed(writer, name, document)
        return None

    def _is_to_be_signed(self, name: DocumentName, document: Document) -> bool:
        """Return True if a document is valid only with its vessel's signature.

        Records of forwarded documents that earlier versions wrote are valid without a signature. If they were
        rejected, all documents would be forwarded again.
        """
        if name.kind is not DocumentType.FORWARDED:
            return name.kind in (DocumentType.BOOT, DocumentType.VESSEL)
        return signing.is_signed(document.body) or self._has_vouched(name.vessel)

    def _has_vouched(self, vessel: str) -> bool:
        """Return True if a vessel has ever vouched for generations, and so signs its `forwarded` documents.

        The vessel's current `vessel` document may no longer contain a number. Either the vessel has returned
        to an earlier version of Logboat, or another peer has sent an old document.
        """
        return (
            self.generations.vouched_generation(vessel) is not None
            or self.generations.highest(vessel) is not None
        )

    def _claim(self, name: DocumentName, document: Document) -> Claim | None:
        """Return the claim that a document makes about this vessel's current log, or None if it makes none.

        The caller has checked that the document belongs to the current log and is not stored here.
        """
        assert name.log is not None
        assert name.number is not None
        if name.kind is DocumentType.READING and name.sensor is not None:
            return Claim(log=name.log, sensor=name.sensor, number=_head(document.raw).last or name.number)
        if name.kind is not DocumentType.BOOT:
            return None
        try:
            if signing.signer(document.id, document.body, self.trust()) != self.vessel:
                return None
        except SignatureError:
            return None
        here = [leaf.body.get("bootId") for leaf in self.leaves(document.id) if not leaf.deleted]
        if document.body.get("bootId") in here:
            return None  # an earlier revision of a boot that is stored here
        return Claim(log=name.log, number=name.number, is_signed=True, contradicts=bool(here))

    def _is_current(self, name: DocumentName) -> bool:
        return name.vessel == self.vessel and name.log == self.log()

    def _is_here(self, kind: DocumentType, document: Document) -> bool:
        """Return True if a revision is stored here.

        For an alarm, which other writers may change, the result is True if any revision of it is stored.
        """
        leaves = self.leaves(document.id)
        return (
            bool(leaves) if kind is DocumentType.ALARM else any(leaf.rev == document.rev for leaf in leaves)
        )

    def _deletion(self, name: DocumentName, document: Document) -> str | None:
        if name.kind in _CLOSED and not self._may_close(document):
            return f"{name.kind} documents cannot be deleted"
        return None

    def _may_close(self, tombstone: Document) -> bool:
        """Return True if a tombstone ends a branch that lost a conflict.

        Such a tombstone has an empty body and the revision id that Logboat computes for it, and another
        branch of the document is not deleted. If the tombstone's history is unknown, it must at least end a
        branch of a stored document, and must not be a plain deletion of a stored leaf revision.
        """
        leaves = self.leaves(tombstone.id)
        if isinstance(tombstone, OfferedRevision):
            history = tombstone.history
            if not history or not is_closing(tombstone.rev, history[0]):
                return False
            if not tombstone.is_replaced and all(leaf.deleted or leaf.rev in history for leaf in leaves):
                return False
        return (
            tombstone.raw == bodies.EMPTY
            and bool(leaves)
            and all(
                tombstone.rev != revisions.make(leaf.rev, deleted=True, body=bodies.EMPTY) for leaf in leaves
            )
        )

    def _signed(self, writer: CertifiedVessel, name: DocumentName, document: Document) -> str | None:
        body = document.body
        if name.vessel == writer.name and not signing.is_signed(body):
            return None  # the sender's certificate proves the author; only relayed documents need a signature
        if name.kind is DocumentType.FORWARDED and not signing.is_signed(body):
            # A vessel that has returned to an earlier version of Logboat signs the document again once it is
            # updated.
            return TemporaryObjection("not signed by its vessel")
        trust = self.trust()
        try:
            signer = signing.signer(document.id, body, trust)
        except SignatureError as error:
            return _reason(error, document.id)
        if signer != name.vessel:
            return f"the document is signed by {signer}, but only {name.vessel} can write it"
        return self._replacement(document, body, trust)

    def _replacement(self, document: Document, body: Mapping[str, Any], trust: FleetTrust) -> str | None:
        """Return why a document must not replace the stored one, or None if it may replace it.

        A document signed with a revoked certificate must not replace one signed with a valid certificate.
        """
        revoked = trust.revoked(signing.certificate_in(document.id, body))
        if revoked is None or document.id == documents.vessel_id(self.vessel):
            return None  # we must receive a document that a thief has written in our name, to overwrite it
        for leaf in self.leaves(document.id):
            try:
                before = trust.revoked(signing.certificate_in(document.id, leaf.body))
            except SignatureError:
                continue
            if before is None and leaf.rev != document.rev:
                return f"the document is signed with a certificate that was revoked on {revoked}"
        return None

    def _fleet(self, document: Document) -> str | None:
        body, trust = document.body, self.trust()
        if document.id == RADIO_KEY:
            try:
                return self._outdated(document, radio_key.from_body(body, trust.root).number, 0)
            except RadioKeyError as error:
                return _reason(error, document.id)
        if document.id != REVOCATIONS:
            return (
                None
                if signatures.is_sealed(document.id, body, trust.root)
                else "not signed by the fleet's CA"
            )
        try:
            number = from_body(body, trust.root).number
        except RevocationsError as error:
            return _reason(error, document.id)
        return self._outdated(document, number, trust.revocations.number)

    def _outdated(self, document: Document, number: int, least: int) -> str | None:
        if self._loses(document, number, least):
            return None
        if number < least:
            return f"number {number} is outdated; number {least} is known here"
        for leaf in self.leaves(document.id):
            if leaf.deleted:
                continue
            known = leaf.body.get("number")
            if not isinstance(known, int) or number > known:
                continue
            if number < known:
                return f"number {number} is outdated; number {known} is stored here"
            if bodies.recanonical(leaf.id, leaf.raw) != bodies.recanonical(leaf.id, document.raw):
                return f"a different document with the same number {number} is stored here"
        return None

    def _loses(self, document: Document, number: int, least: int) -> bool:
        """Return True if a document is an outdated CA statement that conflicts with the stored branches.

        The conflict will be resolved in favour of the higher number. If the branch were rejected, the peer
        would never receive the stored statement, which does not descend from the peer's statement.
        """
        if not isinstance(document, OfferedRevision):
            return False
        live = [leaf for leaf in self.leaves(document.id) if not leaf.deleted]
        numbers = [leaf.body.get("number") for leaf in live]
        known = max((n for n in numbers if isinstance(n, int)), default=-1)
        return number < known >= least and all(leaf.rev not in document.history for leaf in live)

    # The crew

    def _crew(self, name: DocumentName, document: Document) -> str | None:
        if name.kind is DocumentType.ALARM:
            return self._acknowledgement(document)
        if name.kind is DocumentType.SERVICE:
            others = [leaf for leaf in self.leaves(document.id) if leaf.rev != document.rev]
            return _UNCHANGED[name.kind] if others else None
        return self._manual(name, document) if name.kind is DocumentType.READING else None

    def _acknowledgement(self, document: Document) -> str | None:
        """Return why a crew member's change of an alarm is rejected.

        Return None if the change only adds acknowledgements.
        """
        here = [leaf for leaf in self.leaves(document.id) if not leaf.deleted]
        if not here:
            return "crew members cannot raise alarms"
        new, old = document.body, here[0].body
        if signatures.without(new, "acks") != signatures.without(old, "acks"):
            return "crew members can only acknowledge alarms, not change them"
        acks, before = new.get("acks"), old.get("acks", [])
        if not isinstance(acks, list) or not all(_is_ack(ack) for ack in acks):
            return "acks must be a list of {who, when}, both strings"
        if isinstance(before, list) and any(ack not in acks for ack in before):
            return "acknowledgements can be added but not removed"
        return None

    def _manual(self, name: DocumentName, document: Document) -> str | None:
        if self.leaves(document.id):
            return "readings cannot be changed"
        bodies = [leaf.body for leaf in self.leaves(documents.vessel_id(name.vessel)) if not leaf.deleted]
        about = bodies[0] if bodies else {}
        sensors = about.get("sensors")
        sensor = sensors.get(name.sensor) if isinstance(sensors, dict) else None
        if not isinstance(sensor, dict) or sensor.get("kind") != "manual":
            return (
                f"{name.vessel} has no sensor {name.sensor} of kind manual, and crew members can add"
                " readings only to that kind"
            )
        logs = about.get("logs")
        if self._is_current(name) or (isinstance(logs, list) and name.log in logs):
            return (
                f"only the recorder of {name.vessel} writes to log {name.log}; use a different log name, or"
                f" add the reading aboard with `logboat log {name.sensor} --add VALUE`"
            )
        body = document.body
        for member in ("path", "unit"):
            if body.get(member) != sensor.get(member):
                return f"{member} must be {sensor.get(member)!r} for sensor {name.sensor}"
        if body.get("boot") != 0:
            return (
                "boot must be 0 in crew readings, because their times do not come from this machine's clock"
            )
        return None


def _unwritten(writer: CrewMember, name: DocumentName, *, deleted: bool) -> str | None:
    """Return why a crew member must not write a document with this id.

    Return None if that depends on the body.
    """
    if writer.channels is not None and name.kind is not DocumentType.FLEET:
        concerned = documents.channels(name.kind, name.vessel)
        if not set(concerned) & set(writer.channels):
            return f"{writer.user} has no access to channel {' or '.join(concerned)}"
    if name.kind is DocumentType.NOTE:
        return None
    if deleted:
        return f"crew members cannot delete {name.kind} documents"
    if name.kind in (DocumentType.ALARM, DocumentType.SILENCE, DocumentType.READING, DocumentType.SERVICE):
        return None
    return f"crew members cannot write {name.kind} documents"


def _disagreement(name: DocumentName, document: Document) -> str | None:
    """Return a description of how a body contradicts the document's id, or None if the two agree."""
    try:
        head = _head(document.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"malformed: {error}"
    if head.type != name.kind:
        return f"the type is {head.type[:40]!r}, but the id says {name.kind.value!r}"
    if name.kind is DocumentType.FLEET:
        return None
    members = [("vessel", head.vessel, name.vessel), ("sensor", head.sensor, name.sensor)]
    member = _NUMBERED.get(name.kind)
    if member is not None:
        members += [("log", head.log, name.log)]
        if getattr(head, member) != name.number:
            return f"{member} is {getattr(head, member)}, but the id says {name.number}"
    for member, body, id_ in members:
        if body != id_ and id_ is not None:
            return f"{member} is {str(body)[:40]!r}, but the id says {id_!r}"
    return _misspanned(head, document) if name.kind in (DocumentType.READING, DocumentType.GAP) else None


def _misspanned(head: _Head, document: Document) -> str | None:
    """Return why the sample numbers in a body are invalid, or None if they are valid.

    The retention and repair of readings depend on the last number.
    """
    first, last = head.first, head.last
    if first is None or last is None or not first <= last <= _LAST:
        return f"the numbers are not a valid range: first is {first}, last is {last}"
    if head.type == DocumentType.READING and last - first >= len(document.raw):
        return f"the range {first} to {last} has more numbers than the body can contain"
    return None


def _is_ack(ack: object) -> bool:
    return isinstance(ack, dict) and all(isinstance(ack.get(member), str) for member in ("who", "when"))


def _reason(error: Exception, document_id: str) -> str:
    """Return an error's message without the document's id. The caller adds the id."""
    return str(error).removeprefix(f"{document_id}: ")
