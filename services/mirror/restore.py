"""Restores documents that the store has lost, at the same revision, from their copies.

Documents that were deliberately removed are not restored. Floors and gap documents identify removed readings,
and the copies list removed alarms. If the store has a document at the same or a later revision, that document
is left unchanged.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from services.documents import retention
from services.documents.number_spans import span_of
from sync import documents
from sync.documents import DocumentType
from sync.store import Database, bodies, revisions

from . import segment_file
from .mirror import contents
from .segment_file import Copy

A_TIME: Final = 200
"""Maximum number of documents to examine and write in one transaction."""
LOOKED_UP: Final = 2_000
"""Maximum number of documents to look up in one SQL statement."""


def restore_missing(database: Database, folder: Path, *, progress: Callable[[], None] = lambda: None) -> int:
    """Restore documents that the store lacks from their copies in `folder`, and return their number.

    The call may be repeated. `progress` is called often. Raise StoreError or OSError if documents or copies
    cannot be read or written.
    """
    gone: set[str] = set()
    for _, content in contents(folder):
        progress()
        gone |= content.removed()
        for record in content.records:
            if record.kind is segment_file.RecordKind.GAP:
                copy = record.copy()
                _keep_away(database, copy.id, bytes(copy.body))
    for document in database.documents(f"{DocumentType.GAP}:"):
        _keep_away(database, document.id, document.raw)
    written: set[str] = set()
    for _, content in contents(folder):
        some: list[Copy] = []
        for copy in content.copies():
            # An earlier version accepted revisions that can have no successor. The store now rejects these.
            if copy.id not in gone and revisions.is_sound(copy.rev):
                some.append(copy)
            if len(some) >= A_TIME:
                progress()
                written |= _write(database, some)
                some.clear()
        progress()
        written |= _write(database, some)
    return len(written)


def lacking(
    database: Database,
    there: Iterable[tuple[str, str]],
    *,
    progress: Callable[[], None] = lambda: None,
) -> list[str]:
    """Return the ids of documents that have copies but that the store has lost.

    `there` contains the id and revision of each copy. `progress` is called often.

    Alarms are not included, because a removed alarm is indistinguishable from a lost alarm. Raise StoreError
    or OSError if documents or copies cannot be read.
    """
    ids = sorted(
        {
            name
            for name, rev in there
            if revisions.is_sound(rev) and not name.startswith(f"{DocumentType.ALARM}:")
        }
    )
    missing = []
    for first in range(0, len(ids), LOOKED_UP):
        progress()
        some = ids[first : first + LOOKED_UP]
        here = database.current(some)
        missing += [name for name in some if name not in here and not database.floor(name)]
    return missing


def _keep_away(database: Database, document_id: str, raw: bytes) -> None:
    """Set the floor of a sensor's readings again if a gap document states that readings were removed.

    The floor prevents peers from sending removed readings again (`Database.set_floor`). The store may have
    lost the floor.
    """
    name, span = documents.parse_id(document_id), span_of(document_id, raw)
    if name is None or name.sensor is None or name.log is None or span is None:
        return
    if bodies.decode(document_id, raw).get("reason") == retention.REASON:
        database.set_floor(
            documents.reading_prefix(name.vessel, name.sensor, name.log),
            documents.reading_id(name.vessel, name.sensor, name.log, span[1] + 1),
        )


def _write(database: Database, copies: Iterable[Copy]) -> set[str]:
    written = set()
    with database.transaction():
        for copy in copies:
            current = database.current([copy.id]).get(copy.id)
            # If a different branch has become the winner in the store, the copy's branch must come from
            # peers.
            is_newer = current is None or current[0] in copy.history
            if is_newer and database.insert(copy.id, copy.rev, copy.history, bytes(copy.body)).stored:
                written.add(copy.id)
    return written
