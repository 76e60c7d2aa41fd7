"""Writes silences to the document store in a thread of its own, because the store may be locked or slow."""

import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.alarms.audible import AlarmFact
from services.alarms.silences import USUAL_S
from services.history import silences
from sync.documents import POLICY, DocumentType, parse_id
from sync.store import Database, StoreError

log = logging.getLogger(__name__)

WHO: Final = "silence button"
"""Name that is recorded in a silence instead of a user's name."""
STOP_S: Final = 2.0
"""Maximum time, in seconds, to wait for pending writes when the daemon stops."""


@dataclass(frozen=True, slots=True)
class _Request:
    alarms: tuple[AlarmFact, ...]
    utc: float
    trust: str


class SilenceWriter:
    """Writer of the silences of a button."""

    def __init__(self, path: Path, run: Path) -> None:
        """Set the store's path and the run directory. The thread starts with the first silence."""
        self._path, self._run = path, run
        self._requests: queue.Queue[_Request | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def write(self, alarms: Sequence[AlarmFact], *, utc: float, trust: str) -> None:
        """Write silences of alarms soon, which begin at `utc`, in seconds since 1970.

        Alarms that have no document yet are left out. `trust` states whether `utc` is synced.
        """
        recorded = tuple(alarm for alarm in alarms if _has_document(alarm))
        if not recorded:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="silences", daemon=True)
            self._thread.start()
        self._requests.put(_Request(recorded, utc, trust))

    def close(self) -> None:
        """Finish the writes that were requested, for at most `STOP_S` seconds."""
        if self._thread is not None:
            self._requests.put(None)
            self._thread.join(STOP_S)
            self._thread = None

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                # checkpoint_pages=0: only the sync daemon moves the write-ahead log into the file
                with Database.open(
                    self._path,
                    policy=POLICY,
                    announce=self._run / "watchers",
                    checkpoint_pages=0,
                    create=False,
                ) as database:
                    silences.silence(
                        database,
                        request.alarms,
                        who=WHO,
                        utc=request.utc,
                        duration_s=USUAL_S,
                        trust=request.trust,
                    )
            except (StoreError, OSError) as error:
                log.warning("the silence applies to this vessel only, because it cannot be stored: %s", error)


def _has_document(alarm: AlarmFact) -> bool:
    name = parse_id(alarm.id)
    return name is not None and name.kind is DocumentType.ALARM
