"""Repairs the stores: saves readable data in new files, and writes gap documents that explain lost samples.

`store_check` finds the damage. If a power cut interrupts a step at any instant, the step can be repeated.
"""

import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
import msgspec

from services.journal import number_witness, totals
from services.journal.journal import Journal
from services.journal.number_witness import GivenNumbers, NumberWitness
from services.journal.schema import JournalError, connect, move_database
from services.mirror.mirror import CopyWriter, folder_in, numbers
from services.mirror.restore import restore_missing
from services.system import machine
from sync import documents
from sync.durable_files import create, sync_folder
from sync.folders import make_folder
from sync.store import Database, DocumentError, StoreError
from sync.store.salvage import salvage as salvage_store

from . import carryover, rebuild, rollback
from .journal_salvage import SalvagedJournal, batches, salvage
from .report import Report

log = logging.getLogger(__name__)

WAITING: Final = "waiting"
"""Name of the folder for journals whose logs have ended but whose samples are not in documents yet."""
KEPT_ASIDE: Final = 3
"""Number of damaged files of each kind to keep for later examination."""


def repair_store(path: Path, salvaged: SalvagedJournal, report: Report, lost: "LostNumbers") -> int:
    """Replace a damaged store with a new one, and return the number of the log's samples that are lost.

    The new store is complete before it replaces the damaged one. A power cut at any instant leaves either the
    damaged store, which the next check finds, or only the complete new store under a temporary name
    (`adopt`).
    """
    fresh = _salvaged(path)
    _remove(fresh)
    try:
        saved = salvage_store(path, fresh, progress=report.progress)
        report.progress()
        report.done.append(f"{path}: {saved.documents} documents saved, {saved.lost} lost")
    except (StoreError, apsw.Error, OSError) as error:
        _remove(fresh)
        report.done.append(f"{path}: nothing could be saved ({error}); a new store begins")
    gone = refill(fresh, salvaged, report, lost, name=path)
    if fresh.exists():
        sync_folder(path.parent)
    if path.exists():
        aside = set_aside(path)
        report.done.append(f"{path}: set aside as {aside}")
    adopt(path)
    return gone


def _salvaged(path: Path) -> Path:
    return path.with_name(path.name + ".salvaged")


def adopt(path: Path) -> None:
    """Move a repaired store, if there is one, to the store's normal path, provided that the path is free."""
    fresh = _salvaged(path)
    if not fresh.exists() or path.exists():
        return
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)  # left from the damaged store after a power cut
    fresh.replace(path)
    _remove(fresh)


@dataclass(frozen=True, slots=True)
class LostNumbers:
    """Record of sequence numbers that the journal may have lost."""

    given: GivenNumbers | None = None
    """Contents of the number witness, which may refer to any log."""
    in_doubt: bool = False
    """True if the journal was out of date, in which case more numbers may have been assigned."""


def refill(store: Path, salvaged: SalvagedJournal, report: Report, lost: LostNumbers, *, name: Path) -> int:
    """Restore missing documents from copies and then from the journal.

    Explain lost samples with gap documents.

    `name` is the path to use for the store in messages. Return the number of samples that are lost.
    """
    _put_back(store, report, name=name)
    report.progress()
    identity = salvaged.identity
    samples = gone = 0
    with Database.open(store, policy=documents.POLICY) as database:
        if identity is not None:
            saved = rebuild.refill(
                database,
                identity=identity,
                registered={name: (path, unit) for _, name, _, path, unit in salvaged.sensors},
                batches=batches(salvaged),
                last=_last_numbers(salvaged, lost.given, report),
                utc=time.time(),
                progress=report.progress,
            )
            samples, gone = saved.samples, saved.lost
        if lost.given is not None:
            gone += rebuild.name_lost(
                database, lost.given, start=machine.boot_id(), utc=time.time(), in_doubt=lost.in_doubt
            )
        database.checkpoint()  # so that all data is in the file itself, which may be moved
    if identity is not None or gone:
        report.done.append(f"{name}: {samples} samples restored from the journal, {gone} lost (see gaps)")
    return gone


def _last_numbers(salvaged: SalvagedJournal, given: GivenNumbers | None, report: Report) -> dict[str, int]:
    """Return the last sample number known to have been assigned to each sensor of a salvaged journal."""
    last: dict[str, int] = {}
    for batch in batches(salvaged):
        report.progress()
        for sensor, number in {**batch.given, **batch.last_numbers()}.items():
            last[sensor] = max(number, last.get(sensor, 0))
    is_known = given is not None and given.log == salvaged.meta.get("log")
    for _, sensor, closed, _, _ in salvaged.sensors:
        # These rows may be damaged, but no real number is higher than the reserved number.
        most = max(given.reserved(sensor), last.get(sensor, 0)) if given is not None and is_known else closed
        last[sensor] = max(last.get(sensor, 0), min(closed, most))
    return last


