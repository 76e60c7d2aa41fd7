"""A record of the solutions tried for each revision that a peer rejects, so that no solution is tried twice.

A solution is one way to offer the rejected revision again, for example with a different parent.

The size of the record is limited in two ways, because a peer could reject any number of times. The record has
at most `revisions` entries; the oldest entry is dropped to make room for a new one. At most `ways` solutions
are tried for one revision. The owner calls `forget` when a revision needs no more attempts.
"""

from typing import Final

_Key = tuple[str, str]
"""Document id and revision id."""


class Attempts:
    """Record of the solutions tried for each rejected revision: the ways in which it was offered again."""

    def __init__(self, *, revisions: int, ways: int) -> None:
        """Create an empty record of at most `revisions` entries, with at most `ways` solutions each."""
        self._revisions: Final = revisions
        self._ways: Final = ways
        self._tried: dict[_Key, list[str]] = {}

    def __len__(self) -> int:
        """Return the number of revisions for which tried solutions are recorded."""
        return len(self._tried)

    def is_first(self, document_id: str, revision: str, solution: str) -> bool:
        """Return True, and record the solution, if it may be tried for a revision. Otherwise return False.

        A solution may be tried if it is not recorded yet, and if fewer than `ways` solutions are recorded for
        the revision.
        """
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
        """Remove all solutions recorded for a revision."""
        self._tried.pop((document_id, revision), None)
