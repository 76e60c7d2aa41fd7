"""Which sample numbers a reading or gap document stands for, whatever it holds. Pure.

Retention and repair go through all of a vessel's documents, and must not end at one that is malformed:
recording depends on them. The listener refuses such documents, but a store may have them from elsewhere: an
older version, a gateway, `logboat db put`.
"""

from typing import Final

import msgspec

from sync import documents
from sync.documents import Kind

_KINDS: Final = frozenset({Kind.READING, Kind.GAP})
_LAST: Final = 10**documents.SEQUENCE_DIGITS - 2
"""The highest number after which there is still one that an id has room for."""


class _Head(msgspec.Struct, frozen=True, gc=False):
    first: object = None
    last: object = None


_decode: Final = msgspec.json.Decoder(_Head).decode


def span_of(document_id: str, raw: bytes) -> tuple[int, int] | None:
    """Return the first and last number of a reading or gap document; None if its id is that of neither.

    A document whose body does not agree with its id, or claims more numbers than it has room for, stands for
    the one number in its id.
    """
    name = documents.parse_id(document_id)
    if name is None or name.kind not in _KINDS or name.number is None:
        return None
    first = min(name.number, _LAST)
    try:
        head = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return first, first
    last = head.last
    if head.first != first or type(last) is not int or not first <= last <= _LAST:
        return first, first
    if name.kind is Kind.READING and last - first >= len(raw):
        return first, first
    return first, last
