"""Removal of stored revisions whose generation is too high, so that valid revisions are accepted again.

Such revisions were received before their vessel had vouched for a lower generation, before a certificate was
revoked, or by an earlier version of Logboat, which accepted every generation. Other vessels have already
offered their own revisions of these documents. So after a removal, all documents are offered and requested
again. To achieve this, the names of checkpoints contain the *era*, which is the number of removals.

A removal is expensive for the whole mesh, so no vessel may cause removals repeatedly. The causes are:

    cause                                            how often
    -----------------------------------------------  ------------------------------------------
    a start of the daemon                            once
    new revocations, which the fleet's CA signs      once for each number
    a vessel vouches for generations                 once, for its first voucher (`remove_unvouched_of`)

After its first voucher, a vessel's number only rises (`Generations.highest`). A `vessel` document with a
lower number, or without a number, causes no removal, whether it is new or old. An honest vessel loses
nothing, because it writes higher generations than the stored ones. If a thief has vouched for a higher
number, the revocation of the thief's certificate invalidates that voucher, and the vessel's next voucher
counts as its first. The vouchers are stored, so that none counts as the first again after a restart.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sync import documents
from sync.documents import DocumentType
from sync.fleet.generations import Generations
from sync.store import Database

_ERA: Final = "era"
_LOOKED: Final = "generations-looked-at"
"""Key of the local document that is created once all documents of the store have been checked."""
_WORD: Final = "vouched:"
"""Prefix of the keys of the local documents that store each vessel's highest voucher."""


def remove_unvouched(database: Database, generations: Generations) -> list[str]:
    """Remove all stored revisions whose generation is too high.

    Return the ids of the documents from which revisions were removed. The first call for a store checks all
    documents except readings. Later calls check only the types for which vessels vouch. Raises StoreError if
    the store fails.
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
                generations.vouched_generation(name.vessel)  # the stored number may be lower
                _store_voucher(database, generations, name.vessel)
    return removed


def remove_unvouched_of(database: Database, generations: Generations, vessels: Iterable[str]) -> list[str]:
    """Remove revisions whose generation is too high, for vessels that have just vouched for the first time.

    The vouchers of all `vessels` are stored. Return the ids of the documents from which revisions were
    removed. Raises StoreError if the store fails.
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
    """Return the signed body of a vessel's stored voucher with the highest generation, or None."""
    document = database.get_local(_WORD + vessel)
    return None if document is None else document.body


def _store_voucher(database: Database, generations: Generations, vessel: str) -> None:
    if vessel == generations.vessel:
        return  # the generations of our own documents are never too high
    word, before = generations.highest(vessel), database.get_local(_WORD + vessel)
    if word is not None and (before is None or before.body != word.body):
        database.put_local(_WORD + vessel, word.body, parent=None if before is None else before.rev)


def removal_count(database: Database) -> int:
    """Return how many times revisions have been removed from a store because their generation was too high.

    Raises StoreError if the number cannot be read.
    """
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
