"""Proof of completeness from documents alone: which samples of a log are missing, and why.

Each vessel's readings and gaps are read once, in order of id, one document at a time. Memory use therefore
depends on the number of sensors, logs and boots, but not on the length of the history.

Numbers begin at 1. A number that is in no reading, and that no gap document explains, is *missing*. A number
that is in two readings is *repeated*. A document is a *fault* if it contradicts its id or its own numbers,
was changed, or is out of order. Samples in windows that are still open are in no document yet. The report
states only the number of these samples, which is derived from the sensor's current value.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from operator import attrgetter, itemgetter
from typing import Final

import msgspec

from services.documents import models
from services.documents.models import (
    DocumentSource,
    EquipmentDocument,
    GapDocument,
    ReadingDocument,
    ShapeError,
    StoredDocument,
    VesselDocument,
)
from sync import documents
from sync.documents import DocumentType

from .boots import boots_of
from .timeline import NEVER, Downtime, Moment, Timeline, downtimes

MOST_LISTED: Final = 100
"""Maximum number of ranges, and of faults, to list for a sensor in one log. Further ones are only counted."""
REMOVED_HERE: Final = "removed from this card to make room; the vessel itself may have it"
"""Reason reported for samples of another vessel that were removed from this card."""
ROUNDING_S: Final = 0.002
"""Tolerance in seconds, needed because times in documents are rounded to the millisecond twice."""


@dataclass(frozen=True, slots=True)
class MissingRange:
    """A range of sample numbers that no reading contains."""

    first: int
    last: int
    reason: str | None = None
    """Reason from a gap document; None if no gap document explains the range."""
    after: Moment = NEVER
    """Time of the last sample before the range."""
    before: Moment = NEVER
    """Time of the first sample after the range."""

    @property
    def count(self) -> int:
        """Number of missing samples."""
        return self.last - self.first + 1


@dataclass(slots=True)
class MissingTally:
    """Collection of missing, explained or repeated ranges of sample numbers.

    All of them are counted, and the first `MOST_LISTED` are listed.
    """

    spans: int = 0
    samples: int = 0
    listed: list[MissingRange] = field(default_factory=list)

    def add(self, span: MissingRange) -> None:
        """Count a range, and list it if the limit has not been reached."""
        self.spans += 1
        self.samples += span.count
        if len(self.listed) < MOST_LISTED:
            self.listed.append(span)


@dataclass(slots=True)
class SensorLog:
    """Result of the check for one sensor within one log."""

    vessel: str
    sensor: str
    log: str
    windows: int = 0
    samples: int = 0
    """Number of distinct sequence numbers in readings."""
    last: int = 0
    """Last recorded number; 0 if there is no reading."""
    last_at: Moment = NEVER
    waiting: int = 0
    """Number of samples after `last` that exist, according to the sensor's current value.

    These samples are in open windows, or their documents are in transit.
    """
    missing: MissingTally = field(default_factory=MissingTally)
    explained: MissingTally = field(default_factory=MissingTally)
    repeated: MissingTally = field(default_factory=MissingTally)
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0

    @property
    def is_complete(self) -> bool:
        """True if no sample is repeated or missing without a reason, and no document has a fault."""
        return not (self.missing.spans or self.repeated.spans or self.fault_count)

    def blame(self, fault: str) -> None:
        """Count a fault, and list its description if the limit has not been reached."""
        self.fault_count += 1
        if len(self.faults) < MOST_LISTED:
            self.faults.append(fault)


@dataclass(frozen=True, slots=True)
class LogBoots:
    """The boots of the machine within a log."""

    log: str
    numbers: tuple[int, ...]
    """Numbers of the boots that have a document."""
    absent: tuple[tuple[int, int], ...]
    """Ranges of boots that have no document, but whose existence is proved by a later boot or by a reading.

    The times of these boots can be derived only from the boots around them.
    """
    downtimes: tuple[Downtime, ...]


@dataclass(frozen=True, slots=True)
class VesselReport:
    """Result of the completeness check for a single vessel."""

    vessel: str
    logs: tuple[LogBoots, ...]
    sensors: tuple[SensorLog, ...]
    silent: tuple[str, ...]
    """Sensors of the vessel that have no reading or gap document."""
    faults: tuple[str, ...]
    """Descriptions of faults in documents that cannot be assigned to a sensor and a log."""

    @property
    def is_complete(self) -> bool:
        """True if the documents prove that the history is complete."""
        return not self.faults and all(sensor.is_complete for sensor in self.sensors)


def verify(
    source: DocumentSource,
    vessels: Iterable[str] | None = None,
    *,
    floors: Mapping[str, str] | None = None,
    own: str = "",
) -> Iterator[VesselReport]:
    """Check the history of each vessel, and yield a report. Errors raised by the source are propagated.

    Args:
        source: the documents.
        vessels: the vessels' ids; None for all vessels in the source.
        floors: the floors from `Database.floors`. Readings of other vessels below a floor were removed from
            this store.
        own: the vessel to which this store belongs. Floors do not apply to that vessel, because gap documents
            explain its removed readings.
    """
    for vessel in models.vessels(source) if vessels is None else vessels:
        yield _verify_vessel(source, vessel, {} if floors is None or vessel == own else floors)


def _verify_vessel(source: DocumentSource, vessel: str, floors: Mapping[str, str]) -> VesselReport:
    boots, faults = boots_of(source, vessel)
    timeline = Timeline(boots)
    known, order, vessel_faults = _vessel(source, vessel)
    faults += vessel_faults
    reports: list[SensorLog] = []
    named: dict[str, set[int]] = {}
    for (sensor, log), records in groupby(_records(source, vessel, faults), key=attrgetter("sensor", "log")):
        floor = floors.get(documents.reading_prefix(vessel, sensor, log), "")
        walk = _Walk(SensorLog(vessel=vessel, sensor=sensor, log=log), timeline, floor)
        for record in records:
            walk.take(record)
        reports.append(walk.end(_current(source, walk.report)))
        named.setdefault(log, set()).update(walk.boots)
    logs = [*order, *sorted({boot.log for boot in boots}.union(named).difference(order))]
    place = {log: number for number, log in enumerate(logs)}
    reports.sort(key=lambda report: (report.sensor, place[report.log]))
    return VesselReport(
        vessel=vessel,
        logs=tuple(_log_boots(timeline, log, named.get(log, set())) for log in logs),
        sensors=tuple(reports),
        silent=tuple(sorted(known.difference(report.sensor for report in reports))),
        faults=tuple(faults),
    )


def _vessel(source: DocumentSource, vessel: str) -> tuple[set[str], list[str], list[str]]:
    """Return the sensors and logs listed in the vessel's document, and the document's problems."""
    document = source.get(documents.vessel_id(vessel))
    if document is None:
        return set(), [], []
    try:
        facts = models.read(document, VesselDocument)
    except ShapeError as error:
        return set(), [], [str(error)]
    return set(facts.sensors), list(dict.fromkeys(facts.logs)), []


def _current(source: DocumentSource, report: SensorLog) -> int | None:
    """Return the last sample number that the sensor's current value states.

    Return None if that value belongs to another log.
    """
    document = source.get(documents.equipment_id(report.vessel, report.sensor))
    if document is None:
        return None
    try:
        current = models.read(document, EquipmentDocument)
    except ShapeError:  # the current value is not part of the history
        return None
    return current.sequence if current.log == report.log else None


def _log_boots(timeline: Timeline, log: str, named: set[int]) -> LogBoots:
    numbers = timeline.boots(log)
    absent, expected = [], 1
    for number in [*numbers, max(named, default=0) + 1]:
        if number > expected:
            absent.append((expected, number - 1))
        expected = max(expected, number + 1)
    return LogBoots(
        log=log,
        numbers=tuple(numbers),
        absent=tuple(absent),
        downtimes=tuple(downtimes(timeline, log)),
    )


@dataclass(frozen=True, slots=True)
class _Record:
    """A reading or gap document, with the parts of its id."""

    document: StoredDocument
    kind: DocumentType
    sensor: str
    log: str
    number: int


def _records(source: DocumentSource, vessel: str, faults: list[str]) -> Iterator[_Record]:
    """Yield a vessel's gaps and readings, sorted by sensor, log and number.

    Descriptions of documents with invalid ids are appended to `faults`.
    """
    streams = [_filed(source, kind, vessel) for kind in (DocumentType.GAP, DocumentType.READING)]
    for _, kind, document in heapq.merge(*streams, key=itemgetter(0)):
        name = documents.parse_id(document.id)
        if name is None or name.sensor is None or name.log is None or name.number is None:
            faults.append(f"{document.id}: not the id of a {kind} document")
            continue
        yield _Record(document, kind, name.sensor, name.log, name.number)


def _filed(
    source: DocumentSource, kind: DocumentType, vessel: str
) -> Iterator[tuple[str, DocumentType, StoredDocument]]:
    """Yield a vessel's documents of one type in order of id.

    Each item is (id without type, type, document).
    """
    for document in source.documents(f"{kind}:{vessel}:"):
        yield document.id.partition(":")[2], kind, document


class _Walk:
    """A pass through the sample numbers in one sensor's log."""

    def __init__(self, report: SensorLog, timeline: Timeline, floor: str) -> None:
        """Start with the first sample number of the log.

        `floor` is the id of the first reading that was not removed from this store; '' if none was removed.
        """
        self.report = report
        self.boots: set[int] = set()
        """Numbers of the boots in which the readings were recorded."""
        self._timeline = timeline
        number = floor.rpartition(":")[2]
        self._kept_from = int(number) if number.isdecimal() else 0
        self._gaps: list[GapDocument] = []
        """Gap documents after the last reading; adjoining gaps with the same reason are merged."""
        self._end: tuple[int, float] | None = None
        """Boot number and boot clock of the last sample."""

    def take(self, record: _Record) -> None:
        """Process the next reading or gap document."""
        try:
            if record.kind is DocumentType.GAP:
                self._gap(record, models.read(record.document, GapDocument))
            else:
                self._reading(record, models.read(record.document, ReadingDocument))
        except ShapeError as error:
            self.report.blame(str(error))

    def end(self, current: int | None) -> SensorLog:
        """Finish the check and return its result.

        `current` is the last sample number that the sensor's current value states, if known.
        """
        last = max([self.report.last, *(gap.last for gap in self._gaps)])
        for span in self._unread(last, NEVER):
            if span.reason is not None:
                self.report.explained.add(span)
            elif current is None:
                self.report.missing.add(span)
            else:  # samples before a gap that are not yet in any document
                self.report.waiting += span.count
        if current is not None:
            self.report.waiting += max(current - last, 0)
        return self.report

    def _gap(self, record: _Record, gap: GapDocument) -> None:
        if not self._is_filed_right(record, gap):
            return
        if gap.last < gap.first:
            self.report.blame(f"{record.document.id}: the gap ends at {gap.last}, before it begins")
        elif gap.last > self.report.last:
            before = self._gaps[-1] if self._gaps else None
            if before is not None and before.reason == gap.reason and gap.first <= before.last + 1:
                self._gaps[-1] = msgspec.structs.replace(before, last=max(before.last, gap.last))
            else:
                self._gaps.append(gap)

    def _reading(self, record: _Record, reading: ReadingDocument) -> None:
        if not self._is_filed_right(record, reading):
            return
        report, count = self.report, len(reading.samples)
        for fault in _faults(record.document, reading):
            report.blame(f"{record.document.id}: {fault}")
        if not count:
            return
        last = reading.first + count - 1
        if self._end is not None and _is_before(reading, self._end):
            report.blame(f"{record.document.id}: the reading begins before the previous reading ends")
        for span in self._unread(reading.first - 1, self._moment(reading, reading.start)):
            (report.missing if span.reason is None else report.explained).add(span)
        if reading.first <= report.last:
            report.repeated.add(MissingRange(reading.first, min(last, report.last)))
        report.windows += 1
        report.samples += max(last - max(reading.first - 1, report.last), 0)
        self.boots.add(reading.boot)
        if last > report.last:
            report.last, report.last_at = last, self._moment(reading, reading.end)
            self._gaps = [gap for gap in self._gaps if gap.last > last]
        self._end = (reading.boot, reading.end)

    def _unread(self, upto: int, before: Moment) -> Iterator[MissingRange]:
        """Yield the ranges of missing numbers after the last reading, up to `upto`, explained or not."""
        for span in self._not_here(upto, before):
            if span.reason is not None or span.first >= self._kept_from:
                yield span
                continue
            removed = min(span.last, self._kept_from - 1)
            yield replace(span, last=removed, reason=REMOVED_HERE)
            if removed < span.last:
                yield replace(span, first=removed + 1)

    def _not_here(self, upto: int, before: Moment) -> Iterator[MissingRange]:
        """Yield the same ranges as `_unread`, but without the reason `REMOVED_HERE`."""
        after, number = self.report.last_at, self.report.last + 1
        for gap in self._gaps:
            if gap.first > upto:
                break
            if gap.first > number:
                yield MissingRange(number, gap.first - 1, after=after, before=before)
            first, last = max(number, gap.first), min(gap.last, upto)
            if first <= last:
                yield MissingRange(first, last, reason=gap.reason, after=after, before=before)
            number = max(number, last + 1)
        if number <= upto:
            yield MissingRange(number, upto, after=after, before=before)

    def _is_filed_right(self, record: _Record, body: ReadingDocument | GapDocument) -> bool:
        inside = (body.vessel, body.sensor, body.log, body.first)
        if inside == (self.report.vessel, record.sensor, record.log, record.number):
            return True
        self.report.blame(
            f"{record.document.id}: the id does not match the body ({':'.join(map(str, inside))}); not"
            " counted"
        )
        return False

    def _moment(self, reading: ReadingDocument, clock: float) -> Moment:
        return self._timeline.at(reading.log, reading.boot, clock, recorded=reading.recorded(clock))


def _is_before(reading: ReadingDocument, end: tuple[int, float]) -> bool:
    boot, clock = end
    return reading.boot < boot or (reading.boot == boot and reading.start < clock - ROUNDING_S)


def _faults(document: StoredDocument, reading: ReadingDocument) -> Iterator[str]:
    """Yield descriptions of the faults within one reading document."""
    count = len(reading.samples)
    if count != reading.last - reading.first + 1:
        yield f"the reading contains {count} samples for the numbers {reading.first} to {reading.last}"
    if document.conflicted:
        yield "the reading has conflicting versions: two machines write under one vessel's id"
    if document.rev.partition("-")[0] != "1":
        yield f"the reading was changed after it was written (revision {document.rev})"
    if any(later.offset < earlier.offset for earlier, later in pairwise(reading.samples)):
        yield "the samples are not in time order"
    if count and abs(reading.start + reading.samples[-1].offset / 1000 - reading.end) > ROUNDING_S:
        yield "the end of the reading is not the time of its last sample"
