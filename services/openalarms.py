"""A vessel's alarms that still need somebody: those that hold, or that nobody has acknowledged.

Which these are is remembered in the run directory with the store's sequence at that time, so that the next
look reads them and what has changed since, however many alarms are on record. Whoever may not write there
looks through all of the vessel's alarms each time.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sync.documents import Kind
from sync.store import Database

from . import livestate, shapes
from .boots import timeline_around
from .episodes import Episode, in_order, moment
from .shapes import Alarm, ShapeError

NAME: Final = "open-alarms"
MANY: Final = 20_000
"""Changes; if more have come since, all alarms are looked through."""
SOME: Final = 500
"""Changes after which it is written anew, though the same alarms are open: the next look is spared them."""
_PAGE: Final = 500


def open_alarms(database: Database, vessel: str, run: Path) -> list[Episode]:
    """Those that hold first, the severest first, the latest first. Raises StoreError."""
    sequence = database.last_sequence
    place = livestate.path(run, NAME)
    remembered = _remembered(place, database, vessel, sequence)
    prefix = f"{Kind.ALARM}:{vessel}:"
    alarms: dict[str, Alarm] = {}
    if remembered is None:
        found = database.documents(prefix)
    else:
        since, ids = remembered
        changed = {change_id for change_id in _changed(database, since) if change_id.startswith(prefix)}
        every = (database.get(document_id) for document_id in sorted(changed.union(ids)))
        found = (document for document in every if document is not None and not document.deleted)
    for document in found:
        with contextlib.suppress(ShapeError):  # `logboat alarms` names it
            alarm = shapes.read(document, Alarm)
            if alarm.cleared is None or not alarm.acks:
                alarms[document.id] = alarm
    if remembered is None or set(remembered[1]) != alarms.keys() or sequence - remembered[0] > SOME:
        told = {"uuid": database.uuid, "vessel": vessel, "sequence": sequence, "ids": sorted(alarms)}
        with contextlib.suppress(OSError):
            livestate.write(place, told)
    moments = [(a.log, when.boot or 0) for a in alarms.values() for when in (a.raised, a.cleared) if when]
    timeline = timeline_around(database, vessel, moments)
    return in_order(
        Episode(
            document_id,
            alarm,
            moment(timeline, alarm, alarm.raised),
            None if alarm.cleared is None else moment(timeline, alarm, alarm.cleared),
        )
        for document_id, alarm in alarms.items()
    )


def _remembered(place: Path, database: Database, vessel: str, sequence: int) -> tuple[int, list[str]] | None:
    """Since which sequence, and which alarms were open then; None if that is of no use."""
    found: dict[str, Any] | None = livestate.read(place)
    if found is None or (found.get("uuid"), found.get("vessel")) != (database.uuid, vessel):
        return None
    since, ids = found.get("sequence"), found.get("ids")
    if not isinstance(since, int) or not 0 <= sequence - since <= MANY or not isinstance(ids, list):
        return None
    return since, [str(document_id) for document_id in ids]


def _changed(database: Database, since: int) -> Iterator[str]:
    while page := database.changes(since, limit=_PAGE):
        yield from (change.id for change in page)
        since = page[-1].sequence
