"""How the stores of a fleet stand to each other while they are written to. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.store import Database

Standing = Mapping[str, str]
"""Current revision of every document, by id."""


@dataclass(frozen=True, slots=True)
class Apart:
    """What one vessel and the others had to tell each other when it came back."""

    own: Standing
    """Documents that no other had, or not as new."""
    lacked: Standing
    """Documents that it had not, or not as new as another."""

    @property
    def is_mutual(self) -> bool:
        """Whether either side has something to tell the other."""
        return bool(self.own and self.lacked)

    def is_past(self, standings: Iterable[Standing]) -> bool:
        """Whether all have all of that, or newer."""
        wanted = {**self.own, **self.lacked}
        return all(not newer(wanted, standing) for standing in standings)


def standing(database: Database) -> Standing:
    """How a store stands. Raises StoreError."""
    return {change.id: change.rev for change in database.changes()}


def newer(mine: Standing, theirs: Standing) -> Standing:
    """Those of mine that they have not, or not as new."""
    return {
        document: rev
        for document, rev in mine.items()
        if (other := theirs.get(document)) is None or _age(rev) > _age(other)
    }


def apart(one: Standing, others: Sequence[Standing]) -> Apart:
    """What is between one store and all others."""
    together: dict[str, str] = {}
    for other in others:
        together.update(newer(other, together))
    return Apart(own=newer(one, together), lacked=newer(together, one))


def _age(rev: str) -> tuple[int, str]:
    generation, _, digest = rev.partition("-")
    return int(generation), digest
