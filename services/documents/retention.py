"""Retention: removes history, so that a full card never stops recording.

When the stores exceed their budget, documents from other vessels and from the crew are removed first, to the
extent that their owners exceed their shares (`budget_shares`). Then this vessel's own history is removed. In
both cases, readings that a gateway has acknowledged (`forwarded` documents) are removed first, then all other
readings, and alarms only when nothing else is left. The oldest documents are removed first.

The caller decides whether this vessel's own alarms may be removed (see `Shortage`). When this vessel's own
readings are removed, a `gap` document explains their absence. A floor prevents peers from sending removed
documents back.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from services.journal.batch import NumberGap
from sync import documents
from sync.documents import DocumentName, DocumentType
from sync.gateway.forwarded import bounds_of, epoch_of
from sync.store import Database, Document
from sync.store.sizes import PartSize

from . import builders
from .budget_shares import OwnerBytes, ShareOwner, owner_of, surplus
from .number_spans import span_of

REASON: Final = "removed to make room on the card"
SLACK: Final = 0.02
"""Additional fraction of the budget to free, so that documents need not be removed continually."""
A_TIME: Final = 200
"""Number of documents to remove in one transaction."""
A_TIME_OF_CREW: Final = 20
"""Number of the crew's documents to remove in one transaction.

The number is low because photographs are large. A larger batch would often remove notes unnecessarily.
"""
ALARMS_KEPT_MS: Final = 60_000
"""Time for which a shortage must last before the vessel's own alarms are removed, in milliseconds."""
_LOOKED_UP: Final = 2_000
"""Number of document ids to read in one query, oldest first."""
_EMPTY: Final = 160_000
"""Approximate size of an empty store, in bytes."""
_MOST_OVERHEAD: Final = 2.0
_LOOKS: Final = 10
"""Number of removals after which the channel departures are read again.

A channel departure is the record that a document was removed from a channel. Each read scans all departures.
"""
_SMALL_CHECKPOINT: Final = 1_000
"""Maximum size of a replication checkpoint that is always kept, in bytes. Larger ones are rare."""
_BEYOND: Final = "\U0010ffff"
"""A string that sorts after every id."""

Safe = Mapping[tuple[str, str, str], int]
"""Last sequence number that a gateway has acknowledged, by vessel, sensor and log."""


@dataclass(frozen=True, slots=True)
class RemovedCounts:
    """Counts of the documents that a single pass has removed."""

    readings: int = 0
    alarms: int = 0
    bytes: int = 0
    alarm_ids: tuple[str, ...] = ()
    """Ids of the removed alarms, which no floor (`Database.set_floor`) covers."""
    brought: int = 0
    """Number of removed documents that crew, guests or other vessels had sent."""
    is_enough: bool = True
    """False if the excess remains although all the documents that could be removed were removed."""


@dataclass(slots=True)
class Shortage:
    """Tracks for how long the stores have exceeded their budget although documents were removed.

    Write-ahead logs, copies and samples that are not yet in documents can fill a small card for some seconds.
    The vessel's own alarms may be removed only if a shortage lasts for `ALARMS_KEPT_MS`.
    """

    since_ms: int | None = None
    """Boot clock time of the first pass that removed too little, in ms; None if the last pass was enough."""

    def is_lasting(self, now_ms: int) -> bool:
        """Return True if the vessel's own alarms may be removed."""
        return self.since_ms is not None and now_ms - self.since_ms >= ALARMS_KEPT_MS

    def note(self, now_ms: int, *, is_enough: bool) -> None:
        """Record whether the latest pass has removed enough documents."""
        if is_enough:
            self.since_ms = None
        elif self.since_ms is None:
            self.since_ms = now_ms


def safe_ashore(database: Database) -> dict[tuple[str, str, str], int]:
    """Return the last sequence numbers that gateways have acknowledged, according to `forwarded` documents.

    The key of each number is (vessel, sensor, log). Documents from an earlier epoch of a gateway do not
    count, because the gateway has since lost its data.
    """
    forwarded = list(database.documents(prefix=f"{DocumentType.FORWARDED}:"))
    newest: dict[str, int] = {}
    for document in forwarded:
        gateway = document.id.rpartition(":")[0]
        newest[gateway] = max(epoch_of(document), newest.get(gateway, 0))
    safe: dict[tuple[str, str, str], int] = {}
    for document in forwarded:
        if epoch_of(document) == newest[document.id.rpartition(":")[0]]:
            for key, last in bounds_of(document).items():
                safe[key] = max(last, safe.get(key, 0))
    return safe


