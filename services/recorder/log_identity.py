"""Determines the ids of the log, boot and run, and begins a new log if the old one cannot continue.

A log is an unbroken sequence of sample numbers from one appliance. It continues only in the same file, on the
same board, for the same vessel, and only if that file contains the last numbers that were assigned
(`rollback`). Otherwise a new log begins, so that ids never collide, even after files were copied between
cards. The new log continues from the totals of the earlier log (`carryover`).
"""

import contextlib
import logging
import secrets
import string
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from sensors.settings import SensorSettings
from services.documents import boot_signing
from services.journal import totals
from services.journal.batch import Identity
from services.journal.journal import Journal, JournalReader
from services.journal.number_witness import GivenNumbers
from services.journal.schema import JournalDamagedError
from services.recovery import carryover, rebuild, rollback, store_repair
from services.state import peer_ahead
from sync.documents import POLICY
from sync.store import Database, StoreError

logger = logging.getLogger(__name__)


def new_log() -> str:
    """Return a name for a new log: six random letters.

    The probability that two logs of a vessel get the same name is one in 300 million.
    """
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))


def establish(
    journal: Journal,
    *,
    vessel: str,
    board: str,
    boot_id: str,
    documents: Path,
    choose: Callable[[], str] = new_log,
    sensors: Sequence[SensorSettings] = (),
    own: boot_signing.OwnIdentity = boot_signing.NONE,
    utc: float | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Identity:
    """Increment the recorder's run number, and begin a new log if necessary. Return the identity.

    Before a new log begins, the old log's samples are written to the store `documents`. `sensors` are the
    configured sensors, whose totals a new log carries over. `own` is the vessel's identity in its fleet, if
    it has one. `utc` is the time in seconds since 1970, by default from the system clock. `progress` is
    called often while files are read.

    If the old log's samples cannot be written, the old journal is kept unchanged for a later start
    (`store_repair.put_waiting_away`), and the new log begins in a new file. Raise JournalError if the journal
    cannot be used.
    """
    log = journal.get_meta("log")
    same = log is not None and (journal.get_meta("vessel"), journal.get_meta("board")) == (vessel, board)
    given = journal.witness.found
    why = is_behind(journal)
    ahead = _ahead(journal.path.parent, log, time.time() if utc is None else utc) if same else None
    if same and why is None and ahead is None:
        journal.witness.begin(
            vessel=vessel,
            log=log,
            start=boot_id,
            batch=0 if journal.last_batch is None else journal.last_batch.number,
            last={name: record.last for name, record in journal.sensors.items()},
            totals=journal.totals,
            utc=0.0 if journal.last_batch is None else journal.last_batch.utc,
        )
    else:
        if why is not None:
            # The store check has already reported and repaired this, unless another process had the stores
            # open.
            logger.error("%s: %s; a new log begins", journal.path, why)
        if ahead is not None:
            logger.error("%s; a new log begins", ahead)
        before, logs = _before(journal, vessel=vessel), journal.get_meta("logs")
        known_uuid, notes = journal.get_meta("uuid"), journal.get_meta(carryover.NOTES)
        carried = _carried(journal, vessel=vessel, sensors=sensors, own=own, progress=progress)
        _end_log(journal, documents, given if why is not None else None, boot_id=boot_id)
        log = choose()
        text = carryover.words(carried, before=before, now=log, sensors=sensors)
        if text and (before is not None or carried):  # otherwise this is the vessel's first log
            notes = carryover.with_note(notes, vessel=vessel, text=text, utc=time.time())
        # Do this first: if a power cut then prevents the name from being stored in the journal, the next
        # start chooses a new name.
        journal.witness.begin(
            vessel=vessel,
            log=log,
            start=boot_id,
            batch=0,
            last={},
            totals={name: total.value() for name, total in carried.items()},
            utc=max((total.utc for total in carried.values()), default=0.0),
        )
        journal.begin_log(
            {
                "log": log,
                "vessel": vessel,
                "board": board,
                "boot": 0,
                "run": 0,
                "boot_id": "",
                totals.KEY: totals.encode(vessel, carried),
                carryover.NOTES: notes or "",
                "uuid": known_uuid or str(uuid.uuid4()),
                "logs": log if logs is None else f"{logs} {log}",  # the names of all logs
            }
        )
        with contextlib.suppress(OSError):  # the note is about a log that is no longer written
            peer_ahead.forget(journal.path.parent)
    if (notes := journal.get_meta(carryover.NOTES)) and carryover.write_notes(journal.path.parent, notes):
        journal.set_meta({carryover.NOTES: ""})
    boot, run = int(journal.get_meta("boot")), int(journal.get_meta("run")) + 1
    if journal.get_meta("boot_id") != boot_id:
        boot += 1
    facts: dict[str, str | int | float] = {"boot": boot, "run": run, "boot_id": boot_id}
    if journal.witness.fault is None:
        facts[rollback.WITNESSED] = 1
    journal.set_meta(facts)
    return Identity(vessel=vessel, log=log, boot=boot, run=run)


def _ahead(data: Path, log: str, utc: float) -> str | None:
    """Return the evidence that other vessels have later samples of a log; None if the log can continue."""
    note = peer_ahead.read(data, log)
    if note is None or note.is_signed:
        return None if note is None else note.words
    if not peer_ahead.may_believe(data, log, utc):
        logger.warning(
            "%s. This report is ignored: it is unsigned, and only one unsigned report a day can cause a new"
            " log",
            note.words,
        )
        return None
    try:
        peer_ahead.remember(data, log, utc)
    except OSError as error:
        logger.warning(
            "%s. This report is ignored, because %s cannot be written: %s", note.words, data, error.strerror
        )
        return None
    return note.words


def is_behind(journal: Journal) -> str | None:
    """Return the reason why a journal must not be continued; None if it can be.

    A journal must not be continued if it lacks numbers that, according to the number witness (the file
    `given-numbers`), were assigned. Raise JournalError if the journal is damaged.
    """
    given, state = journal.witness.found, rollback.read_journal_state(journal.path)
    if state is None:
        return rollback.journal_lost(given)
    return rollback.journal_behind_witness(state, given)


def _end_log(journal: Journal, store: Path, given: GivenNumbers | None, *, boot_id: str) -> None:
    """Write the samples of a log that ends to documents, and gap documents for missing numbers.

    A number is missing if it is in `given`, the contents of the number witness, but not in the journal. Raise
    JournalError if this fails.
    """
    try:
        if journal.get_meta("log") is not None:
            write_out_journal(journal.path, store)
        if given is not None:
            with Database.open(store, policy=POLICY) as database:
                rebuild.name_lost(database, given, start=boot_id, utc=time.time(), in_doubt=True)
    except (StoreError, JournalDamagedError) as error:
        place = store_repair.waiting_place(journal.path)
        logger.error("%s: %s; kept as %s until it can be written to documents", journal.path, error, place)
        journal.begin_file(place)
        store_repair.note_lost_numbers(place, store_repair.LostNumbers(given, in_doubt=given is not None))


def write_out_journal(journal: Path, store: Path) -> None:
    """Write the samples of a journal whose log has ended to documents.

    Raise JournalError or StoreError if that fails.
    """
    reader = JournalReader(journal)
    try:
        identity = reader.identity()
        if identity is None:
            return
        with Database.open(store, policy=POLICY) as database:
            rebuild.refill(
                database, identity=identity, registered=reader.registered(), batches=reader.all_batches()
            )
    finally:
        reader.close()


def _before(journal: Journal, *, vessel: str) -> str | None:
    """Return the name of the log that a new log follows; None if no file names an earlier log."""
    log, logs, given = journal.get_meta("log"), journal.get_meta("logs"), journal.witness.found
    if log is not None:
        return str(log)
    if logs is not None:  # a repair created this journal
        return str(logs).split()[-1]
    return given.log if given is not None else carryover.last_log(journal.path.parent, vessel=vessel)


def _carried(
    journal: Journal,
    *,
    vessel: str,
    sensors: Sequence[SensorSettings],
    own: boot_signing.OwnIdentity,
    progress: Callable[[], None],
) -> dict[str, totals.Total]:
    """Return the totals with which a new log of a vessel should begin."""
    witnessed = carryover.of_witness(journal.witness.found, vessel)
    began = carryover.of_beginning(journal.get_meta(totals.KEY), vessel, str(journal.get_meta("log") or ""))
    sources = [began, witnessed]
    logs = [] if journal.witness.found is None else [journal.witness.found.log]
    if journal.get_meta("vessel") == vessel and journal.get_meta("log") is not None:
        log = str(journal.get_meta("log"))
        logs = logs or [log]
        utc = 0.0 if journal.last_batch is None else journal.last_batch.utc
        last = {name: record.last for name, record in journal.sensors.items()}
        source = f"the journal of log {log}"
        sources.append(totals.of(journal.totals, utc=utc, source=source, log=log, last=last))
    try:
        return carryover.gather(
            journal.path.parent,
            vessel=vessel,
            own=sources,
            logs=logs,
            sensors=sensors,
            witnessed=witnessed,
            journal_logs=str(journal.get_meta("logs") or "").split(),
            is_signed=own.has_signed,
            progress=progress,
        )
    except Exception:
        # Even if a document is invalid, recording continues, with the totals from the vessel's own files.
        logger.exception("the engine hours and pulse counts cannot be read from documents")
        return totals.highest(sources)
