"""Stores the recorder's time floor, a UTC time that has certainly passed, in the journal between runs.

If the clock was synced when the last batch was committed, the time of that batch is the floor. Otherwise the
floor is a separate value in the journal. That value is stored before the first batch that is committed
without a synced clock.
"""

import logging
import math
from typing import Final

from services.clocks.clock_quality import KEEP_EVERY_S, FloorRecord
from services.journal.journal import Journal
from services.journal.schema import JournalError

log = logging.getLogger(__name__)

_UTC: Final = "floor"
_CONTRADICTED: Final = "floor_contradicted"
"""Keys under which the journal stores the fields of `FloorRecord`."""


def read_floor(journal: Journal) -> FloorRecord:
    """Return the time floor that the last run stored."""
    stored, last = _stored(journal), journal.last_batch
    if last is None or not last.synced:
        return stored
    return FloorRecord(last.utc, stored.contradicted_s)


def keep_floor(journal: Journal, floor: FloorRecord, *, is_synced: bool) -> None:
    """Store the time floor if necessary. Errors are only logged.

    If the clock is synced (`is_synced`), the batches that are committed now contain the floor. In that case,
    only one value is stored, if it has changed: for how long network time has contradicted the floor.
    """
    stored = _stored(journal)
    grown_s = floor.contradicted_s - stored.contradicted_s
    if 0.0 <= grown_s < KEEP_EVERY_S and (is_synced or floor.utc == stored.utc):
        return
    try:
        journal.set_meta({_UTC: floor.utc, _CONTRADICTED: floor.contradicted_s})
    except JournalError as error:
        log.warning("cannot save the time: %s", error)


def _stored(journal: Journal) -> FloorRecord:
    return FloorRecord(_number(journal.get_meta(_UTC)), _number(journal.get_meta(_CONTRADICTED)))


def _number(fact: object) -> float:
    return float(fact) if isinstance(fact, (int, float)) and math.isfinite(fact) else 0.0