def own_logs(database: Database, vessel: str, log: str | None) -> set[str] | None:
    """Return the logs that a vessel's recorders have written; None if no log is known.

    These are the logs that have boot documents, and `log`, the log that is being written now.
    """
    prefix = f"{DocumentType.BOOT}:{vessel}:"
    logs = {size.part.removeprefix(prefix) for size in database.sizes.all() if size.part.startswith(prefix)}
    return (logs | {log} if log else logs) or None


def bytes_by_owner(
    database: Database,
    vessel: str,
    logs: Collection[str] | None,
    *,
    beside: int = 0,
    departures: Sequence[PartSize] | None = None,
) -> OwnerBytes:
    """Return the number of bytes that each owner's documents occupy.

    `beside` is the size of the vessel's own data outside the store, in bytes. `departures` is the result of
    `database.sizes.departures`, if the caller has just read it.
    """
    noted = database.sizes.departures() if departures is None else departures
    sums = dict.fromkeys(ShareOwner, 0)
    for size in chain(database.sizes.all(), noted):
        sums[owner_of(size.part, vessel, logs)] += size.bytes
    usage = database.usage()
    checkpoints = database.checkpoints.size()
    # Partly filled pages, indexes and other overhead are divided in proportion.
    scale = min(max((usage.used - checkpoints - _EMPTY) / max(sum(sums.values()), 1), 1.0), _MOST_OVERHEAD)
    blobs = max(usage.blobs - database.blobs.unused_bytes(), 0)
    return OwnerBytes(
        own=beside + int(sums[ShareOwner.OWN] * scale),
        vessels=int(sums[ShareOwner.VESSELS] * scale),
        crew=int(sums[ShareOwner.CREW] * scale) + blobs + checkpoints,
    )


def candidates(
    database: Database, safe: Safe, *, of: Callable[[DocumentName], bool] = lambda _: True
) -> Iterator[tuple[Document, DocumentName]]:
    """Yield readings in the order in which to remove them; `of` selects the readings to include."""
    ashore = heapq.merge(
        *(_ashore(database, key, last) for key, last in safe.items()),
        key=lambda candidate: str(candidate[0].body.get("startUtc")),
    )
    for document, name in chain(ashore, _oldest(database, DocumentType.READING)):
        if of(name):
            yield document, name


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
    database: Database,
    *,
    vessel: str,
    excess: Callable[[], int],
    utc: float,
    most: int | None = None,
    log: str | None = None,
    beside: Callable[[], int] = lambda: 0,
    own_alarms: bool = True,
) -> RemovedCounts:
    """Remove documents until `excess()` returns 0 or less, or until `most` documents have been removed.

    `excess` returns the number of bytes over the budget. `vessel` is this vessel's id: only this vessel's
    readings are replaced with gap documents. `log` is the log that this vessel is writing now. `beside`
    returns the size of the vessel's own data outside the store. `own_alarms` is True if the alarms of this
    vessel may be removed. Raise sync.store.StoreError if documents cannot be read or removed.
    """
    if excess() <= 0:
        return RemovedCounts()
    while database.sizes.count_earlier():
        pass
    return _Pass(database, vessel, log, excess=excess, utc=utc, most=most, beside=beside).run(
        own_alarms=own_alarms
    )


