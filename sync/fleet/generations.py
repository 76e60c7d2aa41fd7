"""Limits on the generation of received revisions, so that a document's owner can always write a later one.

Of two revisions of a document with a single writer, the higher generation wins. A vessel that could write
`equipment:argo:bilge` with any generation could prevent argo from ever writing that document again. So the
generation is checked before a revision is accepted:

    what                               highest generation
    ---------------------------------  -----------------------------------------------------------------
    any document                       `LEAD`, or `LEAD` above the highest stored here, except as follows
    vessel, boot, equipment,           the number for which its vessel vouches, if any; otherwise
        forwarded                      `UNVOUCHED`, or `LEAD` above the highest stored here
    gap                                `UNVOUCHED`, or `LEAD` above the highest stored here
    an application's own               `LEAD_OF_OTHERS` above the highest stored here
    all                                below `SOUND_LIMIT`

A vessel vouches for generations in the member `generations` of its signed `vessel` document: one number for
all its documents, some thousands above the highest generation so far. The vessel raises the number before the
generation of any of its documents reaches the number, even if another vessel has written that generation. So
the vessel can always write a higher generation than others have written. A number signed with a revoked
certificate is ignored.

The highest number of each vessel is stored. A lower number that arrives later does not replace it. So an
attacker gains nothing by sending an old `vessel` document, whose signature is still valid, as a new revision.

After a long absence, a vessel may receive a revision before it receives the number that vouches for the
revision's generation. It then rejects the revision temporarily (`TemporaryObjection`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeGuard

from cryptography import x509

from sync import documents
from sync.documents import SINGLE_WRITER, DocumentName, DocumentType
from sync.fleet import signing
from sync.fleet.errors import SignatureError
from sync.fleet.trust import FleetTrust
from sync.peer.revision_writer import TemporaryObjection
from sync.store import Document, revisions

MEMBER: Final = "generations"
"""Member of a `vessel` document that contains the highest generation for which the vessel vouches."""
LEAD: Final = 10_000
"""Maximum amount by which a received revision's generation may exceed the highest one stored here.

With this value, an alarm or note may be edited 27 times a day during a year without contact. An attacker
needs more than 50,000 revisions of one document to reach `SOUND_LIMIT` in such steps.
"""
LEAD_OF_OTHERS: Final = 2**20
"""Limit for an application's own documents, instead of `LEAD`. It allows one edit every 30 s for a year."""
UNVOUCHED: Final = 2**24
"""Highest accepted generation for documents of a vessel that does not vouch for generations.

Earlier versions of Logboat do not vouch. The limit allows one revision every 10 seconds for five years. The
vessel can exceed this limit as soon as it vouches for a higher generation.
"""
VOUCHED_KINDS: Final = frozenset(
    {DocumentType.VESSEL, DocumentType.BOOT, DocumentType.EQUIPMENT, DocumentType.FORWARDED}
)
STEP: Final = 2**14
"""Step by which a vessel raises the generation for which it vouches.

The step is enough for two days at one revision every 10 seconds.
"""
_MARGIN: Final = STEP // 2
"""Minimum distance from the highest generation of a vessel's documents to its vouched generation."""

Leaves = Callable[[str], Sequence[Document]]


