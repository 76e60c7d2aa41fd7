"""An upper bound on the number of values in a JSON text, computed without decoding it.

A decoder creates an object of at least 60 bytes for each value, and blocks all connections while it runs. So
a text with too many values is rejected before it is decoded.
"""

from typing import Final

_MARKS: Final = (b",", b":", b"{", b"[")
"""Characters that precede values.

One of them precedes each value except the first. Those within strings are counted too.
"""


def nodes(text: bytes) -> int:
    """Return an upper bound on the number of values in a JSON text. Keys count as values."""
    return 1 + sum(text.count(mark) for mark in _MARKS)


def exceeds(text: bytes, most: int) -> bool:
    """Return True if a JSON text may contain more than `most` values."""
    return len(text) > most and nodes(text) > most
