"""Checks the stores before any process opens them, for `logboat store check` and each start of the recorder.

Damaged files are set aside, their readable content is saved, and recording continues. The files are:

- The document store: its valid rows are written to a new file. Documents that it has lost are restored from
  the copies (`services.mirror.restore`). Samples that are still in the journal's ring buffer are documented
  again. Any other missing samples are explained by `gap` documents.
- The journal: its samples, from rows or their copies, become documents. A new log begins, because it is not
  certain which numbers had been assigned.
- A write-ahead log that is truncated: see `wal_tail`.
- Copies: documents whose copies are damaged are copied again from the document store.

The journal is small and always checked completely. The document store is checked completely if it is small,
or if a process has found damage and created the file `damaged` (the *damage mark*). Otherwise the check
covers only what SQLite reads when it opens the store, and the newest rows. Copies are checked whenever the
store is checked completely.
"""

import contextlib
import fcntl
import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw
import msgspec

from sensors.plaintext import json_text
from services.console.output import say, tell
from services.journal import number_witness as witness
from services.journal.number_witness import GivenNumbers
from services.journal.schema import (
    SCHEMA_OF_VERSION,
    JournalDamagedError,
    JournalError,
    check_batches,
    connect,
    lock,
    seed,
    translating,
    unechoed,
)
from services.journal.settled_rows import unsettled
from services.logs.setup import running
from services.mirror.mirror import CopyWriter, Survey, folder_in, numbers, survey, uncopied
from services.system.systemd import Notifier
from sync import documents
from sync.durable_files import sync_folder
from sync.folders import opener
from sync.store import DamagedError, Database, StoreError
from sync.store.check import telling
from sync.store.schema_check import differences, wrong_values
from sync.store.wal import HEADER, UnreadFrames

from . import rollback, store_repair, wal_tail
from .journal_salvage import SalvagedJournal, salvage
from .report import Report
from .store_repair import LostNumbers

log = logging.getLogger(__name__)

DEEP_BELOW: Final = 64_000_000
"""Maximum size in bytes of a store that is checked completely at each start.

Such a check takes a few seconds on a Pi Zero 2.
"""
PATIENCE_S: Final = 10.0
"""Maximum time to wait for daemons to exit, in seconds.

The daemons check for the damage mark (the file `damaged`) once a second, and exit within two seconds of
finding it.
"""
_LOOK_EVERY_S: Final = 0.1
MOST_NAMED: Final = 10
LACKING: Final = "documents that the store contained are missing"
GONE: Final = "the store is missing, although copies of its documents exist"
BEHEADED: Final = "the file is empty, although its write-ahead log is not"


def is_marked(data: Path) -> bool:
    """Return True if a process has reported damage, and no check has been made since.

    Processes that have the stores open must then exit, because they prevent a repair.
    """
    return (data / "damaged").exists()


def mark_damaged(data: Path, reason: str) -> None:
    """Create the damage mark, so that the next start checks the stores; `reason` describes the damage.

    A write error is only logged.
    """
    try:
        with open(data / "damaged", "w", opener=opener()) as file:
            file.write(reason + "\n")
    except OSError as error:
        log.error("%s cannot be written: %s", data / "damaged", error.strerror)


