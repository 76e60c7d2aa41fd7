"""Reads the tail of a write-ahead log: the part after the frame at which SQLite stops reading.

The tail is read before any process opens the database, because the next writer overwrites it. If several
commits follow that frame, the file counts as damaged, and is repaired (`store_check`). A single commit may
have been left incomplete by a power cut, which is common. A single commit in the journal's tail is applied.
The content of a single commit in the document store's tail is restored from the journal. In both cases, no
file is set aside.
"""

from pathlib import Path
from typing import Final

import apsw

from services.journal.batch import BatchError, unpack
from services.journal.schema import (
    SCHEMA_VERSION,
    JournalDamagedError,
    connect,
    insert,
    translated,
    translating,
)
from sync.store import wal
from sync.store.wal import UnreadFrames

from .journal_salvage import SalvagedJournal, salvage

BROKEN: Final = "the write-ahead log is damaged before durable commits"


def read_tail(path: Path) -> UnreadFrames:
    """Return the frames that SQLite leaves unread in a database's write-ahead log.

    Raise JournalError if SQLite cannot open the database.
    """
    if not path.exists():
        return UnreadFrames.NOTHING
    try:
        return wal.unseen(path)
    except apsw.Error as error:
        raise translated(error, path) from error


def apply_tail(path: Path) -> str | None:
    """Apply the journal's single unread commit if its batch is complete; return a message or None.

    Raise JournalDamagedError if more than one commit follows.
    """
    salvaged = salvage(path)
    connection = connect(path)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with translating(path):
            return _take_in(path, connection, salvaged)
    finally:
        connection.close(True)


def _take_in(path: Path, connection: apsw.Connection, salvaged: SalvagedJournal) -> str | None:
    if connection.pragma("user_version") != SCHEMA_VERSION:
        return None
    newest = connection.execute("SELECT coalesce(max(number), 0) FROM batch").get
    numbers = sorted(number for number in salvaged.batches if number > newest)
    if not numbers:
        return None
    log = connection.execute("SELECT value FROM meta WHERE key = 'log'").get
    if numbers != [newest + 1] or log != salvaged.meta.get("log"):
        raise JournalDamagedError(f"{path}: {BROKEN}")
    crc, data = salvaged.batches[newest + 1]
    ids: dict[int, str] = dict(connection.execute("SELECT number, id FROM sensor"))
    try:
        unpack(newest + 1, data, ids)
    except BatchError as error:
        raise JournalDamagedError(f"{path}: {BROKEN} ({error})") from error
    with connection:
        insert(connection, newest + 1, crc, data)
    return f"{path}: batch {newest + 1} recovered from the end of the write-ahead log"
