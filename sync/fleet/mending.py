"""Removes revisions from a store that nobody vouches for, and that keep others from being taken in.

They came before their vessel had vouched for a lower generation, or before a certificate was revoked, or to
an earlier version of Logboat, which took in any. What other vessels have in their place, they have offered
already. So after a removal everything is offered and asked for once more: the *era*, which is the number of
such removals, goes into the names of checkpoints.

A removal costs the whole mesh much, so no vessel may cause it again and again. What does cause one:

    cause                                            how often
    -----------------------------------------------  ------------------------------------------
    a start of the daemon                            once
    new revocations, which the fleet's CA signs      once for each number
    a vessel vouches for generations                 the first time; `mend_of` keeps its word

After its first word a vessel's number only rises (`Generations.highest`). A lower number removes nothing, nor
does a document without one, whether its vessel has just signed it or somebody has found it among older ones.
An honest vessel loses nothing by that: it goes on above what is there. If a thief has vouched for more, the
revocation of that certificate ends the thief's word, and the next one of the vessel counts as its first. The
words are kept in the store, so that none counts twice after a restart.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sync import documents
from sync.documents import Kind
from sync.fleet.generations import Generations
from sync.store import Database

_ERA: Final = "era"
_LOOKED: Final = "generations-looked-at"
"""Local document: every document of this store was looked at once."""
_WORD: Final = "vouched:"
"""Local documents, by vessel: its `vessel` document with the highest number of generations."""


def mend(database: Database, generations: Generations) -> list[str]:
    """Remove what is too high in a whole store, and return the ids. Raises StoreError.

    All documents but readings are looked at the first time; later only what single vessels vouch for.
    """
    with database.transaction():
        marked = database.get_local(_LOOKED)
        removed = [] if marked is not None else database.unsound()
        _remove(database, removed)
        if marked is None:
            database.put_local(_LOOKED, {})
        abouts = [documents.parse_id(each.id) for each in database.documents(f"{Kind.VESSEL}:")]
        prefixes = [f"{kind}:" for kind in (Kind.VESSEL, Kind.EQUIPMENT, Kind.FORWARDED)]
        removed += _mend(database, generations, prefixes, None)
        for name in abouts:
            if name is not None:
                generations.of(name.vessel)  # it may say more than what was kept
                _keep(database, generations, name.vessel)
    return removed


def mend_of(database: Database, generations: Generations, vessels: Iterable[str]) -> list[str]:
    """Remove what is too high of those of some vessels that have vouched for the first time; keep all words.

    Returns the ids. Raises StoreError.
    """
    removed = []
    for vessel in vessels:
        with database.transaction():
            has_vouched = generations.of(vessel) is not None
            if has_vouched and generations.kept_word(vessel) is None:
                prefixes = [documents.vessel_id(vessel), f"{Kind.EQUIPMENT}:{vessel}:", f"{Kind.FORWARDED}:"]
                removed += _mend(database, generations, prefixes, vessel)
            _keep(database, generations, vessel)
    return removed


def kept(database: Database, vessel: str) -> Mapping[str, Any] | None:
    """Return the signed body by which a vessel has vouched for most; None if none was kept."""
    found = database.get_local(_WORD + vessel)
    return None if found is None else found.body


def _keep(database: Database, generations: Generations, vessel: str) -> None:
    if vessel == generations.vessel:
        return  # our own documents are never too high
    word, before = generations.highest(vessel), database.get_local(_WORD + vessel)
    if word is not None and (before is None or before.body != word.body):
        database.put_local(_WORD + vessel, word.body, parent=None if before is None else before.rev)


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
