"""The check of the stores before anything opens them: `logboat store check`, and each start of the recorder.

What is broken is set aside, what can be read of it is saved, recording goes on:

- the document store: its sound rows go into a new file; what it has lost comes back from the copies
  (`putback`); samples that are still in the journal's ring are documented again; the rest, if there is any,
  becomes `gap` documents.
- the journal: its samples, from rows or their copies, become documents; a new log begins, since nobody can
  know for sure which numbers had been given.
- a write-ahead log that breaks off before its end: see `unseen`.
- copies: what is damaged of them is copied anew from the document store, which loses nothing by it.

The journal is small and always checked whole. The document store is checked whole if it is small, or if
somebody found damage (the mark); else only what SQLite reads at opening, and its newest rows. Copies are
checked when it is checked whole.
"""

import contextlib
import fcntl
import logging
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from sensors.plaintext import json_text
from sync import documents
from sync.folders import make_folder, opening
from sync.store import DamagedError, Database, StoreError
from sync.store.salvage import salvage as salvage_store
from sync.store.schema import sync_directory
from sync.store.wal import Unseen

from . import rescue, unseen
from .copies import Copies, contents, folder_in, numbers, segment
from .journal import Journal
from .journalfile import (
    JournalDamagedError,
    JournalError,
    connect,
    read_batches,
    seed,
    translating,
    unechoed,
)
from .logs.setup import running
from .putback import put_back
from .salvage import Salvaged, batches, salvage
from .schemas import format_of
from .systemd import Notifier

log = logging.getLogger(__name__)

DEEP_BELOW: Final = 64_000_000
"""Bytes of document store that are checked whole at each start: some seconds on a Pi Zero 2."""
PATIENCE_S: Final = 10.0
"""Daemons look for word of damage once a second, and then end within a second or two."""
_LOOK_EVERY_S: Final = 0.1
MOST_NAMED: Final = 10
LACKING: Final = "documents that it had are not there"
GONE: Final = "is not there, though there are copies of its documents"
KEPT_ASIDE: Final = 3
"""Broken files of each kind that are kept for whoever looks into it."""


@dataclass(slots=True)
class Report:
    """What a check found and did."""

    findings: list[str] = field(default_factory=list)
    """What is broken, in words; empty when all is well."""
    done: list[str] = field(default_factory=list)
    """What was repaired, in words."""
    unchecked: list[str] = field(default_factory=list)
    """What could not be looked at just now, and why."""
    copies: list[str] = field(default_factory=list)
    """What there is of copies, and what is damaged of them, in words; nothing is lost by that."""
    copies_damaged: bool = False
    """Whether some are, and were not copied anew."""
    repaired: bool = False
    in_use: bool = False
    """A daemon has the stores open: nothing was repaired."""
    progress: Callable[[], None] = lambda: None
    """Called after each step."""

    def as_dict(self) -> dict[str, Any]:
        """Return what is to be told, for programs."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "progress"}


def is_marked(data: Path) -> bool:
    """Whether somebody has found something broken, and it was not checked since: who has the stores open must
    end, or nobody can repair them."""
    return (data / "damaged").exists()


def mark_damaged(data: Path, reason: str) -> None:
    """Leave word for the next start that something is broken. A card that cannot be written keeps no word."""
    try:
        with open(data / "damaged", "w", opener=opening()) as file:
            file.write(reason + "\n")
    except OSError as error:
        log.error("%s cannot be written: %s", data / "damaged", error.strerror)


@contextlib.contextmanager
def using(data: Path, *, progress: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep everybody from repairing the stores while a daemon has them open.

    Waits for a check that is under way, and calls `progress` meanwhile. Raises OSError.
    """
    handle = _lock_file(data)
    try:
        has_told = False
        while not _try_lock(handle, fcntl.LOCK_SH):
            if not has_told:
                log.info("%s: the stores are being checked by another process; waiting for that", data)
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
    """Check, and repair what is broken. Raises OSError when the folder cannot be used at all.

    `patience`: seconds to wait for other daemons to end, if something was found broken. `progress` is called
    after each step.
    """
    report = Report(progress=progress)
    handle = _lock_file(data)
    try:
        if not _locked(handle, patience=patience if is_marked(data) else 0.0):
            report.in_use = True
            return report
        _check(data, report, repair=repair)
    finally:
        os.close(handle)
    return report