def make_good(store: Path, salvaged: SalvagedJournal, report: Report, lost: LostNumbers) -> int:
    """Restore documents that are missing from an undamaged store, as `refill` does.

    The store is given a new identity (`uuid`), because other vessels remember higher sequence numbers from
    before the loss.
    """
    with Database.open(store, policy=documents.POLICY) as database:
        database.renew_identity()
    return refill(store, salvaged, report, lost, name=store)


def _put_back(store: Path, report: Report, *, name: Path) -> None:
    """Restore documents from copies.

    This must be done first, because otherwise documents rebuilt from the journal, and gap documents, could
    take their place.
    """
    folder = folder_in(name.parent)
    if not numbers(folder):
        return
    try:
        with Database.open(store, policy=documents.POLICY) as database:
            before = database.last_sequence
            restored = restore_missing(database, folder, progress=report.progress)
            copies = CopyWriter(folder)
            copies.rebase(database, before=before)
            copies.close()
            database.checkpoint()
    except (OSError, DocumentError) as error:
        report.done.append(f"{folder}: copies cannot be used: {error}")
        return
    report.done.append(f"{name}: {restored} documents restored from copies")


def replace_journal(
    path: Path,
    store: Path,
    salvaged: SalvagedJournal,
    report: Report,
    lost: LostNumbers,
    *,
    waits: bool = False,
    is_sound: bool = False,
) -> None:
    """Move a journal whose log must not continue out of use. The next start begins a new log.

    `waits` is True if the journal's samples are not in documents yet (`put_waiting_away`). `is_sound` is True
    if the journal is not damaged.
    """
    given = lost.given
    if waits:
        aside = waiting_place(path)
        if is_sound and path.exists():
            _empty_write_ahead_log(path)
        move_database(path, aside)
        is_kept = note_lost_numbers(aside, lost)
    else:
        aside, is_kept = set_aside(path), True
    report.done.append(
        f"{path}: {len(salvaged.batches)} batches saved ({salvaged.from_echoes} from copies alone); "
        f"set aside as {aside}; a new log begins"
    )
    kept: dict[str, str | int | float] = {
        key: value for key, value in salvaged.meta.items() if key in ("uuid", "logs", carryover.NOTES)
    }
    vessel = salvaged.meta.get("vessel") or (None if given is None else given.vessel)
    if vessel:
        # The next start also reads totals from documents, and reports which totals it carries over.
        counted = totals.highest([carryover.of_salvaged(salvaged), carryover.of_witness(given, vessel)])
        kept |= {totals.KEY: totals.encode(str(vessel), counted)} if counted else {}
    try:
        if not {"uuid", "logs"} <= kept.keys() and vessel:
            with Database.open(store, policy=documents.POLICY) as database:
                kept = {**rollback.known_of(database, str(vessel)), **kept}
        if kept:
            with Journal(path) as fresh:
                fresh.set_meta(kept)
        if is_kept:
            # This comes last: the facts in the witness are now in documents, or wait with the journal.
            number_witness.path_in(path.parent).unlink(missing_ok=True)
        sync_folder(path.parent)
    except (JournalError, StoreError) as error:
        report.done.append(f"{path}: {error}")


def _empty_write_ahead_log(journal: Path) -> None:
    """Checkpoint the write-ahead log into the journal, so that a power cut cannot separate them.

    If this fails, for example on a full card, the files are unchanged.
    """
    try:
        connection = connect(journal)
        try:
            connection.pragma("wal_checkpoint(TRUNCATE)")
        finally:
            connection.close(True)
    except (JournalError, apsw.Error) as error:
        log.warning("%s: the write-ahead log cannot be emptied: %s", journal, error)


def renew_witness(
    path: Path, report: Report, given: GivenNumbers, batch: int, last: Mapping[str, int]
) -> None:
    """Rewrite the file `given-numbers` with the numbers that the journal contains."""
    fresh = NumberWitness(path)
    fresh.begin(vessel=given.vessel, log=given.log, start=given.start, batch=batch, last=last)
    fresh.close()
    report.done.append(fresh.fault or f"{path}: written again")


def set_aside(path: Path, *, origin: Path | None = None) -> Path:
    """Move a damaged database and its write-ahead log out of use, and return the database's new path.

    Only the newest few damaged databases are kept. `origin` is the path at which the database was in use, if
    it has been moved since.
    """
    origin = path if origin is None else origin
    folder = origin.parent / "set-aside"
    make_folder(folder)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    target = folder / f"{origin.name}.{stamp}"
    number = 0
    while target.exists():
        number += 1
        target = folder / f"{origin.name}.{stamp}-{number}"
    move_database(path, target)
    kept = sorted(
        (old for old in folder.glob(f"{origin.name}.*") if not old.name.endswith(("-wal", "-shm"))),
        key=lambda old: old.stat().st_mtime,
    )
    for old in kept[:-KEPT_ASIDE]:
        _remove(old)
    return target


