"""Put back: documents that the store has lost come back from their copies, at the revision they had.

What was removed on purpose stays away: floors and gap documents tell of readings, the copies themselves of
alarms. What the store has at the same or a later revision stays as it is.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sync import documents
from sync.documents import Kind
from sync.store import Database, bodies, revisions

from . import retention, segments
from .copies import contents
from .segments import Copy
from .spans import span_of

A_TIME: Final = 200
"""Documents looked at, and written, in one transaction."""


def put_back(database: Database, folder: Path) -> int:
    """Write what `folder`'s copies hold and the store lacks; how many documents. May be done twice.

    Raises StoreError, OSError.
    """
    gone: set[str] = set()
    for _, content in contents(folder):
        gone |= content.removed()
        for record in content.records:
            if record.kind is segments.Kind.GAP:
                copy = record.copy()
                _keep_away(database, copy.id, bytes(copy.body))
    for document in database.documents(f"{Kind.GAP}:"):
        _keep_away(database, document.id, document.raw)
    written: set[str] = set()
    for _, content in contents(folder):
        some: list[Copy] = []
        for copy in content.copies():
            # An earlier version let in revisions after which there can be none: the store takes no such one.
            if copy.id not in gone and revisions.is_sound(copy.rev):
                some.append(copy)
            if len(some) >= A_TIME:
                written |= _write(database, some)
                some.clear()
        written |= _write(database, some)
    return len(written)


def lacking(database: Database, folder: Path) -> list[str]:
    """Return the ids of documents that copies hold and the store has lost. Raises StoreError, OSError.

    Alarms are not among them: for a moment, nothing tells those that were removed from those that are lost.
    """
    ids: set[str] = set()
    for _, content in contents(folder):
        ids.update(
            copy.id
            for copy in content.copies()
            if revisions.is_sound(copy.rev) and not copy.id.startswith(f"{Kind.ALARM}:")
        )
    there = database.current(ids)
    return sorted(name for name in ids if name not in there and not database.floor(name))


def _keep_away(database: Database, document_id: str, raw: bytes) -> None:
    """What made room on the card is below a floor, if the store has lost that, too."""
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
            # A copy of another branch than the one that counts here is for peers to bring, not for us.
            is_newer = current is None or current[0] in copy.history
            if is_newer and database.insert(copy.id, copy.rev, copy.history, bytes(copy.body)).stored:
                written.add(copy.id)
    return written