def _check(data: Path, report: Report, *, repair: bool) -> None:
    mark = data / "damaged"
    journal, store = data / "samples.db", data / "log.db"
    if repair:
        _adopt(store)
    cut_off = _unseen(store)
    report.progress()
    broken_store = _broken_log(store, cut_off) or _store_findings(store, report, deep=mark.exists())
    report.progress()
    broken_journal = _journal_findings(journal, report, repair=repair)
    report.progress()
    report.findings += broken_store + broken_journal
    if cut_off is Unseen.ONE_COMMIT and not report.findings and not report.unchecked:
        report.findings += [f"{store}: {LACKING}"] if unseen.is_behind(store, journal) else []
    if not report.findings:
        if not report.unchecked:
            if mark.exists() or _size(store) < DEEP_BELOW:
                _check_copies(store, report, repair=repair)
            mark.unlink(missing_ok=True)
        return
    for finding in report.findings:
        log.error("%s", finding)
    if not repair:
        return
    found = salvage(journal) if journal.exists() else Salvaged()
    report.progress()
    if broken_store:
        _repair_store(store, found, report)
    else:
        _refill(store, found, report, name=store)
    report.progress()
    if broken_journal:
        _replace_journal(journal, found, report)
    _check_copies(store, report, repair=True)
    report.repaired = True
    with open(data / "last-repair.json", "wb", opener=opening()) as file:
        file.write(msgspec.json.encode({"version": 1, "utc": time.time(), **report.as_dict()}))
    mark.unlink(missing_ok=True)
    sync_directory(data)
    for line in report.done:
        log.warning("%s", line)


def _unseen(store: Path) -> Unseen:
    try:
        return unseen.look(store)
    except JournalError:
        return Unseen.NOTHING  # whoever opens it next says what is wrong


def _broken_log(path: Path, found: Unseen) -> list[str]:
    return [f"{path}: {unseen.BROKEN}"] if found is Unseen.COMMITS else []


def _journal_findings(path: Path, report: Report, *, repair: bool) -> list[str]:
    if not path.exists():
        return []
    try:
        cut_off = unseen.look(path)
        if cut_off is Unseen.ONE_COMMIT and repair:
            taken = unseen.take_in(path)
            if taken is not None:
                report.done.append(taken)
                log.warning("%s", taken)
        connection = connect(path)
    except JournalDamagedError as error:
        return [str(error)]
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with translating(path):
            faults = _journal_faults(connection)
    except JournalDamagedError as error:
        return [str(error)]
    finally:
        connection.close(True)
    return _broken_log(path, cut_off) + [f"{path}: {fault}" for fault in faults]


def _journal_faults(connection: apsw.Connection) -> list[str]:
    said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    if said != ["ok"]:
        return said
    if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        return []  # power was cut before there was anything in it
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'log'").fetchone()
        for _ in read_batches(connection, {}, after=0, seed=seed(None if found is None else found[0])):
            pass
        return [f"batch {number} has no sound copy" for number in unechoed(connection)[:MOST_NAMED]]
    except (JournalDamagedError, apsw.SQLError) as error:  # the latter: a table or column is not there
        return [str(error)]


