"""How much a JSON text may become, told by its bytes alone: before anything is made of it.

A decoder makes an object of each value, of 60 bytes and more, and stops the program meanwhile. So what is
too much is refused unread.
"""

from typing import Final

_MARKS: Final = (b",", b":", b"{", b"[")
"""Each value but the first has one of these before it. In a string they are counted, too."""


def nodes(text: bytes) -> int:
    """Return the most values, keys included, that a JSON text can hold."""
    return 1 + sum(text.count(mark) for mark in _MARKS)


def exceeds(text: bytes, most: int) -> bool:
    """Return True if a JSON text may hold more values than `most`."""
    return len(text) > most and nodes(text) > most
