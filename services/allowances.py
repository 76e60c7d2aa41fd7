"""What each user, vessel and gateway may bring in a day: computed from the card's budget. Pure.

The card's shares (`shares`) bound what stays. These bound what is written on the way, so that neither a phone
that has gone wrong nor a hostile one wears out the cards of a whole fleet, to which all that is taken here is
passed on. No honest peer comes near them:

- A user writes a few hundred notes and acknowledgements a day, and an app of the crew that writes a document
  every five seconds 17,280.
- A vessel passes on those it meets. Current values of 20 vessels with 50 sensors change every 10 s at most:
  8.6 million revisions a day, of 600 bytes each. Beside those, a vessel that comes back after a month may
  bring all the history that there is room for, and so may one that gives a replaced card its history back.
"""

from typing import Final

from sync.documents import Kind
from sync.peer.quotas import LARGEST, Allowance

from . import shares

USER_REVISIONS: Final = 20_000
USER_SHARE: Final = 4
"""A user brings a quarter of the crew's share in a day, so that one alone cannot exchange it within one."""
USER_LEAST: Final = 4_000_000
"""Bytes that a user may bring in a day on the smallest card: two photographs."""
CURRENT_REVISIONS: Final = 10_000_000
CURRENT_BYTES: Final = 6_000_000_000
"""Current values of a fleet in a day: they take each other's place on the card."""
READING_BYTES: Final = 1_000
"""A reading document that is small: a window that closed early."""
BOUNDS_BYTES: Final = 512 * 1024
"""A `forwarded` document names every sensor in every log of a fleet, in some 40 bytes."""

_VESSEL: Final = "vessel:"
_LARGE: Final = (f"{Kind.FORWARDED}:", f"{Kind.FLEET}:")


def allowance(owner: str, budget: int) -> Allowance:
    """Return what an owner may bring in a day; `budget` is the card's, in bytes."""
    if owner.startswith(_VESSEL):
        return Allowance(budget + CURRENT_BYTES, budget // READING_BYTES + CURRENT_REVISIONS)
    return Allowance(max(int(budget * shares.CREW) // USER_SHARE, USER_LEAST), USER_REVISIONS)


def largest(document_id: str) -> int:
    """Return the most bytes that a document by this id may have."""
    return BOUNDS_BYTES if document_id.startswith(_LARGE) else LARGEST