def _store_findings(path: Path, report: Report, *, deep: bool) -> list[str]:
    if not path.exists():
        return [f"{path}: {GONE}"] if numbers(folder_in(path.parent)) else []
    try:
        with Database.open(path, single_writer=documents.is_single_writer) as database:
            return database.check(deep=deep or _size(path) < DEEP_BELOW)
    except DamagedError as error:
        return [str(error)]
    except StoreError as error:
        # Locked, full, newer: nothing that a repair would better, and nothing that recording waits for.
        report.unchecked.append(f"{path} could not be checked: {error}")
        log.error("%s", report.unchecked[-1])
        return []


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_copies(store: Path, report: Report, *, repair: bool) -> None:
    """Read them whole; what is damaged is copied anew."""
    folder = folder_in(store.parent)
    there = size = 0
    try:
        damaged = []
        for number, content in contents(folder):
            report.progress()
            there, size = there + 1, size + segment(folder, number).stat().st_size
            if content.damaged:
                damaged.append((number, len(content.damaged)))
        for number, places in damaged:
            report.copies.append(f"{folder}: segment {number} is damaged in {places} places")
        if damaged and repair:
            with Database.open(store, single_writer=documents.is_single_writer) as database:
                copies = Copies(folder)
                for number, _ in damaged:
                    report.progress()
                    # The newest may just as well have been cut short: then it is whole by now.
                    if number in numbers(folder)[:-1] or number in copies.damaged:
                        retired = copies.retire(number, database)
                        healed = 0 if retired is None else retired.healed
                        report.copies.append(f"{folder}: {healed} documents of segment {number} copied anew")
                copies.close()
        report.copies_damaged = bool(damaged) and not repair
    except (StoreError, OSError) as error:
        report.copies.append(f"{folder}: {error}")
    for line in report.copies:
        log.warning("%s", line)
    if there and not report.copies:
        report.copies.append(f"{folder}: {there} segments of copies, {size / 1e6:.1f} MB, are sound")


def _repair_store(path: Path, found: Salvaged, report: Report) -> None:
    """The new store is complete before it takes the place of the broken one: a cut at any instant leaves a
    store that is found broken again, or none and the complete one beside it (`_adopt`)."""
    fresh = _salvaged(path)
    _remove(fresh)
    try:
        saved = salvage_store(path, fresh)
        report.progress()
        report.done.append(f"{path}: {saved.documents} documents saved, {saved.lost} lost")
    except (StoreError, apsw.Error, OSError) as error:
        _remove(fresh)
        report.done.append(f"{path}: nothing could be saved ({error}); a new store begins")
    _refill(fresh, found, report, name=path)
    if fresh.exists():
        sync_directory(path.parent)
    if path.exists():
        aside = _set_aside(path)
        report.done.append(f"{path}: set aside as {aside}")
    _adopt(path)


def _salvaged(path: Path) -> Path:
    return path.with_name(path.name + ".salvaged")


def _adopt(path: Path) -> None:
    """Put the repaired store in its place, if there is one and the place is free."""
    fresh = _salvaged(path)
    if not fresh.exists() or path.exists():
        return
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)  # of the broken one: its last pages, if power went
    fresh.replace(path)
    _remove(fresh)


def _refill(store: Path, found: Salvaged, report: Report, *, name: Path) -> None:
    """`name` is the store's name in words."""
    _put_back(store, report, name=name)
    report.progress()
    identity = found.identity
    if identity is None:
        return
    last = {name: closed for _, name, closed, _, _ in found.sensors}
    for batch in batches(found):
        report.progress()
        for sensor, number in {**batch.given, **batch.last_numbers()}.items():
            last[sensor] = max(number, last.get(sensor, 0))
    with Database.open(store, single_writer=documents.is_single_writer) as database:
        saved = rescue.refill(
            database,
            identity=identity,
            registered={name: (path, unit) for _, name, _, path, unit in found.sensors},
            batches=batches(found),
            last=last,
            utc=time.time(),
        )
        database.checkpoint()  # all of it is in the file itself, which may be moved
    report.done.append(
        f"{name}: {saved.samples} samples documented again from the journal, {saved.lost} lost (see gaps)"
    )