def generation_to_vouch_for(highest: int, before: object = None) -> int:
    """Return the generation for which a vessel must vouch if the highest one of its documents is `highest`.

    `before` is the generation for which the vessel has vouched so far. It is kept while it is far enough
    above `highest`.
    """
    if is_number(before) and highest + _MARGIN <= before <= highest + 2 * STEP:
        return before
    return min((highest + _MARGIN + STEP) // STEP * STEP, revisions.SOUND_LIMIT - 1)


def generation_reached(revision: str) -> int:
    """Return the generation that a revision of one of this vessel's own documents has reached.

    If the next edit must restart at a lower generation, return that generation.
    """
    number = revisions.generation(revision)
    return number if number + 1 < revisions.SOUND_LIMIT else revisions.RESTART_OF_ONE


def is_number(value: Any) -> TypeGuard[int]:
    """Return True if a value is a generation for which a vessel can vouch."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < revisions.SOUND_LIMIT


class VouchedGeneration(NamedTuple):
    """The highest generation for which a vessel has vouched, with the vessel's voucher.

    The voucher is the signed `vessel` document that proves it.
    """

    most: int
    """The highest generation for which the vessel vouches."""
    certificate: x509.Certificate
    body: Mapping[str, Any]
    """Body of the signed `vessel` document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """Checks the generations of the revisions that one vessel's store receives."""

    vessel: str
    """Id of the vessel whose store this is."""
    trust: Callable[[], FleetTrust]
    leaves: Leaves
    """Function that returns the leaf revisions of a document: `Database.leaves` of the store."""
    stored_voucher: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    """Function that returns the signed body of a vessel's stored voucher with the highest generation.

    See `sync.fleet.unvouched_revisions`.
    """
    _known: dict[str, tuple[str, int, VouchedGeneration | None]] = field(
        default_factory=dict, init=False, repr=False
    )
    """Cached voucher of each vessel, with its document's revision and the number of the revocations."""
    _highest: dict[str, VouchedGeneration] = field(default_factory=dict, init=False, repr=False)
    """Highest known voucher of each vessel. The certificate that signed it may have been revoked since."""

    def objection(self, name: DocumentName | None, document: Document, *, direct: bool = False) -> str | None:
        """Return a sentence that states why a revision's generation is too high, or None if it is acceptable.

        Args:
            name: the parsed id of the document; None for an application's own document.
            document: the received revision.
            direct: whether the peer is the vessel that owns the document, as its certificate proves.
        """
        number = revisions.generation(document.rev)
        lead = LEAD_OF_OTHERS if name is None else LEAD
        if number <= lead:
            return None
        if number >= revisions.SOUND_LIMIT:
            return f"generation {number} is too high: no later edit would have a valid generation"
        most = None
        if name is not None and name.kind in VOUCHED_KINDS:
            most = self.vouched_generation(
                name.vessel, document if name.kind is DocumentType.VESSEL else None
            )
            if most is not None and number > most and not direct and name.vessel != self.vessel:
                return TemporaryObjection(
                    f"the revision has generation {number}, but {name.vessel} has confirmed only generations "
                    f"up to {most}"
                )
        if name is not None and name.kind in SINGLE_WRITER and number <= max(UNVOUCHED, most or 0):
            return None
        return self._too_far(document.id, number, lead)

    def is_too_high(self, document: Document) -> bool:
        """Return True if a stored revision would no longer be accepted from any peer.

        Earlier versions accepted every generation.
        """
        number = revisions.generation(document.rev)
        if number >= revisions.SOUND_LIMIT:
            return True
        name = documents.parse_id(document.id)
        if name is None or name.kind not in VOUCHED_KINDS or number <= LEAD or name.vessel == self.vessel:
            return False
        most = self.vouched_generation(name.vessel)
        if most is None:
            before = self.highest(name.vessel)
            most = UNVOUCHED if before is None else max(UNVOUCHED, before.most)
        return number > most

    def vouched_generation(self, vessel: str, document: Document | None = None) -> int | None:
        """Return the highest generation for which a vessel vouches; None if the vessel does not vouch.

        `document` is a `vessel` document that has just been received; None to use the stored one.
        """
        voucher = self._current(vessel) if document is None else self._voucher_in(vessel, document)
        if voucher is None:
            return None
        highest = self.highest(vessel)
        return voucher.most if highest is None else max(voucher.most, highest.most)

    def highest(self, vessel: str) -> VouchedGeneration | None:
        """Return the highest known voucher of a vessel; None if it has never vouched.

        The current `vessel` document may contain a lower number, or no number if the vessel has returned to
        an earlier version of Logboat.
        """
        voucher = self._highest.get(vessel)
        if voucher is not None and self.trust().revoked(voucher.certificate) is not None:
            del self._highest[vessel]
            voucher = None
        if voucher is None:
            voucher = self.valid_stored_voucher(vessel)
            if voucher is not None:
                self._highest[vessel] = voucher
        return voucher

    def valid_stored_voucher(self, vessel: str) -> VouchedGeneration | None:
        """Return a vessel's stored voucher (see `VouchedGeneration`), or None if there is no valid one."""
        body = self.stored_voucher(vessel)
        return None if body is None else self._word(vessel, body)

    def _current(self, vessel: str) -> VouchedGeneration | None:
        current = next((leaf for leaf in self.leaves(documents.vessel_id(vessel)) if not leaf.deleted), None)
        if current is None:
            return None
        number = self.trust().revocations.number
        known = self._known.get(vessel)
        if known is None or known[:2] != (current.rev, number):
            known = self._known[vessel] = (current.rev, number, self._voucher_in(vessel, current))
        return known[2]

    def _voucher_in(self, vessel: str, document: Document) -> VouchedGeneration | None:
        voucher = None if document.deleted else self._word(vessel, document.body)
        if voucher is not None:
            before = self.highest(vessel)
            if before is None or before.most < voucher.most:
                self._highest[vessel] = voucher
        return voucher

    def _word(self, vessel: str, body: Mapping[str, Any]) -> VouchedGeneration | None:
        trust, document_id = self.trust(), documents.vessel_id(vessel)
        most = body.get(MEMBER)
        if not is_number(most):
            return None
        try:
            if signing.signer(document_id, body, trust) != vessel:
                return None
            certificate = signing.certificate_in(document_id, body)
        except SignatureError:
            return None
        return VouchedGeneration(most, certificate, body) if trust.revoked(certificate) is None else None

    def _too_far(self, document_id: str, number: int, lead: int) -> str | None:
        here = [revisions.generation(leaf.rev) for leaf in self.leaves(document_id)]
        known = max((each for each in here if each < revisions.SOUND_LIMIT), default=0)
        if number <= known + lead:
            return None
        return f"generation {number} is more than {lead} above the highest generation stored here"
