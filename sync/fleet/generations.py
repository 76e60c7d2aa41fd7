"""How high the generation of a revision from elsewhere may be, so that its document can be written again.

Of two revisions of a document with a single writer the higher generation wins. A vessel that could give
`equipment:argo:bilge` any generation could keep argo from ever writing it again. So a generation is judged
before a revision is taken in:

    what                               highest generation
    ---------------------------------  -----------------------------------------------------------------
    any document                       `LEAD`, and `LEAD` above what is known here, but for the next lines
    vessel, boot, equipment,           what its vessel vouches for, if it has vouched for any; else
      forwarded                        `UNVOUCHED`, or `LEAD` above what is known here
    gap                                `UNVOUCHED`, or `LEAD` above what is known here
    an application's own               `LEAD_OF_OTHERS` above what is known here
    all                                below `SOUND_LIMIT`

A vessel vouches for generations in the member `generations` of its signed `vessel` document: one number for
all its documents, some thousands above the highest that it has reached. It raises the number before it gets
there, and whenever somebody has carried one of its documents close to it. So a vessel that anybody has
overtaken goes on above that. A number that a revoked certificate signed vouches for nothing.

A vessel's highest number is remembered, and a lower one that comes later does not lower it. So nothing comes
of it if somebody passes on an old `vessel` document, which is signed as well, as a new revision.

A vessel that was away for long may hear of a new generation before it hears of the number that vouches for
it: then the answer is `NotYet`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeGuard

from cryptography import x509

from sync import documents
from sync.documents import SINGLE_WRITER, DocumentName, Kind
from sync.fleet import signing
from sync.fleet.errors import SignatureError
from sync.fleet.trust import Trust
from sync.peer.revision_writer import NotYet
from sync.store import Document, revisions

MEMBER: Final = "generations"
"""The member of a `vessel` document that says up to which generation its vessel vouches for its documents."""
LEAD: Final = 10_000
"""Generations above what is known here. An alarm or note that is edited 27 times a day for a year of absence
passes; to reach `SOUND_LIMIT` by such steps takes more than 50,000 revisions of one document."""
LEAD_OF_OTHERS: Final = 2**20
"""The same for an application's own documents: one edit every 30 seconds for a year."""
UNVOUCHED: Final = 2**24
"""Where no vessel has vouched for any, as none did in earlier versions: one revision every 10 seconds for
five years. Its vessel gets above it as soon as it vouches."""
VOUCHED_KINDS: Final = frozenset({Kind.VESSEL, Kind.BOOT, Kind.EQUIPMENT, Kind.FORWARDED})
STEP: Final = 2**14
"""What a vessel vouches for is a multiple of this: at one revision every 10 seconds it lasts for two days."""
_MARGIN: Final = STEP // 2
"""Generations that must be left when the number is not raised."""

Leaves = Callable[[str], Sequence[Document]]


