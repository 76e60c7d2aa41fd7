"""Shares of the card's budget: whose documents are removed when space runs out. Pure.

    what                                                        share
    ----------------------------------------------------------  -----
    this vessel's own log                                        60 %
    documents of other vessels: their logs, to be forwarded      30 %
    documents of crew and guests: notes, photographs, those of   10 %
    their apps, their checkpoints

While there is space, anyone may use what others leave free. When there is none, an owner with more than its
share gives up the surplus. This vessel's log is shortened only where it alone exceeds its share. Reasons:

- A vessel's own log is the purpose of the appliance, and nobody else may have it yet.
- Others' logs are here as a backup and to be forwarded. Their vessels keep them as well. A third of the
  card has space for weeks of several vessels, longer than the transfer ashore takes.
- Notes are small. 10 % of a 32 GB card's budget has space for a thousand photographs.

Where less space than the budget is available, because other data fills the card, the shares apply to that
space.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sync.documents import DocumentType

VESSELS: Final = 0.3
CREW: Final = 0.1
LEAST: Final = 64_000
"""Minimum bytes of each share on any card, for facts that are indispensable, such as what is ashore."""
_LOGGED: Final = frozenset({DocumentType.READING, DocumentType.ALARM})
"""Kinds of documents that the crew writes in logs of its own.

The gaps of these logs belong to the vessel: they record what it has removed, and would be restored from the
copies if they were removed.
"""


class ShareOwner(Enum):
    """The owner whose share a document counts towards."""

    OWN = "own"
    VESSELS = "vessels"
    CREW = "crew"


@dataclass(frozen=True, slots=True)
class OwnerBytes:
    """Number of bytes of each owner."""

    own: int = 0
    vessels: int = 0
    crew: int = 0

    @property
    def total(self) -> int:
        """Sum of all owners' bytes."""
        return self.own + self.vessels + self.crew

    def bytes_of(self, owner: ShareOwner) -> int:
        """Return the bytes of one owner."""
        return {ShareOwner.OWN: self.own, ShareOwner.VESSELS: self.vessels, ShareOwner.CREW: self.crew}[owner]


def owner_of(part: str, vessel: str, logs: Collection[str] | None) -> ShareOwner:
    """Return the owner whose share documents count towards.

    Args:
        part: their ids up to the last colon, as in `sync.store.sizes`.
        vessel: the vessel of this store.
        logs: the logs that its recorders have written. Readings in other logs come from the crew, who number
            manual readings in logs of their own. It is None if the logs are not known: then all are the
            vessel's.
    """
    head, *names = part.split(":")
    try:
        kind = DocumentType(head)
    except ValueError:
        return ShareOwner.CREW
    if kind in (DocumentType.FLEET, DocumentType.VESSEL):
        return ShareOwner.OWN  # signed, so there are only a few; nothing else can be checked without them
    if kind is DocumentType.NOTE:
        return ShareOwner.CREW
    if kind is DocumentType.FORWARDED or not names or names[0] != vessel:
        return ShareOwner.VESSELS
    if kind in _LOGGED and logs is not None and (len(names) != 3 or names[2] not in logs):
        return ShareOwner.CREW
    return ShareOwner.OWN


def surplus(held: OwnerBytes, excess: int) -> OwnerBytes:
    """Return what each owner must give up so that `excess` bytes become free.

    The surplus of crew and vessels over their shares goes first. Only if that does not suffice, something of
    this vessel's own is removed.
    """
    if excess <= 0:
        return OwnerBytes()
    room = max(held.total - excess, 0)
    vessels = max(held.vessels - max(int(room * VESSELS), LEAST), 0)
    crew = max(held.crew - max(int(room * CREW), LEAST), 0)
    over = vessels + crew
    if over > excess:
        vessels = vessels * excess // over
        crew = excess - vessels
    return OwnerBytes(own=max(excess - over, 0), vessels=vessels, crew=crew)
