"""The range of sample numbers that a reading or gap document covers, even if its body is malformed.

Retention and repair read all of a vessel's documents. A malformed document must not stop them, because
recording depends on their completion. The listener rejects malformed documents, but a store may have received
them in other ways: through an older version, a gateway or `logboat db put`.
"""

from typing import Final

import msgspec

from sync import documents
from sync.documents import DocumentType

_KINDS: Final = frozenset({DocumentType.READING, DocumentType.GAP})
_LAST: Final = 10**documents.SEQUENCE_DIGITS - 2
"""Highest sample number whose successor still has few enough digits for a document id."""


class _Head(msgspec.Struct, frozen=True, gc=False):
    first: object = None
    last: object = None


_decode: Final = msgspec.json.Decoder(_Head).decode


def span_of(document_id: str, raw: bytes) -> tuple[int, int] | None:
    """Return the first and last number of a reading or gap document; None for any other id.

    If the body contradicts the id, or claims more numbers than it can contain, the document counts as
    covering only the number in its id.
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
    if name.kind is DocumentType.READING and last - first >= len(raw):
        return first, first
    return first, last