def vouched(highest: int, before: object = None) -> int:
    """Return the generation that a vessel vouches for whose documents have reached `highest`.

    `before` is what it has vouched for so far, which stays while there is room above `highest`.
    """
    if is_number(before) and highest + _MARGIN <= before <= highest + 2 * STEP:
        return before
    return min((highest + _MARGIN + STEP) // STEP * STEP, revisions.SOUND_LIMIT - 1)


def reached(revision: str) -> int:
    """Return the generation that a document of ours has reached, or will have with our next edit."""
    number = revisions.generation(revision)
    return number if number + 1 < revisions.SOUND_LIMIT else revisions.RESTART_OF_ONE


def is_number(value: Any) -> TypeGuard[int]:
    """Return True for a generation that can be vouched for."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < revisions.SOUND_LIMIT


class Vouched(NamedTuple):
    """What a vessel has vouched for, and its proof."""

    most: int
    """The generation."""
    certificate: x509.Certificate
    body: Mapping[str, Any]
    """Of the `vessel` document, signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """Judges generations for one vessel's store."""

    vessel: str
    """Whose store this is."""
    trust: Callable[[], Trust]
    leaves: Leaves
    """`Database.leaves` of the store."""
    kept: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    """The signed body by which a vessel vouched for most, as `sync.fleet.mending` has kept it."""
    _known: dict[str, tuple[str, int, Vouched | None]] = field(default_factory=dict, init=False, repr=False)
    """By vessel: revision of its document, number of the revocations, and what it then vouched for."""
    _highest: dict[str, Vouched] = field(default_factory=dict, init=False, repr=False)
    """By vessel: what it vouched for of all that was seen, with a certificate that may be revoked since."""

    def objection(self, name: DocumentName | None, document: Document, *, direct: bool = False) -> str | None:
        """Return why this generation is too high; None if it is not.

        `name` is what the document's id says, None for an application's own. `direct`: the vessel whose
        document it is brings it itself, so that its certificate has just proved whose it is.
        """
        number = revisions.generation(document.rev)
        lead = LEAD_OF_OTHERS if name is None else LEAD
        if number <= lead:
            return None
        if number >= revisions.SOUND_LIMIT:
            return f"its generation {number} leaves none for edits that follow it"
        most = None
        if name is not None and name.kind in VOUCHED_KINDS:
            most = self.of(name.vessel, document if name.kind is Kind.VESSEL else None)
            if most is not None and number > most and not direct and name.vessel != self.vessel:
                return NotYet(f"its generation is {number}, and {name.vessel} vouches for {most} at most")
        if name is not None and name.kind in SINGLE_WRITER and number <= max(UNVOUCHED, most or 0):
            return None
        return self._too_far(document.id, number, lead)

    def is_too_high(self, document: Document) -> bool:
        """Return True if a revision that is in the store would not be taken in any more, whoever brought it.

        Earlier versions took in any.
        """
        number = revisions.generation(document.rev)
        if number >= revisions.SOUND_LIMIT:
            return True
        name = documents.parse_id(document.id)
        if name is None or name.kind not in VOUCHED_KINDS or number <= LEAD or name.vessel == self.vessel:
            return False
        most = self.of(name.vessel)
        if most is None:
            before = self.highest(name.vessel)
            most = UNVOUCHED if before is None else max(UNVOUCHED, before.most)
        return number > most

    def of(self, vessel: str, told: Document | None = None) -> int | None:
        """Return the generation up to which a vessel vouches for its documents; None if it has not said.

        `told`: its `vessel` document that has just come; without one, the one in the store.
        """
        said = self._current(vessel) if told is None else self._said(vessel, told)
        if said is None:
            return None
        highest = self.highest(vessel)
        return said.most if highest is None else max(said.most, highest.most)

    def highest(self, vessel: str) -> Vouched | None:
        """Return what a vessel vouched for of all that was seen; None if it never has.

        Its document may say less now, or nothing, if the vessel has gone back to an earlier version.
        """
        found = self._highest.get(vessel)
        if found is not None and self.trust().revoked(found.certificate) is not None:
            del self._highest[vessel]
            found = None
        if found is None:
            found = self.kept_word(vessel)
            if found is not None:
                self._highest[vessel] = found
        return found

    def kept_word(self, vessel: str) -> Vouched | None:
        """Return what was kept of what a vessel vouched for; None if nothing was, or it counts no more."""
        body = self.kept(vessel)
        return None if body is None else self._word(vessel, body)

    def _current(self, vessel: str) -> Vouched | None:
        found = next((leaf for leaf in self.leaves(documents.vessel_id(vessel)) if not leaf.deleted), None)
        if found is None:
            return None
        number = self.trust().revocations.number
        known = self._known.get(vessel)
        if known is None or known[:2] != (found.rev, number):
            known = self._known[vessel] = (found.rev, number, self._said(vessel, found))
        return known[2]

    def _said(self, vessel: str, document: Document) -> Vouched | None:
        said = None if document.deleted else self._word(vessel, document.body)
        if said is not None:
            before = self.highest(vessel)
            if before is None or before.most < said.most:
                self._highest[vessel] = said
        return said

    def _word(self, vessel: str, body: Mapping[str, Any]) -> Vouched | None:
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
        return Vouched(most, certificate, body) if trust.revoked(certificate) is None else None

    def _too_far(self, document_id: str, number: int, lead: int) -> str | None:
        here = [revisions.generation(leaf.rev) for leaf in self.leaves(document_id)]
        known = max((each for each in here if each < revisions.SOUND_LIMIT), default=0)
        if number <= known + lead:
            return None
        return f"its generation {number} is more than {lead} above what is known here"
