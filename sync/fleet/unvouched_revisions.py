"""Removal of stored revisions that nobody vouches for, and that keep others from being accepted.

They arrived before their vessel had vouched for a lower generation, or before a certificate was revoked, or
in an earlier version of Logboat, which accepted every generation. Other vessels have already offered their
versions. So after a removal everything is offered and requested once more: the *era*, which is the number of
removals, is part of the names of checkpoints.

A removal costs the whole mesh much, so no vessel may cause it repeatedly. The causes are:

    cause                                            how often
    -----------------------------------------------  ------------------------------------------
    a start of the daemon                            once
    new revocations, which the fleet's CA signs      once for each number
    a vessel vouches for generations                 the first time; `remove_unvouched_of` keeps its word

After its first voucher a vessel's number only rises (`Generations.highest`). A lower number removes nothing,
nor does a document without one, whether its vessel has just signed it or somebody has found it among older
ones. An honest vessel loses nothing, because it continues above what is there. If a thief has vouched for
more, the revocation of that certificate invalidates the thief's voucher, and the next one of the vessel
counts as its first. The vouchers are stored, so that none counts twice after a restart.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sync import documents
from sync.documents import DocumentType
from sync.fleet.generations import Generations
from sync.store import Database

_ERA: Final = "era"
_LOOKED: Final = "generations-looked-at"
"""Key of the local document which records that every document of this store was checked once."""
_WORD: Final = "vouched:"
"""Key prefix of the local documents with each vessel's `vessel` document of the highest number."""


def remove_unvouched(database: Database, generations: Generations) -> list[str]:
    """Remove revisions with too high a generation in the whole store. Return the documents' ids.

    The first time, all documents except readings are checked; later only those that single vessels vouch for.
    Raises StoreError if the store fails.
    """
    with database.transaction():
        marked = database.get_local(_LOOKED)
        removed = [] if marked is not None else database.unsound()
        _remove(database, removed)
        if marked is None:
            database.put_local(_LOOKED, {})
        abouts = [documents.parse_id(each.id) for each in database.documents(f"{DocumentType.VESSEL}:")]
        prefixes = [
            f"{kind}:" for kind in (DocumentType.VESSEL, DocumentType.EQUIPMENT, DocumentType.FORWARDED)
        ]
        removed += _remove_too_high(database, generations, prefixes, None)
        for name in abouts:
            if name is not None:
                generations.vouched_generation(name.vessel)  # it may be higher than what was stored
                _store_voucher(database, generations, name.vessel)
    return removed


def remove_unvouched_of(database: Database, generations: Generations, vessels: Iterable[str]) -> list[str]:
    """Remove revisions that are too high of those vessels that have vouched for the first time.

    All vouchers are stored. Return the ids of removed documents. Raises StoreError if the store fails.
    """
    removed = []
    for vessel in vessels:
        with database.transaction():
            has_vouched = generations.vouched_generation(vessel) is not None
            if has_vouched and generations.valid_stored_voucher(vessel) is None:
                prefixes = [
                    documents.vessel_id(vessel),
                    f"{DocumentType.EQUIPMENT}:{vessel}:",
                    f"{DocumentType.FORWARDED}:",
                ]
                removed += _remove_too_high(database, generations, prefixes, vessel)
            _store_voucher(database, generations, vessel)
    return removed


def stored_voucher(database: Database, vessel: str) -> Mapping[str, Any] | None:
    """Return the signed body with a vessel's highest stored voucher, or None."""
    document = database.get_local(_WORD + vessel)
    return None if document is None else document.body


def _store_voucher(database: Database, generations: Generations, vessel: str) -> None:
    if vessel == generations.vessel:
        return  # our own documents are never too high
    word, before = generations.highest(vessel), database.get_local(_WORD + vessel)
    if word is not None and (before is None or before.body != word.body):
        database.put_local(_WORD + vessel, word.body, parent=None if before is None else before.rev)


def removal_count(database: Database) -> int:
    """Return the number of removals from this store. Raises StoreError if it cannot be read."""
    document = database.get_local(_ERA)
    times = 0 if document is None else document.body.get("times")
    return times if isinstance(times, int) else 0


def _remove_too_high(
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
        document = database.get_local(_ERA)
        database.put_local(
            _ERA, {"times": removal_count(database) + 1}, parent=None if document is None else document.rev
        )
        for checkpoint in database.checkpoints.all():
            database.checkpoints.drop(checkpoint.owner, checkpoint.client)
