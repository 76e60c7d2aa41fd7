"""A record of the solutions tried for each revision that a peer refuses, so that none is tried twice.

The record is bounded in both directions, since a peer chooses how often it refuses. With more than
`revisions` entries, the oldest is dropped. A revision for which `ways` solutions were tried has none left. An
entry is removed by `forget` as soon as the revision is finished.
"""

from typing import Final

_Key = tuple[str, str]
"""Document id and revision id."""


class Attempts:
    """The solutions tried for each recorded revision."""

    def __init__(self, *, revisions: int, ways: int) -> None:
        """Create an empty record of at most `revisions` entries, with at most `ways` solutions each."""
        self._revisions: Final = revisions
        self._ways: Final = ways
        self._tried: dict[_Key, list[str]] = {}

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._tried)

    def is_first(self, document_id: str, revision: str, solution: str) -> bool:
        """Return True, and record the solution, if it is new and the revision has attempts left."""
        key = (document_id, revision)
        tried = self._tried.get(key)
        if tried is None:
            while len(self._tried) >= self._revisions:
                del self._tried[next(iter(self._tried))]
            tried = self._tried[key] = []
        if solution in tried or len(tried) >= self._ways:
            return False
        tried.append(solution)
        return True

    def was_tried(self, document_id: str, revision: str, solution: str) -> bool:
        """Return True if a solution is recorded for a revision."""
        return solution in self._tried.get((document_id, revision), ())

    def forget(self, document_id: str, revision: str) -> None:
        """Remove the entry of a revision."""
        self._tried.pop((document_id, revision), None)