class _Pass:
    """A single pass that removes documents."""

    def __init__(
        self,
        database: Database,
        vessel: str,
        log: str | None,
        *,
        excess: Callable[[], int],
        utc: float,
        most: int | None,
        beside: Callable[[], int],
    ) -> None:
        self._database, self._vessel, self._logs = database, vessel, own_logs(database, vessel, log)
        self._excess, self._utc, self._most, self._beside = excess, utc, most, beside
        self._removed = RemovedCounts()
        self._count = self._looks = 0
        self._departures: list[PartSize] = []
        self._alarms: list[str] = []

    def run(self, *, own_alarms: bool) -> RemovedCounts:
        """Remove as many documents as necessary, and return the counts."""
        database, vessel = self._database, self._vessel
        safe = safe_ashore(database)
        self._surplus(safe)
        self._by_age(candidates(database, safe, of=self._is_own))
        self._by_age(candidates(database, safe), is_brought=True)
        alarms = list(_ids_of_oldest(database, _others(DocumentType.ALARM, vessel)))
        self._by_age(_read(database, alarms), is_brought=True)
        if own_alarms:
            self._by_age(_oldest(database, DocumentType.ALARM))
        is_enough = self._is_over() or self._excess() <= 0
        return replace(self._removed, alarm_ids=tuple(self._alarms), is_enough=is_enough)

    def _is_own(self, name: DocumentName) -> bool:
        return name.vessel == self._vessel and (self._logs is None or name.log in self._logs)

    def _is_over(self) -> bool:
        return self._most is not None and self._count >= self._most

    def _surplus(self, safe: Safe) -> None:
        """Remove documents of the crew and of other vessels, as far as these owners exceed their shares."""
        database = self._database
        sources = {
            ShareOwner.VESSELS: _of_vessels(database, self._vessel, safe),
            ShareOwner.CREW: _of_crew(database, self._vessel, self._logs),
        }
        if database.usage().blobs and self._due().crew > 0:
            database.blobs.collect()  # first, remove blobs to which no document refers
        for kept in sorted(database.checkpoints.all(), key=lambda kept: -kept.size):
            if kept.size <= _SMALL_CHECKPOINT or self._due().crew <= 0:
                break
            database.checkpoints.drop(kept.owner, kept.client)
        while sources and not self._is_over():
            due = self._due()
            owner = max(sources, key=due.bytes_of)
            if due.bytes_of(owner) <= 0:
                return
            if not self._take(sources[owner], due.bytes_of(owner), owner):
                del sources[owner]

    def _due(self) -> OwnerBytes:
        database = self._database
        if self._looks % _LOOKS == 0:
            self._departures = database.sizes.departures()
        self._looks += 1
        holds = bytes_by_owner(
            database, self._vessel, self._logs, beside=self._beside(), departures=self._departures
        )
        return surplus(holds, self._excess())

    def _take(self, source: Iterator[str], wanted: int, owner: ShareOwner) -> bool:
        """Remove the next documents whose ids `source` yields: about `wanted` bytes, but at most one batch.

        Return False if no document was left to remove.
        """
        at_once = A_TIME if owner is ShareOwner.VESSELS else A_TIME_OF_CREW
        if self._most is not None:
            at_once = min(at_once, self._most - self._count)
        chosen: list[tuple[Document, DocumentName | None]] = []
        size = 0
        for document_id in source:
            document = self._database.get(document_id)
            if document is None:
                continue
            chosen.append((document, documents.parse_id(document_id)))
            size += len(document.raw)
            if size >= wanted or len(chosen) >= at_once:
                break
        if chosen:
            self._settle(chosen, is_brought=True)
            if owner is ShareOwner.CREW and self._database.usage().blobs:
                self._database.blobs.collect()
        return bool(chosen)

    def _by_age(
        self, documents: Iterator[tuple[Document, DocumentName]], *, is_brought: bool = False
    ) -> None:
        """Remove as many of these documents as necessary to free enough space, in the given order."""
        due = self._excess()
        chosen: list[tuple[Document, DocumentName | None]] = []
        for document, name in documents:
            if due <= 0 or (self._most is not None and self._count + len(chosen) >= self._most):
                break
            chosen.append((document, name))
            due -= len(document.raw)
            if len(chosen) >= A_TIME or due <= 0:
                self._settle(chosen, is_brought=is_brought)
                chosen = []
                due = self._excess()
        if chosen:
            self._settle(chosen, is_brought=is_brought)

    def _settle(self, chosen: list[tuple[Document, DocumentName | None]], *, is_brought: bool) -> None:
        with self._database.transaction():
            _remove(self._database, chosen, vessel=self._vessel, utc=self._utc)
        alarms = [
            document.id for document, name in chosen if name is not None and name.kind is DocumentType.ALARM
        ]
        self._alarms += alarms
        self._count += len(chosen)
        before = self._removed
        self._removed = RemovedCounts(
            readings=before.readings
            + sum(name is not None and name.kind is DocumentType.READING for _, name in chosen),
            alarms=before.alarms + len(alarms),
            bytes=before.bytes + sum(len(document.raw) for document, _ in chosen),
            brought=before.brought + (len(chosen) if is_brought else 0),
        )


def _of_vessels(database: Database, vessel: str, safe: Safe) -> Iterator[str]:
    """Yield the ids of documents from other vessels, in the order in which to remove them."""
    for document, _ in heapq.merge(
        *(_ashore(database, key, last) for key, last in safe.items() if key[0] != vessel),
        key=lambda candidate: str(candidate[0].body.get("startUtc")),
    ):
        yield document.id
    for kind in (
        DocumentType.READING,
        DocumentType.GAP,
        DocumentType.EQUIPMENT,
        DocumentType.BOOT,
        DocumentType.FORWARDED,
        DocumentType.ALARM,
    ):
        for document_id in _ids_of_oldest(database, _others(kind, vessel)):
            if kind is not DocumentType.FORWARDED or not document_id.endswith(f":{vessel}"):
                yield document_id


