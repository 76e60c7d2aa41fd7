"""What a peer is known to hold of what has yet to be told there: what it gave us, and what it offered itself.

Filled by the receiver of a session, emptied by its sender, which tells nothing of what is in it.
"""

from collections.abc import Iterable
from typing import Final

_MOST: Final = 10_000
"""Entries: memory. What is not kept is told, and known there."""


class Echo:
    """Revisions by document, from the sender's place in the feed on."""

    __slots__ = ("_held", "read")

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self.read = 0
        """The local sequence up to which the sender has read."""

    def __bool__(self) -> bool:
        return bool(self._held)

    def note(self, document_id: str, revision: str) -> None:
        """The peer has given us this, and it is stored."""
        if len(self._held) < _MOST or document_id in self._held:
            self._held[document_id] = revision

    def note_offered(self, offered: Iterable[tuple[str, str]], last: int) -> None:
        """The peer has offered these, and they are here; `last`: the highest local sequence."""
        if last > self.read and len(self._held) < _MOST:
            self._held.update(offered)

    def take(self, document_id: str) -> str | None:
        """The revision of a document that is there, as far as is known; it is looked at but once."""
        return self._held.pop(document_id, None)

    def read_through(self, sequence: int, *, is_all: bool) -> None:
        """The sender has read so far; whether that was all."""
        self.read = sequence
        if is_all:
            self._held.clear()

    def clear(self) -> None:
        """Nobody will tell anything."""
        self._held.clear()
