"""An upper bound on the number of values in a JSON text, computed without decoding it.

A decoder creates an object of at least 60 bytes for each value, and blocks all connections while it runs. So
a text with too many values is rejected before it is decoded.
"""

from typing import Final

_MARKS: Final = (b",", b":", b"{", b"[")
"""Characters that precede each value except the first. Such characters within strings are counted too."""


def nodes(text: bytes) -> int:
    """Return the maximum number of values, including keys, that a JSON text can contain."""
    return 1 + sum(text.count(mark) for mark in _MARKS)


def exceeds(text: bytes, most: int) -> bool:
    """Return True if a JSON text may contain more than `most` values."""
    return len(text) > most and nodes(text) > most
