"""The recorder's thread that owns the document store.

The thread runs the documenter, and maintains the documents about the boot and the vessel. It also copies
finished documents (`services.mirror.scheduler`), and frees space when the budget is used up. It checkpoints
the store's write-ahead log if no other process does. If the store fails, the journal continues, and failed
writes are retried.
"""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sensors.clock import Clock
from sensors.service_settings import ServiceSettings
from sensors.settings import SensorSettings
from services.clocks.clock_quality import Anchor
from services.config.loader import Configuration
from services.documents import boot_signing, builders, retention
from services.documents.documenter import Documenter
from services.history.timeline import believed
from services.journal.batch import Batch, Identity
from services.journal.journal import Journal, JournalReader
from services.journal.schema import JournalDamagedError, JournalError
from services.mirror.scheduler import MirrorScheduler
from services.mirror.segment_file import FileAccess
from services.recovery import store_repair
from services.system import machine
from sync import documents
from sync.folders import opener
from sync.store import DamagedError, Database, FullError, StoreError, wal

from .disk_budget import DiskBudget, disk_budget_of
from .ended_alarms import EndedAlarms

log = logging.getLogger(__name__)

RETENTION_MS: Final = 60_000
COLLECT_MS: Final = 600_000
"""Interval between removals of unreferenced blobs in milliseconds, as long as the card has enough space.

A new blob may arrive long before the document that refers to it.
"""
COUNT_S: Final = 1.0
"""Maximum time per minute to spend on counting documents that an older version wrote, in seconds."""
RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Storage:
    """Total, free and used space on the card, in bytes."""

    free: int
    total: int
    budget: int
    used: int


def reserve(data: Path) -> Path:
    """Return the path of the reserve, the file that is deleted when the card is full."""
    return data / "reserve"


def make_room_to_start(data: Path) -> None:
    """Delete the reserve if the card is so full that the stores might not open.

    The writer thread frees more space once the stores are open. Raise OSError if the card cannot be read or
    written.
    """
    usage = shutil.disk_usage(data)
    if usage.free < disk_budget_of(usage.total).reserve:
        reserve(data).unlink(missing_ok=True)


