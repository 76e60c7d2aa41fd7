"""Limits for what each user, vessel and gateway may send in a day, from the card's budget. Pure.

The card's shares (`budget_shares`) limit what stays. These limits apply to what is written in between, so
that no faulty or hostile phone wears out the cards of a whole fleet, to which everything accepted here is
passed on. No honest peer comes near them:

- A user writes a few hundred notes and acknowledgements a day, and an app of the crew that writes a document
  every five seconds 17,280.
- A vessel passes on documents of the vessels that it meets. Current values of 20 vessels with 50 sensors
  change every 10 s at most: 8.6 million revisions a day, of 600 bytes each. In addition, a vessel that
  returns after a month may send as much history as there is space for, and so may one that restores the
  history of a replaced card.
"""

from typing import Final

from services.documents import budget_shares
from sync.documents import DocumentType
from sync.peer.quotas import LARGEST, Allowance

USER_REVISIONS: Final = 20_000
USER_SHARE: Final = 4
"""Divisor of the crew's share: a user sends at most a quarter of it in a day.

So one user alone cannot replace all of it within a day.
"""
USER_LEAST: Final = 4_000_000
"""Bytes that a user may send in a day on the smallest card: two photographs."""
CURRENT_REVISIONS: Final = 10_000_000
CURRENT_BYTES: Final = 6_000_000_000
"""Bytes of a fleet's current values in a day; each replaces the previous one on the card."""
READING_BYTES: Final = 1_000
"""Size in bytes of a small reading document: a window that closed early."""
BOUNDS_BYTES: Final = 512 * 1024
"""Maximum bytes of a `forwarded` document: it lists every sensor of each log of a fleet, in 40 bytes each."""

_VESSEL: Final = "vessel:"
_LARGE: Final = (f"{DocumentType.FORWARDED}:", f"{DocumentType.FLEET}:")


def allowance(owner: str, budget: int) -> Allowance:
    """Return what an owner may send in a day; `budget` is the card's, in bytes."""
    if owner.startswith(_VESSEL):
        return Allowance(budget + CURRENT_BYTES, budget // READING_BYTES + CURRENT_REVISIONS)
    return Allowance(max(int(budget * budget_shares.CREW) // USER_SHARE, USER_LEAST), USER_REVISIONS)


def largest(document_id: str) -> int:
    """Return the maximum size of a document with this id, in bytes."""
    return BOUNDS_BYTES if document_id.startswith(_LARGE) else LARGEST
