"""A record of the solutions tried for each revision that a peer rejects, so that no solution is tried twice.

A solution is one way to offer the rejected revision again, for example with a different parent.

A peer could reject revisions any number of times, so the size of the record is limited in two ways. The
record has at most `revisions` entries; the oldest entry is dropped to make room for a new one. At most `ways`
solutions are tried for one revision. The caller calls `forget` when a revision needs no more attempts.
"""

from typing import Final

_Key = tuple[str, str]
"""Document id and revision id."""


class Attempts:
    """Record of the solutions tried for each rejected revision: the ways in which it was offered again."""

    def __init__(self, *, revisions: int, ways: int) -> None:
        """Create an empty record.

        Args:
            revisions: maximum number of rejected revisions in the record.
            ways: maximum number of solutions tried for one revision.
        """
        self._revisions: Final = revisions
        self._ways: Final = ways
        self._tried: dict[_Key, list[str]] = {}

    def __len__(self) -> int:
        """Return the number of revisions for which at least one tried solution is recorded."""
        return len(self._tried)

    def is_first(self, document_id: str, revision: str, solution: str) -> bool:
        """Return True if a solution may be tried for a rejected revision, and record it as tried.

        The result is False if the solution was tried before, or if `ways` solutions were already tried for
        the revision. In that case, nothing is recorded.
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
        """Return True if a solution is recorded as tried for a rejected revision."""
        return solution in self._tried.get((document_id, revision), ())

    def forget(self, document_id: str, revision: str) -> None:
        """Remove the record of all solutions tried for a revision."""
        self._tried.pop((document_id, revision), None)
