"""Suppression of echoes: revisions that a peer has sent or offered are not sent back to that peer.

The receiver of a session records these revisions. The sender of the same session skips each recorded revision
once, and then removes it from the record.
"""

from collections.abc import Iterable
from typing import Final

_ENTRY: Final = 300
"""Approximate memory, in bytes, used by one recorded revision: two strings and a dictionary entry."""
_MOST: Final = 10_000
"""Maximum number of recorded revisions, to limit memory.

Revisions beyond this number are offered to the peer, although the peer already has them.
"""


class EchoSuppression:
    """Record of the revisions, one for each document, that the sender skips because the peer has them."""

    __slots__ = ("_held", "read")

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self.read = 0
        """Local sequence up to which the sender has read the feed."""

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def bytes_held(self) -> int:
        """Approximate memory used by the recorded revisions, in bytes."""
        return _ENTRY * len(self._held)

    def note(self, document_id: str, revision: str) -> None:
        """Record a stored revision that the peer has sent."""
        if len(self._held) < _MOST or document_id in self._held:
            self._held[document_id] = revision

    def note_offered(self, offered: Iterable[tuple[str, str]], last: int) -> None:
        """Record revisions that the peer has offered and that are already stored here.

        Args:
            offered: pairs of document id and revision id.
            last: the highest local sequence of these revisions. If the sender has already read the feed up
                to this sequence, nothing is recorded.
        """
        if last > self.read and len(self._held) < _MOST:
            self._held.update(offered)

    def take(self, document_id: str) -> str | None:
        """Return and remove the recorded revision of a document; None if there is none."""
        return self._held.pop(document_id, None)

    def read_through(self, sequence: int, *, is_all: bool) -> None:
        """Record the local sequence up to which the sender has read the feed.

        If `is_all` is True, the sender has read the whole feed, and all recorded revisions are removed.
        """
        self.read = sequence
        if is_all:
            self._held.clear()

    def clear(self) -> None:
        """Remove all recorded revisions, because nothing will be sent on this session."""
        self._held.clear()
