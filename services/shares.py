"""Shares of the card's budget: whose documents go when there is no more room. Pure.

    what                                                        share
    ----------------------------------------------------------  -----
    this vessel's own log                                        60 %
    what other vessels brought: their logs, on the way ashore    30 %
    what crew and guests brought: notes, photographs, documents  10 %
    of their apps, their checkpoints

While there is room, anyone may use what others leave free. Once there is none, whoever has more than their
share gives back the surplus. This vessel's log is cut only where it alone is more than its share. Reasons:

- A vessel's own log is what the appliance is for, and nobody else may have it yet.
- Others' logs are here as a second home and on their way ashore. Their vessels keep them as well. A third of
  the card holds weeks of several vessels, longer than the way ashore takes.
- Notes are small. With 10 % of a 32 GB card's budget there is room for a thousand photographs.

Where the room is less than the budget, because something else fills the card, the shares are of that room.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sync.documents import Kind

VESSELS: Final = 0.3
CREW: Final = 0.1
LEAST: Final = 64_000
"""Bytes that each share has whatever the card: facts without which nothing works, such as what is ashore."""
_LOGGED: Final = frozenset({Kind.READING, Kind.ALARM})
"""Kinds that the crew writes in logs of its own. The gaps of these logs are the vessel's: they tell what it
has removed of them, and would be put back from the copies if they went."""


class Owner(Enum):
    """On whose share a document counts."""

    OWN = "own"
    VESSELS = "vessels"
    CREW = "crew"


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of each owner."""

    own: int = 0
    vessels: int = 0
    crew: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.own + self.vessels + self.crew

    def of(self, owner: Owner) -> int:
        """Those of one owner."""
        return {Owner.OWN: self.own, Owner.VESSELS: self.vessels, Owner.CREW: self.crew}[owner]


def owner_of(part: str, vessel: str, logs: Collection[str] | None) -> Owner:
    """Return on whose share documents count.

    Args:
        part: their ids up to the last colon, as `sync.store.sizes` has it.
        vessel: whose store this is.
        logs: the logs that its recorders have written. Readings in other logs come from the crew, who number
            manual readings in logs of their own. None if the logs are not known: then all are the vessel's.
    """
    head, *names = part.split(":")
    try:
        kind = Kind(head)
    except ValueError:
        return Owner.CREW
    if kind in (Kind.FLEET, Kind.VESSEL):
        return Owner.OWN  # signed, so there are only a few; without them nothing else can be judged
    if kind is Kind.NOTE:
        return Owner.CREW
    if kind is Kind.FORWARDED or not names or names[0] != vessel:
        return Owner.VESSELS
    if kind in _LOGGED and logs is not None and (len(names) != 3 or names[2] not in logs):
        return Owner.CREW
    return Owner.OWN


def surplus(held: Bytes, excess: int) -> Bytes:
    """Return what each owner must give up so that `excess` bytes become free.

    What crew and vessels hold beyond their shares goes first. Only if that does not suffice, something of
    this vessel's own goes.
    """
    if excess <= 0:
        return Bytes()
    room = max(held.total - excess, 0)
    vessels = max(held.vessels - max(int(room * VESSELS), LEAST), 0)
    crew = max(held.crew - max(int(room * CREW), LEAST), 0)
    over = vessels + crew
    if over > excess:
        vessels = vessels * excess // over
        crew = excess - vessels
    return Bytes(own=max(excess - over, 0), vessels=vessels, crew=crew)