def _of_crew(database: Database, vessel: str, logs: Collection[str] | None) -> Iterator[str]:
    """Yield the ids of documents from crew and guests, in the order in which to remove them.

    Silences come first, because most of them have ended. Service records come last, because due times are
    computed from them. Notes come just before service records.
    """
    yield from _ids_of_oldest(database, [(f"{DocumentType.SILENCE}:", _after(f"{DocumentType.SILENCE}:"))])
    known = sorted(f"{kind}:" for kind in DocumentType)
    bounds = ["", *(bound for prefix in known for bound in (prefix, _after(prefix))), _BEYOND]
    yield from _ids_of_oldest(database, list(zip(bounds[::2], bounds[1::2], strict=True)))
    parts = [size.part for size in database.sizes.all() if size.part.partition(":")[0] in _LOGGED]
    brought = [part for part in parts if owner_of(part, vessel, logs) is ShareOwner.CREW]
    for part in brought:
        yield from _ids_of_oldest(database, [(f"{part}:", _after(f"{part}:"))])
    for kind in (DocumentType.NOTE, DocumentType.SERVICE):
        yield from _ids_of_oldest(database, [(f"{kind}:", _after(f"{kind}:"))])


_LOGGED: Final = frozenset({DocumentType.READING.value, DocumentType.ALARM.value})


def _others(kind: DocumentType, vessel: str) -> list[tuple[str, str]]:
    """Return id ranges that together contain all documents of a kind from other vessels."""
    whole, own = f"{kind}:", f"{kind}:{vessel}:"
    if kind is DocumentType.FORWARDED:
        return [(whole, _after(whole))]
    return [(whole, own), (_after(own), _after(whole))]


def _after(prefix: str) -> str:
    """Return a string that sorts directly after all ids with a prefix, which must end with a colon."""
    return prefix[:-1] + ";"


def _ids_of_oldest(database: Database, ranges: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the document ids within these ranges, least recently changed first.

    The caller must remove the documents already yielded before it requests more.
    """
    given: set[str] = set()
    while True:
        oldest = [name for name, _ in database.sizes.oldest(ranges, _LOOKED_UP)]
        new = [name for name in oldest if name not in given]
        if not new:
            return
        given.update(new)
        yield from new


def _read(database: Database, ids: list[str]) -> Iterator[tuple[Document, DocumentName]]:
    for document_id in ids:
        document, name = database.get(document_id), documents.parse_id(document_id)
        if document is not None and name is not None and not document.deleted:
            yield document, name


def _oldest(database: Database, kind: DocumentType) -> Iterator[tuple[Document, DocumentName]]:
    """Yield the documents of a kind in the order in which they arrived."""
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
    database: Database, chosen: list[tuple[Document, DocumentName | None]], *, vessel: str, utc: float
) -> None:
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for document, name in chosen:
        if name is None or name.kind is not DocumentType.READING or name.sensor is None or name.log is None:
            continue
        span = span_of(document.id, document.raw)
        if span is None:
            continue
        first, last = span
        database.set_floor(
            documents.reading_prefix(name.vessel, name.sensor, name.log),
            documents.reading_id(name.vessel, name.sensor, name.log, last + 1),
        )
        if name.vessel == vessel:
            spans[name.sensor, name.log].append((first, last))
    database.purge([document.id for document, _ in chosen])
    for (sensor, log), ranges in spans.items():
        for first, last in ranges:
            _explain(database, vessel, log, NumberGap(sensor, first, last, REASON), utc)


def _explain(database: Database, vessel: str, log: str, gap: NumberGap, utc: float) -> None:
    """Write a gap document for a range of removed samples.

    If a gap document with the same reason adjoins the range, it is extended instead. No gap document is ever
    shortened.
    """
    prefix = documents.gap_prefix(vessel, gap.sensor, log)
    for before in database.documents(prefix=prefix, reverse=True):
        span = span_of(before.id, before.raw)
        if span is None or before.body.get("reason") != gap.reason:
            continue
        first, last = span
        if first <= gap.first <= last + 1:
            document_id, longer = builders.gap(
                vessel, log, NumberGap(gap.sensor, first, max(gap.last, last), REASON), utc
            )
            builders.upsert(database, document_id, longer)
            return
    builders.upsert(database, *builders.gap(vessel, log, gap, utc))