@contextlib.contextmanager
def using(data: Path, *, progress: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Prevent other processes from repairing the stores while a daemon has them open.

    Wait until any check in progress ends, and call `progress` while waiting. Raise OSError if the lock cannot
    be opened.
    """
    handle = _lock_file(data)
    try:
        has_told = False
        while not _try_lock(handle, fcntl.LOCK_SH):
            if not has_told:
                log.info("%s: another process is checking the stores; waiting for it", data)
                has_told = True
            progress()
            time.sleep(_LOOK_EVERY_S)
        yield
    finally:
        os.close(handle)


def prepare(
    data: Path,
    *,
    repair: bool = True,
    patience: float = PATIENCE_S,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """Check the stores, and repair damaged files. Raise OSError if the folder cannot be used.

    `patience` is the number of seconds to wait for other daemons to exit if damage was found. `progress` is
    called after each step.
    """
    report = Report(progress=progress)
    handle = _lock_file(data)
    try:
        if not _locked(handle, patience=patience if is_marked(data) else 0.0):
            damage = _look_in_passing(data) if repair and not is_marked(data) else []
            for finding in damage:
                log.error("%s", finding)
            if damage:
                mark_damaged(data, damage[0])
            if not damage or not _locked(handle, patience=patience):
                report.in_use = True
                return report
        _check(data, report, repair=repair)
    finally:
        os.close(handle)
    return report


def _look_in_passing(data: Path) -> list[str]:
    """Return the problems found in the journal while other daemons use the document store.

    The result is empty if the journal is also in use.
    """
    journal = data / "samples.db"
    try:
        held = lock(journal)
    except JournalError:
        return []
    try:
        return _look(data, Report(), repair=False, stores=False).journal
    except JournalError:
        return []
    finally:
        held.close()


@dataclass(slots=True)
class _Damage:
    """Problems that a check has found, grouped by the action that they require."""

    store: list[str] = field(default_factory=list)
    """Damage to the document store."""
    journal: list[str] = field(default_factory=list)
    """Descriptions of damage to the journal, or reasons why its log must not continue."""
    lacking: list[str] = field(default_factory=list)
    """Descriptions of documents that are missing from an undamaged document store."""
    witness: list[str] = field(default_factory=list)
    """Reasons why the number witness must be rewritten."""
    copies: Survey | None = None
    """Findings from reading all copies; None if the copies have not been read."""
    given: GivenNumbers | None = None
    state: rollback.JournalState | None = None
    in_doubt: bool = False

    @property
    def vessel(self) -> str | None:
        """The vessel to which the files belong; None if no file names it."""
        if self.state is not None:
            return self.state.vessel
        return None if self.given is None else self.given.vessel

    @property
    def all(self) -> list[str]:
        """Descriptions of all problems."""
        return self.store + self.journal + self.lacking + self.witness


def _check(data: Path, report: Report, *, repair: bool) -> None:
    mark, store = data / "damaged", data / "log.db"
    if repair:
        store_repair.adopt(store)
        _put_waiting_away(store, report)
    damage = _look(data, report, repair=repair)
    report.findings += damage.all
    if not report.findings:
        if not report.unchecked:
            if mark.exists() or _size(store) < DEEP_BELOW:
                _check_copies(store, report, vessel=damage.vessel, repair=repair, there=damage.copies)
            mark.unlink(missing_ok=True)
        return
    for finding in report.findings:
        log.error("%s", finding)
    if not repair:
        return
    is_left = not _repair(data, damage, report)
    _check_copies(store, report, vessel=damage.vessel, repair=True)
    report.repaired = not is_left
    try:
        with open(data / "last-repair.json", "wb", opener=opener()) as file:
            file.write(msgspec.json.encode({"version": 1, "utc": time.time(), **report.as_dict()}))
    except OSError as error:  # the card is full: recording continues nevertheless
        log.error("%s: cannot save the repair report: %s", data / "last-repair.json", error)
    if not is_left:
        mark.unlink(missing_ok=True)
    sync_folder(data)
    for line in report.done:
        log.warning("%s", line)


def _repair(data: Path, damage: _Damage, report: Report) -> bool:
    """Repair as much of the damage as possible; return True if no damage remains.

    A new log can begin even if the document store cannot be written. The old journal is then kept until its
    samples can be written to documents.
    """
    journal, store = data / "samples.db", data / "log.db"
    for path in (journal, store):
        if _is_beheaded(path):
            path.touch()  # opening the database then replays its write-ahead log
    salvaged = salvage(journal, progress=report.progress) if journal.exists() else SalvagedJournal()
    report.progress()
    lost = LostNumbers(damage.given, damage.in_doubt)
    gone, waits = 0, False
    try:
        if damage.store:
            gone = store_repair.repair_store(store, salvaged, report, lost)
        elif damage.lacking or damage.journal:
            gone = store_repair.make_good(store, salvaged, report, lost)
    except StoreError as error:
        waits = True
        report.done.append(f"{store}: cannot be written: {error}; the next start will try again")
    report.progress()
    if damage.journal or gone:
        # If numbers are lost, the log must end: other vessels may have these numbers, so they must not be
        # assigned again.
        is_sound = damage.state is not None  # otherwise the journal was not compared with the other files
        store_repair.replace_journal(journal, store, salvaged, report, lost, waits=waits, is_sound=is_sound)
    elif damage.witness and damage.given is not None and damage.state is not None:
        store_repair.renew_witness(
            witness.path_in(data), report, damage.given, damage.state.batch, damage.state.last
        )
    return not (waits and (damage.store or damage.lacking))


def _put_waiting_away(store: Path, report: Report) -> None:
    before = len(report.done)
    try:
        store_repair.reunite(store.parent / "samples.db", report)
        store_repair.put_waiting_away(store, report)
    except OSError as error:
        report.done.append(f"{store.parent / store_repair.WAITING}: {error}")
    for line in report.done[before:]:
        log.warning("%s", line)


def _look(data: Path, report: Report, *, repair: bool, stores: bool = True) -> _Damage:
    """Check the files for problems, and return them. If `stores` is True, also check the document store.

    Raise JournalError if the journal cannot be read.
    """
    journal, store = data / "samples.db", data / "log.db"
    damage = _Damage(given=witness.read(witness.path_in(data)))
    cut_off = UnreadFrames.NOTHING
    is_deep = (data / "damaged").exists() or _size(store) < DEEP_BELOW
    if stores and _is_beheaded(store):
        damage.store = [f"{store}: {BEHEADED}"]
    elif stores:
        cut_off = _unseen(store)
        report.progress()
        damage.store = _broken_log(store, cut_off) or _store_findings(store, report, deep=is_deep)
        report.progress()
    if _is_beheaded(journal):
        damage.journal = [f"{journal}: {BEHEADED}"]
        damage.in_doubt = True
        return damage
    damage.journal = _journal_findings(journal, report, repair=repair)
    report.progress()
    if not damage.journal:
        _compare(data, damage, report, deep=stores and is_deep)
    return damage


def _compare(data: Path, damage: _Damage, report: Report, *, deep: bool) -> None:
    """Find files that are out of date compared with other files (`rollback`). Damaged files are ignored."""
    journal, store = data / "samples.db", data / "log.db"
    state = rollback.read_journal_state(journal, progress=report.progress) if journal.exists() else None
    damage.state = state
    if state is None:
        why = rollback.journal_lost(damage.given)
    else:
        why = rollback.journal_behind_witness(state, damage.given)
        ahead = rollback.witness_behind(state, damage.given)
        damage.witness = [] if ahead is None else [f"{witness.path_in(data)}: {ahead}"]
    if state is not None and not damage.store and not report.unchecked:
        try:
            if store.exists():
                with Database.open(store, policy=documents.POLICY) as database:
                    why = why or rollback.journal_behind_documents(state, database)
                    lacks = rollback.documents_behind(
                        state, database, deep=deep, progress=report.progress
                    ) or _behind_copies(data, database, damage, report, deep=deep)
            else:
                lacks = "it is missing" if any(state.closed.values()) else None
        except DamagedError as error:
            damage.store = [str(error)]
            lacks = None
        except (StoreError, OSError) as error:
            report.unchecked.append(f"{store} could not be compared: {error}")
            lacks = None
        damage.lacking = [] if lacks is None else [f"{store}: {LACKING}: {lacks}"]
    if why is not None:
        damage.journal, damage.in_doubt = [f"{journal}: {why}"], True


def _behind_copies(
    data: Path, database: Database, damage: _Damage, report: Report, *, deep: bool
) -> str | None:
    """Describe the documents that have copies but are missing from the store; None if there are none.

    If `deep` is True, all copies are read; otherwise only the newest progress mark.
    """
    folder = folder_in(data)
    if not deep:
        return rollback.store_behind_copies(database, rollback.newest_mark(folder), ())
    damage.copies = survey(folder, progress=report.progress)
    return rollback.store_behind_copies(
        database, damage.copies.mark, damage.copies.there, progress=report.progress
    )


def _is_beheaded(path: Path) -> bool:
    """Return True if a database file is empty or missing, but its write-ahead log is not.

    Opening the database would then delete the write-ahead log.
    """
    return _size(path) == 0 and _size(Path(f"{path}-wal")) > HEADER


def _unseen(store: Path) -> UnreadFrames:
    try:
        return wal_tail.read_tail(store)
    except JournalError:
        return UnreadFrames.NOTHING  # the next process that opens the database reports the problem


def _broken_log(path: Path, unread: UnreadFrames) -> list[str]:
    return [f"{path}: {wal_tail.BROKEN}"] if unread is UnreadFrames.COMMITS else []


def _journal_findings(path: Path, report: Report, *, repair: bool) -> list[str]:
    if not path.exists():
        return []
    try:
        cut_off = wal_tail.read_tail(path)
        if cut_off is UnreadFrames.ONE_COMMIT and repair:
            taken = wal_tail.apply_tail(path)
            if taken is not None:
                report.done.append(taken)
                log.warning("%s", taken)
        connection = connect(path)
    except JournalDamagedError as error:
        return [str(error)]
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with translating(path):
            faults = _journal_faults(connection, report.progress)
    except JournalDamagedError as error:
        return [str(error)]
    finally:
        connection.close(True)
    return _broken_log(path, cut_off) + [f"{path}: {fault}" for fault in faults]


def _journal_faults(connection: apsw.Connection, progress: Callable[[], None]) -> list[str]:
    with telling(connection, progress):
        results = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    if results != ["ok"]:
        return results
    if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        return []  # the power failed before any data was written
    if wrong := _schema_faults(connection):
        return wrong
    try:
        log_row = connection.execute("SELECT value FROM meta WHERE key = 'log'").fetchone()
        before = None
        for number in check_batches(connection, seed=seed(None if log_row is None else log_row[0])):
            progress()
            if before is not None and number != before + 1:
                return [f"batches {before + 1} to {number - 1} are missing"]
            before = number
        unsound = [f"batch {number} has no intact copy" for number in unechoed(connection)[:MOST_NAMED]]
        return unsound or unsettled(connection)
    except (JournalDamagedError, apsw.SQLError) as error:  # apsw.SQLError: a table or column is missing
        return [str(error)]


def _schema_faults(connection: apsw.Connection) -> list[str]:
    version = connection.pragma("user_version")
    if (tables := SCHEMA_OF_VERSION.get(version)) is not None:
        return list(differences(connection, tables)) or list(wrong_values(connection, tables))
    for known, tables in SCHEMA_OF_VERSION.items():
        if not list(differences(connection, tables, only=True)):
            return [f"the header says schema version {version}, but the tables are of version {known}"]
    return []


def _store_findings(path: Path, report: Report, *, deep: bool) -> list[str]:
    if not path.exists():
        return [f"{path}: {GONE}"] if numbers(folder_in(path.parent)) else []
    try:
        with Database.open(path, policy=documents.POLICY) as database:
            return database.check(deep=deep or _size(path) < DEEP_BELOW, progress=report.progress)
    except DamagedError as error:
        return [str(error)]
    except StoreError as error:
        # The store is locked, full, or from a newer version. A repair would not help, and recording continues
        # without one.
        report.unchecked.append(f"{path} could not be checked: {error}")
        log.error("%s", report.unchecked[-1])
        return []


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_copies(
    store: Path, report: Report, *, vessel: str | None, repair: bool, there: Survey | None = None
) -> None:
    """Check all copies, and copy damaged or missing documents again.

    `there` contains the findings from reading the copies, if the caller has already read them.
    """
    folder = folder_in(store.parent)
    try:
        if there is None:
            there = survey(folder, progress=report.progress)
        damaged = there.damaged
        for number, places in damaged:
            report.copies.append(f"{folder}: segment {number} is damaged in {places} places")
        absent: list[str] = []
        if store.exists():
            with Database.open(store, policy=documents.POLICY) as database:
                if damaged and repair:
                    _retire(database, folder, damaged, report)
                    there = survey(folder, progress=report.progress)
                if vessel is not None:
                    absent = uncopied(there, database, vessel, progress=report.progress)
                if absent:
                    report.copies.append(f"{folder}: {len(absent)} documents have lost their copies")
                if absent and repair:
                    copies = CopyWriter(folder)
                    healed = copies.copy_again(database, absent)
                    copies.close()
                    report.copies.append(f"{folder}: {healed} documents copied again")
        report.copies_damaged = bool(damaged or absent) and not repair
    except (StoreError, OSError) as error:
        report.copies.append(f"{folder}: {error}")
    for line in report.copies:
        log.warning("%s", line)
    if there is not None and there.segments and not report.copies:
        report.copies.append(
            f"{folder}: no damage in {there.segments} segments of copies ({there.size / 1e6:.1f} MB)"
        )


def _retire(database: Database, folder: Path, damaged: list[tuple[int, int]], report: Report) -> None:
    copies = CopyWriter(folder)
    for number, _ in damaged:
        report.progress()
        # The newest segment may only have been cut short; `CopyWriter` has then completed it.
        if number in numbers(folder)[:-1] or number in copies.damaged:
            retired = copies.retire(number, database)
            healed = 0 if retired is None else retired.healed
            report.copies.append(f"{folder}: {healed} documents of segment {number} copied again")
    copies.close()


def _locked(handle: int, *, patience: float) -> bool:
    """Return True if no other process has the stores open, waiting at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while not _try_lock(handle, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _try_lock(handle: int, kind: int) -> bool:
    """Try to lock the file; return False if another process has a conflicting lock."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_file(data: Path) -> int:
    return os.open(data / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)


def run(args: Namespace) -> int:
    """Run `logboat store check [--repair]`.

    Return 0 if the stores are undamaged or were repaired, and 1 if they are damaged and were not repaired.

    It is not an error if a daemon has the stores open and no damage was found. This happens when the second
    of two daemons starts.
    """
    if not args.data.is_dir():
        say(f"logboat store check: {args.data}: no such folder")
        return 1
    # Only a repair, which the appliance runs, logs to errors.log; other checks print their results.
    with running("store", args.data if args.repair else None):
        return _run(args)


def _run(args: Namespace) -> int:
    report = prepare(args.data, repair=args.repair, progress=Notifier().progress)
    if args.json:
        from services.schemas.appliance import StoreCheck

        print(json_text(msgspec.json.encode(StoreCheck(**report.as_dict()))))
    elif report.in_use:
        tell("the stores are in use, so nothing was checked; first stop logboat-recorder and logboat-sync")
    elif not report.findings and not report.unchecked:
        tell("no damage found in the stores")
    else:
        for line in report.unchecked + report.findings + report.done:
            tell(line)
    if not args.json:
        for line in report.copies:
            tell(line)
    in_the_way = report.in_use and not (args.repair and not is_marked(args.data))
    left = in_the_way or report.unchecked or (report.findings and not report.repaired)
    return 1 if left or report.copies_damaged else 0
