"""The active alarms of all vessels in the document store, and their silences.

They are followed by the store's sequence numbers, so only documents that have changed are read. The store is
never written. While it cannot be read, the alarms that were last read remain known.
"""

import contextlib
import logging
from pathlib import Path
from typing import Final

from services.alarms.audible import AlarmFact
from services.documents import models
from services.documents.models import AlarmDocument, ShapeError
from services.history.silences import alarm_fact
from sync.documents import POLICY, DocumentType, silence_id, silenced_alarm
from sync.fleet.silences import Silence, silence_in
from sync.store import ChangeWatcher, Database, Document, StoreError

log = logging.getLogger(__name__)

RETRY_EVERY_S: Final = 5.0
PURGED_EVERY_S: Final = 60.0
"""Time, in seconds, between two checks of whether the active alarms are still stored.

When documents are removed to free space, the store's changes feed does not report this.
"""
_ALARM: Final = f"{DocumentType.ALARM}:"
_SILENCE: Final = f"{DocumentType.SILENCE}:"
_PAGE: Final = 500


class AlarmFeed:
    """Reader of the active alarms in the store at a path."""

    def __init__(self, path: Path, run: Path) -> None:
        """Set the store's path and the run directory. Call `open` before use."""
        self._path, self._run = path, run
        self._database: Database | None = None
        self._watcher: ChangeWatcher | None = None
        self._inode = 0
        self._since = 0
        self._active: dict[str, AlarmFact] = {}
        self._silences: dict[str, Silence] = {}
        """Last silence of each active alarm, by the alarm's id. It may have ended."""
        self._again_at = 0.0
        self._checked_at = 0.0
        self._fault: str | None = None

    def fileno(self) -> int | None:
        """Return a descriptor that is readable after a change of the store; None if it is not open."""
        return None if self._watcher is None else self._watcher.fileno()

    def follow(self, now: float, *, look: bool) -> bool:
        """Read the alarms that have changed. Return False if the store cannot be read.

        `now` is the time of a monotonic clock, in seconds. With `look`, changes by processes that send no
        hints are detected too.
        """
        if self._database is None and now >= self._again_at:
            self._open(now)
        if self._database is None or self._watcher is None:
            return False
        try:
            if look and self._path.stat().st_ino != self._inode:
                raise StoreError(f"{self._path} was replaced")
            was_notified = self._watcher.drain()
            if was_notified or (look and self._watcher.ask()):
                self._read(self._database)
            if look and now - self._checked_at >= PURGED_EVERY_S:
                self._checked_at = now
                self._forget_purged(self._database)
        except (StoreError, OSError) as error:
            self._report(str(error))
            self.close()
            self._again_at = now
            return False
        return True

    def alarms(self) -> tuple[AlarmFact, ...]:
        """Return the active alarms that `follow` has found."""
        return tuple(self._active.values())

    def silences(self) -> tuple[Silence, ...]:
        """Return the last silence of each active alarm that `follow` has found, even if it has ended."""
        return tuple(self._silences.values())

    def close(self) -> None:
        """Close the store and stop watching it."""
        with contextlib.suppress(StoreError, OSError):
            if self._watcher is not None:
                self._watcher.close()
            if self._database is not None:
                self._database.close()
        self._watcher = self._database = None

    def _open(self, now: float) -> None:
        self._again_at = now + RETRY_EVERY_S
        before = self._active, self._silences
        try:
            self._inode = self._path.stat().st_ino
            # checkpoint_pages=0: only the sync daemon moves the write-ahead log into the file
            self._database = Database.open(
                self._path, policy=POLICY, announce=self._run / "watchers", checkpoint_pages=0, create=False
            )
            self._watcher = self._database.watch()
            self._active, self._silences, self._since = {}, {}, self._database.last_sequence
            for document in self._database.documents(_ALARM):
                self._note_alarm(self._database, document.id, document)
            self._read(self._database)
        except FileNotFoundError:  # the recorder has not created it yet
            self.close()
        except (StoreError, OSError) as error:
            self._report(str(error))
            self.close()
        else:
            self._fault = None
            return
        self._active, self._silences = before

    def _read(self, database: Database) -> None:
        while page := database.changes(self._since, limit=_PAGE):
            for change in page:
                if change.id.startswith(_ALARM):
                    self._note_alarm(database, change.id, database.get(change.id))
                elif change.id.startswith(_SILENCE):
                    self._note_silence(database, silenced_alarm(change.id))
            self._since = page[-1].sequence

    def _forget_purged(self, database: Database) -> None:
        for document_id in list(self._active):
            if database.get(document_id) is None:
                self._note_alarm(database, document_id, None)

    def _note_alarm(self, database: Database, document_id: str, document: Document | None) -> None:
        self._active.pop(document_id, None)
        self._silences.pop(document_id, None)
        if document is None or document.deleted:
            return
        with contextlib.suppress(ShapeError):  # `logboat alarms` reports the invalid document
            alarm = models.read(document, AlarmDocument)
            if alarm.cleared is None:
                self._active[document_id] = alarm_fact(document_id, alarm)
                self._note_silence(database, document_id)

    def _note_silence(self, database: Database, alarm: str) -> None:
        """Read the silence of an alarm, if the alarm is active."""
        self._silences.pop(alarm, None)
        document = database.get(silence_id(alarm)) if alarm in self._active else None
        silence = None if document is None else silence_in(document.id, document.body)
        if silence is not None:
            self._silences[alarm] = silence

    def _report(self, fault: str) -> None:
        if fault != self._fault:
            log.warning("alarms are read from the recorder's state: %s", fault)
        self._fault = fault