def waiting_place(journal: Path) -> Path:
    """Return the path at which to keep a journal until its samples can be written to documents.

    If a power cut left only the journal's write-ahead log at that path, the same path is returned.
    """
    folder = journal.parent / WAITING
    make_folder(folder)
    number = 1 + max((int(path.suffix[1:]) for path in _waiting(folder)), default=0)
    return folder / f"{journal.name}.{number}"


def reunite(journal: Path, report: Report) -> None:
    """Return a write-ahead log to its journal if a power cut separated them during a move to `WAITING`.

    Call this before anything opens the journal. A write-ahead log that belongs to a different journal is set
    aside. Raise OSError if that fails.
    """
    for log_alone in sorted((journal.parent / WAITING).glob(f"{journal.name}.*-wal")):
        place = log_alone.with_name(log_alone.name.removesuffix("-wal"))
        if place.exists():
            continue
        Path(f"{place}-shm").unlink(missing_ok=True)
        own = Path(f"{journal}-wal")
        is_free = journal.exists() and not (own.exists() and own.stat().st_size)
        if not log_alone.stat().st_size:
            log_alone.unlink()
        elif is_free and _may_be_of(log_alone, journal):
            log_alone.replace(own)
            report.done.append(f"{log_alone}: moved back to {journal}")
        else:
            aside = set_aside(place, origin=journal)
            report.done.append(f"{log_alone}: belongs to no existing journal; set aside as {aside}-wal")
        sync_folder(log_alone.parent)
        sync_folder(journal.parent)


def _may_be_of(write_ahead_log: Path, journal: Path) -> bool:
    """Return False if a write-ahead log cannot belong to a journal, because the two name different logs."""
    facts = salvage(journal).meta
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "journal"
        alone.touch()
        Path(f"{alone}-wal").symlink_to(write_ahead_log.absolute())
        name = salvage(alone).meta.get("log")
    return not facts or name is None or name == facts.get("log")  # the journal may never have been filled


def _waiting(folder: Path) -> set[Path]:
    """Return the paths of journals that wait until their samples can be written to documents.

    If a journal was lost, only the note beside its path exists (`note_lost_numbers`).
    """
    words = {path.with_suffix("") for path in folder.glob("*.lost")}
    return words | {path for path in folder.glob("*") if path.suffix[1:].isdecimal()}


def note_lost_numbers(waiting: Path, lost: LostNumbers) -> bool:
    """Record which numbers a waiting journal has lost, as far as known. Return False if that fails.

    Call this only after the journal was moved: if only the note exists, all of the journal's numbers count as
    lost.
    """
    if lost.given is None:
        return True
    try:
        create(Path(f"{waiting}.lost"), msgspec.json.encode(lost))
    except OSError as error:  # the card is full: recording continues anyway
        log.error("%s.lost cannot be written: %s", waiting, error.strerror)
        return False
    return True


def put_waiting_away(store: Path, report: Report) -> None:
    """Write the samples of journals in the folder `WAITING` to documents.

    A journal stays there if this fails.

    Raise OSError if files cannot be moved.
    """
    for path in sorted(_waiting(store.parent / WAITING), key=lambda path: int(path.suffix[1:])):
        report.progress()
        lost = _word(path)
        try:
            salvaged = salvage(path, progress=report.progress) if path.exists() else SalvagedJournal()
            refill(store, salvaged, report, lost, name=store)
        except StoreError as error:
            report.done.append(f"{path}: not yet written to documents: {error}")
            return
        Path(f"{path}.lost").unlink(missing_ok=True)
        # the journal is not empty, but no batch in it can be read
        if path.exists() and not salvaged.batches and (salvaged.sensors or not salvaged.meta):
            aside = set_aside(path, origin=store.parent / path.stem)
            report.done.append(f"{path}: no batch in it can be read; set aside as {aside}")
            continue
        _remove(path)
        report.done.append(f"{path}: written to documents")


def _word(waiting: Path) -> LostNumbers:
    try:
        return msgspec.json.decode(Path(f"{waiting}.lost").read_bytes(), type=LostNumbers)
    except (OSError, msgspec.DecodeError):
        return LostNumbers()


def delete_set_aside(data: Path) -> None:
    """Delete damaged files kept for examination.

    When the card is full, they are deleted before any history.
    """
    for old in (data / "set-aside").glob("*"):
        log.warning("removed %s to free space", old)
        old.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
