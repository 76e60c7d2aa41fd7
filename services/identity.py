"""Which log, boot and run this is; a new log where the old one cannot go on.

A log is one unbroken numbering by one appliance. It goes on only in the same file, on the same board, for
the same vessel; else a new one begins, so that ids never collide, whatever was copied where.
"""

import secrets
import string
import uuid
from collections.abc import Callable
from pathlib import Path

from sync.documents import is_single_writer
from sync.store import Database

from . import rescue
from .batch import Identity
from .journal import Journal, JournalReader


def new_log() -> str:
    """Six random letters: one in 300 million for two of a vessel's to be the same."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))


def establish(
    journal: Journal,
    *,
    vessel: str,
    board: str,
    boot_id: str,
    documents: Path,
    choose: Callable[[], str] = new_log,
) -> Identity:
    """Count this start; begin a new log if need be, once the old one's samples are in `documents`.

    Raises JournalError, or sync.store.StoreError when the old samples cannot be put away.
    """
    log = journal.get_meta("log")
    same = log is not None and (journal.get_meta("vessel"), journal.get_meta("board")) == (vessel, board)
    if not same:
        if log is not None:
            put_away(journal.path, documents)
        log = choose()
        journal.begin_log(
            {
                "log": log,
                "vessel": vessel,
                "board": board,
                "boot": 0,
                "run": 0,
                "boot_id": "",
                **_logs(journal, log),
            }
        )
    boot, run = int(journal.get_meta("boot")), int(journal.get_meta("run")) + 1
    if journal.get_meta("boot_id") != boot_id:
        boot += 1
    journal.set_meta({"boot": boot, "run": run, "boot_id": boot_id})
    return Identity(vessel=vessel, log=log, boot=boot, run=run)


def put_away(journal: Path, store: Path) -> None:
    """Put a journal whose log will not go on into documents. Raises JournalError, StoreError."""
    reader = JournalReader(journal)
    try:
        identity = reader.identity()
        if identity is None:
            return
        with Database.open(store, single_writer=is_single_writer) as database:
            rescue.refill(
                database, identity=identity, registered=reader.registered(), batches=reader.all_batches()
            )
    finally:
        reader.close()


def _logs(journal: Journal, log: str) -> dict[str, str | int | float]:
    """The vessel's UUID stays with the file; its logs add up."""
    before = journal.get_meta("logs")
    return {
        "uuid": journal.get_meta("uuid") or str(uuid.uuid4()),
        "logs": log if before is None else f"{before} {log}",
    }