class WriterThread:
    """Thread that owns the recorder's connection to the document store and does all work on the store."""

    def __init__(
        self,
        *,
        identity: Identity,
        sensors: Sequence[SensorSettings],
        services: Sequence[ServiceSettings] = (),
        configuration: Configuration,
        journal: Journal,
        previous: Batch | None,
        data: Path,
        announce: Path,
        room: DiskBudget,
        clock: Clock,
        vfs: str | None = None,
        measured_before: Mapping[str, tuple[str, str]] | None = None,
        own: boot_signing.OwnIdentity = boot_signing.NONE,
        files: FileAccess | None = None,
    ) -> None:
        """Prepare the thread without starting it.

        `own` is the vessel's identity in its fleet, which signs documents. `files` provides access to the
        files of the copies. The other arguments are the same as the recorder's.
        """
        self.damaged: str | None = None
        """Description of damage that was found and has ended the thread; None if there is none."""
        self.fault: str | None = None
        """Reason why documents cannot be written now; None if they can."""
        self.storage: Storage | None = None
        self._identity = identity
        self._sensors = tuple(sensors)
        self._services = tuple(services)
        self._configuration = configuration
        self._journal = journal
        self._registered = {name: (record.path, record.unit) for name, record in journal.sensors.items()}
        self._measured_before = dict(measured_before or {})
        self._vessel_facts = (str(journal.get_meta("uuid")), str(journal.get_meta("logs")).split())
        self._previous = previous
        self._own = own
        self._data, self._announce, self._room, self._clock, self._vfs = data, announce, room, clock, vfs
        self._anchors: tuple[Anchor, ...] = ()
        self._anchors_written: tuple[Anchor, ...] = ()
        self._database: Database | None = None
        self._reader: JournalReader | None = None
        self._documenter: Documenter | None = None
        self._boot_before: dict[str, Any] | None = None
        self._retained_ms: int | None = None
        self._shortage = retention.Shortage()
        self._ended = EndedAlarms(identity)
        self._house_fault = ""
        """The last error from removing history, stored so that it is logged only once."""
        self._laid_out = False
        self._collected_ms = 0
        self._copies = MirrorScheduler(
            data, vessel=identity.vessel, journal=journal, budget=self._budget(), files=files
        )
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._finish = False
        self._thread = threading.Thread(target=self._work, name="library", daemon=True)

    def start(self) -> None:
        """Start the thread that writes documents."""
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread, after new data was written to the journal."""
        self._wake.set()

    def set_anchors(self, anchors: Iterable[Anchor]) -> None:
        """Set the known anchors: pairs of a boot clock time and the corresponding UTC time."""
        self._anchors = tuple(anchors)

    def stop(self, *, finish: bool) -> None:
        """Stop the thread.

        If `finish` is True, first close the open window of every sensor, so that documents contain all
        samples.
        """
        self._finish = finish
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    @property
    def copies_fault(self) -> str | None:
        """Reason why documents cannot be copied now; None if they can."""
        return self._copies.fault

    @property
    def open_samples(self) -> int:
        """Number of samples in windows that have not ended, so that no document contains them yet."""
        documenter = self._documenter  # the writer thread may close the documenter at any time
        return 0 if documenter is None else documenter.open_samples

    @property
    def waiting(self) -> int:
        """Number of batches whose samples are not all in documents yet."""
        return self._journal.waiting

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait(1.0)
                self._wake.clear()
                if not self._attempt(finish=False):
                    if self.damaged is not None:
                        return
                    self._stopping.wait(RETRY_S)
            if self._finish:
                self._attempt(finish=True)
        finally:
            self._close()

    def _attempt(self, *, finish: bool) -> bool:
        """Do the work that is due. Return False if that fails; the reason is then in `damaged` or `fault`."""
        try:
            self._journal.witness.work()
            documenter = self._opened()
            self._maintain()
            self._tell_boot(documenter)
            if finish:
                documenter.finish(self._now_ms())
            else:
                while documenter.step(self._now_ms()) and not self._stopping.is_set():
                    pass
                if documenter.open_samples:  # the first documents of this run must not wait
                    self._lay_out_logs()
            assert self._database is not None
            self._copies.work(
                self._database, documented=documenter.documented, now_ms=self._now_ms(), finish=finish
            )
        except (DamagedError, JournalDamagedError) as error:
            self.damaged = str(error)
            return False
        except (StoreError, JournalError, OSError) as error:
            self._report(str(error))
            if not isinstance(error, FullError):
                self._close()
            # If this fails, the next attempt fails too, and reports the error.
            with contextlib.suppress(StoreError, OSError):
                self._use_reserve()
            return False
        except Exception as error:
            # No error may end this thread unnoticed: recording would continue without any documents.
            if self.fault is None:
                log.exception("documents cannot be written; samples wait in the journal")
            self.fault = f"{type(error).__name__}: {error}"
            self._close()
            return False
        if self.fault is not None:
            log.warning("documents can be written again")
        self.fault = None
        return True

    def _report(self, words: str) -> None:
        if words != self.fault:
            log.error("documents cannot be written; samples wait in the journal: %s", words)
        self.fault = words

    def _now_ms(self) -> int:
        return self._clock.boottime_ns() // 1_000_000

    def _opened(self) -> Documenter:
        """Return the documenter, after opening the stores if necessary."""
        if self._database is None:
            self._database = Database.open(
                self._data / "log.db",
                policy=documents.POLICY,
                announce=self._announce,
                checkpoint_pages=self._room.store_pages,
                vfs=self._vfs,
            )
        if self._reader is None:
            self._reader = JournalReader(self._journal.path, vfs=self._vfs)
        if self._documenter is None:
            self._documenter = Documenter(
                identity=self._identity,
                sensors=self._sensors,
                registered=self._registered,
                measured_before=self._measured_before,
                reader=self._reader,
                database=self._database,
                release=self._journal.release,
                sign=self._own.sign,
                # The current alarms: the journal may have dropped the batches that raised or cleared them.
                severities={
                    name: episode.severity
                    for name, record in self._journal.sensors.items()
                    if (episode := record.episode) is not None and episode.cleared_ms is None
                },
            )
            signed = boot_signing.sign_earlier(self._database, self._identity.vessel, self._own)
            if signed:
                log.info("signed %d boot documents that were not yet signed for this fleet", signed)
            uuid, logs = self._vessel_facts
            vessel = self._configuration.vessel
            self._documenter.set_vessel(
                builders.vessel(
                    vessel.id,
                    name=vessel.name,
                    mmsi=vessel.mmsi,
                    uuid=uuid,
                    version=machine.logboat_version(),
                    logs=logs,
                    sensors=self._sensors,
                    services=self._services,
                )
            )
            boot_id = documents.boot_id(self._identity.vessel, self._identity.log, self._identity.boot)
            boot = self._database.get(boot_id)
            self._boot_before = None if boot is None else boot.body
            self._anchors_written = ()
        return self._documenter

    def _tell_boot(self, documenter: Documenter) -> None:
        anchors = self._anchors
        if anchors == self._anchors_written:
            return
        body = builders.boot(
            self._identity,
            boot_id=machine.boot_id(),
            previous=self._end_of_previous_boot(),
            anchors=anchors,
            version=machine.logboat_version(),
        )
        before = self._boot_before
        if before is not None:
            # The recorder was restarted within one boot, or the store was reopened: keep the known anchors.
            earlier_anchors = before.get("anchors")
            known = earlier_anchors if isinstance(earlier_anchors, list) else []
            body["anchors"] = [*known, *(anchor for anchor in body["anchors"] if anchor not in known)]
            body["previousEnd"] = before.get("previousEnd")
        documenter.set_boot(body)
        self._anchors_written = anchors

    def _end_of_previous_boot(self) -> Batch | None:
        """Return the last batch of the previous boot, even if the recorder was restarted within this boot."""
        previous, boot = self._previous, self._identity.boot
        if previous is None or previous.boot < boot or self._boot_before is not None:
            return previous
        assert self._reader is not None
        return self._reader.last_of_earlier_boot(boot)

    def _maintain(self) -> None:
        """Do periodic maintenance. Unexpected errors are only logged, so that documents are still written."""
        try:
            self._apply_retention()
        except (StoreError, JournalError, OSError):
            raise
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            if words != self._house_fault:
                log.exception("cannot remove old history; documents are still written")
            self._house_fault = words

    def _clear_ended_alarms(self, database: Database, now_ms: int) -> None:
        is_synced = bool(believed(self._anchors))
        utc = self._clock.utc_ns() / 1e9
        if self._ended.clear(database, clock_s=now_ms / 1000, utc=utc, is_synced=is_synced):
            log.info("active alarms of earlier logs are cleared")

    def _apply_retention(self) -> None:
        """Remove the oldest history if necessary: once a minute, or at once if the card is short of space."""
        assert self._database is not None
        now = self._now_ms()
        free = shutil.disk_usage(self._data).free
        is_short = free < self._room.spare
        if not is_short and self._retained_ms is not None and now - self._retained_ms < RETENTION_MS:
            if self.storage is not None:
                self.storage = replace(self.storage, free=free)  # other programs also use and free space
            return
        self._retained_ms = now
        if self._documenter is not None:
            in_progress = [
                (name, record.episode)
                for name, record in list(self._journal.sensors.items())
                if record.episode is not None and record.episode.cleared_ms is None
            ]
            self._documenter.reassert(in_progress)
            self._clear_ended_alarms(self._database, now)
        budget = self._budget()
        if is_short:
            store_repair.delete_set_aside(self._data)
        if self._excess(budget) <= 0:
            self._shortage.note(now, is_enough=True)
        else:
            slack = int(budget * retention.SLACK)
            removed = retention.make_room(
                self._database,
                vessel=self._identity.vessel,
                excess=lambda: self._excess(budget, slack),
                utc=self._clock.utc_ns() / 1e9,
                log=self._identity.log,
                beside=self._copies.bytes_on_disk,
                own_alarms=self._shortage.is_lasting(now),
            )
            self._shortage.note(now, is_enough=removed.is_enough)
            self._copies.follow_removal(self._database, removed, now_ms=now)
            if removed.readings or removed.alarms or removed.brought:
                log.warning(
                    "freed space: removed %d readings, %d alarms; %d of these documents came from other "
                    "vessels or the crew",
                    removed.readings,
                    removed.alarms,
                    removed.brought,
                )
        self._tidy(now, is_short=is_short)
        if is_short:
            # Pages that are free within the store are useful only to the store, not to the journal.
            self._database.shrink(self._room.spare - free)
        self._take_reserve()
        usage = shutil.disk_usage(self._data)
        self.storage = Storage(
            free=usage.free,
            total=usage.total,
            budget=budget,
            used=self._database.usage().used + self._copies.bytes_on_disk(),
        )

    def _tidy(self, now: int, *, is_short: bool) -> None:
        """Remove unreferenced blobs, and count documents written by an older version."""
        assert self._database is not None
        blobs = self._database.blobs
        if blobs.unused_bytes() and (is_short or now - self._collected_ms >= COLLECT_MS):
            self._collected_ms = now
            blobs.collect()
        until = time.monotonic() + COUNT_S
        while self._database.sizes.count_earlier() and time.monotonic() < until:
            pass

    def _budget(self) -> int:
        return self._configuration.retention.budget.in_bytes(self._data)

    def _lay_out_logs(self) -> None:
        if not self._laid_out and shutil.disk_usage(self._data).free > self._room.spare:
            self._laid_out = True
            wal.lay_out(self._journal.path, self._room.journal_pages)
            wal.lay_out(self._data / "log.db", self._room.store_laid_out)

    def _excess(self, budget: int, slack: int = 0) -> int:
        """Return the number of bytes of history to remove.

        This is the excess over the budget or the shortfall of free space, whichever is larger.
        """
        assert self._database is not None
        usage = self._database.usage()
        blobs = usage.blobs - self._database.blobs.unused_bytes()  # unused blobs are removed soon
        over = usage.used + blobs + self._copies.bytes_on_disk() - budget
        short = self._room.spare - shutil.disk_usage(self._data).free - usage.free
        return max(over, short) + slack

    def _take_reserve(self) -> None:
        wanted, file = self._room.reserve, reserve(self._data)
        if shutil.disk_usage(self._data).free > self._room.spare + wanted and not file.exists():
            try:
                with open(file, "xb", opener=opener()) as opened:
                    # Allocate without writing, to avoid wear on the card.
                    os.posix_fallocate(opened.fileno(), 0, wanted)
            except OSError:
                file.unlink(missing_ok=True)
                raise

    def _use_reserve(self) -> None:
        """If the card is full, delete the reserve and checkpoint the write-ahead log into the freed space.

        SQLite can then overwrite the log from its beginning.
        """
        if shutil.disk_usage(self._data).free > self._room.reserve:
            return
        reserve(self._data).unlink(missing_ok=True)
        if self._database is not None:
            self._database.checkpoint()

    def _close(self) -> None:
        self._copies.close()
        if self._reader is not None:
            self._reader.close()
        if self._database is not None:
            self._database.close()
        self._reader = self._database = self._documenter = None
