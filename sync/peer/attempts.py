"""A record of which ways were tried for each revision that a peer refuses, so that no way is tried twice.

Bounded in both directions, since a peer chooses how often it refuses. With more revisions than `revisions`
the oldest record goes; a revision for which `ways` ways were tried has none left. A record is dropped by
`forget` as soon as the revision is done with.
"""

from typing import Final

_Key = tuple[str, str]
"""Document and revision."""


class Attempts:
    """The ways tried for each revision of which a record is kept."""

    def __init__(self, *, revisions: int, ways: int) -> None:
        """`revisions`: records kept at most; `ways`: ways allowed for each of them."""
        self._revisions: Final = revisions
        self._ways: Final = ways
        self._tried: dict[_Key, list[str]] = {}

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._tried)

    def is_first(self, document_id: str, revision: str, way: str) -> bool:
        """Return True, and record the way, if it may be tried: it is new, and the revision has ways left."""
        key = (document_id, revision)
        tried = self._tried.get(key)
        if tried is None:
            while len(self._tried) >= self._revisions:
                del self._tried[next(iter(self._tried))]
            tried = self._tried[key] = []
        if way in tried or len(tried) >= self._ways:
            return False
        tried.append(way)
        return True

    def was_tried(self, document_id: str, revision: str, way: str) -> bool:
        """Return True if a way is on record."""
        return way in self._tried.get((document_id, revision), ())

    def forget(self, document_id: str, revision: str) -> None:
        """Drop the record of a revision."""
        self._tried.pop((document_id, revision), None)
