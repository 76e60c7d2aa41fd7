"""Rules about who may write which document, applied to each received revision.

    rights = Rights(vessel="argo", log=…, trust=…, leaves=database.leaves)
    PassiveOptions(rule=rights.rule(CertifiedVessel("brigid")))

    what             a vessel                                             the crew
    ---------------  ---------------------------------------------------  ----------------------------------
    reading          of any vessel, at generation 1, never deleted        of a sensor of kind manual, in a log
                                                                          of its own
    gap              of any vessel, never deleted                         -
    boot, vessel     its own; another's with that one's signature;        -
                     never deleted
    equipment        of any vessel                                        -
    forwarded        its own; another's with that one's signature, or     -
                     without from a vessel whose version signs none;
                     never deleted. Unsigned otherwise: `TemporaryObjection`
    alarm            of any vessel; deleted only as a branch that lost    acknowledgements that are added
    note             of any vessel                                        of any vessel
    fleet            with the CA's signature; revocations, radio key      -
                     only with a higher number than is known
    another's types  any                                                  -

Nobody else writes our own current log: what is missing here was never written. Documents of our older logs
are accepted if they are signed where required, so the history of a replaced card comes back. Documents passed
on from others are as trustworthy as the fleet's vessels. Only boots (which tell the time), vessels, and
statements about forwarded documents carry a proof. For limits of the generation, see
`sync.fleet.generations`.

The crew's readings are numbered by their author, so they cannot be in a log of a vessel's recorder, nor in
one of its boots. To add a reading there, ask the recorder, as `logboat log SENSOR --add` does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sync import documents
from sync.documents import DocumentName, DocumentType
from sync.fleet import radio_key, signatures, signing
from sync.fleet.errors import RadioKeyError, RevocationsError, SignatureError
from sync.fleet.generations import Generations, Leaves
from sync.fleet.revocations import from_body
from sync.fleet.trust import FleetTrust
from sync.peer.conflicts import RADIO_KEY, REVOCATIONS, is_closing
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
    """The members of a body that repeat its id, decoded without the rest, which may be large."""

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
    DocumentType.BOOT: "number",
}
"""Member of the body that contains the number at the end of the id, for each kind."""
_DIGEST: Final = re.compile(r"[0-9a-f]{1,64}")
"""Pattern of digests in revisions of Logboat's documents.

