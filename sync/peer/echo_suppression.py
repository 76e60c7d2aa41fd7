"""Revisions that a peer is known to have because it sent or offered them, so that they need not be sent back.

The receiver of a session fills it. The session's sender empties it, and skips what is in it.
"""

from collections.abc import Iterable
from typing import Final

_MOST: Final = 10_000
"""Maximum number of entries, for memory. Other changes are sent, and found to be known."""


class EchoSuppression:
    """Revisions by document, after the sender's position in the feed."""

    __slots__ = ("_held", "read")

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self.read = 0
        """Local sequence up to which the sender has read."""

    def __bool__(self) -> bool:
        return bool(self._held)

    def note(self, document_id: str, revision: str) -> None:
        """Record a stored revision that the peer has sent."""
        if len(self._held) < _MOST or document_id in self._held:
            self._held[document_id] = revision

    def note_offered(self, offered: Iterable[tuple[str, str]], last: int) -> None:
        """Record stored revisions that the peer has offered. `last` is the highest local sequence."""
        if last > self.read and len(self._held) < _MOST:
            self._held.update(offered)

    def take(self, document_id: str) -> str | None:
        """Return the revision of a document that the peer is known to have, and remove it."""
        return self._held.pop(document_id, None)

    def read_through(self, sequence: int, *, is_all: bool) -> None:
        """Record how far the sender has read, and whether that was everything."""
        self.read = sequence
        if is_all:
            self._held.clear()

    def clear(self) -> None:
        """Remove all entries, because nothing will be sent."""
        self._held.clear()
