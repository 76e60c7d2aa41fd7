"""Daily limits on the data that each user, vessel and gateway may send, derived from the card's budget.

The shares of the card (`budget_shares`) limit the data that is stored. The limits in this module apply to all
data that is written, even if it is soon replaced. Accepted documents are passed on to the whole fleet, so
without limits a faulty or hostile phone could wear out every card in the fleet. No honest peer comes close to
these limits. Examples of what honest peers send:

- A user writes a few hundred notes and acknowledgements a day. A crew member's app that writes a document
  every five seconds writes 17,280 documents a day.
- A vessel passes on documents from the vessels that it meets. The current values of 20 vessels with 50
  sensors each change at most every 10 s, which makes 8.6 million revisions of 600 bytes a day. In addition, a
  vessel that returns after a month, or that restores the history of a replaced card, may send as much history
  as there is space for.
"""

from typing import Final

from services.documents import budget_shares
from sync.documents import DocumentType
from sync.peer.quotas import LARGEST, Allowance

USER_REVISIONS: Final = 20_000
USER_SHARE: Final = 4
"""Divisor of the crew's share of the card: the quotient is a user's daily limit.

A user may send at most a quarter of the share per day, and so cannot replace the whole share within a day.
"""
USER_LEAST: Final = 4_000_000
"""Lowest daily limit for a user, in bytes.

This limit applies to the smallest cards, and is enough for two photographs.
"""
CURRENT_REVISIONS: Final = 10_000_000
CURRENT_BYTES: Final = 6_000_000_000
"""Maximum size of all revisions of a fleet's current values in one day, in bytes."""
READING_BYTES: Final = 1_000
"""Size of a small reading document from a window that was closed early, in bytes."""
BOUNDS_BYTES: Final = 512 * 1024
"""Maximum size of a `forwarded` document, in bytes.

Such a document lists every sensor in each log of a fleet, with 40 bytes for each sensor.
"""

_VESSEL: Final = "vessel:"
_LARGE: Final = (f"{DocumentType.FORWARDED}:", f"{DocumentType.FLEET}:")


def allowance(owner: str, budget: int) -> Allowance:
    """Return the daily limits for an owner, which is a user, vessel or gateway.

    `budget` is the card's budget, in bytes.
    """
    if owner.startswith(_VESSEL):
        return Allowance(budget + CURRENT_BYTES, budget // READING_BYTES + CURRENT_REVISIONS)
    return Allowance(max(int(budget * budget_shares.CREW) // USER_SHARE, USER_LEAST), USER_REVISIONS)


def largest(document_id: str) -> int:
    """Return the maximum size of a document with this id, in bytes."""
    return BOUNDS_BYTES if document_id.startswith(_LARGE) else LARGEST
