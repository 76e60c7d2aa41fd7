"""The sync daemon's time floor, kept in the document store in case the next boot's clock is wrong."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sync.store import Database, StoreError

from .clock_quality import ClockQuality, FloorRecord, TimeFloor, system_quality

log = logging.getLogger(__name__)

_CLOCK: Final = "mesh:clock"
"""Id of the local document that stores the floor.

Its field `utc` is the floor, and `contradicted` is the number of seconds for which time servers have
contradicted the floor.
"""


class Floor:
    """Earliest possible current time: the image's date, or the last known time if that is later.

    Network time can lower the floor (see `TimeFloor`). Otherwise, after a clock once ran ahead, all
    certificates might appear expired permanently.
    """

    def __init__(
        self,
        database: Database,
        *,
        image: float,
        utc: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        quality: Callable[[], ClockQuality] = system_quality,
    ) -> None:
        """Read the stored floor. Raise StoreError if that fails."""
        self._database, self._utc, self._monotonic, self._quality = database, utc, monotonic, quality
        kept = database.get_local(_CLOCK)
        body: dict[str, Any] = {} if kept is None else kept.body
        stored = FloorRecord(float(body.get("utc", 0.0)), float(body.get("contradicted", 0.0)))
        self._floor = TimeFloor(image=image, kept=stored)

    def now(self) -> datetime:
        """Return the clock's time, or the floor if that is later."""
        return datetime.fromtimestamp(max(self._utc(), self._floor.utc), UTC)

    def keep(self) -> None:
        """Store the current time as the floor, if the clock can be trusted. Errors are only logged."""
        try:
            utc, quality = self._utc(), self._quality()
            if not quality.is_synced:
                return
            before = self._floor.record
            if not self._floor.observe(utc, quality, at=self._monotonic()):
                self._floor.raise_to(utc)
            if self._floor.record != before:
                self._note(self._floor.record)
        except (StoreError, OSError) as error:
            log.warning("cannot save the time: %s", error)

    def _note(self, record: FloorRecord) -> None:
        body = {"utc": record.utc}
        if record.contradicted_s:
            body["contradicted"] = record.contradicted_s
        kept = self._database.get_local(_CLOCK)
        self._database.put_local(_CLOCK, body, parent=None if kept is None else kept.rev)
