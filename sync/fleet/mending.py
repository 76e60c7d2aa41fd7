"""Removes revisions from a store that nobody vouches for, and that keep others from being taken in.

They came before their vessel had vouched for a lower generation, or before a certificate was revoked, or to
an earlier version of Logboat, which took in any. What other vessels have in their place, they have offered
already. So after a removal everything is offered and asked for once more: the *era*, which is the number of
such removals, goes into the names of checkpoints.
"""

from collections.abc import Iterable
from typing import Final

from sync import documents
from sync.documents import Kind
from sync.fleet.generations import Generations
from sync.store import Database

_ERA: Final = "era"
_LOOKED: Final = "generations-looked-at"
"""Local document: every document of this store was looked at once."""


def mend(database: Database, generations: Generations) -> list[str]:
    """Remove what is too high in a whole store, and return the ids. Raises StoreError.

    All documents but readings are looked at the first time; later only what single vessels vouch for.
    """
    marked = database.get_local(_LOOKED)
    removed = [] if marked is not None else database.unsound()
    _remove(database, removed)
    if marked is None:
        database.put_local(_LOOKED, {})
    prefixes = [f"{kind}:" for kind in (Kind.VESSEL, Kind.EQUIPMENT, Kind.FORWARDED)]
    return removed + _mend(database, generations, prefixes, None)


def mend_of(database: Database, generations: Generations, vessels: Iterable[str]) -> list[str]:
    """Remove what is too high of some vessels' documents, and return the ids. Raises StoreError."""
    removed = []
    for vessel in vessels:
        prefixes = [documents.vessel_id(vessel), f"{Kind.EQUIPMENT}:{vessel}:", f"{Kind.FORWARDED}:"]
        removed += _mend(database, generations, prefixes, vessel)
    return removed


def era(database: Database) -> int:
    """Return how often something was removed from this store. Raises StoreError."""
    found = database.get_local(_ERA)
    times = 0 if found is None else found.body.get("times")
    return times if isinstance(times, int) else 0


def _mend(
    database: Database, generations: Generations, prefixes: Iterable[str], vessel: str | None
) -> list[str]:
    removed = []
    for prefix in prefixes:
        for document in database.documents(prefix, deleted=True):
            name = documents.parse_id(document.id)
            if name is None or (vessel is not None and name.vessel != vessel):
                continue
            if generations.is_too_high(document):
                removed.append(document.id)
    _remove(database, removed)
    return removed


def _remove(database: Database, ids: list[str]) -> None:
    if not ids:
        return
    with database.transaction():
        database.purge(ids)
        found = database.get_local(_ERA)
        database.put_local(_ERA, {"times": era(database) + 1}, parent=None if found is None else found.rev)
        for checkpoint in database.checkpoints.all():
            database.checkpoints.drop(checkpoint.owner, checkpoint.client)
