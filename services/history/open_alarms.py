"""A vessel's alarms that still need attention, because they are active or not acknowledged.

The ids of these alarms are stored in the run directory, with the store's current sequence number. The next
call then reads only these alarms and the documents that have changed since. A process that cannot write to
the run directory reads all of the vessel's alarms each time.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from services.documents import models
from services.documents.models import AlarmDocument, ShapeError
from services.state import state_file
from sync.documents import DocumentType
from sync.store import Database

from .alarms import AlarmEpisode, in_order, moment, silence_if_needed
from .boots import timeline_around

NAME: Final = "open-alarms"
MANY: Final = 20_000
"""Maximum number of document changes to read. If there are more, all alarms are read instead."""
SOME: Final = 500
"""Number of changes after which the stored ids are rewritten even if the open alarms are the same.

The next call then does not have to read these changes.
"""
_PAGE: Final = 500


def open_alarms(database: Database, vessel: str, run: Path) -> list[AlarmEpisode]:
    """Return a vessel's open alarms: active ones first, then the most severe, then the latest.

    Raise StoreError if the store cannot be read.
    """
    sequence = database.last_sequence
    place = state_file.path(run, NAME)
    remembered = _remembered(place, database, vessel, sequence)
    prefix = f"{DocumentType.ALARM}:{vessel}:"
    alarms: dict[str, AlarmDocument] = {}
    if remembered is None:
        current = database.documents(prefix)
    else:
        since, ids = remembered
        changed = {change_id for change_id in _changed(database, since) if change_id.startswith(prefix)}
        every = (database.get(document_id) for document_id in sorted(changed.union(ids)))
        current = (document for document in every if document is not None and not document.deleted)
    for document in current:
        with contextlib.suppress(ShapeError):  # `logboat alarms` reports the invalid document
            alarm = models.read(document, AlarmDocument)
            if alarm.cleared is None or not alarm.acks:
                alarms[document.id] = alarm
    if remembered is None or set(remembered[1]) != alarms.keys() or sequence - remembered[0] > SOME:
        content = {"uuid": database.uuid, "vessel": vessel, "sequence": sequence, "ids": sorted(alarms)}
        with contextlib.suppress(OSError):
            state_file.write(place, content)
    moments = [(a.log, when.boot or 0) for a in alarms.values() for when in (a.raised, a.cleared) if when]
    timeline = timeline_around(database, vessel, moments)
    shown_in = models.display_units(database, vessel)
    return in_order(
        AlarmEpisode(
            document_id,
            alarm,
            moment(timeline, alarm, alarm.raised),
            None if alarm.cleared is None else moment(timeline, alarm, alarm.cleared),
            shown_in.get(alarm.sensor, ""),
            silence_if_needed(database, document_id, alarm),
        )
        for document_id, alarm in alarms.items()
    )


def _remembered(place: Path, database: Database, vessel: str, sequence: int) -> tuple[int, list[str]] | None:
    """Return the stored sequence number and alarm ids; None if the file is missing, invalid or too old."""
    remembered: dict[str, Any] | None = state_file.read(place)
    if remembered is None or (remembered.get("uuid"), remembered.get("vessel")) != (database.uuid, vessel):
        return None
    since, ids = remembered.get("sequence"), remembered.get("ids")
    if not isinstance(since, int) or not 0 <= sequence - since <= MANY or not isinstance(ids, list):
        return None
    return since, [str(document_id) for document_id in ids]


def _changed(database: Database, since: int) -> Iterator[str]:
    while page := database.changes(since, limit=_PAGE):
        yield from (change.id for change in page)
        since = page[-1].sequence
