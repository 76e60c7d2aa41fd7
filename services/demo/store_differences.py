"""Determines differences between the stores of a fleet while the stores are being written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.store import Database

Standing = Mapping[str, str]
"""Current revision of every document in a store, by id."""


@dataclass(frozen=True, slots=True)
class StoreDifference:
    """Documents that a vessel and the others had to exchange when the vessel's network was restored."""

    own: Standing
    """Documents that only this vessel had, or of which it had a newer revision."""
    lacked: Standing
    """Documents that only the other vessels had, or of which they had a newer revision."""

    @property
    def is_mutual(self) -> bool:
        """True if both the vessel and the other vessels have documents to send."""
        return bool(self.own and self.lacked)

    def is_past(self, standings: Iterable[Standing]) -> bool:
        """Return True if every store now has all these documents, at the same or newer revisions."""
        wanted = {**self.own, **self.lacked}
        return all(not newer(wanted, standing) for standing in standings)


def current_revisions(database: Database) -> Standing:
    """Return the current revisions of all documents in a store. Raise StoreError if it cannot be read."""
    return {change.id: change.rev for change in database.changes()}


def newer(mine: Standing, theirs: Standing) -> Standing:
    """Return the entries of `mine` that `theirs` lacks, or for which `theirs` has an older revision."""
    return {
        document: rev
        for document, rev in mine.items()
        if (other := theirs.get(document)) is None or _age(rev) > _age(other)
    }


def apart(one: Standing, others: Sequence[Standing]) -> StoreDifference:
    """Return the differences between one vessel's store and the other vessels' stores."""
    together: dict[str, str] = {}
    for other in others:
        together.update(newer(other, together))
    return StoreDifference(own=newer(one, together), lacked=newer(together, one))


def _age(rev: str) -> tuple[int, str]:
    generation, _, digest = rev.partition("-")
    return int(generation), digest
