"""Differences between the stores of a fleet while they are being written. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.store import Database

Standing = Mapping[str, str]
"""Current revision of every document, by id."""


@dataclass(frozen=True, slots=True)
class StoreDifference:
    """Documents that one vessel and the others had to exchange when it returned."""

    own: Standing
    """Documents that no other had, or only in an older revision."""
    lacked: Standing
    """Documents that it lacked, or had only in an older revision."""

    @property
    def is_mutual(self) -> bool:
        """True if each side has something for the other."""
        return bool(self.own and self.lacked)

    def is_past(self, standings: Iterable[Standing]) -> bool:
        """Return True if all stores have all of it, or newer revisions."""
        wanted = {**self.own, **self.lacked}
        return all(not newer(wanted, standing) for standing in standings)


def current_revisions(database: Database) -> Standing:
    """Return the current revisions of a store. Raise StoreError if it cannot be read."""
    return {change.id: change.rev for change in database.changes()}


def newer(mine: Standing, theirs: Standing) -> Standing:
    """Return those of `mine` that `theirs` lacks, or has only in an older revision."""
    return {
        document: rev
        for document, rev in mine.items()
        if (other := theirs.get(document)) is None or _age(rev) > _age(other)
    }


def apart(one: Standing, others: Sequence[Standing]) -> StoreDifference:
    """Return the differences between one store and all others."""
    together: dict[str, str] = {}
    for other in others:
        together.update(newer(other, together))
    return StoreDifference(own=newer(one, together), lacked=newer(together, one))


def _age(rev: str) -> tuple[int, str]:
    generation, _, digest = rev.partition("-")
    return int(generation), digest
