"""Writes documents for samples that are in a journal but not in the document store.

Such a rebuild is necessary if the journal's log has ended, or if the document store has lost documents.

Only samples that are in no document are written. A rebuild can therefore be repeated safely.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.documents import builders
from services.documents.number_spans import span_of
from services.documents.reading_documents import ClockReading, ReadingWindow, WindowOrigin, reading
from services.journal.batch import Batch, Identity, NumberGap, SampleRow
from services.journal.number_witness import GivenNumbers
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

LOST: Final = "lost: the card was damaged"
IN_DOUBT: Final = "in doubt: perhaps lost when the card was damaged; these numbers may have been given"
WINDOW_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class RebuiltCounts:
    """Numbers of samples that a rebuild has written, and of samples that are lost."""

    samples: int = 0
    lost: int = 0
    """Number of samples of which only the sequence numbers are known."""


class Spans:
    """A set of sequence numbers, stored as ranges."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._spans: list[tuple[int, int]] = []
        for first, last in sorted(spans):
            if self._spans and first <= self._spans[-1][1] + 1:
                self._spans[-1] = (self._spans[-1][0], max(last, self._spans[-1][1]))
            else:
                self._spans.append((first, last))

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._spans, (number, float("inf"))) - 1
        return place >= 0 and number <= self._spans[place][1]

    def holes(self, upto: int) -> list[tuple[int, int]]:
        """Return the ranges of numbers from 1 to `upto` that are not in the set."""
        holes, expected = [], 1
        for first, last in self._spans:
            if first > expected:
                holes.append((expected, first - 1))
            expected = max(expected, last + 1)
        if expected <= upto:
            holes.append((expected, upto))
        return holes

    @property
    def last(self) -> int:
        """The highest number in the set; 0 if it is empty."""
        return self._spans[-1][1] if self._spans else 0


def documented(
    database: Database, vessel: str, *, log: str | None = None, progress: Callable[[], None] = lambda: None
) -> dict[tuple[str, str], Spans]:
    """Return the sample numbers that a vessel's documents contain or explain, by (sensor, log).

    If `log` is given, only that log is included.
    """
    spans: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for kind in (DocumentType.READING, DocumentType.GAP):
        for document in database.documents(prefix=f"{kind}:{vessel}:"):
            progress()
            name = documents.parse_id(document.id)
            if name is None or name.sensor is None or name.log is None or log not in (None, name.log):
                continue
            span = span_of(document.id, document.raw)
            if span is not None:
                spans[name.sensor, name.log].append(span)
    return {key: Spans(ranges) for key, ranges in spans.items()}


def refill(
    database: Database,
    *,
    identity: Identity,
    registered: Mapping[str, tuple[str, str]],
    batches: Iterable[Batch],
    last: Mapping[str, int] | None = None,
    utc: float | None = None,
    progress: Callable[[], None] = lambda: None,
) -> RebuiltCounts:
    """Write the samples in `batches` that are in no document.

    `registered` contains the path and unit of each sensor, and `last` the last numbers known to have been
    assigned, by sensor. Gap documents dated `utc` are then written for numbers that are still missing. These
    are missing numbers up to the last assigned ones, and missing numbers between documents in any of the
    vessel's logs. If `utc` is None, no gap documents are written. `progress` is called often. Raise
    StoreError if documents cannot be read or written.
    """
    writer = _Writer(
        database,
        identity,
        registered,
        documented(database, identity.vessel, log=identity.log, progress=progress),
        _windows(database, identity.vessel),
    )
    for batch in batches:
        progress()
        writer.take_in(batch)
    writer.end_all()
    lost = 0
    if utc is not None:
        given = dict(last or {})
        for (sensor, log), spans in documented(database, identity.vessel, progress=progress).items():
            upto = max(spans.last, given.pop(sensor, 0) if log == identity.log else 0)
            lost += _explain(
                database, vessel=identity.vessel, log=log, sensor=sensor, holes=spans.holes(upto), utc=utc
            )
        for sensor, upto in given.items():
            lost += _explain(
                database,
                vessel=identity.vessel,
                log=identity.log,
                sensor=sensor,
                holes=Spans().holes(upto),
                utc=utc,
            )
    return RebuiltCounts(samples=writer.samples, lost=lost)