Ours have 32 digits, and Couchbase Lite's 40. Anything else would only outrank those of the same generation.
"""
_KINDS: Final = frozenset(kind.value for kind in DocumentType)
_NEVER_DELETED: Final = frozenset(
    {DocumentType.READING, DocumentType.GAP, DocumentType.BOOT, DocumentType.VESSEL, DocumentType.FORWARDED}
)
_LOGGED: Final = frozenset({DocumentType.READING, DocumentType.GAP, DocumentType.BOOT, DocumentType.ALARM})
"""Kinds of documents that belong to a log."""
_LAST: Final = 10**documents.SEQUENCE_DIGITS - 1
"""Highest number that fits into an id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A peer's statement that our current log has gone on elsewhere; not verified."""

    log: str
    sensor: str | None = None
    """Sensor of the reading; None for a boot."""
    number: int
    """Last number of the reading, or the number of the boot."""
    is_signed: bool = False
    """True if this vessel itself has signed the document; readings have no signature."""
    contradicts: bool = False
    """True if another boot with the same number is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rights of others in one vessel's store."""

    vessel: str
    """Id of the vessel whose store this is."""
    log: Callable[[], str | None]
    """Function that returns the log that its recorder writes now; None if there is none."""
    trust: Callable[[], FleetTrust]
    """Function that returns the current trust, so that new revocations apply at once."""
    leaves: Leaves
    """Method `Database.leaves` of the store."""
    stored_voucher: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    """The same as `Generations.stored_voucher`."""
    on_ahead: Callable[[str, Claim], object] = lambda _, __: None
    """Called with a vessel and its claim to have more of our current log than we do."""
    generations: Generations = field(init=False)
    """The check of the generations of received revisions."""

    def __post_init__(self) -> None:
        judge = Generations(
            vessel=self.vessel, trust=self.trust, leaves=self.leaves, stored_voucher=self.stored_voucher
        )
        object.__setattr__(self, "generations", judge)

    def rule(self, writer: Writer) -> Rule:
        """Return the rule with which a receiver checks each revision of this writer."""

        def objection(document: Document) -> str | None:
            return self.objection(writer, document)

        return objection

    def id_rule(self, writer: Writer) -> IdRule:
        """Return the rule with which a receiver checks a revision of this writer before it reads the body."""

        def objection(document_id: str, revision: str, deleted: bool) -> str | None:
            return self.objection_to_id(writer, document_id, revision, deleted=deleted)

        return objection

    def objection_to_id(
        self, writer: Writer, document_id: str, revision: str, *, deleted: bool
    ) -> str | None:
        """Return why this writer may not write this whatever its body; None if that depends on the body."""
        if isinstance(writer, CrewMember) and not writer.read_write:
            return f"{writer.user} has read access only"
        name = documents.parse_id(document_id)
        if name is None:
            head = document_id.partition(":")[0]
            if head in _KINDS:
                return f"the id is not a valid id of a {head} document"
            return (
                "crew members cannot write documents of other types"
                if isinstance(writer, CrewMember)
                else None
            )
        if isinstance(writer, CrewMember):
            why_not = _unwritten(writer, name, deleted=deleted)
        else:
            is_kept = deleted and name.kind in _NEVER_DELETED
            why_not = f"{name.kind} documents cannot be deleted" if is_kept else None
        if why_not is None and name.kind is DocumentType.READING and revisions.generation(revision) != 1:
            return "readings cannot be changed"
        return why_not

    def objection(self, writer: Writer, document: Document) -> str | None:
        """Return why this writer may not write a document, or None if it may.

        Raises DocumentError for a malformed body, and StoreError if the store cannot be read.
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
        """Return a fault that no valid revision of Logboat's documents has, or None."""
        if _DIGEST.fullmatch(revisions.split(document.rev)[1]) is None:
            return f"the digest of its revision {document.rev[:80]} is not hexadecimal"
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

        Statements of earlier versions about forwarded documents are valid without, because otherwise
        everything would be forwarded twice.
        """
        if name.kind is not DocumentType.FORWARDED:
            return name.kind in (DocumentType.BOOT, DocumentType.VESSEL)
        return signing.is_signed(document.body) or self._has_vouched(name.vessel)

    def _has_vouched(self, vessel: str) -> bool:
        """Return True if a vessel has ever vouched for generations, and so signs its forwarded documents.

        Its `vessel` document may contain no number now. The vessel may have gone back to an earlier version,
        or somebody has passed on an old document.
        """
        return (
            self.generations.vouched_generation(vessel) is not None
            or self.generations.highest(vessel) is not None
        )

    def _claim(self, name: DocumentName, document: Document) -> Claim | None:
        """Return what a document of our current log that is not here claims of it; None if nothing."""
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
            return None  # an earlier state of a boot that is here
        return Claim(log=name.log, number=name.number, is_signed=True, contradicts=bool(here))

    def _is_current(self, name: DocumentName) -> bool:
        return name.vessel == self.vessel and name.log == self.log()

    def _is_here(self, kind: DocumentType, document: Document) -> bool:
        """Return True if this revision is stored; for an alarm, which others acknowledge, any revision."""
        leaves = self.leaves(document.id)
        return (
            bool(leaves) if kind is DocumentType.ALARM else any(leaf.rev == document.rev for leaf in leaves)
        )

    def _deletion(self, name: DocumentName, document: Document) -> str | None:
        if name.kind in (DocumentType.ALARM, DocumentType.FLEET) and not self._may_close(document):
            return f"{name.kind} documents cannot be deleted"
        return None

    def _may_close(self, tombstone: Document) -> bool:
        """Return True if a tombstone closes a branch that lost a conflict.

        Its body is empty, it has the id that our stores give such tombstones, and the document is live on
        another branch. If its history is unknown, this is decided as far as possible: it must close something
        here, and not be a plain deletion of just that.
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
            return None  # its certificate has just proved as much; it will sign before others may relay it
        if name.kind is DocumentType.FORWARDED and not signing.is_signed(body):
            # A vessel that has gone back to an earlier version signs it again after the next update.
            return TemporaryObjection("not signed by its vessel")
        trust = self.trust()
        try:
            signer = signing.signer(document.id, body, trust)
        except SignatureError as error:
            return _reason(error, document.id)
        if signer != name.vessel:
            return f"it is signed by {signer}, but only {name.vessel} can write it"
        return self._replacement(document, body, trust)

    def _replacement(self, document: Document, body: Mapping[str, Any], trust: FleetTrust) -> str | None:
        """Return why a document signed with a revoked certificate may not replace one with a valid signature.

        What a revoked certificate signed is history.
        """
        revoked = trust.revoked(signing.certificate_in(document.id, body))
        if revoked is None or document.id == documents.vessel_id(self.vessel):
            return None  # we overwrite what a thief wrote in our name, and must know it for that
        for leaf in self.leaves(document.id):
            try:
                before = trust.revoked(signing.certificate_in(document.id, leaf.body))
            except SignatureError:
                continue
            if before is None and leaf.rev != document.rev:
                return f"it is signed with a certificate that was revoked on {revoked}"
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
        """Return True for an outdated statement that comes on a branch beside the known ones.

        The conflict ends with the higher number. If such a branch were refused, its holder would never learn
        of that, because our statement does not follow the other one.
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
        return self._manual(name, document) if name.kind is DocumentType.READING else None

    def _acknowledgement(self, document: Document) -> str | None:
        """Return why a change of an alarm by the crew is refused: only acknowledgements may be new."""
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
                f"log {name.log} is numbered by the recorder of {name.vessel}; use a log of your own, or"
                f" add the reading aboard with logboat log {name.sensor} --add VALUE"
            )
        body = document.body
        for member in ("path", "unit"):
            if body.get(member) != sensor.get(member):
                return f"{member} must be {sensor.get(member)!r} for sensor {name.sensor}"
        if body.get("boot") != 0:
            return "boot must be 0 in readings of the crew, because they do not follow this machine's clock"
        return None


def _unwritten(writer: CrewMember, name: DocumentName, *, deleted: bool) -> str | None:
    """Return why a crew member may not write a document of this name; None if the body decides."""
    if writer.channels is not None and name.kind is not DocumentType.FLEET:
        concerned = documents.channels(name.kind, name.vessel)
        if not set(concerned) & set(writer.channels):
            return f"{writer.user} has no access to channel {' or '.join(concerned)}"
    if name.kind is DocumentType.NOTE:
        return None
    if deleted:
        return f"crew members cannot delete {name.kind} documents"
    if name.kind in (DocumentType.ALARM, DocumentType.READING):
        return None
    return f"crew members cannot write {name.kind} documents"


def _disagreement(name: DocumentName, document: Document) -> str | None:
    """Return where a body contradicts its id, or None."""
    try:
        head = _head(document.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"malformed: {error}"
    if head.type != name.kind:
        return f"its type is {head.type[:40]!r}, but its id says {name.kind.value!r}"
    if name.kind is DocumentType.FLEET:
        return None
    members = [("vessel", head.vessel, name.vessel), ("sensor", head.sensor, name.sensor)]
    if name.kind in _LOGGED:
        member = _NUMBERED[name.kind]
        members += [("log", head.log, name.log)]
        if getattr(head, member) != name.number:
            return f"its {member} is {getattr(head, member)}, but its id says {name.number}"
    for member, body, id_ in members:
        if body != id_ and id_ is not None:
            return f"its {member} is {str(body)[:40]!r}, but its id says {id_!r}"
    return _misspanned(head, document) if name.kind in (DocumentType.READING, DocumentType.GAP) else None


def _misspanned(head: _Head, document: Document) -> str | None:
    """Return why the numbers in a body are impossible: retention and repair depend on the last one."""
    first, last = head.first, head.last
    if first is None or last is None or not first <= last <= _LAST:
        return f"its numbers are not a valid range: first is {first}, last is {last}"
    if head.type == DocumentType.READING and last - first >= len(document.raw):
        return f"its numbers {first} to {last} are more than its body can contain"
    return None


def _is_ack(ack: object) -> bool:
    return isinstance(ack, dict) and all(isinstance(ack.get(member), str) for member in ("who", "when"))


def _reason(error: Exception, document_id: str) -> str:
    """Return an error's text without the document's id, which the caller adds anyway."""
    return str(error).removeprefix(f"{document_id}: ")
