"""Clears the alarms of this vessel's earlier logs.

A new log begins when the card or the board was replaced, or when the journal was lost. Its alarm rules start
without a state, so no sample can clear an alarm that an earlier log left active. Other vessels may also send
such an alarm later.

Only alarms that were raised before the current log began are cleared. So if a second recorder uses this
vessel's id at the same time, its alarms remain active.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from services.clocks.clock_quality import trust_of
from services.documents import models
from services.documents.models import AlarmDocument, ShapeError
from services.documents.reading_documents import iso
from services.history.boots import boot_of
from services.history.timeline import believed
from services.journal.batch import Identity
from sync.documents import DocumentType
from sync.store import Database

_PAGE: Final = 500


class EndedAlarms:
    """The active alarms of earlier logs. Each call of `clear` reads only alarms that have changed."""

    def __init__(self, identity: Identity) -> None:
        self._vessel, self._log = identity.vessel, identity.log
        self._since: int | None = None
        self._active: set[str] = set()

    def clear(self, database: Database, *, clock_s: float, utc: float, is_synced: bool) -> int:
        """Clear the alarms of earlier logs, and return their number.

        `clock_s` and `utc` are the current time, and `is_synced` states whether `utc` is reliable. Raise
        StoreError if the store fails.
        """
        self._active.update(self._changed(database))
        began = self._began(database) if self._active else None
        if began is None:
            return 0
        cleared = {"boot": 0, "clock": clock_s, "utc": iso(utc), "trust": trust_of(synced=is_synced)}
        count = 0
        for document_id in sorted(self._active):
            document = database.get(document_id)
            if document is not None and not document.deleted:
                with contextlib.suppress(ShapeError):  # `logboat alarms` reports the invalid document
                    alarm = models.read(document, AlarmDocument)
                    raised = alarm.raised.utc
                    is_earlier = raised is not None and models.seconds_of(raised) < began
                    if alarm.cleared is None and is_earlier:
                        database.put(document_id, document.body | {"cleared": cleared}, parent=document.rev)
                        count += 1
            self._active.discard(document_id)
        return count

    def _changed(self, database: Database) -> Iterator[str]:
        """Yield the ids of alarms of earlier logs that have changed since the last call."""
        since, self._since = self._since, database.last_sequence
        prefix = f"{DocumentType.ALARM}:{self._vessel}:"
        if since is None or since > self._since:
            for size in database.sizes.all():
                if size.part.startswith(prefix) and not size.part.endswith(f":{self._log}"):
                    yield from (document.id for document in database.documents(f"{size.part}:"))
            return
        while page := database.changes(since, limit=_PAGE):
            for change in page:
                if change.id.startswith(prefix) and f":{self._log}:" not in change.id:
                    yield change.id
            since = page[-1].sequence

    def _began(self, database: Database) -> float | None:
        """Return the earliest known time in the current log, in seconds since 1970; None if there is none.

        This is the time of the first boot clock anchor, which the recorder stores once the clock is first
        correct.
        """
        known = []
        for document in database.documents(f"{DocumentType.BOOT}:{self._vessel}:{self._log}:"):
            with contextlib.suppress(ShapeError):
                known += [anchor.utc for anchor in believed(boot_of(document).anchors)]
        return min(known, default=None)