def name_lost(database: Database, given: GivenNumbers, *, start: str, utc: float, in_doubt: bool) -> int:
    """Write gap documents for numbers that the witness lists but no document contains, and count them.

    `given` is the content of the number witness. Its last write may not have reached the card before the
    machine restarted. So if the machine has restarted since, and samples are lost or `in_doubt` is True, gap
    documents are also written for the reserved numbers. `start` is the current boot id. Raise StoreError if
    documents cannot be read or written.
    """
    identity = Identity(vessel=given.vessel, log=given.log, boot=0, run=0)
    last = {name: given.last(name) for name in given.numbers}
    lost = refill(database, identity=identity, registered={}, batches=(), last=last, utc=utc).lost
    if (lost or in_doubt) and given.start != start:
        held = documented(database, identity.vessel, log=identity.log)
        for sensor in given.numbers:
            known, upto = held.get((sensor, identity.log), Spans()).last, given.reserved(sensor)
            if upto > known:
                gap = NumberGap(sensor, known + 1, upto, IN_DOUBT)
                builders.upsert(database, *builders.gap(identity.vessel, identity.log, gap, utc))
    return lost


def _explain(
    database: Database, *, vessel: str, log: str, sensor: str, holes: Iterable[tuple[int, int]], utc: float
) -> int:
    lost = 0
    for first, last in holes:
        builders.upsert(database, *builders.gap(vessel, log, NumberGap(sensor, first, last, LOST), utc))
        lost += last - first + 1
    return lost


def _windows(database: Database, vessel: str) -> dict[str, float]:
    """Return the length of each sensor's windows in seconds, according to the vessel's document.

    With these lengths, samples are put into the same documents as before, which other vessels may already
    have.
    """
    document = database.get(documents.vessel_id(vessel))
    sensors = None if document is None else document.body.get("sensors")
    windows = {}
    for name, settings in sensors.items() if isinstance(sensors, dict) else ():
        window = settings.get("window") if isinstance(settings, dict) else None
        if isinstance(window, int | float) and window > 0:
            windows[name] = float(window)
    return windows


class _Writer:
    """Writer of reading documents (windows) for the samples that are in no document."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        registered: Mapping[str, tuple[str, str]],
        held: Mapping[tuple[str, str], Spans],
        windows: Mapping[str, float],
    ) -> None:
        self.samples = 0
        self._windows_s = windows
        self._database, self._identity, self._registered = database, identity, registered
        self._held = held
        self._windows: dict[str, tuple[ReadingWindow, ClockReading]] = {}

    def take_in(self, batch: Batch) -> None:
        clock = ClockReading(batch.clock_ms, batch.utc, batch.synced)
        for row in batch.rows:
            if row.sequence not in self._held.get((row.sensor, self._identity.log), Spans()):
                self._add(row, batch, clock)
        for name, episode in batch.episodes:
            path, unit = self._registered.get(name, ("", ""))
            document_id, body = builders.alarm(
                vessel=self._identity.vessel,
                sensor=name,
                log=self._identity.log,
                path=path,
                unit=unit,
                episode=episode,
            )
            builders.upsert_alarm(self._database, document_id, body)
        for gap in batch.gaps:
            builders.upsert(
                self._database, *builders.gap(self._identity.vessel, self._identity.log, gap, batch.utc)
            )

    def end_all(self) -> None:
        for name in list(self._windows):
            self._end(name)

    def _add(self, row: SampleRow, batch: Batch, clock: ClockReading) -> None:
        name = row.sensor
        if name in self._windows and not self._windows[name][0].accepts(row, run=batch.run, boot=batch.boot):
            self._end(name)
        if name not in self._windows:
            path, unit = self._registered.get(name, ("", ""))
            identity = self._identity
            window_s = self._windows_s.get(name, WINDOW_S)
            origin = WindowOrigin(identity.vessel, name, identity.log, path, unit, window_s)
            self._windows[name] = (ReadingWindow(origin, run=batch.run, boot=batch.boot), clock)
        window, _ = self._windows[name]
        window.add(row)
        self._windows[name] = (window, clock)
        self.samples += 1

    def _end(self, name: str) -> None:
        self._database.put_if_absent(*reading(*self._windows.pop(name)))
