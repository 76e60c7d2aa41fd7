"""An upper limit of the values in a JSON text, from its bytes alone, before it is decoded.

A decoder makes an object of 60 bytes or more for each value, and blocks the program meanwhile. So a text with
too many values is refused without decoding it.
"""

from typing import Final

_MARKS: Final = (b",", b":", b"{", b"[")
"""Characters of which one precedes each value but the first. Those in strings are counted, too."""


def nodes(text: bytes) -> int:
    """Return the maximum number of values, including keys, that a JSON text can contain."""
    return 1 + sum(text.count(mark) for mark in _MARKS)


def exceeds(text: bytes, most: int) -> bool:
    """Return True if a JSON text may contain more than `most` values."""
    return len(text) > most and nodes(text) > most
