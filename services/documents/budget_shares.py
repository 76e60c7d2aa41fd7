"""Shares of the card's budget, which decide whose documents are removed when space runs out.

    what                                                        share
    ----------------------------------------------------------  -----
    this vessel's own log                                        60 %
    documents of other vessels: their logs, to be forwarded      30 %
    documents of crew and guests: notes, service records,        10 %
    silences, photographs, those of their apps, checkpoints

While there is enough space, any owner may use space that other owners leave free. When space runs out,
documents of owners that exceed their shares are removed. This vessel's log is shortened only if it exceeds
its own share. Reasons:

- A vessel's own log is the purpose of the appliance, and no other vessel may have a copy yet.
- The logs of other vessels are kept as a backup and to be forwarded. Those vessels keep their own logs as
  well. A third of the card can store several vessels' logs for weeks. The transfer ashore takes less time
  than that.
- Notes are small. 10 % of a 32 GB card's budget is enough for a thousand photographs.

If less space than the budget is available, because other data fills the card, the shares apply to the space
that is available.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sync.documents import DocumentType

VESSELS: Final = 0.3
CREW: Final = 0.1
LEAST: Final = 64_000
"""Minimum size of each share, in bytes, on a card of any size.

This leaves room for indispensable data, such as the record of which data has been transferred ashore.
"""
_LOGGED: Final = frozenset({DocumentType.READING, DocumentType.ALARM})
"""Types of log documents that the crew also writes, in logs of its own.

Gap documents in the crew's logs count as the vessel's, because they record which documents the vessel has
removed. If a gap document were removed, the second copies would restore it.
"""


class ShareOwner(Enum):
    """Owner of a share of the budget. The sizes of the owner's documents count against that share."""

    OWN = "own"
    VESSELS = "vessels"
    CREW = "crew"


@dataclass(frozen=True, slots=True)
class OwnerBytes:
    """Size of the documents of each owner, in bytes."""

    own: int = 0
    vessels: int = 0
    crew: int = 0

    @property
    def total(self) -> int:
        """Total size of all owners' documents, in bytes."""
        return self.own + self.vessels + self.crew

    def bytes_of(self, owner: ShareOwner) -> int:
        """Return the size of an owner's documents, in bytes."""
        return {ShareOwner.OWN: self.own, ShareOwner.VESSELS: self.vessels, ShareOwner.CREW: self.crew}[owner]


def owner_of(part: str, vessel: str, logs: Collection[str] | None) -> ShareOwner:
    """Return the owner of a group of documents.

    Args:
        part: the documents' ids up to the last colon, as in `sync.store.sizes`.
        vessel: the vessel to which this store belongs.
        logs: the logs that the vessel's recorders have written. Readings in other logs were entered by the
            crew. None if the logs are unknown: all readings then count as the vessel's.
    """
    head, *names = part.split(":")
    try:
        kind = DocumentType(head)
    except ValueError:
        return ShareOwner.CREW
    if kind in (DocumentType.FLEET, DocumentType.VESSEL):
        return ShareOwner.OWN  # signed, and therefore few; needed to verify all others
    if kind in (DocumentType.NOTE, DocumentType.SERVICE, DocumentType.SILENCE):
        return ShareOwner.CREW
    if kind is DocumentType.FORWARDED or not names or names[0] != vessel:
        return ShareOwner.VESSELS
    if kind in _LOGGED and logs is not None and (len(names) != 3 or names[2] not in logs):
        return ShareOwner.CREW
    return ShareOwner.OWN


def surplus(held: OwnerBytes, excess: int) -> OwnerBytes:
    """Return the number of bytes of each owner's documents to remove, so that `excess` bytes become free.

    Crew and other vessels give up space first, but only what exceeds their shares. This vessel's own log is
    shortened only if that is not enough.
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
