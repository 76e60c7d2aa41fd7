"""Retention: a full card never stops recording.

When the stores outgrow their budget, the oldest history goes first: readings that some gateway has
acknowledged (`forwarded` documents), then the oldest readings; alarms only when nothing else is left. Each
removal of our own readings leaves its `gap`; a floor keeps peers from giving back what was removed.
"""

import heapq
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync import documents
from sync.documents import DocumentName, Kind
from sync.gateway.forwarded import bounds_of, epoch_of
from sync.store import Database, Document

from . import records
from .batch import Gap
from .spans import span_of

REASON: Final = "removed to make room on the card"
SLACK: Final = 0.02
"""Once at it, removal goes this share of the budget further, so that it is not at it all the time."""
A_TIME: Final = 200
"""Documents removed in one transaction."""

Safe = Mapping[tuple[str, str, str], int]
"""(vessel, sensor, log) to the last sequence number acknowledged ashore."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What one pass removed."""

    readings: int = 0
    alarms: int = 0
    bytes: int = 0
    alarm_ids: tuple[str, ...] = ()
    """No floor tells of these."""


def budget_bytes(budget: str, data: Path) -> int:
    """A budget as configured (`80 %` of the partition that holds `data`, `20 GB`) in bytes."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*(%|kB|MB|GB|B)\s*", budget)
    if match is None:
        raise ValueError(f"{budget!r} is no budget: write a share of the partition (80 %) or a size (20 GB)")
    number, unit = float(match[1]), match[2]
    if unit == "%":
        return int(shutil.disk_usage(data).total * number / 100)
    return int(number * {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}[unit])


def safe_ashore(database: Database) -> dict[tuple[str, str, str], int]:
    """Return the last number of each series that all `forwarded` documents together say is ashore.

    What they say of an earlier epoch of a gateway does not count, because the gateway has lost that since.
    """
    found = list(database.documents(prefix=f"{Kind.FORWARDED}:"))
    newest: dict[str, int] = {}
    for document in found:
        gateway = document.id.rpartition(":")[0]
        newest[gateway] = max(epoch_of(document), newest.get(gateway, 0))
    safe: dict[tuple[str, str, str], int] = {}
    for document in found:
        if epoch_of(document) == newest[document.id.rpartition(":")[0]]:
            for key, last in bounds_of(document).items():
                safe[key] = max(last, safe.get(key, 0))
    return safe


def candidates(database: Database, safe: Safe) -> Iterator[tuple[Document, DocumentName]]:
    """Documents in the order in which they go."""
    yield from heapq.merge(
        *(_ashore(database, key, last) for key, last in safe.items()),
        key=lambda found: str(found[0].body.get("startUtc")),
    )
    yield from _oldest(database, Kind.READING)
    yield from _oldest(database, Kind.ALARM)


def _ashore(
    database: Database, key: tuple[str, str, str], last: int
) -> Iterator[tuple[Document, DocumentName]]:
    for document in database.documents(prefix=documents.reading_prefix(*key)):
        name, span = documents.parse_id(document.id), span_of(document.id, document.raw)
        if name is None or span is None:
            continue
        if span[1] > last:
            return
        yield document, name


def make_room(
    database: Database, *, vessel: str, excess: Callable[[], int], utc: float, most: int | None = None
) -> Removed:
    """Remove until `excess()` (bytes too many) is 0 or less, or `most` documents are gone.

    `vessel` is ours: only our own readings get a gap document. Raises sync.store.StoreError.
    """
    readings = size = 0
    alarms: list[str] = []
    due = excess()
    chosen: list[tuple[Document, DocumentName]] = []

    def settle() -> None:
        with database.transaction():
            _remove(database, chosen, vessel=vessel, utc=utc)
        chosen.clear()

    for document, name in candidates(database, safe_ashore(database)):
        if due <= 0 or (most is not None and readings + len(alarms) >= most):
            break
        chosen.append((document, name))
        size += len(document.raw)
        readings += name.kind is Kind.READING
        if name.kind is Kind.ALARM:
            alarms.append(document.id)
        due -= len(document.raw)
        if len(chosen) >= A_TIME or due <= 0:
            settle()
            due = excess()
    if chosen:
        settle()
    return Removed(readings=readings, alarms=len(alarms), bytes=size, alarm_ids=tuple(alarms))


def _oldest(database: Database, kind: Kind) -> Iterator[tuple[Document, DocumentName]]:
    """In the order in which they came."""
    since = 0
    while changes := database.changes(since, limit=500):
        since = changes[-1].sequence
        for change in changes:
            if change.deleted or not change.id.startswith(f"{kind}:"):
                continue
            name, document = documents.parse_id(change.id), database.get(change.id)
            if name is not None and document is not None:
                yield document, name


def _remove(
    database: Database, chosen: list[tuple[Document, DocumentName]], *, vessel: str, utc: float
) -> None:
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for document, name in chosen:
        span = span_of(document.id, document.raw)
        if name.kind is not Kind.READING or name.sensor is None or name.log is None or span is None:
            continue
        first, last = span
        database.set_floor(
            documents.reading_prefix(name.vessel, name.sensor, name.log),
            documents.reading_id(name.vessel, name.sensor, name.log, last + 1),
        )
        if name.vessel == vessel:
            spans[name.sensor, name.log].append((first, last))
    database.purge([document.id for document, _ in chosen])
    for (sensor, log), found in spans.items():
        for first, last in found:
            _explain(database, vessel, log, Gap(sensor, first, last, REASON), utc)


def _explain(database: Database, vessel: str, log: str, gap: Gap, utc: float) -> None:
    """A gap document for the span; one of the same reason that reaches it becomes longer instead, and none
    ever shorter."""
    prefix = documents.gap_prefix(vessel, gap.sensor, log)
    for before in database.documents(prefix=prefix, reverse=True):
        span = span_of(before.id, before.raw)
        if span is None or before.body.get("reason") != gap.reason:
            continue
        first, last = span
        if first <= gap.first <= last + 1:
            document_id, longer = records.gap(
                vessel, log, Gap(gap.sensor, first, max(gap.last, last), REASON), utc
            )
            records.upsert(database, document_id, longer)
            return
    records.upsert(database, *records.gap(vessel, log, gap, utc))