def _put_back(store: Path, report: Report, *, name: Path) -> None:
    """First of all, so that neither the journal nor gap documents stand in for what there is."""
    folder = folder_in(name.parent)
    if not numbers(folder):
        return
    try:
        with Database.open(store, single_writer=documents.is_single_writer) as database:
            before = database.last_sequence
            found = put_back(database, folder)
            copies = Copies(folder)
            copies.rebase(database, before=before)
            copies.close()
            database.checkpoint()
    except OSError as error:
        report.done.append(f"{folder}: copies cannot be used: {error}")
        return
    report.done.append(f"{name}: {found} documents put back from copies")


def _replace_journal(path: Path, found: Salvaged, report: Report) -> None:
    aside = _set_aside(path)
    report.done.append(
        f"{path}: {len(found.batches)} batches saved ({found.from_echoes} from copies alone); "
        f"set aside as {aside}; a new log begins"
    )
    kept = {key: value for key, value in found.meta.items() if key in ("uuid", "logs")}
    if not kept:
        return
    try:
        with Journal(path) as fresh:
            fresh.set_meta(kept)
    except JournalError as error:
        report.done.append(f"{path}: {error}")


def _set_aside(path: Path) -> Path:
    """Move a broken database out of the way, whole; only the newest few are kept."""
    folder = path.parent / "set-aside"
    make_folder(folder)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    target = folder / f"{path.name}.{stamp}"
    number = 0
    while target.exists():
        number += 1
        target = folder / f"{path.name}.{stamp}-{number}"
    for suffix in ("", "-wal", "-shm"):
        source = Path(f"{path}{suffix}")
        if source.exists():
            source.replace(f"{target}{suffix}")
    kept = sorted(
        (old for old in folder.glob(f"{path.name}.*") if not old.name.endswith(("-wal", "-shm"))),
        key=lambda old: old.stat().st_mtime,
    )
    for old in kept[:-KEPT_ASIDE]:
        _remove(old)
    return target


def give_up_set_aside(data: Path) -> None:
    """On a card without room: broken files that were kept for somebody to look at go before any history."""
    for old in (data / "set-aside").glob("*"):
        log.warning("%s removed to make room", old)
        old.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _locked(handle: int, *, patience: float) -> bool:
    """Whether nobody else has the stores open, or not any more before patience ends."""
    deadline = time.monotonic() + patience
    while not _try_lock(handle, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _try_lock(handle: int, kind: int) -> bool:
    """Take a lock; return False if another process has one that excludes it."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_file(data: Path) -> int:
    return os.open(data / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)


def run(args: Namespace) -> int:
    """`logboat store check [--repair]`: 0 sound or repaired, 1 broken and not repaired.

    Asked to repair while a daemon has the stores open, and nobody has found damage, there is nothing to do:
    so it is at the start of the second of two daemons, and no failure.
    """
    if not args.data.is_dir():
        print(f"logboat store check: {args.data}: there is no such folder", file=sys.stderr)
        return 1
    # Only who repairs works for the appliance; a person who looks is told on the screen.
    with running("store", args.data if args.repair else None):
        return _run(args)


def _run(args: Namespace) -> int:
    report = prepare(args.data, repair=args.repair, progress=Notifier().progress)
    if args.json:
        print(json_text(msgspec.json.encode({"format": format_of("store-check"), **report.as_dict()})))
    elif report.in_use:
        print("the stores are in use: nothing was checked; stop logboat-recorder and logboat-sync first")
    elif not report.findings and not report.unchecked:
        print("the stores are sound")
    else:
        for line in report.unchecked + report.findings + report.done:
            print(line)
    if not args.json:
        for line in report.copies:
            print(line)
    in_the_way = report.in_use and not (args.repair and not is_marked(args.data))
    left = in_the_way or report.unchecked or (report.findings and not report.repaired)
    return 1 if left or report.copies_damaged else 0
